//! The demonstration's ledger on real Hyperledger Fabric peers, audited by the program over the Gateway of a peer of a fourth
//! organisation: a regulator, that endorses what everybody endorses and takes no part in any listing.
//!
//! Runs when `FABRIC_BIN` names Fabric's programs; says "skipped" otherwise.

#![allow(clippy::unwrap_used)] // in a test a failure is a failure

mod program;
mod world;

use std::fs;

use end_to_end_tests::fabric::{self, FabricNetwork, Plan};
use ipo_demo::{
    desk::Desk,
    network::{CHAINCODE, CHANNEL},
    play::{self, Cast},
    story::{BROKER_A, BROKER_B, OFFERS, ORGANISATIONS, Organisation},
};
use program::{access, files, run, text};
use world::{COPIES, every_copy_fails};

const REGULATOR: Organisation = Organisation {
    name: "Regulator",
    msp: "RegulatorMSP",
    domain: "regulator.example.com",
};

#[tokio::test(flavor = "multi_thread")]
async fn a_real_ledger_passes_and_every_tampered_copy_fails() {
    if !fabric::is_here() {
        return;
    }
    let all = || ORGANISATIONS.into_iter().chain([REGULATOR]);
    let network = FabricNetwork::new(Plan {
        number: 3,
        organisations: all().map(|organisation| organisation.name).collect(),
        channel: CHANNEL,
        chaincode: CHAINCODE,
        settings: vec![("--batch-timeout", "100ms".to_owned())],
    });
    network.up();
    network.deploy();
    let mut desks = Vec::new();
    for organisation in all() {
        let client = network.client(organisation.msp, "User1").await;
        desks.push(Desk::new(organisation, client));
    }
    // Every submission waits for everybody's peer, the regulator's too.
    play::sales(&Cast::at_desks(desks)).await.unwrap();

    let kept = tempfile::tempdir().unwrap();
    let at = |name: &str| kept.path().join(name).to_str().unwrap().to_owned();
    let folder = network.folder();
    let of_regulator = access(&folder, REGULATOR.msp);
    for offer in OFFERS.iter().filter(|offer| !offer.orders.is_empty()) {
        let mut books = Vec::new();
        for broker in [BROKER_A, BROKER_B] {
            let book = at(&format!("{}-{}.json", offer.id, broker.name));
            let disclosed = run(
                &["disclose", offer.id, "--out", &book],
                &access(&folder, broker.msp),
            )
            .await;
            assert!(disclosed.status.success(), "{}", text(&disclosed.stderr));
            books.push(book);
        }
        let state = at(&format!("{}.json", offer.id));
        let exported = run(&["export", offer.id, "--out", &state], &of_regulator).await;
        assert!(exported.status.success(), "{}", text(&exported.stderr));

        // The regulator's peer and the file say the same.
        let check = ["check", "--book", &books[0], "--book", &books[1]];
        let live = run(&[&check[..], &["--listing", offer.id]].concat(), &of_regulator).await;
        let report = text(&live.stdout);
        assert_eq!(live.status.code(), Some(0), "{report}{}", text(&live.stderr));
        assert!(report.ends_with("verdict: holds\n"), "{report}");
        for order in offer.orders {
            let line = report
                .lines()
                .find(|line| line.trim_start().starts_with(order.id));
            assert!(line.is_some_and(|line| line.contains(" holds: ")), "{report}");
        }
        let from_file = run(&[&check[..], &["--state", &state]].concat(), &[]).await;
        assert_eq!(text(&from_file.stdout), report);

        // What a peer of Fabric's says of private records it does not have: their hashes, one for each order.
        let honest = files(&state, &books);
        let hashes = honest.0["allocationHashes"].as_array().unwrap();
        assert_eq!(hashes.len(), offer.orders.len());

        every_copy_fails(&honest);
        // And by the program, which ends with 1 for each.
        for copy in &COPIES {
            let mut tampered = honest.clone();
            (copy.tamper)(&mut tampered);
            fs::write(at("state"), tampered.0.to_string()).unwrap();
            for (book, name) in tampered.1.iter().zip(["first", "second"]) {
                fs::write(at(name), book.to_string()).unwrap();
            }
            let (state, first, second) = (at("state"), at("first"), at("second"));
            let found = run(
                &["check", "--state", &state, "--book", &first, "--book", &second],
                &[],
            )
            .await;
            let said = text(&found.stdout);
            assert_eq!(found.status.code(), Some(1), "{}:\n{said}", copy.what);
            assert!(said.ends_with("verdict: FAILS\n"), "{}:\n{said}", copy.what);
        }
    }
}
