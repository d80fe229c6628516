//! One listing with three orders, whose outcome is known, step by step. A step that was done already says so and is done.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use ipo_demo::{
    DemoError,
    play::{self, Cast},
    story::{BANK, BROKER_A, BROKER_B, CASH, OFFERS, ORGANISATIONS, Offer, Order, Organisation},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// No step takes longer after a fault is mended.
pub(crate) const PATIENCE: Duration = Duration::from_secs(150);
/// Between two tries: nothing tells an application when a network has recovered.
pub(crate) const PAUSE: Duration = Duration::from_millis(300);

/// What each order is allotted.
const ALLOTTED: [(Organisation, &str, u64); 3] = [
    (BROKER_A, "a-1003", 6_347),
    (BROKER_A, "a-1004", 6_653),
    (BROKER_B, "b-2003", 12_000),
];

static NEXT: AtomicU32 = AtomicU32::new(1);

pub(crate) struct Sale<'a> {
    pub(crate) cast: &'a Cast,
    pub(crate) offer: Offer,
    /// Each order with what its broker keeps of it, salt included.
    openings: Vec<(&'static Order, Value)>,
}

fn is_early(error: &DemoError) -> bool {
    error.to_string().contains("ORDER_HASH_NOT_YET_COMMITTED")
}

impl<'a> Sale<'a> {
    pub(crate) fn new(cast: &'a Cast) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let estatia = OFFERS.iter().find(|offer| offer.id == "Estatia").unwrap();
        let offer = Offer {
            id: format!("Estatia{number}").leak(),
            symbol: format!("ESTA{number}").leak(),
            ..*estatia
        };
        let opening = |order: &'static Order| {
            let steps: Vec<Value> = order
                .steps
                .iter()
                .map(|(price, quantity)| json!({"price": price, "quantity": quantity}))
                .collect();
            let mut salt = [0; 32];
            getrandom::fill(&mut salt).unwrap();
            let salt = hex::encode(salt);
            (
                order,
                json!({"investor": order.investor, "steps": steps, "salt": salt}),
            )
        };
        Self {
            cast,
            offer,
            openings: offer.orders.iter().map(opening).collect(),
        }
    }

    /// What the broker's application keeps of its orders, as `RestoreOrders` takes it.
    pub(crate) fn kept_by(&self, broker: Organisation) -> Value {
        let own = self.openings.iter().filter(|(order, _)| order.broker == broker);
        own.map(|(order, opening)| {
            let mut opening = opening.clone();
            opening["id"] = json!(order.id);
            opening
        })
        .collect()
    }

    /// Tries until it succeeds.
    pub(crate) async fn until<T>(&self, what: &str, step: impl AsyncFn() -> Result<T, DemoError>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match step().await {
                Ok(done) => return done,
                Err(error) if Instant::now() > deadline => panic!("{} {what}: {error}", self.offer.id),
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    pub(crate) async fn list(&self) {
        let (symbol, _) = CASH;
        for broker in [BROKER_A, BROKER_B] {
            let mint = async || {
                self.cast
                    .submit(BANK, "token:Mint", &[symbol, broker.msp, "20000000"])
                    .await
            };
            self.until("mint", mint).await;
        }
        self.until("list", async || play::list(self.cast, &self.offer).await)
            .await;
        for broker in [BROKER_A, BROKER_B] {
            self.until("deposit", async || {
                play::deposit(self.cast, &self.offer, broker).await
            })
            .await;
        }
    }

    async fn place(&self, order: &Order, opening: &Value) -> Result<(), DemoError> {
        let desk = self.cast.at(order.broker)?;
        let transient = [("order", opening.to_string().into_bytes())];
        let created = desk
            .submit_privately("CreateOrder", &[self.offer.id, order.id], &transient)
            .await;
        let created = match created {
            Err(error) if error.to_string().contains("was used before") => return Ok(()),
            created => created?.0,
        };
        let commitment = created["commitment"].as_str().unwrap();
        // Another peer may be a block behind; an application asks again.
        let deadline = Instant::now() + PATIENCE;
        loop {
            let arguments = [self.offer.id, order.id, commitment];
            match self.cast.submit(order.broker, "SubmitOrder", &arguments).await {
                Err(error) if is_early(&error) && Instant::now() < deadline => sleep(PAUSE).await,
                submitted => return submitted.map(drop),
            }
        }
    }

    pub(crate) async fn place_all_but_the_last(&self) {
        for (order, opening) in self.openings.iter().filter(|(order, _)| order.id != "a-1004") {
            self.until("place", async || self.place(order, opening).await)
                .await;
        }
    }

    /// Broker A's second order.
    pub(crate) async fn place_the_last(&self) -> Result<(), DemoError> {
        let (order, opening) = self
            .openings
            .iter()
            .find(|(order, _)| order.id == "a-1004")
            .unwrap();
        if self.status().await == "available" {
            self.place(order, opening).await?;
        }
        Ok(())
    }

    /// As the bank sees it.
    pub(crate) async fn status(&self) -> String {
        let listing = async || self.cast.at(BANK)?.query("ReadListing", &[self.offer.id]).await;
        let listing = self.until("read the listing", listing).await;
        listing["status"].as_str().unwrap().to_owned()
    }

    /// Done, or done before.
    fn done(result: Result<Value, DemoError>, before: &[&str]) -> Result<(), DemoError> {
        match result {
            Err(error) if before.iter().any(|text| error.to_string().contains(text)) => Ok(()),
            result => result.map(drop),
        }
    }

    pub(crate) async fn close(&self) -> Result<(), DemoError> {
        let closed = self.cast.submit(BANK, "CloseListing", &[self.offer.id]).await;
        Self::done(closed, &["is closed;", "is frozen;", "is sold;"])
    }

    pub(crate) async fn freeze(&self) -> Result<(), DemoError> {
        let frozen = self.cast.submit(BANK, "FreezeBooks", &[self.offer.id]).await;
        Self::done(frozen, &["is frozen;", "is sold;"])
    }

    pub(crate) async fn join(&self, organisation: Organisation) -> Result<(), DemoError> {
        self.cast
            .at(organisation)?
            .query("JoinClearing", &[self.offer.id])
            .await?;
        Ok(())
    }

    /// How far the organisation's own sidecar is.
    pub(crate) async fn ask(&self, organisation: Organisation) -> Result<Value, DemoError> {
        self.cast
            .at(organisation)?
            .query("ClearingStatus", &[self.offer.id])
            .await
    }

    /// Waits until every sidecar has the outcome.
    pub(crate) async fn cleared(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut said = Vec::new();
            for organisation in ORGANISATIONS {
                said.push(
                    self.ask(organisation)
                        .await
                        .unwrap_or_else(|error| json!(error.to_string())),
                );
            }
            if said.iter().all(|status| status["state"] == "done") {
                return;
            }
            let failed = said.iter().any(|status| status["state"] == "failed");
            assert!(
                !failed && Instant::now() < deadline,
                "{}: {said:?}",
                self.offer.id
            );
            sleep(PAUSE).await;
        }
    }

    pub(crate) async fn sell(&self) -> Result<(), DemoError> {
        let sold = self.cast.submit(BANK, "SellListing", &[self.offer.id]).await;
        Self::done(sold, &["is sold;"])
    }

    pub(crate) async fn settle(&self, broker: Organisation) -> Result<(), DemoError> {
        let ids: Vec<&str> = self.orders_of(broker).map(|order| order.id).collect();
        let desk = self.cast.at(broker)?;
        desk.submit_privately(
            "RecordAllocations",
            &[self.offer.id, &json!(ids).to_string()],
            &[],
        )
        .await?;
        let settled = self
            .cast
            .submit(broker, "Settle", &[self.offer.id, broker.msp])
            .await;
        Self::done(settled, &["already settled"])
    }

    pub(crate) fn orders_of(&self, broker: Organisation) -> impl Iterator<Item = &'static Order> {
        self.offer
            .orders
            .iter()
            .filter(move |order| order.broker == broker)
    }

    /// No order lost, none counted twice, the outcome what it has to be.
    pub(crate) async fn verify(&self) {
        let id = self.offer.id;
        for organisation in ORGANISATIONS {
            let desk = self.cast.at(organisation).unwrap();
            let listing = desk.query("ReadListing", &[id]).await.unwrap();
            assert_eq!(listing["status"], "sold", "{id}");
            assert_eq!(listing["outcome"]["clearingPrice"], 700, "{id}");
            for (broker, orders) in [(BROKER_A, 2), (BROKER_B, 1)] {
                let records = desk.query("QueryOrderRecords", &[id, broker.msp]).await.unwrap();
                assert_eq!(records.as_array().unwrap().len(), orders, "{id}: {records}");
                let books = listing["books"].as_array().unwrap().iter();
                let own: Vec<&Value> = books.filter(|book| book["msp"] == broker.msp).collect();
                let counts: Vec<&Value> = own.iter().map(|book| &book["book"]["count"]).collect();
                assert_eq!(counts, [orders], "{id}: {}", listing["books"]);
            }
        }
        for (broker, order, quantity) in ALLOTTED {
            let desk = self.cast.at(broker).unwrap();
            let allotted = desk
                .query_privately("ReadAllocation", &[id, order])
                .await
                .unwrap();
            assert_eq!(allotted["quantity"], quantity, "{id} {order}");
        }
        for (broker, shares) in [(BROKER_A, 13_000), (BROKER_B, 12_000)] {
            let held = self.cast.balance(broker, self.offer.symbol).await.unwrap();
            assert_eq!(held, shares, "{id} {}", broker.name);
        }
    }
}
