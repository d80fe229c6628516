//! What users see, and what is kept, when programs die on the way.

#![allow(clippy::unwrap_used)] // in a test a failure is a failure

use std::time::Duration;

use ipo_demo::{
    network::{LocalNetwork, Which},
    play::{self, Cast},
    story::{BANK, BROKER_A, BROKER_B, OFFERS, ORGANISATIONS, Offer},
};
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(120);

/// An IPO with its books frozen, ready to be cleared.
async fn frozen(network: &LocalNetwork, cast: &Cast, offer: &Offer) {
    play::register_sidecars(network).await.unwrap();
    play::issue_cash(cast).await.unwrap();
    play::list(cast, offer).await.unwrap();
    for broker in [BROKER_A, BROKER_B] {
        play::deposit(cast, offer, broker).await.unwrap();
        for order in play::orders_of(offer, broker) {
            play::place(cast, offer, order).await.unwrap();
        }
    }
    play::close(cast, offer).await.unwrap();
}

fn estatia() -> &'static Offer {
    OFFERS.iter().find(|offer| offer.id == "Estatia").unwrap()
}

/// Until an organisation's sidecar says that it waits for these.
async fn wait_until_waiting_for(cast: &Cast, offer: &Offer, msp: &str) {
    let waiting = async {
        loop {
            let desk = cast.at(BANK).unwrap();
            let status = desk.query("ClearingStatus", &[offer.id]).await.unwrap();
            let missing = status["waitingFor"].as_array().cloned().unwrap_or_default();
            if status["state"] == "waiting" && missing.iter().any(|missing| missing == msp) {
                return;
            }
            // The contract answers at once and pushes nothing.
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_is_down_delays_a_clearing_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut network = LocalNetwork::start(folder.path(), &ORGANISATIONS).await.unwrap();
    let cast = Cast::gather(&network).await.unwrap();
    let offer = estatia();
    frozen(&network, &cast, offer).await;

    // Broker B's sidecar is down: its own people are told, the others see for whom they wait, and nothing can be sold.
    network
        .take_program(BROKER_B.msp, Which::Sidecar)
        .unwrap()
        .kill()
        .await
        .unwrap();
    for organisation in [BANK, BROKER_A] {
        let desk = cast.at(organisation).unwrap();
        desk.query("JoinClearing", &[offer.id]).await.unwrap();
    }
    let refused = cast
        .at(BROKER_B)
        .unwrap()
        .query("JoinClearing", &[offer.id])
        .await;
    let message = refused.unwrap_err().to_string();
    assert!(message.to_lowercase().contains("sidecar"), "{message}");
    wait_until_waiting_for(&cast, offer, BROKER_B.msp).await;
    let early = cast.at(BANK).unwrap().submit("SellListing", &[offer.id]).await;
    let message = early.unwrap_err().to_string();
    assert!(
        message.contains("clearing pending") && message.contains(BROKER_B.msp),
        "{message}"
    );

    // It comes back, and the chaincode server of another organisation dies and comes back, too.
    network.start_program(BROKER_B.msp, Which::Sidecar).await.unwrap();
    network
        .take_program(BROKER_A.msp, Which::Chaincode)
        .unwrap()
        .kill()
        .await
        .unwrap();
    network
        .start_program(BROKER_A.msp, Which::Chaincode)
        .await
        .unwrap();
    timeout(PATIENCE, play::clear(&cast, offer))
        .await
        .unwrap()
        .unwrap();

    // Every sidecar is killed with its outcome known: the outcome is kept, and is the one that is sold.
    for organisation in ORGANISATIONS {
        network
            .take_program(organisation.msp, Which::Sidecar)
            .unwrap()
            .kill()
            .await
            .unwrap();
        network
            .start_program(organisation.msp, Which::Sidecar)
            .await
            .unwrap();
    }
    let sold = play::sell(&cast, offer).await.unwrap();
    assert_eq!(sold["outcome"]["clearingPrice"], 700);
    for broker in [BROKER_A, BROKER_B] {
        play::settle(&cast, offer, broker).await.unwrap();
    }
    assert_eq!(cast.balance(BROKER_A, offer.symbol).await.unwrap(), 13_000);
    drop(cast);
    network.stop().await.unwrap();
}
