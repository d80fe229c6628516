//! A network on real Fabric programs, by `scripts/network`: started for a test, taken down with it.
#![allow(clippy::unwrap_used)] // in a test a failure is a failure

use std::{
    env, fs,
    io::Write as _,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use devnet::{client::Client, identity::SigningIdentity};
use serde_json::Value;

/// What such a network is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Tells several test networks apart, in names and ports: 0 to 3.
    pub number: u32,
    /// Their names; organisation `A` has the MSP id `AMSP`.
    pub organisations: Vec<&'static str>,
    /// The channel.
    pub channel: &'static str,
    /// The name under which the chaincode is deployed.
    pub chaincode: &'static str,
    /// More options of `scripts/network up`.
    pub settings: Vec<(&'static str, String)>,
}

/// A network of its own, taken down when dropped.
pub struct FabricNetwork {
    script: PathBuf,
    name: String,
    base_port: u32,
    plan: Plan,
    environment: Vec<(&'static str, String)>,
}

/// The directory of Fabric's programs: `FABRIC_BIN`, or the one of `PATH` that has them.
fn programs() -> Option<PathBuf> {
    let named = env::var_os("FABRIC_BIN").filter(|directory| !directory.is_empty());
    named.map(PathBuf::from).or_else(|| {
        let path = env::var_os("PATH")?;
        let has = |directory: &PathBuf| {
            ["peer", "orderer", "osnadmin", "cryptogen", "configtxgen"]
                .iter()
                .all(|program| directory.join(program).is_file())
        };
        env::split_paths(&path).find(has)
    })
}

/// Whether Fabric's programs are here, in `FABRIC_BIN` or in `PATH`; says "skipped" where a reader sees it otherwise.
#[must_use]
pub fn is_here() -> bool {
    let here = programs().is_some();
    if !here {
        say_skipped("no Fabric binaries (FABRIC_BIN is not set, and PATH has none)");
    }
    here
}

/// Says that a test is skipped and why, where a reader sees it.
pub fn say_skipped(why: &str) {
    // Past the test harness, which shows nobody what a passing test prints.
    let mut stderr = std::io::stderr();
    writeln!(stderr, "skipped: {why}").unwrap();
}

/// A program that is not among those that every network needs, beside Fabric's own or in `PATH`; says "skipped" without it.
#[must_use]
pub fn optional_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let beside = programs();
    let found = beside
        .into_iter()
        .chain(env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|program| program.is_file());
    if found.is_none() {
        say_skipped(&format!("no {name} (beside Fabric's programs or in PATH)"));
    }
    found
}

/// The major and minor version of Fabric's programs: `v2.5`, `v3.1`.
#[must_use]
pub fn version() -> String {
    let peer = programs().unwrap().join("peer");
    let output = Command::new(peer).arg("version").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("Version:"))
        .unwrap();
    let numbers: Vec<&str> = version.trim().trim_start_matches('v').splitn(3, '.').collect();
    format!("v{}.{}", numbers[0], numbers[1])
}

/// A program of the workspace, where cargo put it: two directories above the test.
#[must_use]
pub fn program(name: &str) -> String {
    let test = env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join(name);
    assert!(
        program.exists(),
        "{} is not built: cargo build --workspace --bins",
        program.display()
    );
    program.display().to_string()
}

/// Ports for a network.
const PORTS_OF_A_NETWORK: u32 = 500;
/// Ports for all networks of a test program.
const PORTS: u16 = 2_000;

/// Where the ports of this test program's networks begin: below those that the system hands out by itself, and no other test program's
/// that runs now.
fn first_port() -> u16 {
    // Who listens at a range's last port has the range, as long as it runs.
    static TAKEN: OnceLock<(u16, TcpListener)> = OnceLock::new();
    let (first, _) = TAKEN.get_or_init(|| {
        let ranges = (20_000..32_000).step_by(usize::from(PORTS));
        let taken = ranges
            .filter_map(|first| Some((first, TcpListener::bind(("127.0.0.1", first + PORTS - 1)).ok()?)))
            .next();
        taken.expect("fewer than six test programs with networks at a time")
    });
    *first
}

impl FabricNetwork {
    /// Names it; [`FabricNetwork::up`] makes it. `IPO_TEST_BASE_PORT` says where its ports begin, else they are no other test program's that runs now.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let id = std::process::id();
        let first =
            env::var("IPO_TEST_BASE_PORT").map_or_else(|_| first_port(), |port| port.parse().unwrap());
        Self {
            script: repository.canonicalize().unwrap().join("scripts/network"),
            name: format!("test-{id}-{}", plan.number),
            base_port: u32::from(first) + PORTS_OF_A_NETWORK * plan.number,
            plan,
            environment: Vec::new(),
        }
    }

    /// Gives these variables to `scripts/network` and to all that it starts.
    #[must_use]
    pub fn with_environment(mut self, variables: Vec<(&'static str, String)>) -> Self {
        self.environment.extend(variables);
        self
    }

    /// Runs `scripts/network` for it.
    #[must_use]
    pub fn script(&self, arguments: &[&str]) -> Output {
        Command::new(&self.script)
            .args(arguments)
            .args(["--name", &self.name])
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap()
    }

    /// The same, which must succeed; gives what it said on standard output.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.script(arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}\n{complained}");
        said
    }

    /// Makes what is missing and starts what does not run.
    #[track_caller]
    pub fn up(&self) {
        let organisations = self.plan.organisations.join(",");
        let base_port = self.base_port.to_string();
        let mut arguments = vec!["up", "--organisations", &organisations];
        arguments.extend(["--channel", self.plan.channel, "--chaincode", self.plan.chaincode]);
        arguments.extend(["--base-port", &base_port]);
        for (setting, value) in &self.plan.settings {
            arguments.extend([*setting, value]);
        }
        self.run(&arguments);
    }

    /// Deploys the contract with a chaincode server and a sidecar for each organisation.
    #[track_caller]
    pub fn deploy(&self) {
        let (chaincode, sidecar) = (program("ipo-chaincode"), program("mpc-sidecar"));
        self.run(&[
            "deploy",
            "--chaincode-program",
            &chaincode,
            "--sidecar-program",
            &sidecar,
        ]);
    }

    /// Deploys another chaincode, alone.
    #[track_caller]
    pub fn deploy_chaincode(&self, name: &str) {
        self.run(&["deploy", "--chaincode-program", &program(name)]);
    }

    /// Runs lines of bash as an organisation's administrator: with `peer` and the arrays `ORDERER` and `ENDORSERS` of its options.
    #[must_use]
    pub fn shell(&self, organisation: &str, lines: &str) -> Output {
        let environment = self.folder().join(format!("organisations/{organisation}.sh"));
        let mut bash = Command::new("bash");
        bash.args(["-c", &format!(". \"$0\"\n{lines}")]).arg(environment);
        bash.output().unwrap()
    }

    /// The same, which must succeed; gives what was said, on standard error too, as the peer command answers there.
    #[track_caller]
    pub fn ask(&self, organisation: &str, lines: &str) -> String {
        let output = self.shell(organisation, &format!("set -e\n{lines}"));
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        said.into_owned()
    }

    /// Approves a definition of a chaincode by every organisation, with the package that is deployed for it, and commits it.
    #[track_caller]
    pub fn define(&self, name: &str, sequence: u32, options: &str) {
        let channel = self.plan.channel;
        let definition = format!("-C {channel} -n {name} --sequence {sequence} {options}");
        for organisation in &self.plan.organisations {
            let package = self
                .folder()
                .join(format!("deployment/{organisation}MSP/package-id"));
            let package = fs::read_to_string(package).unwrap();
            let approve = format!(
                r#"peer lifecycle chaincode approveformyorg "${{ORDERER[@]}}" {definition} --package-id {}"#,
                package.trim()
            );
            self.ask(organisation, &approve);
        }
        let commit =
            format!(r#"peer lifecycle chaincode commit "${{ORDERER[@]}}" "${{ENDORSERS[@]}}" {definition}"#);
        self.ask(self.plan.organisations[0], &commit);
    }

    /// Starts processes again that were stopped, with another start script: its environment as `export NAME=value`, and the command.
    #[track_caller]
    pub fn start_otherwise(&self, node: &str, change: impl FnOnce(String) -> String) {
        let script = self.folder().join("processes").join(node).join("start");
        let text = fs::read_to_string(&script).unwrap();
        fs::write(&script, change(text)).unwrap();
        self.run(&["start", node]);
    }

    /// Waits until a process's log has a text.
    #[track_caller]
    pub fn wait_for_log(&self, node: &str, text: &str) {
        let file = self.folder().join("processes").join(node).join("log");
        let deadline = Instant::now() + Duration::from_secs(60);
        while !String::from_utf8_lossy(&fs::read(&file).unwrap()).contains(text) {
            assert!(Instant::now() < deadline, "{node} does not say {text:?}");
            // A file tells nobody that it has grown.
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until somebody listens at an address.
    #[track_caller]
    pub fn wait_for_listener(&self, address: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).is_err() {
            assert!(
                Instant::now() < deadline,
                "{}: nobody listens at {address}",
                self.name
            );
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Where everything of it is kept.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let run = self.script.parent().unwrap().join("../fabric-network/run");
        run.canonicalize().unwrap().join(&self.name)
    }

    /// What an application is told of it: `network.json`.
    #[must_use]
    pub fn description(&self) -> Value {
        serde_json::from_slice(&fs::read(self.folder().join("network.json")).unwrap()).unwrap()
    }

    /// A client with a user's identity, connected to its organisation's first peer.
    pub async fn client(&self, msp_id: &str, user: &str) -> Client {
        self.client_at(msp_id, user, 0).await
    }

    /// A client with a user's identity, connected to a peer of its organisation.
    pub async fn client_at(&self, msp_id: &str, user: &str, peer: u16) -> Client {
        let description = self.description();
        let organisations = description["organisations"].as_array().unwrap();
        let organisation = organisations.iter().find(|one| one["msp"] == msp_id).unwrap();
        let text = |field: &str| organisation[field].as_str().unwrap();
        let (_, domain) = text("peerHostAlias").split_once('.').unwrap();
        let folder = Path::new(text("users")).join(format!("{user}@{domain}/msp"));
        let identity = SigningIdentity::from_msp_folder(msp_id, &folder).unwrap();
        let authority = fs::read_to_string(text("tlsCa")).unwrap();
        let (host, port) = text("peer").rsplit_once(':').unwrap();
        // As fabric-network/lib/places.sh lays them out.
        let address = format!("{host}:{}", port.parse::<u16>().unwrap() + 3 * peer);
        let name = format!("peer{peer}.{domain}");
        Client::connect(&address, &authority, Some(&name), identity, self.plan.channel)
            .await
            .unwrap()
    }
}

impl Drop for FabricNetwork {
    fn drop(&mut self) {
        // A log says more about a failure than the answers do.
        if thread::panicking() {
            for organisation in &self.plan.organisations {
                for process in ["chaincode", "sidecar"] {
                    let log = self.script(&["logs", &format!("{organisation}-{process}")]);
                    let log = String::from_utf8_lossy(&log.stdout).into_owned();
                    let tail: Vec<&str> = log.lines().rev().take(40).collect();
                    eprintln!("{organisation}-{process}:");
                    tail.iter().rev().for_each(|line| eprintln!("  {line}"));
                }
            }
        }
        let _ = self.script(&["down", "--remove"]);
    }
}

/// Another program as an organisation's chaincode server, under the configuration of its own, which does not run meanwhile. Killed when
/// dropped.
pub struct Impostor(Child);

impl Impostor {
    /// Kills the organisation's chaincode server and starts the program; it may be a moment until that listens.
    #[must_use]
    pub fn start(network: &FabricNetwork, organisation: &str, name: &str) -> Self {
        network.run(&["kill", &format!("{organisation}-chaincode")]);
        let folder = network.folder().join(format!("deployment/{organisation}MSP"));
        let environment = fs::read_to_string(folder.join("chaincode.env")).unwrap();
        let variables = environment.lines().filter_map(|line| line.split_once('='));
        let child = Command::new(program(name))
            .envs(variables)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
