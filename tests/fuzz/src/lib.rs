//! Fuzzing on the stable toolchain: [`hunt`] mutates saved inputs, [`targets`] are the decoders of what clients, peers and
//! other organisations send. `scripts/fuzz` runs it for a time, and every saved input is a test.

pub mod hunt;
pub mod mutation;
mod proofs;
mod shim_stream;
pub mod targets;
