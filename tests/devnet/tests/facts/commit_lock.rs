//! A waiting chaincode call freezes its peer's channel.

use crate::world::{ORGS, World, chaincode::Step, get, put, run, soon};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_call_holds_back_its_peers_commits_and_then_its_queries() {
    let world = World::start().await;
    // Before any block waits, other calls go on beside it.
    let waiting = {
        let client = world.client("Org1MSP").clone();
        tokio::spawn(async move { client.evaluate(&run(&[Step::Gate("gate".into())])).await })
    };
    world.gates.arrived("gate", 1).await;
    assert_eq!(
        world.evaluate("Org1MSP", &[get("key")]).await.unwrap(),
        json!([null])
    );

    // A put commits everywhere but there.
    let put = run(&[put("key", "value")]).organisations(&ORGS);
    let committed = soon(world.client("Org2MSP").submit_call(&put)).await.unwrap();
    let frozen = world.network.peer("Org1MSP").unwrap();
    soon(async {
        // The block has reached the peer once it is in its chain; its state waits for the lock.
        while frozen.blocks().len() as u64 <= committed.block {
            tokio::task::yield_now().await;
        }
    })
    .await;
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
