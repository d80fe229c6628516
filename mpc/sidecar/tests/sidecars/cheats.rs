//! Participants that deviate where their certificate is right.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use fabric_protos::ipo::sidecar::v1 as wire;
use ipo_clearing::{Attempt, OwnBook, run_party};
use order_commitments::{Commitment, DemandSchedule, Opening, Price, Salt, Session, Step};
use tokio::time::timeout;
use wire::State;

use crate::impostor::{Spoken, begin, greet, hello};
use crate::network::{LIMIT, Network, estatia, terms};

/// The first organisation's orders, with another quantity in the first than it committed to.
fn other_openings(network: &Network, session: &Session) -> Vec<Opening> {
    let mut openings = network.openings(&network.organisations[0]);
    openings[0].steps.last_mut().unwrap().quantity -= 1000;
    let read = |opening: wire::Opening| {
        let steps: Vec<_> = opening
            .steps
            .iter()
            .map(|step| Step {
                price: Price::At(step.price),
                quantity: step.quantity,
            })
            .collect();
        Opening {
            order_id: opening.order_id,
            schedule: DemandSchedule::new(&steps, session.order_rules()).unwrap(),
            salt: Salt::try_from(opening.salt.as_slice()).unwrap(),
            commitment: Commitment::from_bytes(&opening.commitment).unwrap(),
        }
    };
    openings.into_iter().map(read).collect()
}

/// A broker's own program takes part as it should, but for what it says of its orders: the other's sidecar tells its chaincode whom
/// it suspects, and why.
#[tokio::test(flavor = "multi_thread")]
async fn a_participant_that_does_not_compute_on_its_frozen_book_is_suspected() {
    let mut books = estatia();
    books.remove(2);
    let mut network = Network::new(books, terms());
    network.start(0).await;
    network.start(1).await;
    network.join(1).await;
    let session = Arc::new(network.session());
    let own = OwnBook::new(session.clone(), 0, other_openings(&network, &session));
    let (_, id, stream) = begin(&network, hello(&network, 0, 1)).await;
    let [first, second, third, fourth, ..] = id;
    let attempt = Attempt {
        purpose: id,
        counter: u32::from_be_bytes([first, second, third, fourth]),
        patience: LIMIT,
    };
    // It hears that the other gave up.
    run_party(Spoken::over(stream), &attempt, &own).await.unwrap_err();

    let suspected = |status: &wire::StatusResponse| !status.suspects.is_empty();
    let status = network.client(1).await.until("a suspect", suspected).await;
    assert_eq!(
        (status.state(), status.suspects.as_slice()),
        (State::Waiting, ["BrokerAMSP".to_owned()].as_slice())
    );
    let told = "attempt 1: 'BrokerAMSP' did not show that it computes on its frozen book: party 0: check 'opening' failed";
    assert!(status.last_error.starts_with(told), "{}", status.last_error);

    // With its orders as they are on the ledger the next attempt succeeds.
    network.join(0).await;
    assert_eq!(network.client(1).await.outcome().await, network.expected());
}

/// While others are waited for, a participant may come as often as it likes; of its streams the last alone stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_participant_that_comes_again_and_again_keeps_one_stream() {
    let mut network = Network::new(estatia(), terms());
    network.start(0).await;
    network.start(1).await;
    network.start(2).await;
    network.join(1).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        let (_, stream) = greet(&network, hello(&network, 0, 1)).await.unwrap();
        streams.push(stream);
    }
    let (last, _answers) = streams.pop().unwrap();
    for (number, (frames, _answers)) in streams.iter().enumerate() {
        let closed = timeout(LIMIT, frames.closed()).await;
        assert!(closed.is_ok(), "stream {number} stays open");
    }
    assert!(!last.is_closed());
    let status = network.client(1).await.status().await;
    assert_eq!(status.waiting_for, ["USBankMSP"]);
    // Nor is anybody the worse for it.
    drop((last, streams));
    network.join(0).await;
    network.join(2).await;
    assert_eq!(network.client(1).await.outcome().await, network.expected());
}
