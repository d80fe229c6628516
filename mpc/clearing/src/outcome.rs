//! What everybody learns.

use order_commitments::{Level, Lots};

/// The public outcome of a clearing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The demand at the lowest level is less than the least sale; nothing is sold.
    Failed,
    /// Sold, at one price.
    Sold {
        /// The clearing level; all pay its price.
        level: Level,
        /// Each organisation's lots, in the order of the participants.
        allocations: Vec<Lots>,
    },
}

impl Outcome {
    /// Lots sold in all.
    #[must_use]
    pub fn sold(&self) -> Lots {
        match self {
            Self::Failed => 0,
            Self::Sold { allocations, .. } => allocations.iter().sum(),
        }
    }
}
