//! All of it on Fabric's own programs, by `scripts/network`. Runs when `FABRIC_BIN` names a directory of them; says "skipped" otherwise.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::confidentiality::{self, Haystack, Secret};
use crate::market::Market;
use crate::{crowd, traps};

const ORGANISATIONS: [&str; 3] = ["Bank", "East", "West"];

/// A network of its own, taken down with the test.
struct Network {
    repository: PathBuf,
    name: String,
}

impl Network {
    fn up() -> Self {
        let id = std::process::id();
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let network = Self {
            repository: repository.canonicalize().unwrap(),
            name: format!("market-{id}"),
        };
        // Below the ports that the system hands out by itself.
        let base_port = (20_000 + 500 * (id % 8)).to_string();
        let organisations = ORGANISATIONS.join(",");
        network.run(&["up", "--organisations", &organisations, "--base-port", &base_port]);
        let programs = env::current_exe().unwrap();
        let program = |name| {
            programs
                .ancestors()
                .nth(2)
                .unwrap()
                .join(name)
                .display()
                .to_string()
        };
        let [chaincode, sidecar] = ["ipo-chaincode", "mpc-sidecar"].map(program);
        let deploy = [
            "deploy",
            "--chaincode-program",
            &chaincode,
            "--sidecar-program",
            &sidecar,
        ];
        network.run(&deploy);
        network
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) {
        let mut script = Command::new(self.repository.join("scripts/network"));
        let output = script
            .args(arguments)
            .args(["--name", &self.name])
            .output()
            .unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (told, complained) = (said(&output.stdout), said(&output.stderr));
        assert!(output.status.success(), "{told}\n{complained}");
    }

    /// Everything that the network keeps: ledgers, logs, the sidecars' storage.
    fn folder(&self) -> PathBuf {
        self.repository.join("fabric-network/run").join(&self.name)
    }

    /// Starts a peer again with another value of one of its settings.
    fn change(&self, node: &str, setting: &str, value: &str) {
        let script = self.folder().join("processes").join(node).join("start");
        let text = fs::read_to_string(&script).unwrap();
        let changed: Vec<_> = text
            .lines()
            .map(|line| match line.split_once('=') {
                Some((name, _)) if name == format!("export {setting}") => format!("{name}={value}"),
                _ => line.to_owned(),
            })
            .collect();
        let changed = changed.join("\n") + "\n";
        assert_ne!(changed, text, "{node} has no {setting}");
        fs::write(&script, changed).unwrap();
        self.run(&["stop", node]);
        self.run(&["start", node]);
        // It runs already; this waits until the others know it again.
        self.run(&["up"]);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let mut script = Command::new(self.repository.join("scripts/network"));
        // Whatever it says: there is nothing else to be done here.
        let _ = script.args(["down", "--remove", "--name", &self.name]).output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn traps_and_a_crowd_and_nothing_of_an_order_anywhere_on_real_peers() {
    if !end_to_end_tests::fabric::is_here() {
        return;
    }
    let network = Network::up();
    // One peer's ranges end after 1,000 keys, silently.
    network.change("East-peer0", "CORE_LEDGER_STATE_TOTALQUERYLIMIT", "1000");
    let market = Market::open(&network.folder()).await;
    traps::all(&market).await;
    traps::a_short_range_freezes_the_whole_book(&market, 1_200).await;

    let tally = crowd::at_once(&market).await;
    println!("{tally}");
    assert_eq!(tally.codes.keys().collect::<Vec<_>>(), [&"VALID"]);
    assert!(tally.shared_blocks() > 0, "{tally}");

    let secrets = confidentiality::ipo(&market).await;
    for secret in &secrets {
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for file in files(&network.folder()) {
            if is_own(&file, &network.folder(), secret) {
                own.push(file);
            } else {
                others.push(file);
            }
        }
        // What is searched for is where it may be, in the form that is searched for.
        let mut kept = own.iter().map(|file| fs::read(file).unwrap());
        assert!(
            kept.any(|bytes| secret.own_control.find(&bytes).is_some()),
            "{}",
            secret.msp
        );
        println!("{}: {} files of others", secret.msp, others.len());
        confidentiality::search(
            secret,
            others.into_iter().map(|file| Haystack {
                name: file.display().to_string(),
                bytes: fs::read(&file).unwrap(),
            }),
        );
    }
}

/// Whether a file is where the secret's organisation keeps its own orders: its peer's state and private data, its sidecar's storage. Its
/// blocks and its logs are for others to read, so they are not.
fn is_own(file: &Path, folder: &Path, secret: &Secret) -> bool {
    let organisation = secret.msp.strip_suffix("MSP").unwrap();
    let peer = folder.join("data").join(format!("{organisation}-peer0"));
    let chains = peer.join("ledgersData/chains");
    let storage = folder.join("deployment").join(&secret.msp).join("sidecar");
    (file.starts_with(&peer) && !file.starts_with(&chains)) || file.starts_with(&storage)
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            all.extend(files(&entry.path()));
        } else if kind.is_file() {
            all.push(entry.path());
        }
    }
    all
}
