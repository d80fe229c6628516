//! The Gateway: whom it asks, and how it tells of failures.

use crate::world::{
    CC, ORGS, Setup, World, assert_says, get, get_private, implicit, put, put_private, run, soon,
};
use devnet::{client::Call, config::Profile};
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};
use step_chaincode::Step;
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn evaluate_goes_to_the_own_organisations_peer_without_submitting() {
    let world = World::start().await;
    for msp_id in ORGS {
        assert_eq!(
            world
                .evaluate(msp_id, &[Step::Whoami, put("key", "1")])
                .await
                .unwrap(),
            json!([msp_id, null])
        );
    }
    assert_eq!(world.network.peer("Org1MSP").unwrap().height(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn evaluate_asks_another_organisation_only_when_the_own_chaincode_is_down_and_nothing_forbids_it() {
    let mut world = World::start().await;
    world.servers.get_mut("Org1MSP").unwrap().kill();
    let client = world.client("Org1MSP");
    let whoami = run(&[Step::Whoami]);
    let elsewhere = soon(client.evaluate(&whoami)).await.unwrap();
    assert_eq!(elsewhere, br#"["Org2MSP"]"#);
    for stays_home in [
        whoami.clone().organisations(&["Org1MSP"]),
        whoami.transient("order", "secret"),
    ] {
        let error = soon(client.evaluate(&stays_home)).await.unwrap_err();
        assert_eq!(error.code(), Some(Code::Aborted));
        assert_says(&error, "could not launch chaincode");
        assert_says(&error, "connection refused");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_any_member_may_evaluate_on_any_peer() {
    let world = World::start().await;
    let collection = implicit("Org2MSP");
    let write = [put_private(&collection, "key", "secret")];
    world.submit_to("Org2MSP", &["Org2MSP"], &write).await.unwrap();
    let stranger = world
        .network
        .material()
        .organisation("Org3MSP")
        .unwrap()
        .user("User1")
        .unwrap();
    let at_org2 = world.client("Org2MSP").with_identity(stranger);
    let read = soon(at_org2.evaluate(&run(&[get_private(&collection, "key")])))
        .await
        .unwrap();
    assert_eq!(read, br#"["secret"]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn named_organisations_are_asked_at_once_and_unnamed_ones_after_the_first() {
    let world = World::start().await;
    let call = |gate: &str| run(&[Step::Gate(gate.into()), put("key", "1")]);
    let named = {
        let client = world.client("Org1MSP").clone();
        let call = call("named").organisations(&ORGS);
        tokio::spawn(async move { client.endorse(&call).await })
    };
    soon(world.gates.arrived("named", 3)).await;
    world.gates.open("named");
    soon(named).await.unwrap().unwrap();

    let unnamed = {
        let client = world.client("Org1MSP").clone();
        let call = call("unnamed");
        tokio::spawn(async move { client.endorse(&call).await })
    };
    // One alone is there; the others come only once it has answered.
    soon(world.gates.arrived("unnamed", 1)).await;
    assert!(!unnamed.is_finished());
    world.gates.open("unnamed");
    soon(unnamed).await.unwrap().unwrap();
    soon(world.gates.arrived("unnamed", 3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chaincodes_refusal_reaches_the_client_with_status_message_and_peer() {
    let world = World::start().await;
    for (status, message) in [(404, "no such listing"), (500, "broken")] {
        let fail = [Step::Fail(status, message.into())];
        let error = world.evaluate("Org1MSP", &fail).await.unwrap_err();
        assert_eq!(error.code(), Some(Code::Unknown));
        assert_says(
            &error,
            &format!("evaluate call to endorser returned error: chaincode response {status}, {message}"),
        );

        let error = soon(world.client("Org1MSP").endorse(&run(&fail)))
            .await
            .err()
            .unwrap();
        assert_eq!(error.code(), Some(Code::Aborted));
        assert_says(
            &error,
            "failed to endorse transaction, see attached details for more info",
        );
        let [detail] = error.details() else {
            panic!("one detail: {error}")
        };
        assert_eq!(detail.msp_id, "Org1MSP");
        assert!(detail.address.starts_with("peer0.org1.example.com:"));
        assert_eq!(detail.message, format!("chaincode response {status}, {message}"));
    }
    let named = run(&[Step::Fail(409, "conflict".into())]).organisations(&ORGS);
    let error = soon(world.client("Org1MSP").endorse(&named)).await.err().unwrap();
    assert_says(
        &error,
        "failed to collect enough transaction endorsements, see attached details for more info",
    );
    assert_eq!(error.details().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn organisations_without_an_endorser_are_named() {
    let world = World::start().await;
    let call = run(&[get("key")]).organisations(&["Org1MSP", "Org8MSP", "Org9MSP"]);
    let error = soon(world.client("Org1MSP").endorse(&call)).await.err().unwrap();
    assert_eq!(error.code(), Some(Code::Unavailable));
    assert_says(
        &error,
        "failed to find any endorsing peers for org(s): Org8MSP, Org9MSP",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_chaincode_is_named() {
    let world = World::start().await;
    let error = soon(world.client("Org1MSP").evaluate(&Call::new("nobody", "Run")))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some(Code::FailedPrecondition));
    assert_says(
        &error,
        "no peers available to evaluate chaincode nobody in channel mychannel",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn timestamps_are_free_on_v2_5_and_within_a_quarter_of_an_hour_on_v3() {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let year = 365 * 24 * 3600;
    let world = World::start().await;
    for offset in [1000, 20 * year, -10 * year] {
        let call = run(&[Step::Timestamp, put("key", "1")]).timestamp(now + offset);
        let committed = soon(world.client("Org1MSP").submit_call(&call)).await.unwrap();
        assert_eq!(committed.result, format!("[{},null]", now + offset).into_bytes());
    }
    let world = Setup::new(crate::world::ALL)
        .with(|config| config.profile = Profile::V3)
        .start()
        .await;
    let client = world.client("Org1MSP");
    let call = run(&[put("key", "1")]);
    soon(client.submit_call(&call.clone().timestamp(now + 14 * 60)))
        .await
        .unwrap();
    let error = soon(client.submit_call(&call.timestamp(now + 1000)))
        .await
        .unwrap_err();
    assert_says(&error, "request unauthorized due to incorrect timestamp");
}

#[tokio::test(flavor = "multi_thread")]
async fn commit_status_waits_for_the_commit() {
    let world = Setup::new(crate::world::ALL)
        .with(crate::world::cut_by_hand)
        .start()
        .await;
    let endorsed = world.endorse("Org1MSP", &[put("key", "1")]).await;
    soon(world.client("Org1MSP").submit(&endorsed)).await.unwrap();
    let status = {
        let (client, tx_id) = (world.client("Org1MSP").clone(), endorsed.tx_id.clone());
        tokio::spawn(async move { client.commit_status(&tx_id).await })
    };
    // Whatever else the peer answers meanwhile.
    world.evaluate("Org1MSP", &[get("key")]).await.unwrap();
    assert!(!status.is_finished());
    world.network.cut_block().unwrap();
    assert_eq!(soon(status).await.unwrap().unwrap().block, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_peer_answers_unavailable_and_others_endorse_without_it() {
    let world = Setup::new("MAJORITY").start().await;
    world.network.peer("Org3MSP").unwrap().stop().await;
    let error = world.evaluate("Org3MSP", &[get("key")]).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::Unavailable));
    let committed = world.submit("Org1MSP", &[put("key", "1")]).await.unwrap();
    let back = world.network.peer("Org3MSP").unwrap();
    back.start();
    soon(back.wait_for_height(committed.block + 1)).await;
    assert!(back.state(CC, "key").await.is_some());
}
