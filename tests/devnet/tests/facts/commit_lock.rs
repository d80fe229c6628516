//! A waiting chaincode call freezes its peer's channel.

use crate::world::{ALL, ORGS, Setup, World, assert_says, get, put, run, soon};
use serde_json::json;
use std::time::Duration;
use step_chaincode::Step;

/// Until a block is in a peer's chain; its state may wait for the lock.
async fn has_reached(world: &World, msp_id: &str, block: u64) {
    let peer = world.network.peer(msp_id).unwrap();
    soon(async {
        while peer.blocks().len() as u64 <= block {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_call_holds_back_its_peers_commits_and_then_its_queries() {
    let world = World::start().await;
    // Before any block waits, other calls go on beside it.
    let waiting = {
        let client = world.client("Org1MSP").clone();
        tokio::spawn(async move { client.evaluate(&run(&[Step::Gate("gate".into())])).await })
    };
    soon(world.gates.arrived("gate", 1)).await;
    assert_eq!(
        world.evaluate("Org1MSP", &[get("key")]).await.unwrap(),
        json!([null])
    );

    // A put commits everywhere but there.
    let put = run(&[put("key", "value")]).organisations(&ORGS);
    let committed = soon(world.client("Org2MSP").submit_call(&put)).await.unwrap();
    let frozen = world.network.peer("Org1MSP").unwrap();
    has_reached(&world, "Org1MSP", committed.block).await;
    assert_eq!(frozen.height(), committed.block);

    // A query that starts now waits behind the commit, and so sees its result.
    let query = {
        let client = world.client("Org1MSP").clone();
        tokio::spawn(async move { client.evaluate(&run(&[get("key")])).await })
    };
    tokio::task::yield_now().await;
    assert!(!query.is_finished());
    world.gates.open("gate");
    soon(waiting).await.unwrap().unwrap();
    soon(frozen.wait_for_height(committed.block + 1)).await;
    assert_eq!(soon(query).await.unwrap().unwrap(), br#"["value"]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_computations_that_wait_for_each_others_endorsers_deadlock_until_they_time_out() {
    let short = |config: &mut devnet::config::NetworkConfig| {
        config.limits.execute_timeout = Duration::from_secs(2);
    };
    let world = Setup::new(ALL).with(short).start().await;
    let endorse = |at: &str, gate: &str| {
        let client = world.client(at).clone();
        let call = run(&[Step::Gate(gate.into()), put(gate, "outcome")]).organisations(&[at]);
        tokio::spawn(async move { client.endorse(&call).await })
    };
    // A is at Org1 and wants Org2, B the other way round; each waits until it is at both.
    let first = [endorse("Org1MSP", "A"), endorse("Org2MSP", "B")];
    soon(world.gates.arrived("A", 1)).await;
    soon(world.gates.arrived("B", 1)).await;
    // One block arrives in between.
    let client = world.client("Org3MSP");
    let unrelated = run(&[put("key", "1")]).organisations(&["Org3MSP"]);
    let unrelated = soon(client.endorse(&unrelated)).await.unwrap();
    soon(client.submit(&unrelated)).await.unwrap();
    let block = soon(client.commit_status(&unrelated.tx_id)).await.unwrap().block;
    for msp_id in ["Org1MSP", "Org2MSP"] {
        has_reached(&world, msp_id, block).await;
    }
    let _second = [endorse("Org2MSP", "A"), endorse("Org1MSP", "B")];
    for waiting in first {
        let error = soon(waiting).await.unwrap().err().unwrap();
        assert_says(&error, "timeout expired while executing transaction");
    }
    // Only then does the block's state come, and the others get in.
    for msp_id in ["Org1MSP", "Org2MSP"] {
        soon(world.network.peer(msp_id).unwrap().wait_for_height(block + 1)).await;
    }
    soon(world.gates.arrived("A", 2)).await;
    soon(world.gates.arrived("B", 2)).await;
}
