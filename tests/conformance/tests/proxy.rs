//! The proxy as a process.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

/// Its two servers hold its standard error open: that ends when the last of the three has.
#[tokio::test]
async fn sigterm_ends_both_chaincode_servers_too() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("server");
    let server = env!("CARGO_BIN_EXE_conformance-chaincode");
    fs::write(&program, format!("#!/bin/sh\necho started >&2\nexec {server}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut proxy = Command::new(env!("CARGO_BIN_EXE_conformance-proxy"))
        .envs([
            ("CHAINCODE_ID", "conformance:1"),
            ("CHAINCODE_SERVER_ADDRESS", "127.0.0.1:0"),
            ("CHAINCODE_TLS_DISABLED", "true"),
            ("CORE_PEER_LOCALMSPID", "Org1MSP"),
        ])
        .env("CONFORMANCE_DIR", folder.path())
        .env("CONFORMANCE_GO", &program)
        .env("CONFORMANCE_RUST", &program)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(proxy.stderr.take().unwrap());
    let ended = async {
        let mut line = String::new();
        let mut started = 0;
        while started < 2 {
            line.clear();
            assert_ne!(said.read_line(&mut line).await.unwrap(), 0, "it has ended");
            started += usize::from(line == "started\n");
        }
        let pid = proxy.id().unwrap().to_string();
        let killed = Command::new("kill").arg(pid).status().await.unwrap();
        assert!(killed.success());
        assert!(proxy.wait().await.unwrap().success());
        said.read_to_string(&mut line).await.unwrap();
    };
    timeout(Duration::from_secs(60), ended)
        .await
        .expect("within a minute");
}
