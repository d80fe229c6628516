//! The stages of an IPO at which something happens.

use ipo_demo::{
    DemoError,
    story::{BROKER_A, BROKER_B, ORGANISATIONS},
};

use crate::sale::Sale;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Before the close: one order is still to come.
    Open,
    /// Between close and freeze.
    Closed,
    /// During the computation.
    Clearing,
    /// Between outcome and sale.
    Cleared,
    /// Between sale and settlement.
    Sold,
}

pub(crate) const STAGES: [Stage; 5] = [
    Stage::Open,
    Stage::Closed,
    Stage::Clearing,
    Stage::Cleared,
    Stage::Sold,
];

impl Stage {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Clearing => "clearing",
            Self::Cleared => "cleared",
            Self::Sold => "sold",
        }
    }

    /// Brings a new listing to this stage. [`Stage::Clearing`] leaves Broker B's sidecar to be frozen by the caller, the moment this
    /// returns: the computation has begun then and cannot end without it.
    pub(crate) async fn reach(self, sale: &Sale<'_>) {
        sale.list().await;
        sale.place_all_but_the_last().await;
        if self == Self::Open {
            return;
        }
        sale.place_the_last().await.unwrap();
        sale.close().await.unwrap();
        if self == Self::Closed {
            return;
        }
        sale.freeze().await.unwrap();
        for organisation in ORGANISATIONS {
            sale.join(organisation).await.unwrap();
        }
        if self == Self::Clearing {
            return;
        }
        sale.cleared().await;
        if self == Self::Sold {
            sale.sell().await.unwrap();
        }
    }

    /// What somebody does next, once.
    pub(crate) async fn act(self, sale: &Sale<'_>) -> Result<(), DemoError> {
        match self {
            Self::Open => sale.place_the_last().await,
            Self::Closed => sale.freeze().await,
            Self::Clearing => sale.ask(BROKER_A).await.map(drop),
            Self::Cleared => sale.sell().await,
            Self::Sold => sale.settle(BROKER_A).await,
        }
    }
}

/// Everything from wherever a listing is to its settlement, each step until it succeeds.
pub(crate) async fn complete(sale: &Sale<'_>) {
    sale.until("place the last order", async || sale.place_the_last().await)
        .await;
    sale.until("close", async || sale.close().await).await;
    sale.until("freeze", async || sale.freeze().await).await;
    if sale.status().await == "frozen" {
        for organisation in ORGANISATIONS {
            sale.until("join", async || sale.join(organisation).await).await;
        }
        sale.cleared().await;
    }
    sale.until("sell", async || sale.sell().await).await;
    for broker in [BROKER_A, BROKER_B] {
        sale.until("settle", async || sale.settle(broker).await).await;
    }
}
