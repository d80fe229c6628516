//! The scripted chaincode on our shim, as a program: see `chaincode_shim::start` for its environment.

use shim_conformance::ScriptedChaincode;

#[tokio::main]
async fn main() -> Result<(), chaincode_shim::StartError> {
    chaincode_shim::start(ScriptedChaincode).await
}
