//! Private data on its way to the peers that are entitled to it, and what becomes of it when they miss or lose it.

use crate::world::{
    ALL, CC, ORGS, Setup, World, assert_says, cut_by_hand, get, get_private, implicit, put, put_private, run,
    soon,
};
use devnet::{
    client::EndorsedTransaction,
    config::{Connection, NetworkConfig},
};
use fabric_protos::protos::TxValidationCode::Valid;
use serde_json::json;
use std::time::Duration;
use step_chaincode::Step;

const NOT_AVAILABLE: &str = "private data matching public hash version is not available";

fn shared(required: usize, maximum: usize) -> Setup {
    Setup::new("OR('Org1MSP.peer','Org2MSP.peer','Org3MSP.peer')").collection(json!({
        "name": "shared",
        "policy": "OR('Org1MSP.member','Org2MSP.member')",
        "requiredPeerCount": required,
        "maxPeerCount": maximum,
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_collections_data_is_with_every_member_and_nobody_else() {
    for (required, maximum) in [(0, 0), (1, 2)] {
        let world = shared(required, maximum).start().await;
        world
            .submit_to("Org1MSP", &["Org1MSP"], &[put_private("shared", "key", "value")])
            .await
            .unwrap();
        world.settle().await;
        for (msp_id, holds) in [("Org1MSP", true), ("Org2MSP", true), ("Org3MSP", false)] {
            let entry = world
                .network
                .peer(msp_id)
                .unwrap()
                .private_state(CC, "shared", "key")
                .await;
            assert_eq!(entry.is_some(), holds, "{msp_id}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_copy_sent_the_endorsing_peer_may_die_before_the_commit() {
    let world = shared(1, 1).with(cut_by_hand).start().await;
    let endorsed = world
        .endorse_by(&["Org1MSP"], &[put_private("shared", "key", "value")])
        .await;
    world.network.peer("Org1MSP").unwrap().stop().await;
    let other = world.client("Org2MSP");
    soon(other.submit(&endorsed)).await.unwrap();
    world.network.cut_block().unwrap();
    assert_eq!(
        soon(other.commit_status(&endorsed.tx_id)).await.unwrap().code,
        Valid
    );
    let held = world
        .network
        .peer("Org2MSP")
        .unwrap()
        .private_state(CC, "shared", "key")
        .await;
    assert_eq!(held.unwrap().value, b"value");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_copy_sent_the_others_commit_waits_and_is_mended_when_the_endorser_returns() {
    let world = shared(0, 0).with(cut_by_hand).start().await;
    let endorsed = world
        .endorse_by(&["Org1MSP"], &[put_private("shared", "key", "value")])
        .await;
    let endorser = world.network.peer("Org1MSP").unwrap();
    endorser.stop().await;
    soon(world.client("Org3MSP").submit(&endorsed)).await.unwrap();
    world.network.cut_block().unwrap();
    let status = soon(world.client("Org3MSP").commit_status(&endorsed.tx_id))
        .await
        .unwrap();
    let waiting = world.network.peer("Org2MSP").unwrap();
    assert_eq!(
        waiting.height(),
        status.block,
        "Org2 is entitled to the data and waits for it"
    );
    endorser.start();
    soon(waiting.wait_for_height(status.block + 1)).await;
    assert!(waiting.private_state(CC, "shared", "key").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_comes_after_its_block_does_not_bring_back_what_was_purged_or_overwritten() {
    let impatient = |config: &mut NetworkConfig| {
        cut_by_hand(config);
        config.limits.pull_retry_threshold = Duration::from_millis(1);
    };
    let world = shared(0, 0).with(impatient).start().await;
    let write = |key, value| put_private("shared", key, value);
    let steps = [
        write("kept", "1"),
        write("purged", "1"),
        write("overwritten", "1"),
    ];
    let endorsed = world.endorse_by(&["Org1MSP"], &steps).await;
    let endorser = world.network.peer("Org1MSP").unwrap();
    endorser.stop().await;
    let client = world.client("Org2MSP");
    let commit = async |transaction: &EndorsedTransaction| {
        soon(client.submit(transaction)).await.unwrap();
        world.network.cut_block().unwrap();
        assert_eq!(
            soon(client.commit_status(&transaction.tx_id)).await.unwrap().code,
            Valid
        );
    };
    commit(&endorsed).await;
    let missing = world
        .evaluate("Org2MSP", &[get_private("shared", "kept")])
        .await
        .unwrap_err();
    assert_says(&missing, NOT_AVAILABLE);
    let changes = [
        Step::Purge("shared".into(), "purged".into()),
        write("overwritten", "2"),
    ];
    commit(&world.endorse_by(&["Org2MSP"], &changes).await).await;

    endorser.start();
    let view = world.network.peer("Org2MSP").unwrap();
    soon(async {
        while view.private_state(CC, "shared", "kept").await.is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let read = ["kept", "purged", "overwritten"].map(|key| get_private("shared", key));
    assert_eq!(
        world.evaluate("Org2MSP", &read).await.unwrap(),
        json!(["1", null, "2"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endorser_refuses_when_too_few_members_can_be_reached() {
    let world = shared(1, 1).start().await;
    world.network.peer("Org2MSP").unwrap().stop().await;
    let call = run(&[put_private("shared", "key", "value")]).organisations(&["Org1MSP"]);
    let error = soon(world.client("Org1MSP").endorse(&call)).await.err().unwrap();
    assert_says(&error, "know of only 0 eligible peers");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_peer_catches_up_with_its_private_data() {
    let world = shared(0, 1).start().await;
    let stopped = world.network.peer("Org2MSP").unwrap();
    stopped.stop().await;
    let committed = world
        .submit_to("Org1MSP", &["Org1MSP"], &[put_private("shared", "key", "value")])
        .await
        .unwrap();
    stopped.start();
    soon(stopped.wait_for_height(committed.block + 1)).await;
    assert_eq!(
        stopped.private_state(CC, "shared", "key").await.unwrap().value,
        b"value"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_private_record_is_readable_again_once_identical_bytes_are_written() {
    let world = World::start().await;
    let collection = implicit("Org2MSP");
    let write = [put_private(&collection, "key", "value")];
    let read = [get_private(&collection, "key")];
    world.submit_to("Org2MSP", &["Org2MSP"], &write).await.unwrap();
    world.network.peer("Org2MSP").unwrap().lose_private_data().await;
    let error = world.evaluate("Org2MSP", &read).await.unwrap_err();
    assert_says(&error, NOT_AVAILABLE);
    world.submit_to("Org2MSP", &["Org2MSP"], &write).await.unwrap();
    assert_eq!(world.evaluate("Org2MSP", &read).await.unwrap(), json!(["value"]));
}

/// A collection of all three, of which Org1 endorses.
fn shared_by_all(required: usize, maximum: usize) -> Setup {
    Setup::new("OR('Org1MSP.peer','Org2MSP.peer','Org3MSP.peer')").collection(json!({
        "name": "shared",
        "policy": "OR('Org1MSP.member','Org2MSP.member','Org3MSP.member')",
        "requiredPeerCount": required,
        "maxPeerCount": maximum,
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_of_two_members_down_a_required_count_of_two_refuses_and_of_one_works() {
    let write = [put_private("shared", "key", "value")];
    let world = shared_by_all(2, 2).start().await;
    world.network.peer("Org3MSP").unwrap().stop().await;
    let refused = world
        .submit_to("Org1MSP", &["Org1MSP"], &write)
        .await
        .unwrap_err();
    assert_says(&refused, "know of only 1 eligible peers");

    let world = shared_by_all(1, 2).start().await;
    let stopped = world.network.peer("Org3MSP").unwrap();
    stopped.stop().await;
    let committed = world.submit_to("Org1MSP", &["Org1MSP"], &write).await.unwrap();
    stopped.start();
    soon(stopped.wait_for_height(committed.block + 1)).await;
    assert!(stopped.private_state(CC, "shared", "key").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn right_after_a_start_a_required_count_is_refused_until_gossip_knows_the_members() {
    let world = shared(1, 1).start().await;
    let write = [put_private("shared", "key", "value")];
    let endorser = world.network.peer("Org1MSP").unwrap();
    endorser.stop().await;
    endorser.forget_others();
    endorser.start();
    let refused = world
        .submit_to("Org1MSP", &["Org1MSP"], &write)
        .await
        .unwrap_err();
    assert_says(&refused, "know of only 0 eligible peers");
    endorser.meet_others();
    world.submit_to("Org1MSP", &["Org1MSP"], &write).await.unwrap();

    // As little does it know of a member that has just started.
    world.network.peer("Org2MSP").unwrap().forget_others();
    let refused = world
        .submit_to("Org1MSP", &["Org1MSP"], &write)
        .await
        .unwrap_err();
    assert_says(&refused, "know of only 0 eligible peers");

    // Without a required count nobody need be known.
    let world = shared(0, 1).start().await;
    world.network.peer("Org1MSP").unwrap().forget_others();
    world.submit_to("Org1MSP", &["Org1MSP"], &write).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_implicit_collection_cannot_require_a_copy_of_a_single_peer() {
    let write = [put_private(&implicit("Org1MSP"), "key", "value")];
    let requiring = |peers: usize| {
        Setup::new(ALL).with(move |config| {
            config.limits.implicit_required_peer_count = 1;
            config
                .organisations
                .iter_mut()
                .for_each(|organisation| organisation.peers = peers);
        })
    };
    let world = requiring(1).start().await;
    let refused = world
        .submit_to("Org1MSP", &["Org1MSP"], &write)
        .await
        .unwrap_err();
    assert_says(&refused, "know of only 0 eligible peers");
    let world = requiring(2).start().await;
    world.submit_to("Org1MSP", &["Org1MSP"], &write).await.unwrap();
}

/// Writes one private record of Org2, then a public one.
async fn with_a_record(world: &World) {
    let private = [put_private(&implicit("Org2MSP"), "key", "value")];
    world.submit_to("Org2MSP", &["Org2MSP"], &private).await.unwrap();
    world
        .submit_to("Org2MSP", &ORGS, &[put("public", "value")])
        .await
        .unwrap();
    world.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_lost_its_disk_stalls_at_the_first_block_whose_private_data_is_gone() {
    let world = World::start().await;
    with_a_record(&world).await;
    let lost = world.network.peer("Org2MSP").unwrap();
    let whole = lost.height();
    lost.lose_disk().await;
    // The genesis block, the chaincode's definition; then the block with the private record, for a minute.
    soon(lost.wait_for_height(2)).await;
    world
        .submit_to("Org1MSP", &ORGS[..1], &[get("public")])
        .await
        .unwrap_err();
    soon(world.network.peer("Org1MSP").unwrap().wait_for_height(whole + 1)).await;
    assert_eq!(lost.height(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_peer_has_all_but_its_private_data_which_its_organisation_alone_can_write_again() {
    let impatient =
        |config: &mut NetworkConfig| config.limits.pull_retry_threshold = Duration::from_millis(1);
    let world = Setup::new(ALL).with(impatient).start().await;
    with_a_record(&world).await;
    let lost = world.network.peer("Org2MSP").unwrap();
    let height = lost.height();
    lost.lose_disk().await;
    soon(lost.wait_for_height(height)).await;
    assert_eq!(lost.state(CC, "public").await.unwrap().value, b"value");
    let collection = implicit("Org2MSP");
    assert!(lost.private_hash(CC, &collection, "key").await.is_some());
    assert!(lost.private_state(CC, &collection, "key").await.is_none());

    // What was installed was on the disk, too.
    let call = run(&[get("public")]).organisations(&["Org2MSP"]);
    soon(world.client("Org2MSP").evaluate(&call)).await.unwrap_err();
    let connection = Connection::plaintext(world.servers["Org2MSP"].address());
    world
        .network
        .connect_chaincode(CC, "Org2MSP", &connection)
        .unwrap();
    let read = [get_private(&collection, "key")];
    assert_says(
        &world.evaluate("Org2MSP", &read).await.unwrap_err(),
        NOT_AVAILABLE,
    );
    let write = [put_private(&collection, "key", "value")];
    world.submit_to("Org2MSP", &["Org2MSP"], &write).await.unwrap();
    assert_eq!(world.evaluate("Org2MSP", &read).await.unwrap(), json!(["value"]));
}
