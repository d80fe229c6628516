//! The server program: what it says of itself, what it refuses to start with, and that SIGTERM ends it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

const GOOD: [(&str, &str); 4] = [
    ("CHAINCODE_ID", "ipo_1.0:00"),
    ("CHAINCODE_SERVER_ADDRESS", "127.0.0.1:0"),
    ("CORE_PEER_LOCALMSPID", "USBankMSP"),
    ("IPO_SIDECAR_ADDRESS", "http://127.0.0.1:7100"),
];

fn program(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipo-chaincode"));
    command.env_clear().envs(variables.iter().copied());
    command
}

/// Ends the program if the test does not come to it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn help_names_every_variable() {
    let Output { stdout, status, .. } = program(&[]).arg("--help").output().unwrap();
    let help = String::from_utf8(stdout).unwrap();
    assert!(status.success());
    for (name, _) in GOOD {
        assert!(help.contains(name), "{name}: {help}");
    }
    assert!(
        help.contains("IPO_MAX_SKEW") && help.contains("IPO_SIDECAR_CA_CERT"),
        "{help}"
    );
}

#[test]
fn it_does_not_start_without_a_variable_and_names_it() {
    for (missing, _) in GOOD {
        let rest: Vec<_> = GOOD.into_iter().filter(|(name, _)| *name != missing).collect();
        let Output { stderr, status, .. } = program(&rest).output().unwrap();
        let said = String::from_utf8(stderr).unwrap();
        assert!(!status.success() && said.contains(missing), "{missing}: {said}");
    }
}

#[test]
fn it_does_not_start_with_a_bad_value_and_names_the_variable() {
    for (name, value) in [
        ("CHAINCODE_SERVER_ADDRESS", "nowhere"),
        ("CHAINCODE_TLS_DISABLED", "perhaps"),
        ("CHAINCODE_TLS_KEY", "/no/such/file"),
        ("IPO_SIDECAR_ADDRESS", "http://192.0.2.1:7100"),
        ("IPO_MAX_SKEW", "an hour"),
    ] {
        let mut variables: Vec<_> = GOOD.into_iter().filter(|(good, _)| *good != name).collect();
        variables.push((name, value));
        if name == "CHAINCODE_TLS_KEY" {
            variables.push(("CHAINCODE_TLS_CERT", value));
        }
        let Output { stderr, status, .. } = program(&variables).output().unwrap();
        let said = String::from_utf8(stderr).unwrap();
        let named = if name == "CHAINCODE_TLS_KEY" {
            "CHAINCODE_TLS_CERT"
        } else {
            name
        };
        assert!(!status.success() && said.contains(named), "{name}: {said}");
    }
}

#[test]
fn flags_come_before_variables() {
    let mut command = program(&GOOD);
    command.args(["--sidecar-address", "http://192.0.2.1:7100"]);
    let said = String::from_utf8(command.output().unwrap().stderr).unwrap();
    assert!(said.contains("192.0.2.1"), "{said}");
    let flags = [
        ["--chaincode-id", "ipo_1.0:00"],
        ["--chaincode-address", "127.0.0.1:0"],
        ["--local-mspid", "USBankMSP"],
        ["--sidecar-address", "http://127.0.0.1:7100"],
        ["--max-skew", "1"],
    ];
    let mut command = program(&[("CHAINCODE_SERVER_ADDRESS", "nowhere")]);
    command.args(flags.concat()).arg("--json").stderr(Stdio::piped());
    let mut running = Running(command.spawn().unwrap());
    let said = BufReader::new(running.0.stderr.take().unwrap());
    let serving = said
        .lines()
        .map_while(Result::ok)
        .find(|line| line.contains("serving"));
    let serving: serde_json::Value = serde_json::from_str(&serving.unwrap()).unwrap();
    assert_eq!(serving["fields"]["mspid"], "USBankMSP");
}

#[test]
fn health_and_metrics_are_served_where_they_are_configured() {
    let mut command = program(&GOOD);
    command
        .args(["--operations-address", "127.0.0.1:0", "--json"])
        .stderr(Stdio::piped());
    let mut running = Running(command.spawn().unwrap());
    let said = BufReader::new(running.0.stderr.take().unwrap());
    let serving = said
        .lines()
        .map_while(Result::ok)
        .find(|line| line.contains("serving"));
    let serving: serde_json::Value = serde_json::from_str(&serving.unwrap()).unwrap();
    let mut stream = TcpStream::connect(serving["fields"]["operations"].as_str().unwrap()).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(
        text.starts_with("HTTP/1.1 200 OK") && text.contains("\nchaincode_transactions_in_flight 0\n"),
        "{text}"
    );
}

#[test]
fn sigterm_ends_it_in_good_order() {
    let mut running = Running(program(&GOOD).stderr(Stdio::piped()).spawn().unwrap());
    let said = BufReader::new(running.0.stderr.take().unwrap());
    let mut lines = said.lines().map_while(Result::ok);
    let serving = lines.find(|line| line.contains("serving")).unwrap();
    assert!(serving.contains("USBankMSP"), "{serving}");
    let term = Command::new("kill")
        .arg(running.0.id().to_string())
        .status()
        .unwrap();
    assert!(term.success());
    assert!(lines.any(|line| line.contains("stopped")));
    assert!(running.0.wait().unwrap().success());
}
