//! Authenticated Boolean multi-party computation for n parties with a dishonest majority.
//!
//! Static malicious adversary, up to n - 1 corrupt parties, security with abort.

mod bit;
pub mod block;
pub mod circuit;
mod coins;
mod compute;
mod error;
pub mod frame;
mod gates;
mod generator;
pub mod gf128;
pub mod hash;
pub mod interceptor;
mod links;
mod online;
mod opening;
pub mod ot;
mod preprocessing;
pub mod prg;
mod setup;
mod shares;
mod step;
pub mod transport;
pub mod transpose;

pub use bit::SecretBit;
pub use error::{Error, PartyId};
pub use gates::Gates;
pub use links::Stats;
pub use online::Online;
pub use preprocessing::Demand;
pub use setup::{Preprocessed, Setup, Terms};
pub use step::Step;
pub use transport::{Transport, TransportError};
