//! The audit of one listing: what the ledger says, against the books that organisations disclose.
//!
//! The ledger fixes every order's commitment, every organisation's frozen book and the outcome. Whoever is given a book in the
//! clear can check all of it without trusting anybody: that every order opens its commitment, that the orders make the frozen
//! book, that the outcome follows from the books by the plain auction, and every allocation from the outcome.
//!
//! ```text
//! ledger ── gateway ──> state ──┐
//! own peer ─ gateway ─> disclosed ─> report: ledger, books, outcome ──> verdict a listing, an organisation, an order
//! an investor ────────> receipt ┘
//! ```
//!
//! | module | what lives there |
//! |---|---|
//! | [`state`] | a listing's public records, as a file |
//! | [`disclosed`] | an organisation's book in the clear, as a file |
//! | [`gateway`] | both, from a peer |
//! | [`ledger`] | what the public records say of each other |
//! | [`book`] | a disclosed book against them |
//! | `allocation_record` | a disclosed allocation against the hash of its private record |
//! | [`outcome`] | the outcome against all books, or against some |
//! | [`receipt`] | one investor's order alone |
//! | [`finding`], [`report`] | what is found, and how it is told |

mod allocation_record;
pub mod book;
pub mod disclosed;
mod error;
pub mod finding;
pub mod gateway;
pub mod ledger;
pub mod outcome;
pub mod receipt;
pub mod report;
pub mod state;

pub use disclosed::DisclosedBook;
pub use error::AuditError;
pub use finding::Finding;
pub use report::{Checked, Report};
pub use state::LedgerState;

/// Checks a listing's public records, and every disclosed book against them.
///
/// # Errors
/// A book of an organisation that does not take part, two of one organisation, or records of another version.
pub fn audit(state: &LedgerState, books: &[DisclosedBook]) -> Result<Report, AuditError> {
    report::make(state, books)
}
