//! The contract on real Hyperledger Fabric peers, by `scripts/network`: the lines of `fabric-network/walkthrough.md`, an IPO
//! from its listing to its settlement with the sidecars computing, and the same through the Gateway SDK.
//!
//! Organisations, channel and chaincode have other names here than in the document, and there are two or three organisations. Runs
//! when `FABRIC_BIN` names a directory of Fabric's programs; says "skipped" otherwise.

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

/// A network of its own, taken down with the test.
struct Network {
    script: PathBuf,
    name: String,
    organisations: &'static [&'static str],
}

impl Network {
    /// With a number of its own among the tests', and further settings.
    fn up(number: u32, organisations: &'static [&'static str], settings: &[&str]) -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let id = std::process::id();
        let network = Self {
            script: repository
                .canonicalize()
                .expect("the repository")
                .join("scripts/network"),
            name: format!("test-{id}-{number}"),
            organisations,
        };
        let organisations = organisations.join(",");
        // Below the ports that the system hands out by itself.
        let base_port = (24_000 + 1000 * (id % 8) + 500 * number).to_string();
        let mut arguments = vec!["up", "--organisations", &organisations, "--base-port", &base_port];
        arguments.extend(settings);
        network.run(&arguments);
        network
    }

    fn script(&self, arguments: &[&str]) -> Output {
        Command::new(&self.script)
            .args(arguments)
            .args(["--name", &self.name])
            .output()
            .expect("scripts/network runs")
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> String {
        let output = self.script(arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}\n{complained}");
        said
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
}

impl Drop for Network {
    fn drop(&mut self) {
        // A log says more about a failure than the answers do.
        if thread::panicking() {
            for organisation in self.organisations {
                for process in ["chaincode", "sidecar"] {
                    let log = self.script(&["logs", &format!("{organisation}-{process}")]);
                    eprintln!(
                        "{organisation}-{process}:\n{}",
                        String::from_utf8_lossy(&log.stdout)
                    );
                }
            }
        }
        self.script(&["down", "--remove"]);
    }
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

fn skipped() -> bool {
    if env::var_os("FABRIC_BIN").is_some_and(|directory| !directory.is_empty()) {
        return false;
    }
    // Past the test harness, which shows nobody what a passing test prints.
    std::io::stderr()
        .write_all(b"skipped: no Fabric binaries (FABRIC_BIN is not set)\n")
        .expect("standard error");
    true
}

#[track_caller]
fn assert_all_pass(said: &str) {
    let counts = said.lines().last().unwrap_or_default();
    let passed = counts.strip_suffix(" passed, 0 failed");
    assert!(
        passed.is_some_and(|passed| passed.parse::<u32>().is_ok_and(|passed| passed > 0)),
        "{said}"
    );
}

#[test]
fn an_ipo_on_real_peers() {
    if skipped() {
        return;
    }
    let settings = ["--channel", "sale", "--chaincode", "offerings"];
    let network = Network::up(0, &["Bank", "North", "South"], &settings);
    network.deploy();
    // Both may be said again, and change nothing.
    network.run(&["up"]);
    network.deploy();
    assert_all_pass(&network.run(&["test"]));
}

#[test]
fn an_ipo_between_two_organisations_with_two_peers_each() {
    if skipped() {
        return;
    }
    let settings = ["--peers", "2", "--orderers", "3"];
    let network = Network::up(1, &["East", "West"], &settings);
    network.deploy();
    assert_all_pass(&network.run(&["test"]));
}
