//! The contract on real Hyperledger Fabric peers, by `scripts/network`: the lines of `fabric-network/walkthrough.md`, an IPO
//! from its listing to its settlement with the sidecars computing, and the same through the Gateway SDK.
//!
//! Organisations, channel and chaincode have other names here than in the document, and there are two or three organisations. Runs
//! when `FABRIC_BIN` names a directory of Fabric's programs; says "skipped" otherwise.

use end_to_end_tests::fabric::{self, FabricNetwork, Plan};

fn up(number: u32, organisations: &[&'static str], settings: &[(&'static str, &str)]) -> FabricNetwork {
    let settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned()));
    let network = FabricNetwork::new(Plan {
        number,
        organisations: organisations.to_vec(),
        channel: "sale",
        chaincode: "offerings",
        settings: settings.collect(),
    });
    network.up();
    network.deploy();
    network
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
    if !fabric::is_here() {
        return;
    }
    let network = up(0, &["Bank", "North", "South"], &[]);
    // Both may be said again, and change nothing.
    network.up();
    network.deploy();
    assert_all_pass(&network.run(&["test"]));
}

#[test]
fn an_ipo_between_two_organisations_with_two_peers_each() {
    if !fabric::is_here() {
        return;
    }
    let network = up(1, &["East", "West"], &[("--peers", "2"), ("--orderers", "3")]);
    assert_all_pass(&network.run(&["test"]));
}
