//! Chaincode events.

use crate::world::{ALL, CC, Setup, World, cut_by_hand, get, put, soon};
use devnet::client::{ChaincodeEvents, Start};
use fabric_protos::protos::TxValidationCode::{MvccReadConflict, Valid};
use step_chaincode::Step;

fn event(name: &str) -> Step {
    Step::Event(name.into(), format!("payload of {name}"))
}

async fn next(events: &mut ChaincodeEvents) -> (u64, String, String) {
    let (block, event) = soon(events.next()).await.unwrap().unwrap();
    assert_eq!(
        event.payload,
        format!("payload of {}", event.event_name).into_bytes()
    );
    (block, event.event_name, event.tx_id)
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_of_valid_transactions_alone_and_in_order() {
    let world = Setup::new(ALL).with(cut_by_hand).start().await;
    let mut events = soon(world.client("Org3MSP").chaincode_events(CC, Start::Next))
        .await
        .unwrap();
    let one = world
        .endorse("Org1MSP", &[get("key"), put("key", "1"), event("one")])
        .await;
    let conflicting = world
        .endorse("Org1MSP", &[get("key"), put("key", "2"), event("two")])
        .await;
    let three = world
        .endorse("Org1MSP", &[put("other", "3"), event("three")])
        .await;
    let codes = world.in_one_block(&[&one, &conflicting, &three]).await;
    assert_eq!(codes, [Valid, MvccReadConflict, Valid]);
    assert_eq!(next(&mut events).await, (2, "one".into(), one.tx_id));
    assert_eq!(next(&mut events).await, (2, "three".into(), three.tx_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_with_a_checkpoint_gets_exactly_what_followed() {
    let world = World::start().await;
    let mut seen = Vec::new();
    for name in ["one", "two", "three"] {
        let committed = world
            .submit("Org1MSP", &[put(name, "x"), event(name)])
            .await
            .unwrap();
        seen.push((committed.block, name.to_owned(), committed.tx_id));
    }
    let start = Start::After {
        block: seen[0].0,
        tx_id: seen[0].2.clone(),
    };
    let mut events = soon(world.client("Org1MSP").chaincode_events(CC, start))
        .await
        .unwrap();
    assert_eq!(next(&mut events).await, seen[1]);
    assert_eq!(next(&mut events).await, seen[2]);

    let mut replayed = soon(world.client("Org1MSP").chaincode_events(CC, Start::Block(0)))
        .await
        .unwrap();
    for expected in seen {
        assert_eq!(next(&mut replayed).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_with_the_network() {
    let world = World::start().await;
    let mut events = soon(world.client("Org1MSP").chaincode_events(CC, Start::Next))
        .await
        .unwrap();
    soon(world.network.shutdown()).await;
    assert!(matches!(soon(events.next()).await, Ok(None) | Err(_)));
}
