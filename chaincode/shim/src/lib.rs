//! Hyperledger Fabric's chaincode shim protocol in Rust
