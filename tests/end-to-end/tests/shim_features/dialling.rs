//! The chaincode that dials its peer: started by a builder, which the peer gives certificates, and at a peer in development mode.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use end_to_end_tests::fabric::program;

use crate::{
    one_organisation::{As, MSP_ID, OneOrganisation, Where},
    operations::{get, metric},
    server::Program,
};

/// A builder that starts the step chaincode, with what the peer hands it in `chaincode.json`.
fn write_builder(folder: &Path) {
    let run = format!(
        r#"#!/bin/sh
set -eu
value() {{ printf '%b' "$(sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "$2/chaincode.json")"; }}
value client_cert "$2" >"$2/client.crt"
value client_key "$2" >"$2/client.key"
value root_cert "$2" >"$2/root.crt"
export CORE_CHAINCODE_ID_NAME="$(value chaincode_id "$2")" CORE_PEER_LOCALMSPID="$(value mspid "$2")"
export CORE_PEER_TLS_ENABLED=true CORE_PEER_TLS_ROOTCERT_FILE="$2/root.crt"
export CORE_TLS_CLIENT_CERT_FILE="$2/client.crt" CORE_TLS_CLIENT_KEY_FILE="$2/client.key"
exec {} --peer.address "$(value peer_address "$2")" 2>>{}/log
"#,
        program("step-chaincode"),
        folder.display()
    );
    let detect = "#!/bin/sh\ngrep -q program \"$2/metadata.json\"\n";
    fs::create_dir_all(folder.join("bin")).unwrap();
    for (name, text) in [("detect", detect), ("build", "#!/bin/sh\n"), ("run", &run)] {
        let file = folder.join("bin").join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// What is written by [`writes`].
const GET: [&str; 2] = ["Run", r#"[{"Get":"k"}]"#];

/// A transaction of the chaincode is committed.
async fn writes(network: &OneOrganisation, name: &str) {
    let put = ["Run", r#"["Whoami",{"Put":["k","v"]}]"#];
    let said = network.call(As::Transaction, name, &put).await.unwrap();
    assert!(said.contains(r#"["Org1MSP",null]"#), "{said}");
}

/// A query finds what was written.
async fn reads(network: &OneOrganisation, name: &str) {
    let said = network.call(As::Query, name, &GET).await.unwrap();
    assert!(said.contains(r#"["v"]"#), "{said}");
}

pub(crate) async fn a_builder_starts_a_chaincode_that_dials_over_tls(place: Where) {
    let folder = tempfile::tempdir().unwrap();
    write_builder(folder.path());
    let network = OneOrganisation::with_builder(place, folder.path()).await;
    network.define_started("steps", folder.path()).await;
    writes(&network, "steps").await;
    reads(&network, "steps").await;
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("connected") && log.contains("tls=true"), "{log}");
    // Nobody else may be it, or anything.
    network.refuses_whom_it_has_not_started("steps:1.0").await;
    reads(&network, "steps").await;
}

pub(crate) async fn a_peer_in_development_mode_takes_a_chaincode_that_dials(place: Where) {
    let network = OneOrganisation::in_development(place).await;
    // There is nothing to start, and nobody has dialled.
    let early = network.call(As::Query, "developed", &GET).await.unwrap_err();
    let expected = "could not launch chaincode developed:1.0: error building chaincode: error building image: \
                    failed to get chaincode package for external build: could not get legacy chaincode package 'developed:1.0'";
    assert!(early.contains(expected), "{early}");
    let settings = [
        ("CORE_CHAINCODE_ID_NAME", "developed:1.0"),
        ("CORE_PEER_LOCALMSPID", MSP_ID),
        ("CORE_PEER_TLS_ENABLED", "false"),
        ("CHAINCODE_OPERATIONS_ADDRESS", "127.0.0.1:0"),
        ("CHAINCODE_REDIAL", "true"),
    ];
    let listener = network.listener();
    let program = Program::start(
        settings,
        &["--peer.address", &listener],
        "registered with the peer",
    )
    .await;
    let (_, operations) = program.said.split_once("operations=\"").unwrap();
    let (operations, _) = operations.split_once('"').unwrap();

    writes(&network, "developed").await;
    reads(&network, "developed").await;

    // Health and metrics, and a peer that comes back.
    assert_eq!(get(operations, "/readyz").await.1, "ready\n");
    let answered = async || {
        let text = get(operations, "/metrics").await.1;
        let count = r#"chaincode_transactions_total{channel="dialled",outcome="ok"}"#;
        metric(&text, count).parse::<u32>().unwrap()
    };
    let before = answered().await;
    network.stop_peer().await;
    while get(operations, "/readyz").await.1 != "not connected\n" {}
    network.start_peer();
    while get(operations, "/readyz").await.1 != "ready\n" {
        // It dials every second.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    reads(&network, "developed").await;
    assert_eq!(answered().await, before + 1);
    assert!(program.terminate().await);
}
