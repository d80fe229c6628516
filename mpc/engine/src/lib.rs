//! Authenticated Boolean multi-party computation for n parties with a dishonest majority.
//!
//! Static malicious adversary, up to n - 1 corrupt parties, security with abort.

mod error;
mod gates;
pub mod transport;

pub use error::{Error, PartyId};
pub use gates::Gates;
pub use transport::{Transport, TransportError};
