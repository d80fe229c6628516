//! Go's shim and ours before real peers that are not as the network of `script.json`: peers on CouchDB, and a channel with an Idemix
//! organisation. Needs Fabric's programs in `FABRIC_BIN`, the chaincode on Go's shim that the README describes in `CONFORMANCE_GO`, and a
//! CouchDB 3 server in `COUCHDB_URL` or the program `idemixgen` beside Fabric's or in `PATH`; says "skipped" where one is missing.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod played;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use end_to_end_tests::fabric::{self, FabricNetwork, Plan, program};
use fabric_protos::protos::{ChaincodeAction, ProposalResponsePayload};
use prost::Message;
use serde_json::{Value, json};
use shim_conformance::{RecordedCall, Vector, idemix_script};
use tempfile::TempDir;

const CHANNEL: &str = "mychannel";
const GO_SHIM: &str = "fabric-chaincode-go ea8b304";

/// Methods whose answers belong to one proposal.
const OWN: [&str; 3] = ["GetCreator", "GetBinding", "GetSignedProposal"];

fn given(variable: &str, what: &str) -> Option<String> {
    let given = env::var(variable).ok().filter(|value| !value.is_empty());
    if given.is_none() {
        fabric::say_skipped(&format!("{what} ({variable} is not set)"));
    }
    given
}

/// A network whose chaincode is the proxy, and the folder of what it records.
struct Peers {
    network: FabricNetwork,
    folder: TempDir,
}

impl Peers {
    fn start(
        number: u32,
        organisations: &[&'static str],
        settings: Vec<(&'static str, String)>,
        go: String,
        environment: Vec<(&'static str, String)>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let proxied = vec![
            ("CONFORMANCE_GO", go),
            ("CONFORMANCE_RUST", program("conformance-chaincode")),
            ("CONFORMANCE_DIR", folder.path().display().to_string()),
        ];
        let plan = Plan {
            number,
            organisations: organisations.to_vec(),
            channel: CHANNEL,
            chaincode: "conformance",
            settings: [("--batch-timeout", "100ms".to_owned())]
                .into_iter()
                .chain(settings)
                .collect(),
        };
        let network = FabricNetwork::new(plan)
            .with_environment(environment)
            .with_environment(proxied);
        network.up();
        network.deploy_chaincode("conformance-proxy");
        Self { network, folder }
    }

    /// What the proxy of the first organisation's peer has, and is told.
    fn of_first(&self) -> PathBuf {
        self.folder.path().join("Org1MSP")
    }

    /// What that peer says when the peer command asks it as an Idemix user, with the chaincode of a side behind it.
    fn as_idemix(&self, user: &Path, side: &str, command: &str, arguments: &Value) -> String {
        fs::write(self.of_first().join("side"), side).unwrap();
        let idemix = r#". "$0"; export CORE_PEER_LOCALMSPTYPE=idemix CORE_PEER_LOCALMSPID=IdemixMSP CORE_PEER_MSPCONFIGPATH="$1"; "#;
        let output = Command::new("bash")
            .args(["-c", &format!("{idemix}{command}")])
            .arg(self.network.folder().join("organisations/Org1.sh"))
            .arg(user)
            .arg(json!({ "Args": arguments }).to_string())
            .output()
            .unwrap();
        let complained = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{complained}");
        String::from_utf8(output.stdout).unwrap() + &complained
    }
}

/// What a call came to. Bookmarks of CouchDB's own queries are those of one release of it, so of an answer's it counts whether there is one.
fn outcome(call: &RecordedCall) -> (String, i32, String, Option<u64>, Vec<u8>, Value) {
    let payload =
        ProposalResponsePayload::decode(STANDARD.decode(&call.endorsed).unwrap().as_slice()).unwrap();
    let action = ChaincodeAction::decode(payload.extension.as_slice()).unwrap();
    let answer = action.response.unwrap_or_default().payload;
    let mut answer: Value = serde_json::from_slice(&answer).unwrap_or(Value::Null);
    for page in answer.as_array_mut().into_iter().flatten() {
        if let Some(bookmark) = page.get_mut("bookmark") {
            *bookmark = json!(bookmark != "");
        }
    }
    let (name, message) = (call.name.clone(), call.message.clone());
    (name, call.status, message, call.block, action.results, answer)
}

#[test]
fn rich_queries_on_couchdb_are_as_gos_shim_asks_them() {
    if !fabric::is_here() {
        return;
    }
    let Some(url) = given("COUCHDB_URL", "no CouchDB") else {
        return;
    };
    let Some(go) = given("CONFORMANCE_GO", "no chaincode on Go's shim") else {
        return;
    };
    let server = url
        .strip_prefix("http://")
        .and_then(|rest| rest.trim_end_matches('/').rsplit_once('@'));
    let server = server.and_then(|(account, address)| Some((account.split_once(':')?, address)));
    let ((user, password), address) = server.expect("COUCHDB_URL is not http://USER:PASSWORD@HOST:PORT");
    let account = vec![
        ("COUCHDB_USER", user.to_owned()),
        ("COUCHDB_PASSWORD", password.to_owned()),
    ];
    let peers = Peers::start(2, &["Org1"], vec![("--couchdb", address.to_owned())], go, account);

    // Ends with 1 if the two shims differ.
    let recording = peers.folder.path().join("couchdb.json");
    let output = Command::new(program("conformance-record"))
        .arg("--network")
        .arg(peers.network.folder().join("network.json"))
        .arg("--directory")
        .arg(peers.folder.path())
        .args(["--fabric", &fabric::version(), "--go-shim", GO_SHIM, "--couchdb"])
        .arg("--out")
        .arg(&recording)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.ends_with("0 differences\n"), "{said}");
    if let Some(file) = env::var_os("CONFORMANCE_OUT") {
        fs::copy(&recording, file).unwrap();
    }

    let vector = if fabric::version().starts_with("v2.") {
        include_str!("../vectors/v2.5.16-couchdb.json")
    } else {
        include_str!("../vectors/v3.1.5-couchdb.json")
    };
    let before: Vector = serde_json::from_str(vector).unwrap();
    let now: Vector = serde_json::from_slice(&fs::read(&recording).unwrap()).unwrap();
    assert_eq!(before.calls.len(), now.calls.len());
    for (before, now) in before.calls.iter().zip(&now.calls) {
        assert_eq!(outcome(before), outcome(now));
    }
}

#[tokio::test]
async fn an_idemix_caller_is_to_ours_what_it_is_to_gos_shim() {
    if !fabric::is_here() {
        return;
    }
    let Some(idemixgen) = fabric::optional_program("idemixgen") else {
        return;
    };
    let Some(go) = given("CONFORMANCE_GO", "no chaincode on Go's shim") else {
        return;
    };
    let issuer = tempfile::tempdir().unwrap();
    let signer: &[&str] = &["signerconfig", "-u", "sales", "-e", "user1", "-r", "1"];
    for arguments in [&["ca-keygen"], signer] {
        let mut command = Command::new(&idemixgen);
        command.args(arguments).arg("--output").arg(issuer.path());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let organisation = format!("IdemixMSP={}", issuer.path().display());
    let peers = Peers::start(
        3,
        &["Org1", "Org2"],
        vec![("--idemix", organisation)],
        go,
        Vec::new(),
    );

    // A pseudonym serves one proposal, so the two are asked one after the other.
    let call = idemix_script().unwrap().remove(0);
    let mut arguments = vec!["Run".to_owned(), json!(call.ops).to_string()];
    arguments.extend(call.arguments.clone());
    let query = r#"peer chaincode query -C mychannel -n conformance -c "$2""#;
    let answers = ["go", "rust"].map(|side| {
        let said = peers.as_idemix(issuer.path(), side, query, &json!(arguments));
        let mut answer: Vec<Value> = serde_json::from_str(said.lines().next().unwrap()).unwrap();
        for (op, answer) in call.ops.iter().zip(&mut answer) {
            if OWN.contains(&op[0].as_str().unwrap()) {
                *answer = Value::Null;
            }
        }
        json!(answer)
    });
    let expected = json!([
        null,
        null,
        null,
        "Org1MSP",
        "IdemixMSP",
        "refused",
        null,
        ["sales", true],
        ["member", true],
        ["", false],
        "ok",
        "refused",
        "ok",
        "refused",
        "refused",
    ]);
    assert_eq!(answers, [expected.clone(), expected]);

    // The very proposal that Go's shim answered, to ours: the same messages, creator, binding and signature included.
    let vector = recorded(&peers.of_first(), &call.name);
    played::replay(&vector).await;
    if let Some(file) = env::var_os("CONFORMANCE_OUT") {
        fs::write(file, serde_json::to_string_pretty(&vector).unwrap() + "\n").unwrap();
    }

    let invoke = r#"peer chaincode invoke "${ORDERER[@]}" "${ENDORSERS[@]}" -C mychannel -n conformance --waitForEvent -c "$2""#;
    let ops = json!([["PutState", "by", "nobody"]]).to_string();
    let said = peers.as_idemix(issuer.path(), "rust", invoke, &json!(["Run", ops]));
    assert_eq!(said.matches("committed with status (VALID)").count(), 2, "{said}");
}

/// The one call that Go's shim has answered, as a recording.
fn recorded(directory: &Path, name: &str) -> Vector {
    let read = |name: &str| fs::read(directory.join(name)).unwrap();
    let of_go = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.display().to_string().ends_with(".go.json"))
        .collect::<Vec<_>>();
    let [frames] = of_go.as_slice() else {
        panic!("one call was made of Go's shim, recorded are {of_go:?}");
    };
    Vector {
        fabric: fabric::version(),
        go_shim: GO_SHIM.to_owned(),
        chaincode_id: String::from_utf8(read("chaincode-id")).unwrap(),
        ready: STANDARD.encode(read("ready")),
        calls: vec![RecordedCall {
            name: name.to_owned(),
            status: 200,
            message: String::new(),
            block: None,
            endorsed: String::new(),
            frames: serde_json::from_slice(&fs::read(frames).unwrap()).unwrap(),
        }],
    }
}
