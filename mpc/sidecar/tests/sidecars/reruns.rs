//! Attempts after the outcome is known: few, and one that has another outcome is the last.

#![allow(clippy::unwrap_used)]

use fabric_protos::ipo::sidecar::v1 as wire;
use mpc_sidecar::store::{Failure, Finish, Store};
use tokio::time::timeout;
use tonic::Code;
use wire::State;

use crate::impostor::{break_off, dial, hello};
use crate::network::{LIMIT, Network, estatia, terms};

/// Two brokers; both sidecars have started.
async fn brokers() -> Network {
    let mut books = estatia();
    books.remove(2);
    let mut network = Network::new(books, terms());
    network.start(0).await;
    network.start(1).await;
    network
}

/// Until the second sidecar says to the first's key that it takes part in no further attempt.
async fn until_it_takes_no_part(network: &Network) {
    let (cert, key) = (network.home(0).join("cert.pem"), network.home(0).join("key.pem"));
    let refused = async {
        loop {
            let greeting = hello(network, 0, 1);
            if let Err(refused) = dial(network, 1, Some((&cert, &key)), greeting).await {
                return refused;
            }
        }
    };
    let refused = timeout(LIMIT, refused).await.unwrap();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    let expected = "BrokerBMSP takes part in no further attempt";
    assert!(refused.message().contains(expected), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_outcome_known_two_more_attempts_are_started_and_no_more() {
    let mut network = brokers().await;
    network.join(0).await;
    network.join(1).await;
    let expected = network.expected();
    for index in [0, 1] {
        assert_eq!(network.client(index).await.outcome().await, expected);
    }
    network.stop(0).await;

    // Somebody with the first broker's key says that it lost the outcome, and breaks every attempt off.
    for attempt in [2, 3] {
        let (theirs, _stream) = break_off(&network, hello(&network, 0, 1)).await;
        assert_eq!((theirs.attempt, theirs.has_outcome), (attempt, true));
        let error = format!("attempt {attempt}: party 0");
        let told = |status: &wire::StatusResponse| status.last_error.starts_with(&error);
        let mut client = network.client(1).await;
        let status = client.until("a failed attempt", told).await;
        assert_eq!((status.state(), status.attempts), (State::Done, attempt));
        assert_eq!(status.suspects, ["BrokerAMSP"]);
        assert_eq!(client.outcome().await, expected);
        // What was counted stays counted.
        network.stop(1).await;
        network.start(1).await;
        let status = network.client(1).await.status().await;
        assert_eq!((status.state(), status.attempts), (State::Done, attempt));
        assert!(status.last_error.starts_with(&error), "{}", status.last_error);
    }
    let status = network.client(1).await.status().await;
    assert!(status.attempts < status.max_attempts);
    until_it_takes_no_part(&network).await;
    assert_eq!(network.client(1).await.outcome().await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_outcome_than_the_one_that_is_kept_is_the_end_of_all_attempts() {
    let mut network = brokers().await;
    network.join(1).await;
    network.stop(1).await;
    // The second broker alone had the outcome of an attempt in which something else was entered.
    let mut first = network.expected();
    first.clearing_price += 100;
    let store = Store::open(&network.home(1).join("data")).unwrap();
    let session = network.session().id();
    let finish = store.finish(session, &first, &Failure::default()).unwrap();
    assert_eq!(finish, Finish::Kept);
    drop(store);
    network.start(1).await;
    assert_eq!(network.client(1).await.outcome().await, first);

    // The first broker lacks it, and another attempt is made.
    network.join(0).await;
    assert_eq!(network.client(0).await.outcome().await, network.expected());
    let told = |status: &wire::StatusResponse| {
        status
            .last_error
            .contains("another outcome than the one that is kept")
    };
    let mut client = network.client(1).await;
    let status = client.until("the contradiction", told).await;
    assert_eq!((status.state(), status.attempts), (State::Done, 1));
    assert_eq!(client.outcome().await, first);
    let contradicted = "mpc_sidecar_sessions{outcome=\"contradicted\"} 1";
    assert!(network.metrics(1).await.contains(contradicted));

    // It is known after a restart, and whoever says that it lacks the outcome is refused.
    network.stop(1).await;
    network.start(1).await;
    let mut client = network.client(1).await;
    let status = client.until("the contradiction", told).await;
    assert_eq!((status.state(), status.attempts), (State::Done, 1));
    assert_eq!(client.outcome().await, first);
    assert!(network.metrics(1).await.contains(contradicted));
    until_it_takes_no_part(&network).await;
}
