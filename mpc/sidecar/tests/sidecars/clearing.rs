//! Sidecars that clear a listing among themselves, over mutual TLS on loopback.

use fabric_protos::ipo::sidecar::v1 as wire;
use fabric_protos::ipo::sidecar::v1::outcome_response::Answer;
use order_commitments::{AllocationRule, PriceGrid};
use wire::State;

use crate::network::{Network, estatia, terms};

#[tokio::test(flavor = "multi_thread")]
async fn three_sidecars_agree_on_the_outcome_of_the_reference() {
    let network = Network::started().await;
    let mut first = network.client(0).await;
    assert_eq!(first.status().await.state(), State::NotJoined);

    let status = network.join(0).await;
    assert_eq!((status.state(), status.attempts), (State::Waiting, 0));
    let waiting = |status: &wire::StatusResponse| status.waiting_for == ["BrokerBMSP", "USBankMSP"];
    first.until("both others missing", waiting).await;
    let Answer::Pending(status) = first.answer().await else {
        panic!("an outcome of nothing")
    };
    assert_eq!(status.state(), State::Waiting);

    network.join(1).await;
    let waiting = |status: &wire::StatusResponse| status.waiting_for == ["USBankMSP"];
    first.until("only the bank missing", waiting).await;
    network.join(2).await;

    let expected = network.expected();
    assert_eq!((expected.clearing_price, expected.sold), (700, 25_000));
    for index in 0..3 {
        let mut client = network.client(index).await;
        assert_eq!(client.outcome().await, expected);
        let status = client.status().await;
        assert_eq!(
            (
                status.attempts,
                status.waiting_for.len(),
                status.last_error.as_str()
            ),
            (1, 0, "")
        );
    }
    // Handed over once more, the answer is the same.
    assert_eq!(network.join(1).await.state(), State::Done);
    assert_eq!(network.client(1).await.outcome().await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sidecars_in_lots_pro_rata_and_a_listing_that_fails() {
    let mut books = estatia();
    books.remove(2);
    for (shares, min_subscription, is_sold) in [(6400, 0, true), (40_000, 36_100, false)] {
        let mut terms = terms();
        terms.grid = PriceGrid::new(100, 1000, 100).unwrap();
        terms.rule = AllocationRule::ProRata;
        (terms.lot_size, terms.max_order) = (100, 20_000);
        (terms.shares, terms.min_subscription) = (shares, min_subscription);
        let mut network = Network::new(books.clone(), terms);
        for index in 0..2 {
            network.start(index).await;
        }
        network.join(1).await;
        network.join(0).await;
        let expected = network.expected();
        assert_eq!(expected.is_sold, is_sold);
        for index in 0..2 {
            assert_eq!(network.client(index).await.outcome().await, expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_is_down_is_named_and_one_that_comes_late_is_met() {
    let mut network = Network::started().await;
    network.stop(1).await;
    network.join(0).await;
    network.join(2).await;
    let refused = |status: &wire::StatusResponse| {
        status.waiting_for == ["BrokerBMSP"] && status.last_error.contains("BrokerBMSP: ")
    };
    for index in [0, 2] {
        let status = network
            .client(index)
            .await
            .until("the sidecar that is down", refused)
            .await;
        assert_eq!((status.state(), status.attempts), (State::Waiting, 0));
    }
    network.start(1).await;
    let not_joined = |status: &wire::StatusResponse| status.last_error.contains("BrokerBMSP has not joined");
    network
        .client(0)
        .await
        .until("the sidecar that has not joined", not_joined)
        .await;
    network.join(1).await;
    for index in 0..3 {
        assert_eq!(network.client(index).await.outcome().await, network.expected());
    }
}
