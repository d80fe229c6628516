//! The step chaincode as a program, configured from Fabric's usual environment variables (`CHAINCODE_ID`,
//! `CHAINCODE_SERVER_ADDRESS`, ...). Nobody opens a gate here.

use chaincode_shim::ChaincodeServer;
use std::error::Error;
use step_chaincode::{Gates, contracts};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let contracts = contracts(Gates::default());
    Ok(ChaincodeServer::from_env(contracts)?.serve().await?)
}
