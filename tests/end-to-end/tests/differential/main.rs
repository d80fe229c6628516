//! One script of transactions on the devnet and on real Fabric: the same endorsements, refusals, validation codes, ledger state and
//! events. Where they differ, the devnet is wrong.
//!
//! What real networks answered is kept in `vectors/`, by version, so that the devnet is compared with it wherever the tests run. Where
//! `FABRIC_BIN` names Fabric's programs, those are played anew and compared with what is kept; with `RECORD_VECTORS` set they are
//! written down instead.

#![allow(clippy::unwrap_used)] // in a test a failure is a failure

mod bench;
mod ipo;
mod player;
mod record;
mod script;
mod words;

use std::{env, fs, path::PathBuf};

use bench::Bench;
use devnet::config::Profile;
use end_to_end_tests::fabric;
use serde_json::Value;

/// The script of single steps.
const NAME: &str = "differential";

fn vectors(name: &str, version: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("vectors/{name}-{version}.json"))
}

fn kept(name: &str, version: &str) -> Vec<Value> {
    let file = vectors(name, version);
    let text = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_slice(&text).unwrap()
}

/// Writes down what was played, where `RECORD_VECTORS` asks for it.
fn keep_if_asked(name: &str, version: &str, played: &[Value]) -> bool {
    let asked = env::var_os("RECORD_VECTORS").is_some();
    if asked {
        let mut text = String::from("[\n");
        for (number, line) in played.iter().enumerate() {
            text += &format!("{}{line}\n", if number == 0 { " " } else { "," });
        }
        fs::write(vectors(name, version), text + "]\n").unwrap();
    }
    asked
}

/// Lists every line that came out otherwise.
fn compare(what: &str, real: &[Value], here: &[Value]) {
    let mut differences = Vec::new();
    for (number, (expected, came)) in real.iter().zip(here).enumerate() {
        if expected != came {
            differences.push(format!("{number}: on Fabric {expected}\n    {what} {came}"));
        }
    }
    assert!(
        differences.is_empty() && real.len() == here.len(),
        "{} lines on Fabric, {} {what}; these differ:\n{}",
        real.len(),
        here.len(),
        differences.join("\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_devnet_does_what_fabric_2_5_did() {
    let bench = Bench::devnet(Profile::V2_5).await;
    compare("on the devnet", &kept(NAME, "v2.5"), &script::play(&bench).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_devnet_does_what_fabric_3_1_did() {
    let bench = Bench::devnet(Profile::V3).await;
    compare("on the devnet", &kept(NAME, "v3.1"), &script::play(&bench).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn fabric_does_what_is_kept() {
    if !fabric::is_here() {
        return;
    }
    let version = fabric::version();
    let bench = Bench::fabric(1).await;
    let played = script::play(&bench).await;
    if !keep_if_asked(NAME, &version, &played) {
        compare("now", &kept(NAME, &version), &played);
    }
}
