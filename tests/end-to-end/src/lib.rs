//! Tests of the whole product: contract, sidecars and network together, as processes. They are in `tests/`; here is what they share.

pub mod fabric;
