//! The chaincode that dials its peer: started by a builder, which the peer gives certificates, and at a peer in development mode. Real
//! peers alone do either.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command, time::Duration};

use sha2::{Digest, Sha256};

use end_to_end_tests::fabric::{self, FabricNetwork, Plan, program};

use crate::operations::{get, metric};
use crate::server::Program;

const ORGANISATION: &str = "Org1";
const PEER: &str = "Org1-peer0";

/// One organisation, without any chaincode yet.
fn network(number: u32, settings: &[(&'static str, String)]) -> FabricNetwork {
    let mut all = vec![("--batch-timeout", "100ms".to_owned())];
    all.extend_from_slice(settings);
    let network = FabricNetwork::new(Plan {
        number,
        organisations: vec![ORGANISATION],
        channel: "dialled",
        chaincode: "steps",
        settings: all,
    });
    network.up();
    network
}

/// Approves and commits a definition.
fn define(network: &FabricNetwork, name: &str, package_id: &str, options: &str) {
    let definition = format!("-C dialled -n {name} -v 1.0 --sequence 1 {options}");
    let lines = format!(
        r#"peer lifecycle chaincode approveformyorg "${{ORDERER[@]}}" {definition} --package-id {package_id}
        peer lifecycle chaincode commit "${{ORDERER[@]}}" {definition}"#
    );
    network.ask(ORGANISATION, &lines);
}

fn query(name: &str, steps: &str) -> String {
    let call = format!(r#"{{"Args":["Run","{}"]}}"#, steps.replace('"', "\\\""));
    format!("peer chaincode query -C dialled -n {name} -c '{call}'")
}

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
exec {} --peer.address "$(value peer_address "$2")" 2>{}/log
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

fn write_package(folder: &Path) {
    fs::write(
        folder.join("metadata.json"),
        r#"{"type":"program","label":"steps_1.0"}"#,
    )
    .unwrap();
    for [archive, content @ ..] in [
        ["code.tar.gz", "metadata.json", ""],
        ["package.tar.gz", "metadata.json", "code.tar.gz"],
    ] {
        let content = content.iter().filter(|name| !name.is_empty());
        let packed = Command::new("tar")
            .current_dir(folder)
            .args(["-czf", archive])
            .args(content)
            .status();
        assert!(packed.unwrap().success());
    }
}

#[test]
fn a_builder_starts_a_chaincode_that_dials_over_tls() {
    if !fabric::is_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let builder = folder.path().join("builder");
    write_builder(&builder);
    write_package(folder.path());
    let builders = format!(
        r#"CORE_CHAINCODE_EXTERNALBUILDERS=[{{"name":"program","path":"{}"}}]"#,
        builder.display()
    );
    let network = network(0, &[("--peer-settings", builders)]);

    let package = folder.path().join("package.tar.gz");
    network.ask(
        ORGANISATION,
        &format!("peer lifecycle chaincode install {}", package.display()),
    );
    let hash = hex::encode(Sha256::digest(fs::read(package).unwrap()));
    define(&network, "steps", &format!("steps_1.0:{hash}"), "");
    let invoke = r#"peer chaincode invoke "${ORDERER[@]}" "${ENDORSERS[@]}" -C dialled -n steps --waitForEvent -c '{"Args":["Run","[\"Whoami\",{\"Put\":[\"k\",\"v\"]}]"]}'"#;
    let said = network.ask(ORGANISATION, invoke);
    assert!(
        said.contains("committed with status (VALID)") && said.contains("Org1MSP"),
        "{said}"
    );
    assert!(
        network
            .ask(ORGANISATION, &query("steps", r#"[{"Get":"k"}]"#))
            .contains(r#"["v"]"#)
    );
    let log = fs::read_to_string(builder.join("log")).unwrap();
    assert!(log.contains("connected") && log.contains("tls=true"), "{log}");
}

/// A peer that speaks TLS, in development mode or not, speaks it on its chaincode listener under an authority that lives in its memory alone, so
/// that nobody can dial whom it has not started: see `LIMITATIONS.md`.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_in_development_mode_takes_a_chaincode_that_dials() {
    if !fabric::is_here() {
        return;
    }
    let network = network(1, &[]);
    define(&network, "developed", "developed:1.0", "--init-required");
    let variable = |name: &str| network.ask(ORGANISATION, &format!("echo -n ${name}"));
    let (peer, users) = (variable("CORE_PEER_ADDRESS"), variable("CORE_PEER_MSPCONFIGPATH"));
    let (host, port) = peer.rsplit_once(':').unwrap();
    // As fabric-network/lib/places.sh lays them out.
    let port = port.parse::<u16>().unwrap();
    let listener = format!("{host}:{}", port + 1);
    let common = [
        ("CORE_CHAINCODE_ID_NAME", "developed:1.0"),
        ("CORE_PEER_LOCALMSPID", "Org1MSP"),
    ];

    network.run(&["stop", PEER]);
    network.start_otherwise(PEER, |start| {
        start.replace(" node start\n", " node start --peer-chaincodedev\n")
    });
    network.wait_for_listener(&listener);
    let tls = Path::new(&users).parent().unwrap().join("tls");
    let file = |name: &str| tls.join(name).display().to_string();
    let (root, certificate, key) = (file("ca.crt"), file("client.crt"), file("client.key"));
    let with_tls = [
        ("CORE_PEER_TLS_ENABLED", "true"),
        ("CORE_PEER_TLS_ROOTCERT_FILE", root.as_str()),
        ("CORE_TLS_CLIENT_CERT_FILE", certificate.as_str()),
        ("CORE_TLS_CLIENT_KEY_FILE", key.as_str()),
    ];
    let refused = Program::start(
        common.into_iter().chain(with_tls),
        &["--peer.address", &listener],
        "Error:",
    )
    .await;
    assert!(
        refused.said.contains("invalid peer certificate: UnknownIssuer"),
        "{}",
        refused.said
    );
    network.wait_for_log(PEER, "tls: unknown certificate authority");

    // Without TLS, then, and so the orderer too; its Raft has a listener of its own then.
    network.run(&["stop", PEER, "orderer1"]);
    let orderer = network
        .folder()
        .join("crypto/ordererOrganizations/orderer.example.com/orderers/orderer1.orderer.example.com/tls");
    network.start_otherwise("orderer1", |start| {
        let cluster = format!(
            "export ORDERER_GENERAL_TLS_ENABLED=false\nexport ORDERER_GENERAL_CLUSTER_LISTENADDRESS=127.0.0.1 ORDERER_GENERAL_CLUSTER_LISTENPORT={}\n\
             export ORDERER_GENERAL_CLUSTER_SERVERCERTIFICATE={tls}/server.crt ORDERER_GENERAL_CLUSTER_SERVERPRIVATEKEY={tls}/server.key",
            port - 10,
            tls = orderer.display()
        );
        start.replace("export ORDERER_GENERAL_TLS_ENABLED=true", &cluster)
    });
    network.start_otherwise(PEER, |start| {
        start.replace(
            "export CORE_PEER_TLS_ENABLED=true",
            "export CORE_PEER_TLS_ENABLED=false",
        )
    });
    network.wait_for_listener(&listener);
    let settings = [
        ("CORE_PEER_TLS_ENABLED", "false"),
        ("CHAINCODE_OPERATIONS_ADDRESS", "127.0.0.1:0"),
        ("CHAINCODE_REDIAL", "true"),
    ];
    let program = Program::start(
        common.into_iter().chain(settings),
        &["--peer.address", &listener],
        "registered with the peer",
    )
    .await;
    let (_, operations) = program.said.split_once("operations=\"").unwrap();
    let (operations, _) = operations.split_once('"').unwrap();

    // Right after its start the orderer has no Raft leader yet.
    let invoke = |options: &str, call: &str| {
        let lines = format!(
            r#"export CORE_PEER_TLS_ENABLED=false
            for attempt in $(seq 60); do
                said=$(peer chaincode invoke -o "${{ORDERER[1]}}" -C dialled -n developed --waitForEvent {options} -c '{call}' 2>&1) && break
                grep -qE 'SERVICE_UNAVAILABLE|connection refused' <<<"$said" || break
                sleep 0.5
            done
            echo "$said""#
        );
        network.ask(ORGANISATION, &lines)
    };
    let early = invoke("", r#"{"Args":["Run","[]"]}"#);
    assert!(
        early.contains("has not been initialized for this version"),
        "{early}"
    );
    // What fails with a status from 500 on is no initialisation; without a function it is one.
    let failed = invoke(
        "--isInit",
        r#"{"Args":["Run","[{\"Fail\":[500,\"not today\"]}]"]}"#,
    );
    assert!(
        failed.contains("not today") && !failed.contains("VALID"),
        "{failed}"
    );
    let said = invoke("--isInit", r#"{"Args":[]}"#);
    assert!(said.contains("committed with status (VALID)"), "{said}");
    let said = invoke("", r#"{"Args":["Run","[\"Whoami\",{\"Put\":[\"k\",\"v\"]}]"]}"#);
    assert!(
        said.contains("committed with status (VALID)") && said.contains("Org1MSP"),
        "{said}"
    );
    let query = format!(
        "export CORE_PEER_TLS_ENABLED=false\n{}",
        query("developed", r#"[{"Get":"k"}]"#)
    );
    assert!(network.ask(ORGANISATION, &query).contains(r#"["v"]"#));

    // Health and metrics, and a peer that comes back.
    assert_eq!(get(operations, "/readyz").await.1, "ready\n");
    let answered = async || {
        let text = get(operations, "/metrics").await.1;
        let count = r#"chaincode_transactions_total{channel="dialled",outcome="ok"}"#;
        metric(&text, count).parse::<u32>().unwrap()
    };
    let before = answered().await;
    network.run(&["stop", PEER]);
    while get(operations, "/readyz").await.1 != "not connected\n" {}
    network.run(&["start", PEER]);
    while get(operations, "/readyz").await.1 != "ready\n" {
        // It dials every second.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    network.wait_for_listener(&peer);
    assert!(network.ask(ORGANISATION, &query).contains(r#"["v"]"#));
    assert_eq!(answered().await, before + 1);
    assert!(program.terminate().await);
}
