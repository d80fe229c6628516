//! The auction: its plaintext reference and the secure protocol over the engine.
//!
//! One price for all: the clearing level is the highest level at which the total demand reaches what is for sale.
//! [`mod@reference`] computes it in the clear, from every organisation's demand. [`clear`] computes the same among
//! organisations that each know their own demand alone, and opens nothing that the outcome does not tell.
//!
//! | module | what lives there |
//! |---|---|
//! | [`terms`] | what is public before a run |
//! | `own` | what an organisation brings: its orders, and what proves them |
//! | `binding` | what ties the inputs to the frozen books |
//! | [`outcome`] | what is public after it |
//! | [`mod@reference`] | the auction in the clear |
//! | `schedule` | which levels are probed when |
//! | `search` | the clearing level, by probes |
//! | `numerators`, `division` | who gets how many lots |
//! | `protocol` | the whole protocol, in order |
//! | `publication` | messages longer than a frame |
//! | `transcript` | everything that a run opens |
//! | [`mod@budget`] | what a run takes |
//! | [`party`] | one party's whole run on the engine |
//! | [`ledger`] | books frozen without a ledger |
//! | [`local`] | all parties in this process |
//! | [`case`] | cases and outcomes as JSON |
//! | `field` | JSON read field by field |

mod binding;
pub mod budget;
pub mod case;
mod division;
mod field;
pub mod ledger;
pub mod local;
#[cfg(test)]
mod market;
mod numerators;
pub mod outcome;
mod own;
pub mod party;
mod protocol;
mod publication;
pub mod reference;
mod schedule;
mod search;
pub mod terms;
pub mod transcript;

pub use binding::Spent;
pub use budget::{Budget, budget};
pub use outcome::Outcome;
pub use own::{OwnBook, Ready};
pub use party::{Attempt, PartyStats, run_party};
pub use protocol::{ClearingError, clear, clear_recorded};
pub use terms::{ClearingTerms, TermsError};
