//! The shortest way through: a put by the Gateway, seen by everybody.

use crate::world::{CC, ORGS, World, soon};
use devnet::client::Start;
use serde_json::json;
use step_chaincode::Step;

#[tokio::test(flavor = "multi_thread")]
async fn a_put_is_endorsed_ordered_committed_and_read_back() {
    let world = World::start().await;
    let mut events = soon(world.client("Org2MSP").chaincode_events(CC, Start::Block(0)))
        .await
        .unwrap();

    let steps = [
        Step::Put("key".into(), "value".into()),
        Step::Event("Put".into(), "key".into()),
    ];
    let committed = world.submit("Org1MSP", &steps).await.unwrap();
    // The genesis block, the chaincode's definition, this.
    assert_eq!(committed.block, 2);

    world.settle().await;
    for msp_id in ORGS {
        assert_eq!(
            world.evaluate(msp_id, &[Step::Get("key".into())]).await.unwrap(),
            json!(["value"])
        );
        let entry = world
            .network
            .peer(msp_id)
            .unwrap()
            .state(CC, "key")
            .await
            .unwrap();
        assert_eq!((entry.version.block, entry.version.transaction), (2, 0));
    }
    let (block, event) = soon(events.next()).await.unwrap().unwrap();
    assert_eq!(
        (block, event.event_name.as_str(), event.tx_id),
        (2, "Put", committed.tx_id)
    );
    soon(world.network.shutdown()).await;
}
