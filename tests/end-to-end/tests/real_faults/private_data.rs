//! Private orders live on their own organisation's peers: what becomes of them when a peer loses or misses them, or another
//! organisation meddles.

use std::fs;

use devnet::client::{Call, ClientError};
use end_to_end_tests::fabric::{FabricNetwork, Impostor};
use fabric_protos::protos::TxValidationCode;
use ipo_demo::{
    play::Cast,
    story::{BROKER_A, BROKER_B},
};
use serde_json::json;
use step_chaincode::Step;
use tokio::time::{Instant, sleep};

use crate::{
    sale::{PATIENCE, PAUSE, Sale},
    say,
    stage::{Stage, complete},
};

/// Broker A's only peer loses its disk. Rebuilt, it has everything but its private data; the broker puts that back.
pub(crate) async fn a_peer_loses_its_disk(network: &FabricNetwork, cast: &Cast) {
    let sale = Sale::new(cast);
    Stage::Closed.reach(&sale).await;
    network.run(&["kill", "BrokerA-peer0"]);
    fs::remove_dir_all(network.folder().join("data/BrokerA-peer0")).unwrap();
    // Joins the channel again, installs the chaincode again.
    network.up();
    network.deploy();
    let desk = cast.at(BROKER_A).unwrap();
    let id = sale.offer.id;
    sale.until("freeze", async || sale.freeze().await).await;
    let deadline = Instant::now() + PATIENCE;
    while desk
        .query("ReadListing", &[id])
        .await
        .map_or(true, |listing| listing["status"] != "frozen")
    {
        assert!(Instant::now() < deadline, "the rebuilt peer does not catch up");
        sleep(PAUSE).await;
    }
    let refused = desk.query("JoinClearing", &[id]).await.unwrap_err().to_string();
    say(&format!("lost-disk: {refused}"));
    assert!(
        refused.contains("this peer has no private record of it: send it in the transient field openings"),
        "{refused}"
    );

    let kept = sale.kept_by(BROKER_A);
    let ids: Vec<&str> = sale.orders_of(BROKER_A).map(|order| order.id).collect();
    let openings = [("openings", kept.to_string().into_bytes())];
    let restore = async || {
        desk.submit_privately("RestoreOrders", &[id, &json!(ids).to_string()], &openings)
            .await
    };
    sale.until("restore", restore).await;
    complete(&sale).await;
    sale.verify().await;
}

/// A second peer of Broker A is down while orders come in; back again, it has them, and stands in for the first.
pub(crate) async fn a_peer_misses_private_data(network: &FabricNetwork, cast: &Cast) {
    let sale = Sale::new(cast);
    network.run(&["kill", "BrokerA-peer1"]);
    Stage::Closed.reach(&sale).await;
    network.up();
    sale.until("freeze", async || sale.freeze().await).await;
    let second = network.client_at("BrokerAMSP", "User1", 1).await;
    let join = Call::new("ipo", "JoinClearing")
        .arg(sale.offer.id)
        .organisations(&["BrokerAMSP"]);
    // It fetches what it missed in the background, from the first, which alone has it.
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = second.evaluate(&join).await {
        assert!(Instant::now() < deadline, "{error}");
        sleep(PAUSE).await;
    }
    network.run(&["kill", "BrokerA-peer0"]);
    second.evaluate(&join).await.unwrap();
    say("missed: the second peer hands over every order, the first is down");
    network.up();
    complete(&sale).await;
    sale.verify().await;
}

/// Broker B runs altered chaincode and writes into Broker A's collection: invalid, and Broker A's orders are what they were.
pub(crate) async fn another_organisation_writes_into_ones_collection(network: &FabricNetwork, cast: &Cast) {
    let sale = Sale::new(cast);
    Stage::Closed.reach(&sale).await;
    {
        let _impostor = Impostor::start(network, "BrokerB", "step-chaincode");
        let steps = [Step::PutPrivate(
            "_implicit_org_BrokerAMSP".into(),
            format!("\0order\0{}\0a-1003\0", sale.offer.id),
            "forged".into(),
        )];
        let forge = Call::new("ipo", "Run")
            .arg(serde_json::to_vec(&steps).unwrap())
            .organisations(&["BrokerBMSP"]);
        let client = cast.at(BROKER_B).unwrap().client();
        let deadline = Instant::now() + PATIENCE;
        let code = loop {
            let committed = client.submit_call(&forge).await;
            match committed.as_ref().err().and_then(ClientError::validation_code) {
                Some(code) => break code,
                // The impostor does not serve yet.
                None => assert!(committed.is_err() && Instant::now() < deadline, "{committed:?}"),
            }
            sleep(PAUSE).await;
        };
        assert_eq!(code, TxValidationCode::EndorsementPolicyFailure);
        say("foreign-write: ENDORSEMENT_POLICY_FAILURE");
    }
    network.run(&["start", "BrokerB-chaincode"]);
    // Broker A's peer goes on at once: without its setting it would stand still for a minute.
    complete(&sale).await;
    sale.verify().await;
}
