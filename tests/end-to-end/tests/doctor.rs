//! `scripts/doctor` on a real network, with one thing after another broken: each time it names what is wrong, and nothing once it is mended.
//! Runs when `FABRIC_BIN` names a directory of Fabric's programs; says "skipped" otherwise.

#![allow(clippy::unwrap_used)] // in a test a failure is a failure

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use end_to_end_tests::fabric::{FabricNetwork, Plan, is_here};

/// What is broken, from the point of view of the first of two organisations.
struct Patient {
    network: FabricNetwork,
    folder: PathBuf,
}

impl Patient {
    /// Healthy at first.
    fn new() -> Self {
        let network = FabricNetwork::new(Plan {
            number: 2,
            organisations: vec!["East", "West"],
            channel: "ipochannel",
            chaincode: "ipo",
            settings: Vec::new(),
        });
        network.up();
        network.deploy();
        let folder = network.folder();
        Self { network, folder }
    }

    fn deployment(&self, file: &str) -> PathBuf {
        self.folder.join("deployment").join(file)
    }

    /// What the doctor says, with more options and with other programs before those of the system; and whether it finds nothing wrong.
    fn examine(&self, options: &[&str], programs: Option<&Path>) -> (bool, String) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/network");
        let mut command = Command::new(script);
        command
            .args(["doctor", "--name"])
            .arg(self.folder.file_name().unwrap())
            .args(options);
        if let Some(programs) = programs {
            let path = env::var_os("PATH").unwrap_or_default();
            let paths = [programs.to_owned()].into_iter().chain(env::split_paths(&path));
            command.env("PATH", env::join_paths(paths).unwrap());
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.is_empty(), "{complained}");
        (output.status.success(), said)
    }

    #[track_caller]
    fn is_well(&self) {
        let (well, said) = self.examine(&[], None);
        assert!(well && !said.contains("WRONG"), "{said}");
    }

    /// Some line says of this subject of `EastMSP` that it is wrong, in these words.
    #[track_caller]
    fn complains(&self, subject: &str, words: &str) {
        self.complains_with(&[], None, subject, words);
    }

    #[track_caller]
    fn complains_with(&self, options: &[&str], programs: Option<&Path>, subject: &str, words: &str) {
        let (well, said) = self.examine(options, programs);
        let start = format!("EastMSP  WRONG  {subject}");
        assert!(
            !well
                && said
                    .lines()
                    .any(|line| line.starts_with(&start) && line.contains(words)),
            "expected '{start} ... {words}', it said\n{said}"
        );
    }

    /// Starts East's chaincode server anew with other variables; without any, as it was deployed.
    fn restart_chaincode(&self, variables: &[(&str, &str)]) {
        let start = self.folder.join("processes/East-chaincode/start");
        self.network.run(&["stop", "East-chaincode"]);
        let healthy = fs::read_to_string(&start).unwrap();
        let mut lines: Vec<String> = healthy.lines().map(ToOwned::to_owned).collect();
        // The last line becomes the program.
        let program = lines.len() - 1;
        for (name, value) in variables {
            lines.insert(program, format!("export {name}={value}"));
        }
        fs::write(&start, lines.join("\n") + "\n").unwrap();
        self.network.run(&["start", "East-chaincode"]);
        fs::write(&start, healthy).unwrap();
        let address = fs::read_to_string(self.deployment("EastMSP/chaincode.env")).unwrap();
        let address = address
            .lines()
            .find_map(|line| line.strip_prefix("CHAINCODE_SERVER_ADDRESS="))
            .unwrap();
        while std::net::TcpStream::connect(address).is_err() {
            std::thread::yield_now();
        }
    }

    /// Puts other content into a file, and back after `then`.
    fn with_file(&self, file: &Path, content: &[u8], then: impl FnOnce(&Self)) {
        let before = fs::read(file).unwrap();
        fs::write(file, content).unwrap();
        then(self);
        fs::write(file, before).unwrap();
    }
}

#[test]
fn names_what_is_wrong() {
    if !is_here() {
        return;
    }
    let patient = Patient::new();
    patient.is_well();
    chaincode_server(&patient);
    sidecar(&patient);
    packages_and_clocks(&patient);
    peer_and_its_environment(&patient);
    peer_settings(&patient);
    patient.is_well();
    // This one cannot be taken back.
    node_roles(&patient);
}

fn chaincode_server(patient: &Patient) {
    patient.network.run(&["stop", "East-chaincode"]);
    patient.complains("chaincode 127.0.0.1:", "nothing listens there");
    patient.network.run(&["start", "East-chaincode"]);

    let west = |file: &str| patient.deployment("WestMSP/tls").join(file).display().to_string();
    let foreign = [
        ("CHAINCODE_TLS_CERT", &west("chaincode.crt")[..]),
        ("CHAINCODE_TLS_KEY", &west("chaincode.key")),
    ];
    patient.restart_chaincode(&foreign);
    patient.complains("chaincode 127.0.0.1:", "not signed by the authority");
    patient.restart_chaincode(&[("CHAINCODE_CLIENT_CA_CERT", &west("ca.crt"))]);
    patient.complains("chaincode 127.0.0.1:", "refuses the client's certificate");
    patient.restart_chaincode(&[("CHAINCODE_TLS_DISABLED", "true")]);
    patient.complains("chaincode 127.0.0.1:", "does not speak TLS");
    patient.restart_chaincode(&[("CHAINCODE_ID", "ipo_0.9:00")]);
    patient.complains("chaincode 127.0.0.1:", "registers as 'ipo_0.9:00'");
    patient.restart_chaincode(&[("CORE_PEER_LOCALMSPID", "WestMSP")]);
    patient.complains("chaincode 127.0.0.1:", "wrong MSP");
    patient.restart_chaincode(&[]);
}

fn sidecar(patient: &Patient) {
    patient.network.run(&["stop", "East-sidecar"]);
    patient.complains("sidecar http://127.0.0.1:", "nothing listens there");
    patient.complains("sidecar's health", "does mpc-sidecar run?");
    patient.network.run(&["start", "East-sidecar"]);

    patient.network.run(&["stop", "West-sidecar"]);
    patient.complains("sidecar of WestMSP at ", "nothing listens there");
    patient.network.run(&["start", "West-sidecar"]);

    let other = fs::read(patient.deployment("EastMSP/tls/chaincode.crt")).unwrap();
    patient.with_file(
        &patient.deployment("EastMSP/tls/sidecar.crt"),
        &other,
        |patient| {
            patient.complains("sidecar on the ledger", "registered with another key");
        },
    );
    let other = fs::read(patient.deployment("trust/EastMSP.crt")).unwrap();
    patient.with_file(&patient.deployment("trust/WestMSP.crt"), &other, |patient| {
        patient.complains("sidecar of WestMSP at ", "not signed by the authority");
    });
}

fn packages_and_clocks(patient: &Patient) {
    let other = format!("ipo_1.0:{}", "0".repeat(64));
    patient.with_file(
        &patient.deployment("EastMSP/package-id"),
        other.as_bytes(),
        |patient| {
            patient.complains("chaincode ipo", "wrong package id: EastMSP approved");
        },
    );

    // This machine's clock two minutes ahead of the sidecar's.
    let programs = tempfile::tempdir().unwrap();
    let date = programs.path().join("date");
    let ahead = "#!/bin/sh\nif [ \"$*\" = +%s ]; then exec /usr/bin/date -d '+2 minutes' +%s; fi\nexec /usr/bin/date \"$@\"\n";
    fs::write(&date, ahead).unwrap();
    fs::set_permissions(&date, fs::Permissions::from_mode(0o755)).unwrap();
    patient.complains_with(&[], Some(programs.path()), "sidecar's clock", "s from this one");
}

fn peer_and_its_environment(patient: &Patient) {
    patient.network.run(&["stop", "East-peer0"]);
    patient.complains("peer 127.0.0.1:", "does the peer run?");
    patient.network.run(&["up"]);

    let environment = patient.folder.join("organisations/East-peer0.sh");
    let healthy = fs::read_to_string(&environment).unwrap();
    let authority = patient.folder.join("organisations/West-peer0.sh");
    let authority = fs::read_to_string(authority).unwrap();
    let authority = authority
        .lines()
        .find(|line| line.contains("CORE_PEER_TLS_ROOTCERT_FILE"))
        .unwrap();
    patient.with_file(
        &environment,
        format!("{healthy}{authority}\n").as_bytes(),
        |patient| {
            patient.complains("peer 127.0.0.1:", "TLS: CORE_PEER_TLS_ROOTCERT_FILE");
        },
    );
    let identity = healthy
        .lines()
        .find(|line| line.contains("CORE_PEER_MSPCONFIGPATH"))
        .unwrap()
        .replace("east", "west");
    patient.with_file(
        &environment,
        format!("{healthy}{identity}\n").as_bytes(),
        |patient| {
            patient.complains("peer 127.0.0.1:", "wrong MSP");
        },
    );
}

fn peer_settings(patient: &Patient) {
    let settings = patient.folder.join("core.yaml");
    fs::write(
        &settings,
        "peer:\n  gossip:\n    pvtData:\n      # true would be better\n      skipPullingInvalidTransactionsDuringCommit: false\n      \
         implicitCollectionDisseminationPolicy:\n        # others\n        requiredPeerCount: 1\n        maxPeerCount: 1\n\
         ledger:\n  state:\n    totalQueryLimit: none\n",
    )
    .unwrap();
    let option = format!("EastMSP={}", settings.display());
    for words in [
        "skipPullingInvalidTransactionsDuringCommit is not true",
        "implicitCollectionDisseminationPolicy requires 1 other peers",
        "totalQueryLimit is 'none'",
    ] {
        patient.complains_with(&["--peer-configuration", &option], None, "settings of ", words);
    }
}

/// East's administrator takes the node roles out of its MSP.
fn node_roles(patient: &Patient) {
    const UPDATE: &str = r#"
        set -euo pipefail
        . organisations/East.sh
        cd "$(mktemp -d)"
        peer channel fetch config block "${ORDERER[@]}" -c ipochannel
        configtxlator proto_decode --type common.Block --input block | jq '.data.data[0].payload.data.config' >before.json
        jq --arg admin "$(base64 -w 0 "$CORE_PEER_MSPCONFIGPATH"/signcerts/*)" \
            '.channel_group.groups.Application.groups.EastMSP.values.MSP.value.config |= (.fabric_node_ous.enable = false | .admins = [$admin])' \
            before.json >after.json
        configtxlator proto_encode --type common.Config --input before.json --output before
        configtxlator proto_encode --type common.Config --input after.json --output after
        configtxlator compute_update --channel_id ipochannel --original before --updated after --output update
        configtxlator proto_decode --type common.ConfigUpdate --input update |
            jq '{payload: {header: {channel_header: {channel_id: "ipochannel", type: 2}}, data: {config_update: .}}}' |
            configtxlator proto_encode --type common.Envelope --output envelope
        peer channel update -f envelope -c ipochannel "${ORDERER[@]}"
    "#;
    let output = Command::new("bash")
        .args(["-c", UPDATE])
        .current_dir(&patient.folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    patient.complains("node roles", "NodeOUs are missing");
}
