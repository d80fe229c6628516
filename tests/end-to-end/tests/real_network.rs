//! The contract on real Hyperledger Fabric peers, by `scripts/network` and the peer command line: an IPO from its listing
//! to its sale, with the sidecars computing.
//!
//! Runs when `FABRIC_BIN` names a directory of Fabric's programs; says "skipped" otherwise.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const BANK: &str = "Bank";
const BROKERS: [&str; 2] = ["North", "South"];
const CHANNEL: &str = "sale";
const CHAINCODE: &str = "offerings";

/// A network of its own, taken down with the test.
struct Network {
    repository: PathBuf,
    name: String,
    base_port: String,
}

impl Network {
    fn new() -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let id = std::process::id();
        Self {
            repository: repository.canonicalize().expect("the repository"),
            name: format!("test-{id}"),
            // Below the ports that the system hands out by itself.
            base_port: (24_000 + 500 * (id % 16)).to_string(),
        }
    }

    fn script(&self, arguments: &[&str]) -> Output {
        Command::new(self.repository.join("scripts/network"))
            .args(arguments)
            .args(["--name", &self.name])
            .output()
            .expect("scripts/network runs")
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> String {
        succeeded(&self.script(arguments))
    }

    fn up(&self) {
        let organisations = [&[BANK], BROKERS.as_slice()].concat().join(",");
        self.run(&[
            "up",
            "--organisations",
            &organisations,
            "--channel",
            CHANNEL,
            "--chaincode",
            CHAINCODE,
            "--base-port",
            &self.base_port,
        ]);
    }

    fn deploy(&self) {
        let chaincode = program("ipo-chaincode");
        let sidecar = program("mpc-sidecar");
        self.run(&[
            "deploy",
            "--chaincode-program",
            &chaincode,
            "--sidecar-program",
            &sidecar,
        ]);
    }

    /// `peer chaincode ...` as a client of an organisation.
    fn peer(&self, organisation: &str, user: &str, line: &str, call: &Call) -> Output {
        let environment = self.repository.join(format!(
            "fabric-network/run/{}/organisations/{organisation}.sh",
            self.name
        ));
        Command::new("bash")
            .args([
                "-c",
                &format!(r#"set -e; . "$0"; peer chaincode {line} -C {CHANNEL} -n {CHAINCODE} "$@""#),
            ])
            .arg(environment)
            .args(["-c", &json!({ "Args": call.arguments }).to_string()])
            .args(["--transient", &json!(call.transient).to_string()])
            .env("AS", user)
            .output()
            .expect("bash runs")
    }

    /// A transaction that every organisation endorses; its answer.
    #[track_caller]
    fn submit(&self, organisation: &str, user: &str, call: &Call) -> Value {
        let line = r#"invoke "${ORDERER[@]}" "${ENDORSERS[@]}" --waitForEvent"#;
        let output = self.peer(organisation, user, line, call);
        succeeded(&output);
        payload(&output)
    }

    /// A transaction that the organisation's own peer alone endorses: private data goes no further.
    #[track_caller]
    fn submit_at_home(&self, organisation: &str, call: &Call) -> Value {
        let line = r#"invoke "${ORDERER[@]}" --waitForEvent"#;
        let output = self.peer(organisation, "User1", line, call);
        succeeded(&output);
        payload(&output)
    }

    #[track_caller]
    fn query(&self, organisation: &str, call: &Call) -> Value {
        let answer = succeeded(&self.peer(organisation, "User1", "query", call));
        serde_json::from_str(&answer).expect("the contract answers JSON")
    }

    #[track_caller]
    fn refused(&self, organisation: &str, call: &Call, code: &str) {
        let output = self.peer(organisation, "User1", "query", call);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(code), "{said}");
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // A log says more about a failure than the answers do.
        if thread::panicking() {
            for node in [&[BANK], BROKERS.as_slice()].concat() {
                for process in ["chaincode", "sidecar"] {
                    let log = self.script(&["logs", &format!("{node}-{process}")]);
                    eprintln!("{node}-{process}:\n{}", String::from_utf8_lossy(&log.stdout));
                }
            }
        }
        self.script(&["down", "--remove"]);
    }
}

/// A function with its arguments, and transient fields.
struct Call {
    arguments: Vec<String>,
    transient: Value,
}

fn call(function: &str, arguments: &[&str]) -> Call {
    let arguments = [&[function], arguments]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect();
    Call {
        arguments,
        transient: json!({}),
    }
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    let (said, complained) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}\n{complained}");
    said.into_owned()
}

/// What `peer chaincode invoke` prints as `payload:"..."`, JSON in a quoted string.
#[track_caller]
fn payload(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    let quoted = said.split_once("payload:").map_or("", |(_, rest)| rest);
    let text: String = serde_json::Deserializer::from_str(quoted)
        .into_iter()
        .next()
        .expect("a payload")
        .expect("a quoted string");
    serde_json::from_str(&text).expect("JSON")
}

/// A program of the workspace, where cargo put it: two directories above the test.
fn program(name: &str) -> String {
    let test = env::current_exe().expect("the test's own path");
    let program = test.ancestors().nth(2).expect("target/debug").join(name);
    assert!(
        program.exists(),
        "{} is not built: cargo build --workspace --bins",
        program.display()
    );
    program.display().to_string()
}

/// Seconds from now, RFC 3339.
fn moment(from_now: i64) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970")
        .as_secs();
    let output = Command::new("date")
        .args([
            "-u",
            "-d",
            &format!("@{}", now.cast_signed() + from_now),
            "+%Y-%m-%dT%H:%M:%SZ",
        ])
        .output()
        .expect("date runs");
    succeeded(&output).trim().to_owned()
}

fn msp(organisation: &str) -> String {
    format!("{organisation}MSP")
}

/// Places an order: private at home, then its commitment in public.
fn order(network: &Network, broker: &str, id: &str, steps: &Value) {
    let salt = hex::encode(getrandom_32());
    let order = json!({ "investor": "an investor", "steps": steps, "salt": salt }).to_string();
    let mut create = call("CreateOrder", &["estatia", id]);
    create.transient = json!({ "order": STANDARD.encode(order) });
    let created = network.submit_at_home(broker, &create);
    let commitment = created["commitment"].as_str().expect("a commitment");
    let submitted = network.submit(
        broker,
        "User1",
        &call("SubmitOrder", &["estatia", id, commitment]),
    );
    assert_eq!(submitted["status"], "submitted");
    assert_eq!(submitted["msp"], msp(broker));
}

fn getrandom_32() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("random bytes");
    bytes
}

#[test]
fn an_ipo_on_real_peers() {
    if env::var_os("FABRIC_BIN").is_none_or(|directory| directory.is_empty()) {
        println!("skipped: no Fabric binaries (FABRIC_BIN is not set)");
        return;
    }
    let network = Network::new();
    network.up();
    network.deploy();
    // Both may be said again, and change nothing.
    network.up();
    network.deploy();
    for organisation in [BANK, "North", "South"] {
        let sidecar = network.query(BANK, &call("ReadSidecar", &[&msp(organisation)]));
        assert_eq!(sidecar["msp"], msp(organisation));
    }

    network.submit(
        BANK,
        "User1",
        &call("token:CreateToken", &["USD", "US dollar", "2"]),
    );
    let listing = json!({
        "id": "estatia", "symbol": "ESTA", "category": "Series A", "description": "Estatia", "shares": 10_000, "lotSize": 100,
        "price": { "min": 100, "max": 1600, "tick": 100 }, "opensAt": moment(-60), "closesAt": moment(3600),
        "allocation": "price-priority", "minSubscription": 0, "settlementDeadline": moment(86_400), "cashToken": "USD",
        "brokers": BROKERS.map(msp),
    });
    let listed = network.submit(BANK, "User1", &call("CreateListing", &[&listing.to_string()]));
    assert_eq!(listed["status"], "available");
    order(
        &network,
        "North",
        "n1",
        &json!([{ "price": 500, "quantity": 10_000 }, { "price": 700, "quantity": 6_000 }]),
    );
    order(
        &network,
        "South",
        "s1",
        &json!([{ "price": 700, "quantity": 6_000 }, { "price": 1000, "quantity": 2_000 }]),
    );
    network.refused("South", &call("ReadOrder", &["estatia", "n1"]), "responseKey");

    network.submit(BANK, "User1", &call("CloseListing", &["estatia"]));
    let frozen = network.submit(BANK, "User1", &call("FreezeBooks", &["estatia"]));
    assert_eq!(frozen["status"], "frozen");
    network.refused("North", &call("SellListing", &["estatia"]), "CLEARING_PENDING");
    for organisation in [BANK, "North", "South"] {
        network.query(organisation, &call("JoinClearing", &["estatia"]));
    }
    let deadline = Instant::now() + Duration::from_secs(180);
    for organisation in [BANK, "North", "South"] {
        loop {
            let progress = network.query(organisation, &call("ClearingStatus", &["estatia"]));
            if progress["state"] == "done" {
                break;
            }
            assert!(
                progress["state"] != "failed" && Instant::now() < deadline,
                "{progress}"
            );
            thread::sleep(Duration::from_millis(200));
        }
    }

    // 12,000 are wanted at 7.00 and 2,000 above it: South's 2,000 are filled, 8,000 are left for 6,000 and 4,000.
    network.submit("North", "User1", &call("SellListing", &["estatia"]));
    for organisation in [BANK, "North", "South"] {
        let sold = network.query(organisation, &call("ReadListing", &["estatia"]));
        assert_eq!(sold["status"], "sold", "{sold}");
        let outcome = &sold["outcome"];
        assert_eq!(outcome["clearingPrice"], 700, "{sold}");
        assert_eq!(outcome["sold"], 10_000, "{sold}");
        let allocations = outcome["allocations"].as_array().expect("allocations");
        let of = |msp: &str| {
            allocations
                .iter()
                .find(|allocation| allocation["msp"] == msp)
                .map(|allocation| &allocation["quantity"])
        };
        assert_eq!(of("NorthMSP"), Some(&json!(4_800)), "{sold}");
        assert_eq!(of("SouthMSP"), Some(&json!(5_200)), "{sold}");
    }
}
