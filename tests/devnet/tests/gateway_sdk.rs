//! Runs the official Node SDK's tests in `tests/gateway-sdk` against a network with the test chaincode. Without Node, or before
//! `tests/gateway-sdk/install` was run, it says so and does nothing.

mod world;

use serde_json::json;
use std::{io::Write, path::Path, process::Stdio};
use tokio::process::Command;
use world::{ALL, CC, Setup};

/// A reason not to run.
async fn obstacle(folder: &Path) -> Option<&'static str> {
    let version = Command::new("node")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !version.await.is_ok_and(|status| status.success()) {
        return Some("node is not installed");
    }
    let installed = folder
        .join("node_modules/@hyperledger/fabric-gateway/package.json")
        .is_file();
    (!installed).then_some("its packages are not installed; run tests/gateway-sdk/install")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_sdk_works_with_it_unchanged() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway-sdk");
    if let Some(reason) = obstacle(&folder).await {
        // Past the test harness, which shows what a passing test prints to nobody.
        writeln!(std::io::stderr(), "skipped: the official SDK's tests: {reason}").unwrap();
        return;
    }
    let world = Setup::new(ALL).start().await;
    let gateways: Vec<_> = world
        .network
        .gateways()
        .iter()
        .map(|gateway| {
            let (_, domain) = gateway.peer.split_once('.').unwrap();
            json!({ "mspId": gateway.msp_id, "domain": domain, "address": gateway.address.to_string() })
        })
        .collect();
    let status = Command::new("npm")
        .args(["test", "--silent"])
        .current_dir(&folder)
        .env("FABRIC_CRYPTO", world.network.material().root())
        .env("FABRIC_CHANNEL", &world.network.config().channel)
        .env("FABRIC_CHAINCODE", CC)
        .env("FABRIC_GATEWAYS", serde_json::to_string(&gateways).unwrap())
        .kill_on_drop(true)
        .status();
    // The tests bound themselves; this only catches a Node that does not end.
    let status = tokio::time::timeout(3 * world::PATIENCE, status)
        .await
        .unwrap()
        .unwrap();
    assert!(status.success(), "the SDK's tests failed, see above");
}
