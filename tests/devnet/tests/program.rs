//! The program `devnet`, as a script uses it.
#![allow(clippy::unwrap_used)]

mod world;

use devnet::{
    client::{Call, Client},
    config::NetworkConfig,
    identity::SigningIdentity,
};
use std::{fs, path::Path, process::Stdio};
use step_chaincode::Gates;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};
use world::{put, run, server::ChaincodeProcess, soon};

const PROGRAM: &str = env!("CARGO_BIN_EXE_devnet");

const CONFIGURATION: &str = r#"
    crypto_dir = "organizations"

    [[organisations]]
    msp_id = "Org1MSP"
    domain = "org1.example.com"

    [[chaincodes]]
    name = "basic"
    package_id = "basic:1"
    policy = "OR('Org1MSP.peer')"
    connections = { Org1MSP = "connection.json" }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn makes_its_material_serves_and_ends_with_its_script() {
    let folder = tempfile::tempdir().unwrap();
    let chaincode = ChaincodeProcess::start("basic:1", "Org1MSP", &Gates::default(), None);
    let file = folder.path().join("network.toml");
    fs::write(&file, CONFIGURATION).unwrap();
    let connection = format!(
        r#"{{"address": "{}", "dial_timeout": "10s"}}"#,
        chaincode.address()
    );
    fs::write(folder.path().join("connection.json"), connection).unwrap();

    let crypto = Command::new(PROGRAM)
        .arg("--config")
        .arg(&file)
        .arg("--crypto-only")
        .status();
    assert!(soon(crypto).await.unwrap().success());
    let user = folder
        .path()
        .join("organizations/peerOrganizations/org1.example.com/users/User1@org1.example.com");
    assert!(user.join("tls/client.crt").is_file());

    let mut child = Command::new(PROGRAM)
        .args(["--until-stdin-closes", "--config"])
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = soon(lines.next_line()).await.unwrap().unwrap();
    let description: serde_json::Value = serde_json::from_str(&line).unwrap();
    let gateway = &description["gateways"][0];
    assert_eq!(gateway["mspId"], "Org1MSP");
    let tls_ca = fs::read_to_string(Path::new(gateway["tlsCaCertificate"].as_str().unwrap())).unwrap();

    let identity = SigningIdentity::from_msp_folder("Org1MSP", &user.join("msp")).unwrap();
    let address = gateway["address"].as_str().unwrap();
    let client = soon(Client::connect(
        address,
        &tls_ca,
        Some("peer0.org1.example.com"),
        identity,
        "mychannel",
    ));
    let client = client.await.unwrap();
    soon(client.submit_call(&run(&[put("key", "value")])))
        .await
        .unwrap();
    let metadata = soon(client.evaluate(&Call::new("basic", "org.hyperledger.fabric:GetMetadata"))).await;
    assert!(String::from_utf8(metadata.unwrap()).unwrap().contains("Run"));

    drop(child.stdin.take());
    assert!(soon(child.wait()).await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn says_what_is_wrong_with_its_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("network.toml");
    for (text, expected) in [
        (
            "organisations = []",
            "organisations: found none, at least one is needed",
        ),
        ("organisations = 3", "configuration:"),
        (
            "[[organisations]]\nmsp_id = 'A'\ndomain = 'a'\n[[chaincodes]]\nname = 'x'\npolicy = 'AND('",
            "chaincodes.x.policy",
        ),
    ] {
        fs::write(&file, text).unwrap();
        let output = soon(Command::new(PROGRAM).arg("--config").arg(&file).output())
            .await
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(expected), "{said}");
    }
    assert!(NetworkConfig::from_file(&folder.path().join("absent.toml")).is_err());
}
