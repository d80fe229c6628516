//! The example on the embedded network, called as the client applications of Fabric's basic asset transfer sample call theirs.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use devnet::Network;
use devnet::client::{Call, Client, ClientError};
use devnet::config::{ChaincodeDefinition, Connection, NetworkConfig};
use serde_json::{Value, json};

const BOUND: Duration = Duration::from_secs(60);
const ORGS: [&str; 2] = ["Org1MSP", "Org2MSP"];

async fn bounded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future)
        .await
        .expect("the test waits for something that does not come")
}

/// The example as a process of its own, ended with the test.
struct Example {
    process: Child,
    address: String,
}

impl Example {
    fn start(package_id: &str, msp_id: &str) -> Self {
        // Cargo builds the examples ahead of the tests.
        let tests = std::env::current_exe().unwrap();
        let program = tests.parent().unwrap().parent().unwrap().join("examples/assets");
        let mut process = Command::new(program)
            .env_clear()
            .env("CHAINCODE_ID", package_id)
            .env("CHAINCODE_SERVER_ADDRESS", "127.0.0.1:0")
            .env("CORE_PEER_LOCALMSPID", msp_id)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(process.stdout.take().unwrap());
        let mut lines = log.lines().map(Result::unwrap);
        let address = lines.find_map(|line| {
            let event: Value = serde_json::from_str(&line).unwrap();
            let fields = &event["fields"];
            (fields["message"] == "serving").then(|| fields["address"].as_str().unwrap().to_owned())
        });
        // Somebody has to go on reading, or the program would wait for it.
        std::thread::spawn(move || lines.count());
        Self {
            process,
            address: address.expect("the example ended"),
        }
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An application of Org1.
struct Application(Client);

impl Application {
    fn call(function: &str, arguments: &[&str]) -> Call {
        let call = Call::new("basic", function);
        arguments.iter().fold(call, Call::arg)
    }

    async fn submit(&self, function: &str, arguments: &[&str]) -> Result<Vec<u8>, ClientError> {
        let committed = bounded(self.0.submit_call(&Self::call(function, arguments))).await?;
        Ok(committed.result)
    }

    async fn evaluate(&self, function: &str, arguments: &[&str]) -> Value {
        let answer = bounded(self.0.evaluate(&Self::call(function, arguments)))
            .await
            .unwrap();
        serde_json::from_slice(&answer).unwrap()
    }
}

#[tokio::test]
async fn the_applications_of_fabrics_basic_sample_find_what_they_look_for() {
    let mut config = NetworkConfig::with_organisations(&ORGS);
    let mut definition = ChaincodeDefinition::new("basic", "AND('Org1MSP.peer','Org2MSP.peer')");
    let mut examples = Vec::new();
    for msp_id in ORGS {
        let example = Example::start(&definition.package_id(), msp_id);
        definition = definition.connected(msp_id, Connection::plaintext(example.address.clone()));
        examples.push(example);
    }
    config.chaincodes.push(definition);
    let network = bounded(Network::start(config)).await.unwrap();
    let application = Application(bounded(network.client("Org1MSP", "User1")).await.unwrap());

    application.submit("InitLedger", &[]).await.unwrap();
    let all = application.evaluate("GetAllAssets", &[]).await;
    assert_eq!(all.as_array().unwrap().len(), 6);
    let third =
        json!({"ID": "asset3", "Color": "green", "Size": 10, "Owner": "Jin Soo", "AppraisedValue": 500});
    assert_eq!(all[2], third);

    let created = application
        .submit("CreateAsset", &["asset7", "yellow", "5", "Tom", "1300"])
        .await
        .unwrap();
    assert!(created.is_empty());
    let old_owner = application
        .submit("TransferAsset", &["asset7", "Saptha"])
        .await
        .unwrap();
    assert_eq!(old_owner, b"Tom");
    let asset =
        json!({"ID": "asset7", "Color": "yellow", "Size": 5, "Owner": "Saptha", "AppraisedValue": 1300});
    assert_eq!(application.evaluate("ReadAsset", &["asset7"]).await, asset);
    assert_eq!(
        application.evaluate("AssetExists", &["asset70"]).await,
        json!(false)
    );

    let update = ["asset70", "blue", "5", "Tomoko", "300"];
    let refused = format!(
        "{:?}",
        application.submit("UpdateAsset", &update).await.unwrap_err()
    );
    assert!(refused.contains("the asset asset70 does not exist"), "{refused}");
    application.submit("DeleteAsset", &["asset7"]).await.unwrap();
    assert_eq!(
        application.evaluate("AssetExists", &["asset7"]).await,
        json!(false)
    );
}
