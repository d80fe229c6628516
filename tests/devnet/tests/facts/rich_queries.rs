//! Rich queries of peers on CouchDB, beyond what `tests/conformance` compares.

use crate::world::{ALL, Setup, World, assert_says, cut_by_hand, get_private, implicit, put, put_private};
use devnet::config::{NetworkConfig, StateDatabase};
use fabric_protos::protos::TxValidationCode::{MvccReadConflict, Valid};
use serde_json::json;
use step_chaincode::Step;

const RED: &str = r#"{"selector":{"colour":"red"}}"#;

fn couchdb(config: &mut NetworkConfig) {
    config.state_database = StateDatabase::CouchDb;
}

fn red(key: &str) -> Step {
    put(key, r#"{"colour":"red"}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rich_query_guards_what_it_found_and_not_what_it_would_find_now() {
    let world = Setup::new(ALL).with(couchdb).with(cut_by_hand).start().await;
    let commit = async |steps: &[Step]| {
        let transaction = world.endorse("Org1MSP", steps).await;
        assert_eq!(world.in_one_block(&[&transaction]).await, [Valid]);
    };
    commit(&[red("a"), red("b")]).await;
    let query = [Step::Rich(RED.into()), put("sum", "2")];
    let (found, changed) = (
        world.endorse("Org1MSP", &query).await,
        world.endorse("Org1MSP", &[put("b", "blue")]).await,
    );
    assert_eq!(
        world.in_one_block(&[&changed, &found]).await,
        [Valid, MvccReadConflict]
    );
    let (found, added) = (
        world.endorse("Org1MSP", &query).await,
        world.endorse("Org1MSP", &[red("c")]).await,
    );
    assert_eq!(world.in_one_block(&[&added, &found]).await, [Valid, Valid]);
    let last = world.evaluate("Org1MSP", &query[..1]).await.unwrap();
    assert_eq!(last, json!([["a", "c"]]));
}

/// How many of the keys a query finds; all values match, whether they are documents or not.
async fn found(world: &World, skip: usize) -> usize {
    let all = format!(r#"{{"selector":{{"_id":{{"$gt":"key"}}}},"skip":{skip}}}"#);
    let found = world.evaluate("Org1MSP", &[Step::Rich(all)]).await.unwrap();
    found[0].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rich_query_goes_on_after_a_thousand_and_ends_silently_at_the_peers_limit() {
    for (limit, expected) in [(100_000, 1_150), (1_100, 1_100)] {
        let limited = |config: &mut NetworkConfig| {
            couchdb(config);
            config.limits.total_query_limit = limit;
        };
        let world = Setup::new("ANY").with(limited).start().await;
        let write = [Step::PutMany("key".into(), 1_150)];
        world.submit("Org1MSP", &write).await.unwrap();
        assert_eq!(found(&world, 0).await, expected);
        // The peer sends the same query again for what is beyond a thousand, and CouchDB skips again.
        assert_eq!(found(&world, 10).await, expected.min(1_130));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_rich_query_finds_what_the_peer_has_and_nothing_is_read() {
    let world = Setup::new("OR('Org1MSP.peer')").with(couchdb).start().await;
    let collection = implicit("Org1MSP");
    let write = [put_private(&collection, "key", r#"{"colour":"red"}"#)];
    world.submit_to("Org1MSP", &["Org1MSP"], &write).await.unwrap();
    world.settle().await;
    let query = [Step::PrivateRich(collection.clone(), RED.into())];
    let at = async |msp_id| world.evaluate(msp_id, &query).await.unwrap();
    assert_eq!(at("Org1MSP").await, json!([["key"]]));
    // Its own read by key says that the data is not there; a query finds nothing.
    assert_eq!(at("Org2MSP").await, json!([[]]));
    let read = [get_private(&collection, "key")];
    assert_says(
        &world.evaluate("Org2MSP", &read).await.unwrap_err(),
        "private data matching public hash version is not available",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn couchdb_takes_no_key_or_field_of_its_own() {
    let world = Setup::new("ANY").with(couchdb).start().await;
    for (step, text) in [
        (put("_key", "1"), "invalid key [_key], cannot begin with \"_\""),
        (
            put("key", r#"{"_id":"a"}"#),
            "field [_id] is not valid for the CouchDB state database",
        ),
        (
            put_private(&implicit("Org1MSP"), "key", r#"{"~version":1}"#),
            "field [~version] is not valid for the CouchDB state database",
        ),
    ] {
        let error = world.evaluate("Org1MSP", &[step]).await.unwrap_err();
        assert_says(&error, text);
    }
}
