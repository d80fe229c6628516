//! The scripted chaincode, served to the embedded network.

use std::time::Duration;

use chaincode_shim::{ChaincodeServer, ServerConfig};
use devnet::Network;
use devnet::config::{ChaincodeDefinition, Connection, NetworkConfig};
use shim_conformance::ScriptedChaincode;
use tokio::net::TcpListener;

/// No wait is longer.
pub(crate) async fn bounded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .expect("the test waits for something that does not come")
}

async fn server(package_id: &str, msp_id: &str) -> String {
    let mut config = ServerConfig::new(package_id, "127.0.0.1:0");
    config.local_mspid = Some(msp_id.to_owned());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = ChaincodeServer::new(config, ScriptedChaincode).unwrap();
    tokio::spawn(server.serve_with(listener, std::future::pending()));
    address.to_string()
}

/// A network whose organisations all serve, and all have to endorse, the chaincode under these names.
pub(crate) async fn network(mut config: NetworkConfig, chaincodes: &[&str]) -> Network {
    let peers: Vec<String> = config
        .organisations
        .iter()
        .map(|organisation| format!("'{}.peer'", organisation.msp_id))
        .collect();
    for name in chaincodes {
        let mut definition = ChaincodeDefinition::new(name, &format!("AND({})", peers.join(",")));
        for organisation in &config.organisations {
            let address = server(&definition.package_id(), &organisation.msp_id).await;
            definition = definition.connected(&organisation.msp_id, Connection::plaintext(address));
        }
        config.chaincodes.push(definition);
    }
    bounded(Network::start(config)).await.unwrap()
}
