//! Authenticated Boolean multi-party computation for n parties with a dishonest majority.
//!
//! Static malicious adversary, up to n - 1 corrupt parties, security with abort.

mod error;
mod gates;

pub use error::{Error, PartyId};
pub use gates::Gates;
