//! Orders, freezes and sales of listings that are made for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use serde::Deserialize;
use serde_json::json;

use crate::flight::{Bounds, Flight};
use crate::network::{Desk, Network, parse};
use crate::{LoadError, order};

/// Orders that one transaction carries when they are not what is measured.
const BATCH: usize = 500;
/// In minor units, each broker.
const CASH: &str = "100000000000";
const PATIENCE: Duration = Duration::from_secs(120);

/// A bank and its brokers, with a cash token of their own.
pub struct Cast {
    bank: Desk,
    brokers: Vec<Desk>,
    cash: String,
    run: String,
}

/// How long the steps of a sale took.
#[derive(Debug)]
pub struct Sale {
    /// Orders in the books.
    pub orders: usize,
    /// `CloseListing`.
    pub close: Duration,
    /// `FreezeBooks`.
    pub freeze: Duration,
    /// From the freeze's commit until every sidecar has the outcome: handing over and computing.
    pub clear: Duration,
    /// `SellListing`.
    pub sell: Duration,
    /// All brokers' `Settle`.
    pub settle: Duration,
    /// From the beginning of the close until the last settlement is committed.
    pub whole: Duration,
}

#[derive(Deserialize)]
struct Progress {
    state: String,
}

#[derive(Deserialize)]
struct Coin {
    id: String,
}

impl Cast {
    /// Connects everybody, and issues cash.
    ///
    /// # Errors
    /// When the network has no two organisations or refuses.
    pub async fn gather(network: &Network) -> Result<Self, LoadError> {
        let (bank, brokers) = match &network.organisations[..] {
            [bank, brokers @ ..] if !brokers.is_empty() => (bank, brokers),
            _ => return Err(LoadError::Network("an IPO takes two organisations".to_owned())),
        };
        let mut desks = Vec::new();
        for broker in brokers {
            desks.push(network.connect(broker, "User1").await?);
        }
        let mut run = [0; 4];
        getrandom::fill(&mut run).map_err(LoadError::Randomness)?;
        let run = hex::encode(run);
        let cast = Self {
            bank: network.connect(bank, "User1").await?,
            brokers: desks,
            cash: format!("C{run}").to_uppercase(),
            run,
        };
        cast.bank
            .submit("token:CreateToken", &[&cast.cash, "Dollar", "2"])
            .await?;
        Ok(cast)
    }

    /// Places orders one by one, as brokers' applications do: into the own collection, then, once that is committed, on the ledger.
    /// Answers the flight and how often `SubmitOrder` came before another organisation's peer had the order's hash.
    ///
    /// # Errors
    /// When an order is refused.
    pub async fn place_orders(&self, bounds: Bounds) -> Result<(Flight, usize), LoadError> {
        let listing = self.list("single").await?;
        let early = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let flight = Flight::fly(bounds, |number| {
            let broker = self.broker(number).clone();
            let (listing, early) = (listing.clone(), early.clone());
            async move {
                let repeated = order::place(&broker, &listing, number).await?;
                early.fetch_add(repeated, std::sync::atomic::Ordering::Relaxed);
                Ok(())
            }
        })
        .await?;
        Ok((flight, early.load(std::sync::atomic::Ordering::Relaxed)))
    }

    /// A whole sale of a listing with `orders` orders, all of whose books are filled and paid for beforehand.
    ///
    /// # Errors
    /// When a step is refused, or no outcome is found.
    pub async fn sell(&self, orders: usize) -> Result<Sale, LoadError> {
        let listing = self.list(&format!("sale{orders}")).await?;
        let mut placed = 0;
        for (turn, broker) in (0..orders.div_ceil(BATCH)).zip(self.brokers.iter().cycle()) {
            let last = orders.min((turn + 1) * BATCH);
            order::place_many(broker, &listing, placed..last).await?;
            placed = last;
        }
        for broker in &self.brokers {
            self.bank
                .submit("token:Mint", &[&self.cash, &broker.msp, CASH])
                .await?;
            self.deposit(broker, &listing).await?;
        }

        let everybody: Vec<&Desk> = self.brokers.iter().chain([&self.bank]).collect();
        let bank = async |function| self.bank.submit_before(&everybody, function, &[&listing]).await;
        let begin = Instant::now();
        bank("CloseListing").await?;
        let close = begin.elapsed();
        bank("FreezeBooks").await?;
        let freeze = begin.elapsed();
        try_join_all(everybody.iter().map(|desk| join(desk, &listing))).await?;
        let clear = begin.elapsed();
        bank("SellListing").await?;
        let sell = begin.elapsed();
        try_join_all(self.brokers.iter().map(|broker| settle(broker, &listing))).await?;
        let whole = begin.elapsed();
        Ok(Sale {
            orders,
            close,
            freeze: freeze.saturating_sub(close),
            clear: clear.saturating_sub(freeze),
            sell: sell.saturating_sub(clear),
            settle: whole.saturating_sub(sell),
            whole,
        })
    }

    fn broker(&self, number: usize) -> &Desk {
        // There is at least one.
        &self.brokers[number % self.brokers.len()]
    }

    async fn list(&self, name: &str) -> Result<String, LoadError> {
        let id = format!("{name}-{}", self.run);
        let listing = json!({
            "id": id, "symbol": format!("{name}{}", self.run).to_uppercase(), "category": "Load", "description": "Made for a measurement",
            "shares": order::SHARES, "lotSize": 1,
            "price": {"min": order::LEVELS.start, "max": order::LEVELS.end - 1, "tick": 1},
            "opensAt": "2000-01-01T00:00:00Z", "closesAt": "2999-01-01T00:00:00Z", "settlementDeadline": "2999-02-01T00:00:00Z",
            "allocation": "price-priority", "minSubscription": 0, "cashToken": self.cash,
            "brokers": self.brokers.iter().map(|broker| &broker.msp).collect::<Vec<_>>(),
        });
        self.bank.submit("CreateListing", &[&listing.to_string()]).await?;
        Ok(id)
    }

    async fn deposit(&self, broker: &Desk, listing: &str) -> Result<(), LoadError> {
        let coins = broker.query("token:Tokens", &[&self.cash, &broker.msp]).await?;
        let coins: Vec<Coin> = parse("token:Tokens", &coins)?;
        let inputs = json!(coins.iter().map(|coin| &coin.id).collect::<Vec<_>>()).to_string();
        broker.submit("DepositEscrow", &[listing, &inputs, CASH]).await?;
        Ok(())
    }
}

/// Hands the own orders to the own sidecar, and waits for its outcome.
async fn join(desk: &Desk, listing: &str) -> Result<(), LoadError> {
    desk.query("JoinClearing", &[listing]).await?;
    let begin = Instant::now();
    loop {
        let progress: Progress = parse("ClearingStatus", &desk.query("ClearingStatus", &[listing]).await?)?;
        match progress.state.as_str() {
            "done" => return Ok(()),
            "waiting" | "running" if begin.elapsed() < PATIENCE => {
                // The contract answers at once and pushes nothing.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            _ => {
                return Err(LoadError::Clearing {
                    listing: listing.to_owned(),
                    state: progress.state,
                });
            }
        }
    }
}

async fn settle(broker: &Desk, listing: &str) -> Result<(), LoadError> {
    broker.submit("Settle", &[listing, &broker.msp]).await?;
    Ok(())
}
