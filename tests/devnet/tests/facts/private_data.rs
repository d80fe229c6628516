//! Private data.

use crate::world::{
    ALL, CC, ORGS, Setup, World, assert_says, cut_by_hand, get, get_private, implicit, invalid, put,
    put_private, run, soon,
};
use fabric_protos::protos::TxValidationCode::{EndorsementPolicyFailure, MvccReadConflict, Valid};
use serde_json::{Value, json};
use std::time::Duration;
use step_chaincode::Step;
use tonic::Code;

/// A world in which a commit does not wait for private data that nobody will give it.
async fn impatient() -> World {
    let short = |limits: &mut devnet::config::Limits| limits.pull_retry_threshold = Duration::from_millis(1);
    Setup::new(ALL)
        .with(|config| short(&mut config.limits))
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_writes_private_data_alone_is_judged_by_its_collection_alone() {
    let world = impatient().await;
    let write = [put_private(&implicit("Org2MSP"), "key", "value")];
    world.submit_to("Org2MSP", &["Org2MSP"], &write).await.unwrap();
    assert_eq!(
        invalid(world.submit_to("Org3MSP", &["Org3MSP"], &write).await),
        EndorsementPolicyFailure
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_public_write_the_chaincodes_policy_applies_too_and_a_public_read_changes_nothing() {
    let world = impatient().await;
    let private = put_private(&implicit("Org2MSP"), "key", "value");
    let with_write = [private.clone(), put("public", "value")];
    assert_eq!(
        invalid(world.submit_to("Org2MSP", &["Org2MSP"], &with_write).await),
        EndorsementPolicyFailure
    );
    world
        .submit_to("Org2MSP", &["Org2MSP"], &[private, get("public")])
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_without_any_write_is_judged_by_the_chaincodes_policy() {
    let world = World::start().await;
    assert_eq!(
        invalid(world.submit_to("Org1MSP", &["Org1MSP"], &[get("key")]).await),
        EndorsementPolicyFailure
    );
    world.submit_to("Org1MSP", &ORGS, &[get("key")]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn endorsers_that_each_read_their_own_implicit_collection_do_not_match() {
    let world = World::start().await;
    let call = run(&[Step::GetOwnPrivate("key".into())]).organisations(&ORGS);
    let error = soon(world.client("Org1MSP").endorse(&call)).await.err().unwrap();
    assert_eq!(error.code(), Some(Code::Aborted));
    assert_says(&error, "failed to collect enough transaction endorsements");
    assert!(
        error
            .details()
            .iter()
            .any(|d| d.message == "ProposalResponsePayloads do not match")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_hash_is_the_same_on_every_peer_in_submitted_transactions_too() {
    let world = World::start().await;
    let collection = implicit("Org2MSP");
    let write = [put_private(&collection, "key", "value")];
    world.submit_to("Org2MSP", &["Org2MSP"], &write).await.unwrap();
    world.settle().await;
    let read = [
        Step::PrivateHash(collection, "key".into()),
        put("public", "value"),
    ];
    let committed = world.submit("Org1MSP", &read).await.unwrap();
    let results: Value = serde_json::from_slice(&committed.result).unwrap();
    // SHA-256 of "value".
    assert_eq!(
        results[0],
        "cd42404d52ad55ccfa9aca4adc828aa5800ad9d385a0671fbcbf724118320619"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_organisations_implicit_data_is_not_available() {
    let world = World::start().await;
    let collection = implicit("Org2MSP");
    let write = [put_private(&collection, "key", "value")];
    world.submit_to("Org2MSP", &["Org2MSP"], &write).await.unwrap();
    world.settle().await;
    let read = [get_private(&collection, "key")];
    let error = world.evaluate("Org1MSP", &read).await.unwrap_err();
    assert_says(
        &error,
        "private data matching public hash version is not available",
    );
    assert_eq!(world.evaluate("Org2MSP", &read).await.unwrap(), json!(["value"]));
    let view = |msp_id| world.network.peer(msp_id).unwrap();
    assert!(
        view("Org2MSP")
            .private_state(CC, &collection, "key")
            .await
            .is_some()
    );
    for msp_id in ["Org1MSP", "Org3MSP"] {
        assert!(view(msp_id).private_state(CC, &collection, "key").await.is_none());
        assert!(view(msp_id).private_hash(CC, &collection, "key").await.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_range_and_a_write_exclude_each_other() {
    let world = World::start().await;
    let range = Step::PrivateRange(implicit("Org1MSP"), String::new(), String::new());
    let error = world
        .evaluate("Org1MSP", &[range.clone(), put("key", "value")])
        .await
        .unwrap_err();
    assert_says(
        &error,
        "unsuppored transaction. Transaction has already performed queries on pvt data. Writes are not allowed",
    );
    let error = world
        .evaluate("Org1MSP", &[put("key", "value"), range])
        .await
        .unwrap_err();
    assert_says(
        &error,
        "unsuppored transaction. Queries on pvt data is supported only in a read-only transaction",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_get_then_writes_is_valid_and_a_public_range_then_writes_too() {
    let world = World::start().await;
    let collection = implicit("Org1MSP");
    let own = [
        get_private(&collection, "key"),
        put_private(&collection, "key", "value"),
    ];
    world.submit_to("Org1MSP", &["Org1MSP"], &own).await.unwrap();
    let public = [Step::Range("a".into(), "z".into()), put("key", "value")];
    world.submit("Org1MSP", &public).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_read_whose_key_changes_before_ordering_is_an_mvcc_conflict() {
    let world = Setup::new(ALL).with(cut_by_hand).start().await;
    let collection = implicit("Org1MSP");
    let write = |value| put_private(&collection, "key", value);
    let reader = world
        .endorse_by(&["Org1MSP"], &[get_private(&collection, "key"), write("read")])
        .await;
    let writer = world.endorse_by(&["Org1MSP"], &[write("changed")]).await;
    assert_eq!(
        world.in_one_block(&[&writer, &reader]).await,
        [Valid, MvccReadConflict]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_reads_a_hash_conflicts_with_an_overwrite_in_its_block() {
    let world = Setup::new(ALL).with(cut_by_hand).start().await;
    let collection = implicit("Org1MSP");
    let first = world
        .endorse_by(&["Org1MSP"], &[put_private(&collection, "key", "1")])
        .await;
    assert_eq!(world.in_one_block(&[&first]).await, [Valid]);
    let overwrite = world
        .endorse_by(&["Org1MSP"], &[put_private(&collection, "key", "2")])
        .await;
    let reading = [
        Step::PrivateHash(collection.clone(), "key".into()),
        put("public", "value"),
    ];
    let reader = world.endorse("Org2MSP", &reading).await;
    assert_eq!(
        world.in_one_block(&[&overwrite, &reader]).await,
        [Valid, MvccReadConflict]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn overwriting_and_purging_an_own_record_is_valid_by_the_own_organisation_alone() {
    let world = World::start().await;
    let collection = implicit("Org2MSP");
    for value in ["1", "2"] {
        let write = [put_private(&collection, "key", value)];
        world.submit_to("Org2MSP", &["Org2MSP"], &write).await.unwrap();
    }
    let read = [get_private(&collection, "key")];
    assert_eq!(world.evaluate("Org2MSP", &read).await.unwrap(), json!(["2"]));
    let purge = [Step::Purge(collection.clone(), "key".into())];
    world.submit_to("Org2MSP", &["Org2MSP"], &purge).await.unwrap();
    assert_eq!(world.evaluate("Org2MSP", &read).await.unwrap(), json!([null]));
    let view = world.network.peer("Org2MSP").unwrap();
    assert!(view.private_hash(CC, &collection, "key").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_invalid_write_stalls_the_owners_commit_while_it_endorses_on_stale_state() {
    let world = Setup::new(ALL).start().await;
    let write = run(&[put_private(&implicit("Org2MSP"), "key", "forged")]).organisations(&["Org3MSP"]);
    let forged = soon(world.client("Org3MSP").endorse(&write)).await.unwrap();
    soon(world.client("Org3MSP").submit(&forged)).await.unwrap();
    let status = soon(world.client("Org3MSP").commit_status(&forged.tx_id))
        .await
        .unwrap();
    assert_eq!(status.code, EndorsementPolicyFailure);

    // The rest of the network goes on; the owner waits a minute for data that nobody will give it.
    world.submit("Org1MSP", &[put("key", "new")]).await.unwrap();
    let owner = world.network.peer("Org2MSP").unwrap();
    assert_eq!(owner.height(), status.block);
    assert_eq!(
        world.evaluate("Org2MSP", &[get("key")]).await.unwrap(),
        json!([null])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn skipping_invalid_transactions_cures_the_stall() {
    let skip =
        |config: &mut devnet::config::NetworkConfig| config.limits.skip_pulling_invalid_transactions = true;
    let world = Setup::new(ALL).with(skip).start().await;
    let write = [put_private(&implicit("Org2MSP"), "key", "forged")];
    assert_eq!(
        invalid(world.submit_to("Org3MSP", &["Org3MSP"], &write).await),
        EndorsementPolicyFailure
    );
    world.settle().await;
    let written = world.network.peer("Org2MSP").unwrap();
    assert!(
        written
            .private_state(CC, &implicit("Org2MSP"), "key")
            .await
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn data_is_purged_when_its_block_to_live_has_passed() {
    let world = Setup::new("OR('Org1MSP.peer')")
        .collection(json!({
            "name": "brief", "policy": "OR('Org1MSP.member')", "blockToLive": 2,
        }))
        .start()
        .await;
    let written = world
        .submit("Org1MSP", &[put_private("brief", "key", "value")])
        .await
        .unwrap()
        .block;
    let view = world.network.peer("Org1MSP").unwrap();
    for n in 1..=3 {
        assert_eq!(view.height(), written + n);
        assert_eq!(view.private_state(CC, "brief", "key").await.is_some(), n <= 3);
        world.submit("Org1MSP", &[put("key", "value")]).await.unwrap();
    }
    assert!(view.private_state(CC, "brief", "key").await.is_none());
    assert!(view.private_hash(CC, "brief", "key").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn member_only_collections_refuse_other_organisations_clients() {
    let world = Setup::new("OR('Org1MSP.peer','Org3MSP.peer')")
        .collection(json!({
            "name": "closed", "policy": "OR('Org1MSP.member')", "memberOnlyRead": true, "memberOnlyWrite": true,
        }))
        .start()
        .await;
    let stranger = world
        .network
        .material()
        .organisation("Org3MSP")
        .unwrap()
        .user("User1")
        .unwrap();
    let stranger = world.client("Org1MSP").with_identity(stranger);
    for (step, what) in [
        (get_private("closed", "key"), "read"),
        (put_private("closed", "key", "v"), "write"),
    ] {
        let error = soon(stranger.evaluate(&run(&[step]))).await.unwrap_err();
        assert_says(
            &error,
            &format!("tx creator does not have {what} access permission on privatedata"),
        );
    }
    world
        .submit("Org1MSP", &[put_private("closed", "key", "value")])
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_collection_is_named() {
    let world = World::start().await;
    let error = world
        .evaluate("Org1MSP", &[get_private("nowhere", "key")])
        .await
        .unwrap_err();
    assert_says(&error, "collection mychannel/basic/nowhere could not be found");
    let hash = [Step::PrivateHash("_implicit_org_Org9MSP".into(), "key".into())];
    let error = world.evaluate("Org1MSP", &hash).await.unwrap_err();
    assert_says(
        &error,
        "collection [_implicit_org_Org9MSP] not defined in the collection config for chaincode [basic]",
    );
}
