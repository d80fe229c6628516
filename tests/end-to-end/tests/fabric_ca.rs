//! Certificates of a real Fabric CA before the contract on real peers: an organisation's authority, run by `fabric-ca-server`, issues them to
//! users that `fabric-ca-client` registers with the attribute `ipo.role`. Runs when `FABRIC_BIN` names a directory of Fabric's programs and
//! both programs of Fabric CA are beside them or in `PATH`; says "skipped" otherwise.

#![allow(clippy::unwrap_used, reason = "in a test a failure is a failure")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use devnet::client::{Call, Client};
use end_to_end_tests::fabric::{self, FabricNetwork, Plan};
use serde_json::json;
use tempfile::TempDir;

const BANK: &str = "BankMSP";
const CHAINCODE: &str = "offerings";

/// `fabric-ca-server` as an organisation's own authority, on loopback. Ends when dropped.
struct Authority {
    server: Child,
    client: PathBuf,
    url: String,
    home: TempDir,
}

impl Authority {
    fn start(server: &Path, client: PathBuf, organisation: &Path) -> Self {
        let home = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let certificates = fs::read_dir(organisation.join("ca")).unwrap();
        let files: Vec<_> = certificates.map(|entry| entry.unwrap().path()).collect();
        let file = |end: &str| {
            let mut named = files
                .iter()
                .filter(|file| file.display().to_string().ends_with(end));
            named.next().unwrap().display().to_string()
        };
        let mut child = Command::new(server)
            .args(["start", "--boot", "admin:adminpw", "--address", "127.0.0.1"])
            .args(["--port", &port.to_string(), "--ca.name", "bank"])
            .args(["--ca.certfile", &file("-cert.pem"), "--ca.keyfile", &file("_sk")])
            .arg("--home")
            .arg(home.path().join("server"))
            .env("FABRIC_CA_SERVER_OPERATIONS_LISTENADDRESS", "127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("Listening on") {
            let read = log.read_line(&mut said).unwrap();
            assert!(read > 0, "fabric-ca-server ended: {said}");
        }
        // Read on, or it would stop when the pipe is full.
        thread::spawn(move || log.lines().for_each(drop));
        let authority = Self {
            server: child,
            client,
            url: format!("127.0.0.1:{port}"),
            home,
        };
        authority.enroll("admin", "adminpw", &authority.home.path().join("admin/msp"));
        authority
    }

    fn run(&self, arguments: &[&str], msp: &Path) {
        let output = Command::new(&self.client)
            .args(arguments)
            .arg("--mspdir")
            .arg(msp)
            .arg("--home")
            .arg(self.home.path().join("admin"))
            .output()
            .unwrap();
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {complained}");
    }

    fn enroll(&self, user: &str, secret: &str, msp: &Path) {
        let url = format!("http://{user}:{secret}@{}", self.url);
        self.run(&["enroll", "--url", &url, "--caname", "bank"], msp);
    }

    /// A client of the organisation with these attributes, as the network's users are.
    fn register(&self, user: &str, attributes: &str, users: &Path, domain: &str) {
        let url = format!("http://{}", self.url);
        let register = [
            "register",
            "--url",
            &url,
            "--caname",
            "bank",
            "--id.name",
            user,
            "--id.secret",
            "secret",
            "--id.type",
            "client",
            "--id.attrs",
            attributes,
        ];
        self.run(&register, &self.home.path().join("admin/msp"));
        self.enroll(user, "secret", &users.join(format!("{user}@{domain}/msp")));
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

async fn create_token(client: &Client, symbol: &str) -> Result<(), String> {
    let call = Call::new(CHAINCODE, "token:CreateToken");
    let call = [symbol, "US dollar", "2"].into_iter().fold(call, Call::arg);
    let committed = client.submit_call(&call).await;
    committed.map(drop).map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fabric_cas_attribute_says_what_its_client_may_call() {
    if !fabric::is_here() {
        return;
    }
    let programs = ["fabric-ca-server", "fabric-ca-client"].map(fabric::optional_program);
    let [Some(server), Some(client)] = programs else {
        return;
    };
    let network = FabricNetwork::new(Plan {
        number: 0,
        organisations: vec!["Bank", "North"],
        channel: "sale",
        chaincode: CHAINCODE,
        settings: Vec::new(),
    });
    network.up();
    network.deploy();
    let domain = "bank.example.com";
    let organisation = network.folder().join("crypto/peerOrganizations").join(domain);
    let users = organisation.join("users");
    let authority = Authority::start(&server, client, &organisation);
    for (user, attributes) in [
        ("issuer", "ipo.role=issuer:ecert"),
        ("auditor", "ipo.role=auditor:ecert"),
        // Not for certificates unless one asks for it by name.
        ("plain", "ipo.role=auditor"),
    ] {
        authority.register(user, attributes, &users, domain);
    }

    let issuer = network.client(BANK, "issuer").await;
    assert_eq!(create_token(&issuer, "USD").await, Ok(()));
    let listing = Call::new(CHAINCODE, "WithdrawListing").arg("homes");
    let refused = issuer.submit_call(&listing).await.err().unwrap().to_string();
    assert!(
        refused.contains("WRONG_ROLE") && refused.contains("a client of BankMSP that is issuer"),
        "{refused}"
    );

    let auditor = network.client(BANK, "auditor").await;
    let refused = create_token(&auditor, "EUR").await.unwrap_err();
    assert!(
        refused.contains("WRONG_ROLE") && refused.contains("a client of BankMSP that is auditor"),
        "{refused}"
    );
    let read = Call::new(CHAINCODE, "token:QueryTokens").arg("10").arg("");
    let tokens = auditor.evaluate(&read).await.unwrap();
    let tokens: serde_json::Value = serde_json::from_slice(&tokens).unwrap();
    assert_eq!(tokens["tokens"][0]["symbol"], json!("USD"), "{tokens}");

    let plain = network.client(BANK, "plain").await;
    assert_eq!(create_token(&plain, "GBP").await, Ok(()));
}
