//! The contract's rules over a map in place of a peer: whole flows, every refusal, and conservation under random calls.

#![expect(clippy::unwrap_used, reason = "in a test's helpers as in the test")]

mod export;
mod flow;
mod model;
mod receipts;
mod refusals;
mod world;
