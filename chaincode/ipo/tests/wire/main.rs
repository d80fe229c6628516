//! The contract over the wire: three organisations' chaincode servers, their peers, an orderer and a Gateway, with a sidecar
//! each that a test tells what to answer. Whatever is endorsed here was run by every organisation and came out the same.

#![expect(clippy::unwrap_used, reason = "in a test's helpers as in the test")]

mod arguments;
mod errors;
mod flow;
mod market;
mod privacy;
mod roles;
mod sidecar;
