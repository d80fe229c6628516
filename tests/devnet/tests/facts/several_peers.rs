//! Organisations with more than one peer.

use crate::world::{CC, Setup, World, get, implicit, put, put_private, run, server::ChaincodeProcess, soon};
use devnet::config::{Connection, StateDatabase};
use serde_json::json;
use step_chaincode::Step;

async fn two_each() -> World {
    let two = |config: &mut devnet::config::NetworkConfig| {
        config
            .organisations
            .iter_mut()
            .for_each(|organisation| organisation.peers = 2);
    };
    Setup::new(crate::world::ALL).with(two).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_implicit_collections_data_is_on_every_peer_of_its_organisation() {
    let world = two_each().await;
    let collection = implicit("Org1MSP");
    let write = [put_private(&collection, "key", "value")];
    world.submit_to("Org1MSP", &["Org1MSP"], &write).await.unwrap();
    world.settle().await;
    for (peer, holds) in [("peer0.org1", true), ("peer1.org1", true), ("peer0.org2", false)] {
        let view = world.network.peer(&format!("{peer}.example.com")).unwrap();
        assert_eq!(
            view.private_state(CC, &collection, "key").await.is_some(),
            holds,
            "{peer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_peer_stands_in_for_one_whose_chaincode_is_down() {
    let mut world = two_each().await;
    let package_id = world.network.config().chaincodes[0].package_id();
    let second = ChaincodeProcess::start(&package_id, "Org2MSP", &world.gates, None);
    let connection = Connection::plaintext(second.address());
    world
        .network
        .connect_chaincode(CC, "peer1.org2.example.com", &connection)
        .unwrap();
    world.servers.get_mut("Org2MSP").unwrap().kill();
    world.submit("Org1MSP", &[put("key", "value")]).await.unwrap();
    let home = run(&[get("key")]).organisations(&["Org2MSP"]);
    world.settle().await;
    assert_eq!(
        soon(world.client("Org2MSP").evaluate(&home)).await.unwrap(),
        br#"["value"]"#
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn couchdb_returns_json_marshalled_anew_and_the_hash_is_still_of_the_bytes_written() {
    let couchdb = |config: &mut devnet::config::NetworkConfig| config.state_database = StateDatabase::CouchDb;
    let world = Setup::new("OR('Org1MSP.peer')").with(couchdb).start().await;
    let written = r#"{"b": 1, "a": "<"}"#;
    let collection = implicit("Org1MSP");
    world
        .submit(
            "Org1MSP",
            &[put("key", written), put_private(&collection, "key", written)],
        )
        .await
        .unwrap();
    let steps = [
        get("key"),
        Step::GetPrivate(collection.clone(), "key".into()),
        Step::PrivateHash(collection, "key".into()),
    ];
    let found = world.evaluate("Org1MSP", &steps).await.unwrap();
    let anew = r#"{"a":"\u003c","b":1}"#;
    use sha2::{Digest, Sha256};
    assert_eq!(found, json!([anew, anew, hex::encode(Sha256::digest(written))]));
}
