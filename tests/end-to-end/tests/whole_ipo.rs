//! The IPO of the original demonstration from listing to settlement, and the same network through the official Gateway SDK.

#![allow(clippy::unwrap_used)] // in a test a failure is a failure

use std::{io::Write, path::Path, process::Stdio, time::Duration};

use ipo_demo::{
    network::LocalNetwork,
    play::{self, Cast},
    story::{BANK, BROKER_A, BROKER_B, CASH, ENDOWMENT, OFFERS, ORGANISATIONS},
};
use serde_json::{Value, json};
use tokio::{process::Command, time::timeout};

const PATIENCE: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn an_ipo_from_listing_to_settlement() {
    let folder = tempfile::tempdir().unwrap();
    let network = LocalNetwork::start(folder.path(), &ORGANISATIONS).await.unwrap();
    let cast = Cast::gather(&network).await.unwrap();
    timeout(PATIENCE, play::everything(&network, &cast))
        .await
        .unwrap()
        .unwrap();

    let listings = cast.listings().await.unwrap();
    let shown: Vec<_> = listings
        .iter()
        .map(|listing| {
            json!([
                listing["id"],
                listing["status"],
                listing["orders"],
                listing["outcome"]["clearingPrice"],
                listing["settled"],
                listing["treasury"]
            ])
        })
        .collect();
    assert_eq!(
        Value::Array(shown),
        json!([
            ["Estatia", "sold", 3, 700, true, 0],
            ["LightRocket", "available", 0, null, false, 10_000],
            ["LongerLife", "sold", 4, 600, true, 0],
        ])
    );

    // Every order's allocation, as the rule has it: demand above the price filled, the rest by cumulative rounding.
    let allotted = [
        (BROKER_A, "LongerLife", "a-1001", 7_000),
        (BROKER_A, "LongerLife", "a-1002", 6_000),
        (BROKER_B, "LongerLife", "b-2001", 8_000),
        (BROKER_B, "LongerLife", "b-2002", 4_000),
        (BROKER_A, "Estatia", "a-1003", 6_347),
        (BROKER_A, "Estatia", "a-1004", 6_653),
        (BROKER_B, "Estatia", "b-2003", 12_000),
    ];
    for (broker, listing, order, quantity) in allotted {
        let desk = cast.at(broker).unwrap();
        let answer = desk
            .query_privately("ReadAllocation", &[listing, order])
            .await
            .unwrap();
        assert_eq!(answer["quantity"], quantity, "{listing} {order}");
    }

    // Nothing came into being or got lost.
    let mut cash = 0;
    for organisation in ORGANISATIONS {
        cash += cast.balance(organisation, CASH.0).await.unwrap();
    }
    assert_eq!(cash, 2 * ENDOWMENT);
    assert_eq!(cast.balance(BANK, CASH.0).await.unwrap(), 25_000 * (600 + 700));
    for symbol in ["LLIF", "ESTA"] {
        assert_eq!(cast.balance(BROKER_A, symbol).await.unwrap(), 13_000);
        assert_eq!(cast.balance(BROKER_B, symbol).await.unwrap(), 12_000);
    }

    // A repeated call says so and changes nothing.
    let again = cast
        .at(BROKER_A)
        .unwrap()
        .submit("Settle", &["Estatia", BROKER_A.msp])
        .await;
    assert!(again.unwrap_err().to_string().contains("already settled"));

    // No other organisation's peer, and no log, holds an investor's name.
    let text = logs(folder.path());
    for order in OFFERS.iter().flat_map(|offer| offer.orders) {
        assert!(!text.contains(order.investor), "a log names {}", order.investor);
    }

    official_sdk(folder.path()).await;
    drop(cast);
    network.stop().await.unwrap();
}

/// The whole flow again, by the official SDK, on another listing.
async fn official_sdk(network: &Path) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway-sdk");
    let installed = folder.join("node_modules/@hyperledger/fabric-gateway/package.json");
    let node = Command::new("node")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .await;
    if !installed.is_file() || !node.is_ok_and(|status| status.success()) {
        // Past the test harness, which shows nobody what a passing test prints.
        std::io::stderr()
            .write_all(b"skipped: the IPO by the official SDK: run tests/gateway-sdk/install\n")
            .unwrap();
        return;
    }
    let status = Command::new("node")
        .arg("ipo.mjs")
        .arg(network.join("network.json"))
        .current_dir(folder)
        .kill_on_drop(true)
        .status();
    assert!(timeout(PATIENCE, status).await.unwrap().unwrap().success());
}

fn logs(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&logs(&path));
        } else if path.extension().is_some_and(|extension| extension == "log") {
            text.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
    text
}
