//! Authenticated Boolean multi-party computation for n parties with a dishonest majority.
//!
//! Static malicious adversary, up to n - 1 corrupt parties, security with abort.

pub mod block;
pub mod circuit;
mod error;
mod gates;
pub mod gf128;
pub mod hash;
pub mod ot;
pub mod prg;
pub mod transport;
pub mod transpose;

pub use error::{Error, PartyId};
pub use gates::Gates;
pub use transport::{Transport, TransportError};
