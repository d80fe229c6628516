//! Everything that a run opens, in order.
//!
//! | opened | when | why it tells nothing but the outcome |
//! |---|---|---|
//! | [`Opening::Parities`] | in every round of probes, first | uniform: each has the parity of a mask in it that is used once |
//! | [`Opening::Violations`] | then | all zero: an honest party's own demands do not rise |
//! | [`Opening::Reached`] | then, one a probe | as the demand does not rise, whether it reaches the lots for sale at a level is whether the clearing level is that level or a higher one |
//! | [`Opening::LeastSale`] | if no level is reached | sold or failed |
//! | [`Opening::Demand`] | if it then sells | everybody is allotted its demand at level 1 |
//! | [`Opening::Quotient`] | if a level is reached | whether the cumulative allocation of the first organisations is at least a number |
//!
//! The levels that are probed and the numbers that are compared with are public functions of the terms and of what
//! was opened before.

use order_commitments::{Level, Lots};

/// One thing that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// What shows that an organisation put in the bits that it committed to: parities of random subsets of them, each masked.
    Parities {
        /// The organisation.
        party: usize,
        /// One bit a subset.
        bits: Vec<bool>,
    },
    /// The checks of one organisation's demands at two levels, which are neighbours in this round: one bit each of
    /// the demand's width.
    Violations {
        /// The organisation.
        party: usize,
        /// The lower level.
        low: Level,
        /// The higher level.
        high: Level,
        /// What was opened; any one is a violation.
        bits: Vec<bool>,
    },
    /// Whether the total demand at a level reaches the lots for sale.
    Reached {
        /// The level.
        level: Level,
        /// Whether it does.
        reached: bool,
    },
    /// Whether the total demand at level 1 reaches the least sale.
    LeastSale(bool),
    /// An organisation's demand at level 1.
    Demand {
        /// The organisation.
        party: usize,
        /// Its demand.
        lots: Lots,
    },
    /// Whether the first organisations' cumulative allocation is at least each of some numbers.
    Quotient {
        /// The last of these organisations.
        party: usize,
        /// The numbers and the answers, ascending.
        at_least: Vec<(Lots, bool)>,
    },
}
