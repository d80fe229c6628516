//! Three organisations on one channel, and their clients' calls.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chaincode_shim::{ChaincodeServer, ServerConfig};
use devnet::Network;
use devnet::client::{Call, Client, ClientError, Committed};
use devnet::config::{ChaincodeDefinition, Connection, NetworkConfig};
use fabric_protos::ipo::sidecar::v1 as proto;
use fabric_protos::protos::TxValidationCode;
use ipo_chaincode::config::Config;
use ipo_chaincode::contract;
use ipo_chaincode::moment::Moment;
use ipo_chaincode::sealed::{RESPONSE_KEY, Sealed};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

use super::sidecar::Sidecar;

pub(crate) const BANK: &str = "USBankMSP";
pub(crate) const A: &str = "BrokerAMSP";
pub(crate) const B: &str = "BrokerBMSP";
pub(crate) const ORGS: [&str; 3] = [BANK, A, B];
pub(crate) const CC: &str = "ipo";

/// Bounds a wait: no test waits longer.
pub(crate) async fn soon<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), what).await.unwrap()
}

pub(crate) struct Market {
    pub(crate) network: Network,
    pub(crate) sidecars: BTreeMap<&'static str, Sidecar>,
    users: BTreeMap<&'static str, Client>,
    admins: BTreeMap<&'static str, Client>,
}

/// Seconds from now, as RFC 3339.
pub(crate) fn in_seconds(seconds: i64) -> String {
    Moment::new(now() + seconds, 0).unwrap().to_string()
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// The terms that most tests use.
pub(crate) fn terms(id: &str) -> Value {
    json!({
        "id": id, "symbol": id, "category": "Series A", "description": "Shares", "shares": 1_000, "lotSize": 10,
        "price": {"min": 500, "max": 1000, "tick": 100}, "opensAt": in_seconds(-3600), "closesAt": in_seconds(3600),
        "allocation": "price-priority", "minSubscription": 0, "settlementDeadline": in_seconds(7200),
        "cashToken": "USD", "brokers": [A, B],
    })
}

/// An order as clients send it.
pub(crate) fn order(id: &str, steps: &[(u64, u64)]) -> Value {
    let steps: Vec<_> = steps
        .iter()
        .map(|(price, quantity)| json!({"price": price, "quantity": quantity}))
        .collect();
    json!({"investor": "Ann Investor", "steps": steps, "salt": salt(id)})
}

/// The salt of [`order`].
pub(crate) fn salt(id: &str) -> String {
    hex::encode(Sha256::digest(id.as_bytes()))
}

pub(crate) fn call(function: &str, arguments: &[&str]) -> Call {
    arguments.iter().fold(Call::new(CC, function), Call::arg)
}

pub(crate) fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// What a refusal says, its endorsers' words too.
#[track_caller]
pub(crate) fn refused<T>(answer: Result<T, ClientError>, code: &str) -> String {
    let text = answer.err().unwrap().to_string();
    assert!(text.contains(code), "{code} in {text}");
    text
}

/// The validation code of a transaction that came too late or with too little.
#[track_caller]
pub(crate) fn invalid<T>(answer: Result<T, ClientError>) -> TxValidationCode {
    let error = answer.err().unwrap();
    error.validation_code().ok_or(error).unwrap()
}

impl Market {
    /// The organisations with servers, sidecars and a cash token of the bank's.
    pub(crate) async fn open() -> Self {
        Self::open_with(|_| ()).await
    }

    /// The same on a network that differs in something.
    pub(crate) async fn open_with(change: impl FnOnce(&mut NetworkConfig)) -> Self {
        let mut config = NetworkConfig::with_organisations(&ORGS);
        change(&mut config);
        let policy = "AND('USBankMSP.peer','BrokerAMSP.peer','BrokerBMSP.peer')";
        let mut definition = ChaincodeDefinition::new(CC, policy);
        let mut sidecars = BTreeMap::new();
        for msp in ORGS {
            let sidecar = Sidecar::start().await;
            let address = start_server(&definition.package_id(), msp, &sidecar.address).await;
            definition = definition.connected(msp, Connection::plaintext(address));
            sidecars.insert(msp, sidecar);
        }
        config.chaincodes.push(definition);
        let network = soon(Network::start(config)).await.unwrap();
        let (mut users, mut admins) = (BTreeMap::new(), BTreeMap::new());
        for msp in ORGS {
            users.insert(msp, soon(network.client(msp, "User1")).await.unwrap());
            admins.insert(msp, soon(network.client(msp, "Admin")).await.unwrap());
        }
        let market = Self {
            network,
            sidecars,
            users,
            admins,
        };
        for (place, msp) in ORGS.into_iter().enumerate() {
            let register = call(
                "RegisterSidecar",
                &[&format!("localhost:{}", 7000 + place), &hex::encode([9; 32]), ""],
            );
            soon(market.admin(msp).submit_call(&register)).await.unwrap();
        }
        market
            .submit(BANK, "token:CreateToken", &["USD", "US dollar", "2"])
            .await
            .unwrap();
        market
    }

    /// The same with a listing called `EST`.
    pub(crate) async fn listed() -> Self {
        let market = Self::open().await;
        market
            .submit(BANK, "CreateListing", &[&terms("EST").to_string()])
            .await
            .unwrap();
        market
    }

    pub(crate) fn user(&self, msp: &str) -> &Client {
        &self.users[msp]
    }

    pub(crate) fn admin(&self, msp: &str) -> &Client {
        &self.admins[msp]
    }

    /// A user's transaction, endorsed by all.
    pub(crate) async fn submit(
        &self,
        msp: &str,
        function: &str,
        arguments: &[&str],
    ) -> Result<Value, ClientError> {
        let committed = self.run(msp, &call(function, arguments)).await?;
        Ok(json_of(&committed.result))
    }

    /// Any call, submitted; every peer has it when this returns.
    pub(crate) async fn run(&self, msp: &str, call: &Call) -> Result<Committed, ClientError> {
        let committed = soon(self.user(msp).submit_call(call)).await?;
        for gateway in self.network.gateways() {
            soon(
                self.network
                    .peer(&gateway.peer)
                    .unwrap()
                    .wait_for_height(committed.block + 1),
            )
            .await;
        }
        Ok(committed)
    }

    /// A user's query at its own peer.
    pub(crate) async fn query(
        &self,
        msp: &str,
        function: &str,
        arguments: &[&str],
    ) -> Result<Value, ClientError> {
        let result = soon(
            self.user(msp)
                .evaluate(&call(function, arguments).organisations(&[msp])),
        )
        .await?;
        Ok(json_of(&result))
    }

    /// A query of own private data, decrypted.
    pub(crate) async fn read(
        &self,
        msp: &str,
        function: &str,
        arguments: &[&str],
    ) -> Result<Value, ClientError> {
        let key = [0x5a; 32];
        let call = call(function, arguments)
            .transient(RESPONSE_KEY, key)
            .organisations(&[msp]);
        let result = soon(self.user(msp).evaluate(&call)).await?;
        let sealed: Sealed = serde_json::from_slice(&result).unwrap();
        Ok(json_of(&sealed.open(&key).unwrap()))
    }

    /// The first of an order's two transactions. Answers the commitment.
    pub(crate) async fn create_order(
        &self,
        msp: &str,
        listing: &str,
        id: &str,
        order: &Value,
    ) -> Result<String, ClientError> {
        let call = call("CreateOrder", &[listing, id])
            .transient("order", order.to_string())
            .organisations(&[msp]);
        let answer = json_of(&self.run(msp, &call).await?.result);
        Ok(answer["commitment"].as_str().unwrap().to_owned())
    }

    /// Both transactions of an order. Answers the receipt.
    pub(crate) async fn place(&self, msp: &str, listing: &str, id: &str, steps: &[(u64, u64)]) -> Value {
        let commitment = self
            .create_order(msp, listing, id, &order(id, steps))
            .await
            .unwrap();
        self.submit(msp, "SubmitOrder", &[listing, id, &commitment])
            .await
            .unwrap()
    }

    /// Cash for an organisation, in one output.
    pub(crate) async fn mint(&self, owner: &str, amount: u64) -> String {
        let coin = self
            .submit(BANK, "token:Mint", &["USD", owner, &amount.to_string()])
            .await
            .unwrap();
        coin["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn balance(&self, symbol: &str, owner: &str) -> u64 {
        self.query(B, "token:BalanceOf", &[symbol, owner])
            .await
            .unwrap()
            .as_u64()
            .unwrap()
    }

    /// Closes and freezes a listing, and has every organisation join.
    pub(crate) async fn freeze(&self, listing: &str) -> Vec<u8> {
        self.submit(BANK, "CloseListing", &[listing]).await.unwrap();
        let frozen = self.submit(A, "FreezeBooks", &[listing]).await.unwrap();
        for msp in ORGS {
            self.query(msp, "JoinClearing", &[listing]).await.unwrap();
        }
        hex::decode(frozen["clearing"]["sessionId"].as_str().unwrap()).unwrap()
    }

    /// Every sidecar has this outcome.
    pub(crate) fn finish(&self, outcome: &proto::Outcome) {
        self.sidecars
            .values()
            .for_each(|sidecar| sidecar.finish(outcome.clone()));
    }
}

/// An outcome as sidecars report it.
pub(crate) fn outcome(session_id: Vec<u8>, price: u64, of_a: u64, of_b: u64) -> proto::Outcome {
    let allocations = [(A, of_a), (B, of_b), (BANK, 0)];
    proto::Outcome {
        session_id,
        is_sold: price > 0,
        clearing_price: price,
        sold: of_a + of_b,
        allocations: allocations
            .into_iter()
            .map(|(msp, quantity)| proto::Allocation {
                msp: msp.to_owned(),
                quantity,
            })
            .collect(),
    }
}

async fn start_server(package_id: &str, msp: &str, sidecar: &str) -> String {
    let variables = |name: &str| (name == "IPO_SIDECAR_ADDRESS").then(|| sidecar.to_owned());
    let contracts = contract::contracts(&Config::from_lookup(variables).unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut config = ServerConfig::new(package_id, address.clone());
    config.local_mspid = Some(msp.to_owned());
    let server = ChaincodeServer::new(config, contracts).unwrap();
    tokio::spawn(async move { server.serve_with(listener, std::future::pending()).await.unwrap() });
    address
}
