//! A market on a network: its organisations' desks, and what they do most.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use devnet::client::{Call, ClientError};
use ipo_chaincode::moment::Moment;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::desk::{Desk, Organisation, json_of};

/// Bounds a wait: nothing here waits longer.
const PATIENCE: Duration = Duration::from_secs(180);

#[derive(Deserialize)]
struct Description {
    channel: String,
    chaincode: String,
    organisations: Vec<Organisation>,
}

/// A bank and two brokers.
pub(crate) struct Market {
    pub(crate) channel: String,
    pub(crate) organisations: Vec<Organisation>,
    pub(crate) bank: Desk,
    pub(crate) a: Desk,
    pub(crate) b: Desk,
    /// The cash token.
    pub(crate) cash: String,
}

/// Bounds a wait.
pub(crate) async fn soon<F: Future>(what: F) -> F::Output {
    timeout(PATIENCE, what).await.expect("it takes too long")
}

/// A name that no earlier run used.
pub(crate) fn fresh(prefix: &str) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!("{prefix}{:x}", since.as_nanos())
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// 32 bytes that nobody guesses, as hexadecimal digits.
pub(crate) fn salt() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).unwrap();
    hex::encode(bytes)
}

/// An order as clients send it.
pub(crate) fn order(investor: &str, steps: &[(u64, u64)]) -> Value {
    let steps: Vec<_> = steps
        .iter()
        .map(|(price, quantity)| json!({"price": price, "quantity": quantity}))
        .collect();
    json!({"investor": investor, "steps": steps, "salt": salt()})
}

impl Market {
    /// Opens the desks, registers the sidecars and makes a cash token.
    pub(crate) async fn open(network: &Path) -> Self {
        let description: Description =
            serde_json::from_slice(&fs::read(network.join("network.json")).unwrap()).unwrap();
        let Description {
            channel,
            chaincode,
            organisations,
        } = description;
        let mut desks = Vec::new();
        for organisation in &organisations {
            let client = organisation
                .connect(organisation.identity("User1"), &channel)
                .await;
            desks.push(Desk {
                msp: organisation.msp.clone(),
                client,
                chaincode: chaincode.clone(),
            });
        }
        let [bank, a, b] = desks.try_into().unwrap_or_else(|_| panic!("three organisations"));
        let market = Self {
            channel,
            organisations,
            bank,
            a,
            b,
            cash: fresh("USD"),
        };
        for (organisation, desk) in market.organisations.iter().zip(market.desks()) {
            let admin = Desk {
                client: desk.client.with_identity(organisation.identity("Admin")),
                ..desk.clone()
            };
            let own = [&organisation.sidecar_endpoint, &organisation.sidecar_key_hash];
            let register = admin.call("RegisterSidecar", &[own[0], own[1], ""]);
            market.run(&admin, &register).await.unwrap();
        }
        let arguments = [market.cash.as_str(), "US dollar", "2"];
        market
            .submit(&market.bank, "token:CreateToken", &arguments)
            .await
            .unwrap();
        market
    }

    pub(crate) fn desks(&self) -> [&Desk; 3] {
        [&self.bank, &self.a, &self.b]
    }

    /// A transaction that every organisation endorses.
    pub(crate) async fn submit(
        &self,
        desk: &Desk,
        function: &str,
        arguments: &[&str],
    ) -> Result<Value, ClientError> {
        self.run(desk, &desk.call(function, arguments)).await
    }

    /// Any transaction; every organisation's peer has it when this returns.
    pub(crate) async fn run(&self, desk: &Desk, call: &Call) -> Result<Value, ClientError> {
        let committed = soon(desk.client.submit_call(call)).await?;
        self.see(&committed.tx_id).await;
        Ok(if committed.result.is_empty() {
            Value::Null
        } else {
            json_of(&committed.result)
        })
    }

    /// Waits until every organisation's peer has a transaction.
    pub(crate) async fn see(&self, tx_id: &str) {
        for desk in self.desks() {
            soon(desk.client.commit_status(tx_id)).await.unwrap();
        }
    }

    /// Lists 1,000 shares at 5.00 to 10.00, with changes. Answers the id.
    pub(crate) async fn list(&self, changes: &[(&str, Value)]) -> String {
        let id = fresh("L");
        let at = |seconds: i64| Moment::new(now() + seconds, 0).unwrap().to_string();
        let mut terms = json!({
            "id": id, "symbol": id, "category": "Series A", "description": "Shares", "shares": 1_000, "lotSize": 10,
            "price": {"min": 500, "max": 1000, "tick": 100}, "opensAt": at(-60), "closesAt": at(3_600),
            "allocation": "price-priority", "minSubscription": 0, "settlementDeadline": at(7_200),
            "cashToken": self.cash, "brokers": [self.a.msp, self.b.msp],
        });
        for (field, value) in changes {
            terms[field] = value.clone();
        }
        self.submit(&self.bank, "CreateListing", &[&terms.to_string()])
            .await
            .unwrap();
        id
    }

    /// Both transactions of an order.
    pub(crate) async fn place(&self, desk: &Desk, listing: &str, id: &str, order: &Value) {
        let create = desk
            .own("CreateOrder", &[listing, id])
            .transient("order", order.to_string());
        let created = self.run(desk, &create).await.unwrap();
        let commitment = created["commitment"].as_str().unwrap();
        self.submit(desk, "SubmitOrder", &[listing, id, commitment])
            .await
            .unwrap();
    }

    /// Cash for a broker, in one output.
    pub(crate) async fn mint(&self, desk: &Desk, amount: u64) -> String {
        let arguments = [self.cash.as_str(), &desk.msp, &amount.to_string()];
        let coin = self.submit(&self.bank, "token:Mint", &arguments).await.unwrap();
        coin["id"].as_str().unwrap().to_owned()
    }

    /// Locks as much for a listing.
    pub(crate) async fn deposit(&self, desk: &Desk, listing: &str, amount: u64) {
        let coins = json!([self.mint(desk, amount).await]).to_string();
        self.submit(desk, "DepositEscrow", &[listing, &coins, &amount.to_string()])
            .await
            .unwrap();
    }

    /// Closes and freezes a listing. Answers it.
    pub(crate) async fn freeze(&self, listing: &str) -> Value {
        self.submit(&self.bank, "CloseListing", &[listing]).await.unwrap();
        self.submit(&self.a, "FreezeBooks", &[listing]).await.unwrap()
    }

    /// Has the sidecars clear a frozen listing, and records the outcome. Answers the listing.
    pub(crate) async fn clear(&self, listing: &str) -> Value {
        for desk in self.desks() {
            soon(desk.query("JoinClearing", &[listing])).await.unwrap();
        }
        for desk in self.desks() {
            soon(async {
                // The contract answers at once and pushes nothing.
                while desk.query("ClearingStatus", &[listing]).await.unwrap()["state"] != "done" {
                    sleep(Duration::from_millis(50)).await;
                }
            })
            .await;
        }
        self.submit(&self.b, "SellListing", &[listing]).await.unwrap()
    }
}
