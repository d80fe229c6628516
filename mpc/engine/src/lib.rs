//! Authenticated Boolean multi-party computation for n parties with a dishonest majority.
//!
//! Static malicious adversary, up to n - 1 corrupt parties of 2 to 16, security with abort; 128 bits of computational
//! and 40 or more of statistical security. The protocol is that of Wang, Ranellucci and Katz, "Global-Scale Secure
//! Multiparty Computation" (ePrint 2017/189), its preprocessing, under a reactive online phase: bits are XOR-shared,
//! every two parties hold information-theoretic MACs on each other's shares, and what is opened may decide what is
//! computed next.
//!
//! # An attempt
//!
//! Each state is a type, and a step consumes it. Any error ends the attempt and erases its secrets.
//!
//! ```text
//! Setup::run        ids, one Delta, oblivious transfers between every two parties      13 rounds
//! Setup::preprocess authenticated bits, leaky triples, bucketing; needs no input       13 rounds a batch
//! Preprocessed      bound to nothing yet; serves one attempt whole
//!   ::start         all name the session and the attempt; its id is drawn               1 round
//! Online            input (2 rounds), and (1), open (1), publish (2), coin (1), answer (1): the trait Gates
//! ```
//!
//! # Where things are
//!
//! | modules | what they do |
//! |---|---|
//! | [`transport`] | frames between parties: in memory, over TLS, with an added delay |
//! | [`frame`], `links` | which attempt, round and step a message belongs to; rounds, broadcasts and their echo |
//! | [`interceptor`] | a party that misbehaves, for tests |
//! | `coins` | public coins: commit, compare, open |
//! | [`ot`] | correlated oblivious transfers: MACs and keys of two parties |
//! | `preprocessing` | bits, the check of Delta, leaky triples, buckets; what is left in store |
//! | `session`, `opening`, `input`, `online` | the attempt's id, openings with MACs, inputs, computing |
//! | [`circuit`] | integers of bits over any [`Gates`], and the evaluator in the clear |
//! | [`block`], [`gf128`], [`hash`], [`prg`], [`transpose`] | primitives |
//!
//! # Why it is sound, in short
//!
//! A broadcast without MACs is echoed before anything depends on it; an opening with MACs is verified when it is
//! received, and its value does not exist for the caller before. Coins that judge something are opened after it has
//! arrived. Shares of inputs are uniform, an owner's own share too, so that an opened sum shows no summand. What each
//! check relies on is said where it is made; `README.md` lists them all, with the test in which a deviating party meets
//! each.

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
mod input;
pub mod interceptor;
mod links;
mod online;
mod opening;
pub mod ot;
mod preprocessing;
pub mod prg;
mod session;
mod setup;
mod shares;
mod step;
pub mod transport;
pub mod transpose;

pub use bit::SecretBit;
pub use compute::Work;
pub use error::{Error, PartyId};
pub use gates::{Gates, Given, Masked};
pub use links::Stats;
pub use online::Online;
pub use preprocessing::Demand;
pub use setup::{Preprocessed, Setup, Terms};
pub use step::Step;
pub use transport::{Transport, TransportError};
