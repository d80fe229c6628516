//! What must hold on any network, tried out on the embedded one in every run of the tests, and on Fabric's own programs where `FABRIC_BIN`
//! names them: the traps that real peers set, many clients at once, and that nothing of an order is anywhere but with its own
//! organisation.

#![allow(clippy::unwrap_used)] // in a test a failure is a failure

mod confidentiality;
mod crowd;
mod desk;
mod devnet;
mod market;
mod needles;
mod real;
mod traps;
