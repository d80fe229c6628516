//! What users see, and what is kept, when something dies on a real network: every fault at every stage of an IPO, one listing a
//! case, all on one network. After each: no order lost, none counted twice, the outcome the same, and the flow complete.
//!
//! Runs when `FABRIC_BIN` names Fabric's programs, says "skipped" otherwise. `FAULT_CASES="closed/peer lost-disk"` plays some of it.

#![allow(clippy::unwrap_used)] // in a test a failure is a failure

mod cases;
mod fault;
mod private_data;
mod sale;
mod stage;

use std::{env, io::Write as _};

use end_to_end_tests::fabric::{self, FabricNetwork, Plan};
use ipo_demo::{
    desk::Desk,
    play::{self, Cast},
    story::ORGANISATIONS,
};

/// Whether a case is to be played.
fn wanted(case: &str) -> bool {
    env::var("FAULT_CASES").map_or(true, |cases| cases.split_whitespace().any(|one| one == case))
}

/// Says what happened past the test harness, which shows nobody what a passing test prints: minutes pass.
fn say(what: &str) {
    let mut stderr = std::io::stderr();
    writeln!(stderr, "{what}").unwrap();
}

async fn gather(network: &FabricNetwork) -> Cast {
    let mut desks = Vec::new();
    for organisation in ORGANISATIONS {
        desks.push(Desk::new(
            organisation,
            network.client(organisation.msp, "User1").await,
        ));
    }
    Cast::at_desks(desks)
}

fn plan(number: u32, peers: u32) -> Plan {
    Plan {
        number,
        organisations: ORGANISATIONS
            .iter()
            .map(|organisation| organisation.name)
            .collect(),
        channel: ipo_demo::network::CHANNEL,
        chaincode: ipo_demo::network::CHAINCODE,
        settings: vec![
            ("--peers", peers.to_string()),
            ("--batch-timeout", "100ms".to_owned()),
            // A peer that is rebuilt asks in vain for the private data that only it had, this long a block.
            (
                "--peer-settings",
                "CORE_PEER_GOSSIP_PVTDATA_PULLRETRYTHRESHOLD=1s".to_owned(),
            ),
        ],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ipo_survives_every_fault_at_every_stage() {
    if !fabric::is_here() {
        return;
    }
    let network = FabricNetwork::new(plan(2, 1));
    network.up();
    network.deploy();
    let cast = gather(&network).await;
    play::issue_cash(&cast).await.unwrap();
    cases::play(&network, &cast).await;
    if wanted("foreign-write") {
        private_data::another_organisation_writes_into_ones_collection(&network, &cast).await;
    }
    if wanted("lost-disk") {
        private_data::a_peer_loses_its_disk(&network, &cast).await;
    }
    drop(cast);
    drop(network);
    if wanted("missed") {
        let network = FabricNetwork::new(plan(2, 2));
        network.up();
        network.deploy();
        let cast = gather(&network).await;
        play::issue_cash(&cast).await.unwrap();
        private_data::a_peer_misses_private_data(&network, &cast).await;
    }
}
