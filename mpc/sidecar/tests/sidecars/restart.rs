//! Restarts lose nothing.

use fabric_protos::ipo::sidecar::v1::outcome_response::Answer;

use crate::network::Network;

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_sidecar_serves_the_same_outcome_at_once_and_alone() {
    let mut network = Network::started().await;
    for index in 0..3 {
        network.join(index).await;
    }
    for index in 0..3 {
        network.client(index).await.outcome().await;
    }
    for index in 0..3 {
        network.stop(index).await;
    }
    network.start(1).await;
    let Answer::Outcome(outcome) = network.client(1).await.answer().await else {
        panic!("no outcome")
    };
    assert_eq!(outcome, network.expected());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_joined_session_goes_on_after_a_restart_of_everybody() {
    let mut network = Network::started().await;
    for index in [0, 2] {
        network.join(index).await;
        network.stop(index).await;
    }
    network.join(1).await;
    network.start(2).await;
    network.start(0).await;
    for index in 0..3 {
        assert_eq!(network.client(index).await.outcome().await, network.expected());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_the_outcome_gets_it_again_by_another_attempt_of_all() {
    let mut network = Network::started().await;
    for index in 0..3 {
        network.join(index).await;
    }
    for index in 0..3 {
        network.client(index).await.outcome().await;
    }
    // The one in the middle: it is dialled by the first and dials the last, and both have the outcome.
    network.stop(1).await;
    std::fs::remove_dir_all(network.home(1).join("data")).unwrap();
    network.start(1).await;
    network.join(1).await;
    assert_eq!(network.client(1).await.outcome().await, network.expected());
    for index in 0..3 {
        let mut client = network.client(index).await;
        // Each counts its own, and the one that lost everything begins anew.
        let attempts = if index == 1 { 1 } else { 2 };
        client
            .until("another attempt", |status| status.attempts == attempts)
            .await;
        assert_eq!(client.outcome().await, network.expected());
    }
}
#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_outlives_the_key_it_was_computed_with() {
    let mut network = Network::started().await;
    for index in 0..3 {
        network.join(index).await;
    }
    let expected = network.client(2).await.outcome().await;
    network.stop(2).await;
    network.replace_key(2);
    network.start(2).await;
    assert_eq!(network.client(2).await.outcome().await, expected);
}
