//! The test chaincode as a program, for networks other than the devnet: configured from Fabric's usual environment variables
//! (`CHAINCODE_ID`, `CHAINCODE_SERVER_ADDRESS`, ...).
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

#[path = "../tests/world/chaincode.rs"]
mod chaincode;

use chaincode_shim::ChaincodeServer;
use std::error::Error;

/// What the tests' gates wait with; nobody opens a gate here.
async fn soon<F: Future>(what: F) -> F::Output {
    what.await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let contracts = chaincode::contracts(chaincode::Gates::default());
    Ok(ChaincodeServer::from_env(contracts)?.serve().await?)
}
