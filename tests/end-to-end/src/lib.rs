//! Tests of the whole product: contract, sidecars and network together
