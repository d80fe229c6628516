//! The step chaincode as a program: a server, or at a peer that it dials, as Fabric's usual environment variables say (`CHAINCODE_ID`,
//! `CHAINCODE_SERVER_ADDRESS`, ...; `CORE_CHAINCODE_ID_NAME`, `CORE_PEER_ADDRESS`, ...). Nobody opens a gate here.

use std::error::Error;

use step_chaincode::{Gates, contracts};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    Ok(chaincode_shim::start(contracts(Gates::default())).await?)
}
