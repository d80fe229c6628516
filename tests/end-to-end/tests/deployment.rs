//! What `scripts/deploy prepare` writes for fabric-samples' Docker network, whose peers dial out of their containers: from files in the
//! form of its `setOrgEnv.sh`, without any of Fabric's programs.

#![allow(clippy::unwrap_used)] // in a test a failure is a failure

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Where a container reaches this machine: the gateway of its network.
const GATEWAY: &str = "172.18.0.1";

fn write_environment(folder: &Path, number: u32, port: u32) {
    let organisation = format!(
        "{}/organizations/peerOrganizations/org{number}.example.com",
        folder.display()
    );
    let authority = format!("{organisation}/tlsca/tlsca.org{number}.example.com-cert.pem");
    let lines = [
        "CORE_PEER_TLS_ENABLED=true".to_owned(),
        format!("PEER0_ORG{number}_CA={authority}"),
        String::new(),
        format!("CORE_PEER_MSPCONFIGPATH={organisation}/users/Admin@org{number}.example.com/msp"),
        format!("CORE_PEER_ADDRESS=localhost:{port}"),
        format!("CORE_PEER_TLS_ROOTCERT_FILE={authority}"),
        format!("CORE_PEER_LOCALMSPID=Org{number}MSP"),
    ];
    fs::write(folder.join(format!("org{number}.env")), lines.join("\n")).unwrap();
}

#[test]
fn peers_in_containers_dial_out_and_all_else_stays_on_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    write_environment(folder.path(), 1, 7051);
    write_environment(folder.path(), 2, 9051);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/deploy");
    let prepare = || {
        let output = Command::new(&script)
            .current_dir(folder.path())
            .args(["prepare", "--channel", "mychannel", "--directory", "deployment"])
            .args(["--organisation", "org1.env", "--organisation", "org2.env"])
            .args(["--chaincode-address", &format!("Org1MSP={GATEWAY}:20150")])
            .args(["--chaincode-address", &format!("Org2MSP={GATEWAY}:20250")])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    prepare();
    let mut ids = Vec::new();
    for (msp, port) in [("Org1MSP", 20_150), ("Org2MSP", 20_250)] {
        let own = folder.path().join("deployment").join(msp);
        let read = |name: &str| fs::read_to_string(own.join(name)).unwrap();
        let connection: Value = serde_json::from_str(&read("connection.json")).unwrap();
        assert_eq!(connection["address"], format!("{GATEWAY}:{port}"));
        assert_eq!(
            (&connection["tls_required"], &connection["client_auth_required"]),
            (&true.into(), &true.into())
        );

        let environment = read("chaincode.env");
        let has = |line: &str| environment.lines().any(|one| one == line);
        assert!(
            has(&format!("CHAINCODE_SERVER_ADDRESS=0.0.0.0:{port}")),
            "{environment}"
        );
        assert!(has(&format!("CORE_PEER_LOCALMSPID={msp}")), "{environment}");
        // Orders stay on this machine.
        assert!(
            environment.contains("IPO_SIDECAR_ADDRESS=http://127.0.0.1:"),
            "{environment}"
        );
        assert!(!read("sidecar.toml").contains("0.0.0.0"));

        // The peer computes the package's id from what it installs.
        let package = fs::read(own.join("package.tar.gz")).unwrap();
        let id = format!("ipo_1.0:{}", hex::encode(Sha256::digest(package)));
        assert_eq!(read("package-id").trim(), id);
        assert!(has(&format!("CHAINCODE_ID={id}")), "{environment}");
        ids.push(id);

        // The server's certificate is good for where the peer dials it.
        let certificate = Command::new("openssl")
            .args(["x509", "-noout", "-ext", "subjectAltName", "-in"])
            .arg(own.join("tls/chaincode.crt"))
            .output()
            .unwrap();
        let names = String::from_utf8_lossy(&certificate.stdout).into_owned();
        assert!(names.contains(&format!("IP Address:{GATEWAY}")), "{names}");
    }
    // Again, keys and packages are the same.
    prepare();
    for (msp, id) in ["Org1MSP", "Org2MSP"].iter().zip(ids) {
        let kept = folder.path().join("deployment").join(msp).join("package-id");
        assert_eq!(fs::read_to_string(kept).unwrap().trim(), id);
    }
}
