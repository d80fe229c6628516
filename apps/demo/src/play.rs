//! The demonstration, as the people at the bank and the brokers live it. Every step is a call that they would make with
//! any other Gateway client.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    DemoError,
    desk::Desk,
    network::LocalNetwork,
    story::{BANK, BROKER_A, BROKER_B, CASH, ENDOWMENT, OFFERS, ORGANISATIONS, Offer, Order, Organisation},
    table::{money, print_step},
};

/// What every broker locks for a listing in which it has orders, in cents. A round sum: it is public, and bounds the
/// broker's demand.
const DEPOSIT: u64 = 20_000_000;

/// Between two looks at how far a clearing is.
const GLANCE: Duration = Duration::from_millis(50);

/// Everybody who takes part.
pub struct Cast {
    desks: BTreeMap<&'static str, Desk>,
}

impl Cast {
    /// A desk at each organisation.
    ///
    /// # Errors
    /// When a Gateway is not reached.
    pub async fn gather(network: &LocalNetwork) -> Result<Self, DemoError> {
        let mut desks = BTreeMap::new();
        for organisation in ORGANISATIONS {
            desks.insert(organisation.msp, network.desk(organisation, "User1").await?);
        }
        Ok(Self { desks })
    }

    /// Those who sit at these desks, on whatever network.
    pub fn at_desks(desks: impl IntoIterator<Item = Desk>) -> Self {
        let desks = desks.into_iter().map(|desk| (desk.organisation().msp, desk));
        Self {
            desks: desks.collect(),
        }
    }

    /// The desk at an organisation.
    ///
    /// # Errors
    /// When there is none.
    pub fn at(&self, organisation: Organisation) -> Result<&Desk, DemoError> {
        self.desks
            .get(organisation.msp)
            .ok_or_else(|| DemoError::unknown(organisation.name))
    }

    /// Submits a transaction that every organisation endorses. Returns when every organisation's peer has committed it: what one
    /// peer has is not yet what another answers from.
    ///
    /// # Errors
    /// When it is refused, or invalid.
    pub async fn submit(
        &self,
        organisation: Organisation,
        function: &str,
        arguments: &[&str],
    ) -> Result<Value, DemoError> {
        let (answer, tx_id) = self.at(organisation)?.submit(function, arguments).await?;
        self.see(&tx_id).await?;
        Ok(answer)
    }

    /// Submits a transaction that its organisation alone sees and endorses, and waits until every peer has committed it: what others
    /// endorse next reads the hashes of what it wrote.
    ///
    /// # Errors
    /// When it is refused, or invalid.
    pub async fn submit_privately(
        &self,
        organisation: Organisation,
        function: &str,
        arguments: &[&str],
        transient: &[(&str, Vec<u8>)],
    ) -> Result<Value, DemoError> {
        let desk = self.at(organisation)?;
        let (answer, tx_id) = desk.submit_privately(function, arguments, transient).await?;
        self.see(&tx_id).await?;
        Ok(answer)
    }

    async fn see(&self, tx_id: &str) -> Result<(), DemoError> {
        for desk in self.desks.values() {
            desk.see(tx_id).await?;
        }
        Ok(())
    }

    /// The bank's listings, as anybody sees them.
    ///
    /// # Errors
    /// When the query is refused.
    pub async fn listings(&self) -> Result<Vec<Value>, DemoError> {
        let page = self.at(BANK)?.query("QueryListings", &["", "100", ""]).await?;
        Ok(page["listings"].as_array().cloned().unwrap_or_default())
    }

    /// An account's balance of a token.
    ///
    /// # Errors
    /// When the query is refused.
    pub async fn balance(&self, owner: Organisation, symbol: &str) -> Result<u64, DemoError> {
        let answer = self
            .at(owner)?
            .query("token:BalanceOf", &[symbol, owner.msp])
            .await?;
        Ok(answer.as_u64().unwrap_or_default())
    }
}

/// Every organisation's admin puts its sidecar on the ledger.
///
/// # Errors
/// When a call is refused.
pub async fn register_sidecars(network: &LocalNetwork) -> Result<(), DemoError> {
    for organisation in ORGANISATIONS {
        let (endpoint, key_hash) = network.sidecar(organisation.msp)?;
        let admin = network.desk(organisation, "Admin").await?;
        admin.submit("RegisterSidecar", &[endpoint, key_hash, ""]).await?;
        print_step(organisation.name, &format!("registers its sidecar at {endpoint}"));
    }
    Ok(())
}

/// The bank issues cash to the brokers.
///
/// # Errors
/// When a call is refused.
pub async fn issue_cash(cast: &Cast) -> Result<(), DemoError> {
    let (symbol, decimals) = CASH;
    cast.submit(
        BANK,
        "token:CreateToken",
        &[symbol, "US dollar", &decimals.to_string()],
    )
    .await?;
    for broker in [BROKER_A, BROKER_B] {
        cast.submit(BANK, "token:Mint", &[symbol, broker.msp, &ENDOWMENT.to_string()])
            .await?;
        print_step(
            BANK.name,
            &format!("issues {} to {}", money(ENDOWMENT), broker.name),
        );
    }
    Ok(())
}

/// The bank lists an offer.
///
/// # Errors
/// When the call is refused.
pub async fn list(cast: &Cast, offer: &Offer) -> Result<(), DemoError> {
    let [min, max, tick] = offer.price;
    let now = SystemTime::now();
    let in_days = |days: u64| rfc3339(now + Duration::from_secs(days * 86_400));
    let listing = json!({
        "id": offer.id,
        "symbol": offer.symbol,
        "category": offer.category,
        "description": offer.description,
        "shares": offer.shares,
        "lotSize": 1,
        "price": {"min": min, "max": max, "tick": tick},
        "opensAt": rfc3339(now),
        "closesAt": in_days(7),
        "allocation": "price-priority",
        "minSubscription": 0,
        "settlementDeadline": in_days(14),
        "cashToken": CASH.0,
        "brokers": [BROKER_A.msp, BROKER_B.msp],
    });
    cast.submit(BANK, "CreateListing", &[&listing.to_string()])
        .await?;
    print_step(BANK.name, &format!("lists {}: {} shares", offer.id, offer.shares));
    Ok(())
}

/// A broker places a client's order: the order itself into the broker's own collection, its commitment into public.
///
/// # Errors
/// When a call is refused.
pub async fn place(cast: &Cast, offer: &Offer, order: &Order) -> Result<(), DemoError> {
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(DemoError::Randomness)?;
    let steps: Vec<_> = order
        .steps
        .iter()
        .map(|(price, quantity)| json!({"price": price, "quantity": quantity}))
        .collect();
    let private = json!({"investor": order.investor, "steps": steps, "salt": hex::encode(salt)});
    let transient = [("order", private.to_string().into_bytes())];
    let created = cast
        .submit_privately(order.broker, "CreateOrder", &[offer.id, order.id], &transient)
        .await?;
    let commitment = created["commitment"].as_str().unwrap_or_default();
    cast.submit(order.broker, "SubmitOrder", &[offer.id, order.id, commitment])
        .await?;
    print_step(
        order.broker.name,
        &format!(
            "places order {} for {}; the ledger sees {}…",
            order.id,
            offer.id,
            &commitment.get(..16).unwrap_or_default()
        ),
    );
    Ok(())
}

/// A broker locks cash for a listing.
///
/// # Errors
/// When a call is refused.
pub async fn deposit(cast: &Cast, offer: &Offer, broker: Organisation) -> Result<(), DemoError> {
    let desk = cast.at(broker)?;
    let coins = desk.query("token:Tokens", &[CASH.0, broker.msp]).await?;
    let inputs: Vec<_> = coins
        .as_array()
        .into_iter()
        .flatten()
        .map(|coin| coin["id"].clone())
        .collect();
    let inputs = Value::Array(inputs).to_string();
    cast.submit(
        broker,
        "DepositEscrow",
        &[offer.id, &inputs, &DEPOSIT.to_string()],
    )
    .await?;
    print_step(broker.name, &format!("locks {} for {}", money(DEPOSIT), offer.id));
    Ok(())
}

/// The bank closes a listing and the books are frozen.
///
/// # Errors
/// When a call is refused.
pub async fn close(cast: &Cast, offer: &Offer) -> Result<(), DemoError> {
    cast.submit(BANK, "CloseListing", &[offer.id]).await?;
    let frozen = cast.submit(BANK, "FreezeBooks", &[offer.id]).await?;
    let session = frozen["clearing"]["sessionId"].as_str().unwrap_or_default();
    print_step(
        BANK.name,
        &format!(
            "closes {} and freezes the books: session {}…",
            offer.id,
            session.get(..16).unwrap_or_default()
        ),
    );
    Ok(())
}

/// Every organisation hands its own orders to its own sidecar, and waits until the sidecars have found the outcome.
///
/// # Errors
/// When a call is refused, or the clearing fails.
pub async fn clear(cast: &Cast, offer: &Offer) -> Result<(), DemoError> {
    for organisation in ORGANISATIONS {
        cast.at(organisation)?.query("JoinClearing", &[offer.id]).await?;
        print_step(
            organisation.name,
            &format!("hands its own orders for {} to its own sidecar", offer.id),
        );
    }
    for organisation in ORGANISATIONS {
        let desk = cast.at(organisation)?;
        loop {
            let status = desk.query("ClearingStatus", &[offer.id]).await?;
            match status["state"].as_str() {
                Some("done") => break,
                Some("failed") => {
                    return Err(DemoError::Clearing {
                        listing: offer.id.to_owned(),
                        organisation: organisation.name,
                        status: status.to_string(),
                    });
                }
                // The contract answers at once and pushes nothing.
                _ => sleep(GLANCE).await,
            }
        }
    }
    print_step("sidecars", &format!("have cleared {}", offer.id));
    Ok(())
}

/// The outcome goes onto the ledger, vouched for by every organisation.
///
/// # Errors
/// When the call is refused.
pub async fn sell(cast: &Cast, offer: &Offer) -> Result<Value, DemoError> {
    let sold = cast.submit(BANK, "SellListing", &[offer.id]).await?;
    let price = sold["outcome"]["clearingPrice"].as_u64();
    let outcome = price.map_or_else(
        || "is not sold".to_owned(),
        |price| format!("is sold at {}", money(price)),
    );
    print_step(BANK.name, &format!("{} {outcome}", offer.id));
    Ok(sold)
}

/// A broker records what each of its clients got, and settles: shares against cash.
///
/// # Errors
/// When a call is refused.
pub async fn settle(cast: &Cast, offer: &Offer, broker: Organisation) -> Result<(), DemoError> {
    let ids: Vec<_> = orders_of(offer, broker).map(|order| order.id).collect();
    let ids = json!(ids).to_string();
    cast.submit_privately(broker, "RecordAllocations", &[offer.id, &ids], &[])
        .await?;
    let settled = cast.submit(broker, "Settle", &[offer.id, broker.msp]).await?;
    print_step(
        broker.name,
        &format!(
            "settles {}: {} shares against {}",
            offer.id,
            settled["shares"],
            money(settled["paid"].as_u64().unwrap_or_default())
        ),
    );
    Ok(())
}

/// A broker's orders in an offer.
pub fn orders_of(offer: &Offer, broker: Organisation) -> impl Iterator<Item = &'static Order> {
    offer.orders.iter().filter(move |order| order.broker == broker)
}

/// The whole demonstration.
///
/// # Errors
/// When any call is refused.
pub async fn everything(network: &LocalNetwork, cast: &Cast) -> Result<(), DemoError> {
    register_sidecars(network).await?;
    sales(cast).await
}

/// The same where the sidecars are on the ledger already.
///
/// # Errors
/// When any call is refused.
pub async fn sales(cast: &Cast) -> Result<(), DemoError> {
    issue_cash(cast).await?;
    for offer in &OFFERS {
        list(cast, offer).await?;
    }
    for offer in OFFERS.iter().filter(|offer| !offer.orders.is_empty()) {
        for broker in [BROKER_A, BROKER_B] {
            deposit(cast, offer, broker).await?;
            for order in orders_of(offer, broker) {
                place(cast, offer, order).await?;
            }
        }
        close(cast, offer).await?;
        clear(cast, offer).await?;
        sell(cast, offer).await?;
        for broker in [BROKER_A, BROKER_B] {
            settle(cast, offer, broker).await?;
        }
    }
    Ok(())
}

fn rfc3339(time: SystemTime) -> String {
    prost_types::Timestamp::from(time).to_string()
}
