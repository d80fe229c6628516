//! The shim over real gRPC, with a scripted peer at the other end.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod batches;
mod certificates;
mod contracts;
mod dial;
mod identity;
mod operations;
mod peer;
mod queries;
mod reload;
mod server;
mod stress;
mod stub;
mod tls;
