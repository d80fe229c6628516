//! Ranges, pages, history.

use crate::world::{Setup, World, assert_says, get, put, soon};
use devnet::client::Call;
use devnet::config::{NetworkConfig, StateDatabase};
use fabric_protos::{
    common::Block,
    protos::{ProcessedTransaction, TxValidationCode},
};
use prost::Message;
use serde_json::json;
use step_chaincode::Step;

fn range(start: &str, end: &str) -> Step {
    Step::Range(start.into(), end.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_ends_silently_at_the_peers_limit_and_can_be_taken_up_again() {
    let world = Setup::new("ANY")
        .with(|config| config.limits.total_query_limit = 150)
        .start()
        .await;
    world
        .submit("Org1MSP", &[Step::PutMany("key".into(), 400)])
        .await
        .unwrap();
    let count = |start: &str| [Step::Count(start.into(), "key~".into())];
    assert_eq!(
        world.evaluate("Org1MSP", &count("key")).await.unwrap(),
        json!([150])
    );
    assert_eq!(
        world.evaluate("Org1MSP", &count("key000149\0")).await.unwrap(),
        json!([150])
    );
    assert_eq!(
        world.evaluate("Org1MSP", &count("key000299\0")).await.unwrap(),
        json!([100])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_of_composite_keys_can_be_taken_up_again_too() {
    let world = Setup::new("ANY")
        .with(|config| config.limits.total_query_limit = 150)
        .start()
        .await;
    let prefix = "\0order\0".to_owned();
    world
        .submit("Org1MSP", &[Step::PutMany(prefix, 400)])
        .await
        .unwrap();
    let all = [Step::CountAll("order".into())];
    assert_eq!(world.evaluate("Org1MSP", &all).await.unwrap(), json!([400]));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_by_their_bookmarks_and_forbid_writes() {
    let world = Setup::new("ANY").start().await;
    world
        .submit("Org1MSP", &[Step::PutMany("key".into(), 5)])
        .await
        .unwrap();
    let page = |bookmark: &str| Step::Page("key".into(), "key~".into(), 2, bookmark.into());
    let mut bookmark = String::new();
    for expected in [
        json!([[["key000000", "key000001"], "key000002"]]),
        json!([[["key000002", "key000003"], "key000004"]]),
        json!([[["key000004"], ""]]),
    ] {
        let found = world.evaluate("Org1MSP", &[page(&bookmark)]).await.unwrap();
        assert_eq!(found, expected);
        bookmark = found[0][1].as_str().unwrap().to_owned();
    }
    let error = world
        .evaluate("Org1MSP", &[page(""), put("key", "1")])
        .await
        .unwrap_err();
    assert_says(
        &error,
        "Transaction has already performed a paginated query. Writes are not allowed",
    );
    let error = world
        .evaluate("Org1MSP", &[put("key", "1"), page("")])
        .await
        .unwrap_err();
    assert_says(
        &error,
        "Paginated queries are supported only in a read-only transaction",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn on_couchdb_the_bookmark_after_the_last_page_is_the_ranges_end() {
    let couchdb = |config: &mut NetworkConfig| config.state_database = StateDatabase::CouchDb;
    let world = Setup::new("ANY").with(couchdb).start().await;
    let write = [Step::PutMany("key".into(), 4)];
    world.submit("Org1MSP", &write).await.unwrap();
    let page = |end: &str, bookmark: &str| Step::Page("key".into(), end.into(), 2, bookmark.into());
    let steps = [
        page("key~", ""),
        page("key~", "key000002"),
        page("key~", "key~"),
        page("", "key000002"),
    ];
    assert_eq!(
        world.evaluate("Org1MSP", &steps).await.unwrap(),
        json!([
            [["key000000", "key000001"], "key000002"],
            [["key000002", "key000003"], "key~"],
            [[], "key~"],
            [["key000002", "key000003"], ""],
        ])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_newest_first_with_deletions() {
    let world = Setup::new("ANY").start().await;
    for steps in [[put("key", "1")], [put("key", "2")], [Step::Delete("key".into())]] {
        world.submit("Org1MSP", &steps).await.unwrap();
    }
    let history = world
        .evaluate("Org1MSP", &[Step::History("key".into())])
        .await
        .unwrap();
    assert_eq!(history, json!([[["", true], ["2", false], ["1", false]]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_value_is_an_absent_key() {
    let world = Setup::new("ANY").start().await;
    world.submit("Org1MSP", &[put("key", "value")]).await.unwrap();
    world.submit("Org1MSP", &[put("key", "")]).await.unwrap();
    assert_eq!(
        world
            .evaluate("Org1MSP", &[get("key"), range("a", "z")])
            .await
            .unwrap(),
        json!([null, []])
    );
    assert!(
        world
            .network
            .peer("Org1MSP")
            .unwrap()
            .state("basic", "key")
            .await
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_does_not_see_its_own_writes() {
    let world = Setup::new("ANY").start().await;
    let steps = [put("key", "value"), get("key"), range("a", "z")];
    assert_eq!(
        world.evaluate("Org1MSP", &steps).await.unwrap(),
        json!([null, null, []])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_behind_the_end_is_an_empty_range() {
    let world = World::start().await;
    assert_eq!(
        world.evaluate("Org1MSP", &[range("z", "a")]).await.unwrap(),
        json!([[]])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn new_shims_and_peers_read_and_write_many_keys_on_either_release() {
    for profile in [devnet::config::Profile::V2_5, devnet::config::Profile::V3] {
        let world = Setup::new("ANY")
            .with(|config| config.profile = profile)
            .start()
            .await;
        world
            .submit("Org1MSP", &[Step::PutMany("key".into(), 2500)])
            .await
            .unwrap();
        let keys: Vec<String> = (0..2500).map(|n| format!("key{n:06}")).collect();
        let found = world.evaluate("Org1MSP", &[Step::GetMany(keys)]).await.unwrap();
        assert_eq!(found[0].as_array().unwrap().len(), 2500);
        assert!(found[0].as_array().unwrap().iter().all(|value| value == "x"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_system_chaincode_gives_blocks_and_transactions_with_their_codes() {
    let world = World::start().await;
    let client = world.client("Org1MSP");
    let valid = world.submit("Org1MSP", &[put("key", "1")]).await.unwrap();
    world
        .submit_to("Org1MSP", &["Org1MSP"], &[put("key", "2")])
        .await
        .unwrap_err();
    let ask = async |function: &str, wanted: &str| {
        let call = Call::new("qscc", function).arg("mychannel").arg(wanted);
        soon(client.evaluate(&call)).await
    };
    let block = ask("GetBlockByTxID", &valid.tx_id).await.unwrap();
    assert_eq!(ask("GetBlockByNumber", "2").await.unwrap(), block);
    let codes = |block: &[u8]| Block::decode(block).unwrap().metadata.unwrap().metadata[2].clone();
    assert_eq!(codes(&block), [TxValidationCode::Valid as u8]);
    let invalid = ask("GetBlockByNumber", "3").await.unwrap();
    assert_eq!(
        codes(&invalid),
        [TxValidationCode::EndorsementPolicyFailure as u8]
    );
    let found = ask("GetTransactionByID", &valid.tx_id).await.unwrap();
    let found = ProcessedTransaction::decode(found.as_slice()).unwrap();
    assert_eq!(found.validation_code, TxValidationCode::Valid as i32);

    for (function, wanted, says) in [
        ("GetBlockByNumber", "9", "no such block number [9] in index"),
        (
            "GetTransactionByID",
            "nobody",
            "no such transaction ID [nobody] in index",
        ),
        ("GetNothing", "1", "Requested function GetNothing not found."),
    ] {
        assert_says(&ask(function, wanted).await.unwrap_err(), says);
    }
}
