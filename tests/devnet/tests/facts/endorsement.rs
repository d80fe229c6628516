//! Endorsement policies.

use crate::world::{
    ALL, ORGS, Setup, World, assert_says, get, get_private, implicit, invalid, put, put_private, run, soon,
};
use devnet::config::{ChaincodeDefinition, Connection};
use fabric_protos::protos::TxValidationCode::{EndorsementPolicyFailure, Valid};
use serde_json::json;
use step_chaincode::Step;
use tonic::Code;

fn organisations(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn under_majority_a_majority_can_rewrite_anybodys_record() {
    let world = Setup::new("MAJORITY").start().await;
    world
        .submit_to("Org1MSP", &["Org1MSP", "Org2MSP"], &[put("key", "value")])
        .await
        .unwrap();
    world
        .submit_to("Org2MSP", &["Org2MSP", "Org3MSP"], &[put("key", "rewritten")])
        .await
        .unwrap();
    assert_eq!(
        invalid(
            world
                .submit_to("Org2MSP", &["Org2MSP"], &[put("key", "alone")])
                .await
        ),
        EndorsementPolicyFailure
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_level_policy_replaces_the_chaincodes_for_that_key() {
    let world = Setup::new("MAJORITY").start().await;
    let create = [
        put("key", "value"),
        Step::SetPolicy("key".into(), organisations(&["Org1MSP"])),
    ];
    world.submit("Org1MSP", &create).await.unwrap();
    world
        .submit_to("Org1MSP", &["Org1MSP"], &[put("key", "alone")])
        .await
        .unwrap();
    let others = world
        .submit_to("Org2MSP", &["Org2MSP", "Org3MSP"], &[put("key", "rewritten")])
        .await;
    assert_eq!(invalid(others), EndorsementPolicyFailure);
    // A second key in the same transaction falls back to the chaincode's.
    let mixed = world
        .submit_to(
            "Org1MSP",
            &["Org1MSP"],
            &[put("key", "alone"), put("other", "value")],
        )
        .await;
    assert_eq!(invalid(mixed), EndorsementPolicyFailure);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_three_needs_three_and_the_gateway_finds_them_by_itself() {
    let world = Setup::new("OR('Org1MSP.peer','Org2MSP.peer','Org3MSP.peer')")
        .start()
        .await;
    let create = [
        put("key", "value"),
        Step::SetPolicy("key".into(), organisations(&ORGS)),
    ];
    world.submit("Org1MSP", &create).await.unwrap();
    world.settle().await;
    let two = world
        .submit_to("Org1MSP", &["Org1MSP", "Org2MSP"], &[put("key", "two")])
        .await;
    assert_eq!(invalid(two), EndorsementPolicyFailure);
    world
        .submit_to("Org1MSP", &ORGS, &[put("key", "three")])
        .await
        .unwrap();
    world.settle().await;
    world.submit("Org1MSP", &[put("key", "unnamed")]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn creating_a_key_with_a_policy_twice_in_a_block_fails_the_second() {
    let world = Setup::new(ALL).with(crate::world::cut_by_hand).start().await;
    let create = [
        put("key", "value"),
        Step::SetPolicy("key".into(), organisations(&ORGS)),
    ];
    let (first, second) = (
        world.endorse("Org1MSP", &create).await,
        world.endorse("Org2MSP", &create).await,
    );
    assert_eq!(
        world.in_one_block(&[&first, &second]).await,
        [Valid, EndorsementPolicyFailure]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_keys_policy_replaces_its_collections() {
    let world = World::start().await;
    let collection = implicit("Org1MSP");
    let create = [
        put_private(&collection, "key", "value"),
        Step::SetPrivatePolicy(
            collection.clone(),
            "key".into(),
            organisations(&["Org1MSP", "Org2MSP"]),
        ),
    ];
    world.submit_to("Org1MSP", &["Org1MSP"], &create).await.unwrap();
    world.settle().await;
    let write = [put_private(&collection, "key", "changed")];
    assert_eq!(
        invalid(world.submit_to("Org1MSP", &["Org1MSP"], &write).await),
        EndorsementPolicyFailure
    );
    world
        .submit_to("Org1MSP", &["Org1MSP", "Org2MSP"], &write)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_collections_own_policy_judges_its_writes() {
    let world = Setup::new(ALL)
        .collection(json!({
            "name": "shared", "policy": "OR('Org1MSP.member','Org2MSP.member')", "maxPeerCount": 1,
            "endorsementPolicy": { "signaturePolicy": "OR('Org1MSP.peer')" },
        }))
        .collection(json!({ "name": "plain", "policy": "OR('Org1MSP.member')" }))
        .start()
        .await;
    let write = |collection| [put_private(collection, "key", "value")];
    world
        .submit_to("Org1MSP", &["Org1MSP"], &write("shared"))
        .await
        .unwrap();
    let other = world.submit_to("Org2MSP", &["Org2MSP"], &write("shared")).await;
    assert_eq!(invalid(other), EndorsementPolicyFailure);
    // Without one of its own, the chaincode's.
    let plain = world.submit_to("Org1MSP", &["Org1MSP"], &write("plain")).await;
    assert_eq!(invalid(plain), EndorsementPolicyFailure);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_organisations_unnamed_the_gateway_refuses_to_submit_a_private_read() {
    let world = World::start().await;
    let call = run(&[get_private(&implicit("Org1MSP"), "key")]);
    let error = soon(world.client("Org1MSP").endorse(&call)).await.err().unwrap();
    assert_eq!(error.code(), Some(Code::FailedPrecondition));
    assert_says(
        &error,
        "no combination of peers can be derived which satisfy the endorsement policy",
    );
    // Naming the own organisation removes that protection.
    let named = call.organisations(&["Org1MSP"]);
    let endorsed = soon(world.client("Org1MSP").endorse(&named)).await.unwrap();
    assert_eq!(endorsed.result, b"[null]");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_submitted_transaction_returned_is_in_everybodys_block_even_when_it_is_invalid() {
    let world = World::start().await;
    let collection = implicit("Org1MSP");
    let write = run(&[Step::PutTransient(
        collection.clone(),
        "key".into(),
        "order".into(),
    )])
    .transient("order", "seven thousand at 7.00")
    .organisations(&["Org1MSP"]);
    soon(world.client("Org1MSP").submit_call(&write)).await.unwrap();
    let read = [get_private(&collection, "key")];
    assert_eq!(
        invalid(world.submit_to("Org1MSP", &["Org1MSP"], &read).await),
        EndorsementPolicyFailure
    );
    world.settle().await;
    for msp_id in ORGS {
        let blocks = world.network.peer(msp_id).unwrap().blocks();
        let last = blocks.last().unwrap().block.data.as_ref().unwrap();
        let published = String::from_utf8_lossy(&last.data[0]).contains("seven thousand at 7.00");
        assert!(published, "{msp_id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_write_with_organisations_unnamed_stays_with_its_collections_organisation() {
    let world = World::start().await;
    let write = run(&[Step::PutTransient(
        implicit("Org1MSP"),
        "key".into(),
        "order".into(),
    )]);
    let committed = soon(
        world
            .client("Org1MSP")
            .submit_call(&write.transient("order", "secret")),
    )
    .await;
    committed.unwrap();
    let read = [get_private(&implicit("Org1MSP"), "key")];
    assert_eq!(world.evaluate("Org1MSP", &read).await.unwrap(), json!(["secret"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn transient_data_reaches_the_chaincode_of_the_peer_that_the_client_is_connected_to() {
    let world = World::start().await;
    let stranger = world.client("Org3MSP").identity().clone();
    let at_org2 = world.client("Org2MSP").with_identity(stranger);
    let steps = [
        Step::Whoami,
        Step::PutTransient(implicit("Org2MSP"), "key".into(), "order".into()),
    ];
    let call = run(&steps).transient("order", "secret");
    assert_eq!(
        soon(at_org2.evaluate(&call)).await.unwrap(),
        br#"["Org2MSP",null]"#
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn transient_data_is_not_sent_to_organisations_outside_the_collection() {
    let world = World::start().await;
    let steps = [
        Step::PutTransient(implicit("Org1MSP"), "key".into(), "order".into()),
        put("public", "value"),
    ];
    let call = run(&steps).transient("order", "secret");
    let error = soon(world.client("Org1MSP").endorse(&call)).await.err().unwrap();
    assert_eq!(error.code(), Some(Code::FailedPrecondition));
    assert_says(
        &error,
        "not in the distribution policy of the private data collection(s): [_implicit_org_Org1MSP]",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_between_endorsers_does_not_match() {
    let world = World::start().await;
    let error = soon(
        world
            .client("Org1MSP")
            .endorse(&run(&[Step::Whoami, put("key", "value")])),
    )
    .await
    .err()
    .unwrap();
    assert_eq!(error.code(), Some(Code::Aborted));
    assert!(
        error
            .details()
            .iter()
            .all(|d| d.message == "ProposalResponsePayloads do not match")
    );
    assert!(!error.details().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_from_chaincode_to_chaincode_writes_both_namespaces_under_both_policies() {
    let world = World::start().await;
    let mut other = ChaincodeDefinition::new("other", "OR('Org1MSP.peer')");
    let mut servers = Vec::new();
    for msp_id in ORGS {
        let server =
            crate::world::server::ChaincodeProcess::start(&other.package_id(), msp_id, &world.gates, None);
        other = other.connected(msp_id, Connection::plaintext(server.address()));
        servers.push(server);
    }
    soon(world.network.define_chaincode(&other)).await.unwrap();

    let steps = [
        put("key", "outer"),
        Step::Invoke("other".into(), vec![put("key", "inner"), get("key")]),
    ];
    world.submit("Org1MSP", &steps).await.unwrap();
    let view = world.network.peer("Org1MSP").unwrap();
    assert_eq!(view.state("basic", "key").await.unwrap().value, b"outer");
    assert_eq!(view.state("other", "key").await.unwrap().value, b"inner");

    let alone = [
        get("key"),
        Step::Invoke("other".into(), vec![put("key", "again")]),
    ];
    assert_eq!(
        invalid(world.submit_to("Org1MSP", &["Org1MSP"], &alone).await),
        EndorsementPolicyFailure
    );
    let elsewhere = [Step::InvokeOn(
        "elsewhere".into(),
        "other".into(),
        vec![get("key")],
    )];
    let error = world.evaluate("Org1MSP", &elsewhere).await.unwrap_err();
    assert_says(&error, "Failed to get policy manager for channel [elsewhere]");
    let nobody = [Step::Invoke("nobody".into(), vec![get("key")])];
    let error = world.evaluate("Org1MSP", &nobody).await.unwrap_err();
    assert_says(&error, "chaincode nobody not found");
}
