//! The program, run as an organisation's user runs it.

#![allow(dead_code, unreachable_pub)] // each test program uses its part
#![allow(clippy::unwrap_used)] // as in every test; the lint does not see that this is one

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
    time::Duration,
};

use serde_json::Value;
use tokio::{process::Command, time::timeout};

use crate::world::Files;

pub const PATIENCE: Duration = Duration::from_secs(180);

/// The options by which a user reaches its organisation's own peer, on the network that `network.json` describes.
pub fn access(network: &Path, msp: &str) -> Vec<String> {
    let described = read(&network.join("network.json"));
    let all = described["organisations"].as_array().unwrap();
    let own = all.iter().find(|it| it["msp"] == msp).unwrap();
    let text = |field: &str| own[field].as_str().unwrap().to_owned();
    let alias = text("peerHostAlias");
    let (_, domain) = alias.split_once('.').unwrap();
    let user = format!("User1@{domain}");
    let identity = PathBuf::from(text("users")).join(user).join("msp");
    [
        ("--peer", text("peer")),
        ("--server-name", text("peerHostAlias")),
        ("--tls-ca", text("tlsCa")),
        ("--msp", text("msp")),
        ("--identity", identity.to_str().unwrap().to_owned()),
        ("--channel", described["channel"].as_str().unwrap().to_owned()),
        ("--chaincode", described["chaincode"].as_str().unwrap().to_owned()),
    ]
    .into_iter()
    .flat_map(|(option, value)| [option.to_owned(), value])
    .collect()
}

pub async fn run(arguments: &[&str], access: &[String]) -> Output {
    let run = Command::new(env!("CARGO_BIN_EXE_ipo-audit"))
        .args(arguments)
        .args(access)
        .env_remove("CORE_PEER_ADDRESS")
        .kill_on_drop(true)
        .output();
    timeout(PATIENCE, run).await.unwrap().unwrap()
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

pub fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// What the program wrote: a listing's records, and books.
pub fn files(state: &str, books: &[String]) -> Files {
    let books = books.iter().map(|book| read(book.as_ref()));
    (read(state.as_ref()), books.collect())
}
