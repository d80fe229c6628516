//! Tests of the whole product: contract, sidecars and network together, as processes. They are in `tests/`.
