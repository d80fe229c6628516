//! The program as processes: its options, its end, its health, and a kill in the middle of a run.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::SocketAddr;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use fabric_protos::ipo::sidecar::v1 as wire;
use order_commitments::PriceGrid;
use wire::State;

use crate::network::{LIMIT, Network, estatia, get, terms};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mpc-sidecar");

/// A sidecar in a process of its own.
pub(crate) struct Process {
    child: Child,
    operations: SocketAddr,
    /// Its log until it served.
    pub(crate) said: String,
}

impl Process {
    /// Starts an organisation's sidecar and waits until it says where it serves.
    pub(crate) async fn start(network: &mut Network, index: usize) -> Self {
        let organisation = &mut network.organisations[index];
        let listen = (
            organisation.config.chaincode.listen,
            organisation.config.peers.listen,
        );
        let path = organisation.config.storage.parent().unwrap().join("sidecar.toml");
        let text = fs::read_to_string(&path).unwrap();
        // At the second start, where it was at the first.
        let mut ports = [listen.0, listen.1].into_iter();
        let lines = text
            .lines()
            .map(|line| match line.trim_start().starts_with("listen") {
                true => format!(
                    "listen = \"{}\"",
                    ports.next().unwrap_or(([127, 0, 0, 1], 0).into())
                ),
                false => line.to_owned(),
            });
        fs::write(&path, lines.collect::<Vec<_>>().join("\n")).unwrap();
        let mut child = Command::new(PROGRAM)
            .arg("--config")
            .arg(&path)
            .arg("--json")
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let serving = async {
            loop {
                let line = log.next_line().await.unwrap().expect("it ended before it served");
                said.push_str(&line);
                if line.contains("the sidecar serves") {
                    return line;
                }
            }
        };
        let line: serde_json::Value = serde_json::from_str(&timeout(LIMIT, serving).await.unwrap()).unwrap();
        let address = |name: &str| {
            line["fields"][name]
                .as_str()
                .unwrap()
                .parse::<SocketAddr>()
                .unwrap()
        };
        organisation.config.chaincode.listen = address("chaincode");
        organisation.config.peers.listen = address("peers");
        let operations = address("operations");
        // The log is read to its end, or the sidecar would wait for its reader.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Self {
            child,
            operations,
            said,
        }
    }

    async fn get(&self, path: &str) -> String {
        get(self.operations, path).await
    }

    /// Resident memory at its highest, in MiB.
    fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }
}

async fn output(arguments: &[&str]) -> (Option<i32>, String, String) {
    let run = Command::new(PROGRAM).args(arguments).output();
    let output = timeout(LIMIT, run).await.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_killed_in_the_middle_of_a_run_comes_back_and_all_have_the_outcome() {
    // Wide enough for a run to be seen.
    let mut terms = terms();
    terms.grid = PriceGrid::new(500, 1000, 1).unwrap();
    terms.fan_out = 63;
    let mut network = Network::new(estatia(), terms);
    let mut processes = Vec::new();
    for index in 0..3 {
        processes.push(Process::start(&mut network, index).await);
    }
    for index in 0..3 {
        network.join(index).await;
    }
    let mut first = network.client(0).await;
    let started = |status: &wire::StatusResponse| status.state() != State::Waiting;
    let status = first.until("a run", started).await;
    assert_eq!(
        status.state(),
        State::Running,
        "the run was over before it was seen"
    );
    processes[1].child.kill().await.unwrap();
    let failed = |status: &wire::StatusResponse| status.last_error.contains("BrokerBMSP");
    first.until("the loss to be noticed", failed).await;

    processes[1] = Process::start(&mut network, 1).await;
    let expected = network.expected();
    for index in 0..3 {
        let mut client = network.client(index).await;
        assert_eq!(client.outcome().await, expected);
        // The one that was killed may not have begun when the first said that it runs.
        let attempts = if index == 1 { 1 } else { 2 };
        assert!(client.status().await.attempts >= attempts);
    }
    for process in &processes {
        assert!(process.peak_memory() < 100, "{} MiB", process.peak_memory());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_readiness_and_metrics_are_served_and_a_signal_ends_it_in_good_order() {
    let mut network = Network::new(estatia(), terms());
    let mut process = Process::start(&mut network, 0).await;
    assert!(process.get("/healthz").await.starts_with("HTTP/1.1 200"));
    assert!(process.get("/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(process.get("/nothing").await.starts_with("HTTP/1.1 404"));
    network.join(0).await;
    let metrics = process.get("/metrics").await;
    assert!(
        metrics.contains("mpc_sidecar_sessions{outcome=\"pending\"} 1"),
        "{metrics}"
    );

    let address = format!("http://{}", network.organisations[0].config.chaincode.listen);
    let mut health = HealthClient::new(Channel::from_shared(address).unwrap().connect().await.unwrap());
    for service in ["", "ipo.sidecar.v1.Clearing"] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let status = health.check(request).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving);
    }
    let pid = process.child.id().unwrap().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .await
            .unwrap()
            .success()
    );
    let status = timeout(LIMIT, process.child.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn options_and_bad_configurations() {
    let (code, help, _) = output(&["--help"]).await;
    assert_eq!(code, Some(0));
    for word in ["--config", "--check", "[peers.ca]", "message_timeout_seconds"] {
        assert!(help.contains(word), "{word} in {help}");
    }
    let network = Network::new(estatia(), terms());
    let path = network.home(0).join("sidecar.toml");
    let good = fs::read_to_string(&path).unwrap();
    let config = path.to_str().unwrap();
    let (code, hash, _) = output(&["--config", config, "--check"]).await;
    assert_eq!((code, hash.trim().len()), (Some(0), 64));
    let registered = hex::encode(network.session().participants()[0].key_hash);
    assert_eq!(hash.trim(), registered);

    for (from, to, expected) in [
        ("msp = \"BrokerAMSP\"", "msp = \"\"", "msp is empty"),
        ("storage", "store", "unknown field `store`"),
        ("cert.pem", "nowhere.pem", "peers.cert: cannot read"),
        ("\"cert.pem\"", "\"key.pem\"", "peers.cert"),
        ("\"key.pem\"", "\"cert.pem\"", "peers.key"),
        ("\"key.pem\"", "\"../USBankMSP/key.pem\"", "peers.key"),
        ("../USBankMSP/ca.pem", "key.pem", "peers.ca.USBankMSP"),
        ("storage = \"data\"", "storage = \"cert.pem\"", "storage"),
    ] {
        fs::write(&path, good.replace(from, to)).unwrap();
        let (code, _, error) = output(&["--config", config]).await;
        assert_eq!(code, Some(1), "{expected}: {error}");
        assert!(error.contains(expected), "{expected}: {error}");
    }
}
