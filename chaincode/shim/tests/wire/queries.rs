//! Ranges, rich queries, history: page by page, to the true end, and with answers that make no sense.

use std::collections::BTreeSet;

use chaincode_shim::{Error, Kv, RangeAll};
use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::{
    GetHistoryForKey, GetQueryResult, GetStateByRange, GetStateMetadata, QueryMetadata, QueryResponse,
    QueryResponseMetadata, QueryResultBytes, QueryStateClose, QueryStateNext,
};
use fabric_protos::queryresult::KeyModification;
use prost::Message;

use crate::stub::begin;

fn range(collection: &str, start: &str, end: &str, metadata: Vec<u8>) -> Vec<u8> {
    GetStateByRange {
        start_key: start.to_owned(),
        end_key: end.to_owned(),
        collection: collection.to_owned(),
        metadata,
    }
    .encode_to_vec()
}

fn kv(key: &str, value: &str) -> Kv {
    Kv {
        namespace: "cc".to_owned(),
        key: key.to_owned(),
        value: value.as_bytes().to_vec(),
    }
}

fn results<M: Message>(results: &[M], more: Option<&str>) -> Vec<u8> {
    QueryResponse {
        results: results
            .iter()
            .map(|found| QueryResultBytes {
                result_bytes: found.encode_to_vec(),
            })
            .collect(),
        has_more: more.is_some(),
        id: more.unwrap_or("done").to_owned(),
        metadata: Vec::new(),
    }
    .encode_to_vec()
}

fn keys(found: &[Kv]) -> Vec<&str> {
    found.iter().map(|found| found.key.as_str()).collect()
}

#[tokio::test]
async fn a_range_streams_page_by_page() {
    let (_server, mut peer) = begin(|stub| async move {
        let all = stub
            .get_state_by_range("a", "c")
            .await
            .unwrap()
            .collect()
            .await
            .unwrap();
        assert_eq!(keys(&all), ["a", "b", "b1"]);
        assert_eq!(all[0].value, b"1");
    })
    .await;
    let next = QueryStateNext { id: "q".to_owned() }.encode_to_vec();
    peer.answer(
        Type::GetStateByRange,
        range("", "a", "c", vec![]),
        results(&[kv("a", "1")], Some("q")),
    )
    .await;
    peer.answer(
        Type::QueryStateNext,
        next.clone(),
        results(&[kv("b", "2")], Some("q")),
    )
    .await;
    peer.answer(Type::QueryStateNext, next, results(&[kv("b1", "3")], None))
        .await;
    peer.succeeded("tx").await;
}

#[tokio::test]
async fn a_range_that_is_not_read_to_its_end_is_closed() {
    let (_server, mut peer) = begin(|stub| async move {
        let mut open = stub.get_state_by_range("", "").await.unwrap();
        assert_eq!(open.next().await.unwrap().unwrap().key, "a");
        open.close().await.unwrap();
        // The peer has closed this one by itself.
        stub.get_state_by_range("x", "")
            .await
            .unwrap()
            .close()
            .await
            .unwrap();
    })
    .await;
    // An unbounded range starts above the composite keys.
    let first = range("", "\u{1}", "", vec![]);
    peer.answer(
        Type::GetStateByRange,
        first,
        results(&[kv("a", "1"), kv("b", "2")], Some("q")),
    )
    .await;
    let close = QueryStateClose { id: "q".to_owned() }.encode_to_vec();
    peer.answer(Type::QueryStateClose, close, results::<Kv>(&[], None))
        .await;
    peer.answer(
        Type::GetStateByRange,
        range("", "x", "", vec![]),
        results(&[kv("x", "1")], None),
    )
    .await;
    peer.succeeded("tx").await;
}

#[tokio::test]
async fn a_page_that_fails_leaves_no_hole() {
    let (_server, mut peer) = begin(|stub| async move {
        let mut open = stub.get_state_by_range("a", "").await.unwrap();
        assert!(open.next().await.unwrap().is_some());
        assert!(matches!(open.next().await, Err(Error::Peer { .. })));
        assert!(open.has_next());
        assert_eq!(open.next().await, Err(Error::QueryInterrupted));
    })
    .await;
    peer.answer(
        Type::GetStateByRange,
        range("", "a", "", vec![]),
        results(&[kv("a", "1"), kv("b", "2")], Some("q")),
    )
    .await;
    peer.refuse(Type::QueryStateNext, "iterator gone").await;
    peer.succeeded("tx").await;
}

#[tokio::test]
async fn the_last_result_of_a_page_comes_with_the_next_page() {
    let (_server, mut peer) = begin(|stub| async move {
        let mut open = stub.get_state_by_range("a", "").await.unwrap();
        assert!(open.has_next());
        assert_eq!(open.next().await.unwrap().unwrap().key, "a");
        // Nobody asks for more, and yet the peer has been asked: as with Go's shim.
        assert_eq!(open.next().await.unwrap().unwrap().key, "b");
        assert!(!open.has_next());
        assert_eq!(open.next().await, Ok(None));
    })
    .await;
    peer.answer(
        Type::GetStateByRange,
        range("", "a", "", vec![]),
        results(&[kv("a", "1"), kv("b", "2")], Some("q")),
    )
    .await;
    let next = QueryStateNext { id: "q".to_owned() }.encode_to_vec();
    peer.answer(Type::QueryStateNext, next, results::<Kv>(&[], None))
        .await;
    peer.succeeded("tx").await;
}

#[tokio::test]
async fn every_kind_of_query_asks_its_own_way() {
    let (_server, mut peer) = begin(|stub| async move {
        let none = |found: Result<chaincode_shim::StateIterator, Error>| async {
            assert!(found.unwrap().next().await.unwrap().is_none());
        };
        none(stub.get_state_by_partial_composite_key("t", &["a"]).await).await;
        none(stub.get_private_data_by_range("col", "", "z").await).await;
        none(
            stub.get_private_data_by_partial_composite_key("col", "t", &["a"])
                .await,
        )
        .await;
        none(stub.get_query_result("{}").await).await;
        none(stub.get_private_data_query_result("col", "{}").await).await;
        let changes = stub
            .get_history_for_key("k")
            .await
            .unwrap()
            .collect()
            .await
            .unwrap();
        assert_eq!((changes[0].tx_id.as_str(), changes[0].is_delete), ("t0", true));

        let composite = Error::SimpleKeyExpected {
            key: "\0t\0".to_owned(),
        };
        assert_eq!(stub.get_state_by_range("\0t\0", "").await.unwrap_err(), composite);
        assert_eq!(
            stub.get_private_data_by_range("", "", "").await.unwrap_err(),
            Error::EmptyCollection
        );
        assert!(
            stub.get_state_by_partial_composite_key("t", &["\0"])
                .await
                .is_err()
        );
        assert!(stub.private_range_all("", "", "").is_err());
    })
    .await;
    let nothing = || results::<Kv>(&[], None);
    let rich = |collection: &str| {
        let (query, collection) = ("{}".to_owned(), collection.to_owned());
        GetQueryResult {
            query,
            collection,
            metadata: vec![],
        }
        .encode_to_vec()
    };
    let (start, end) = ("\0t\0a\0", "\0t\0a\0\u{10FFFF}");
    peer.answer(Type::GetStateByRange, range("", start, end, vec![]), nothing())
        .await;
    peer.answer(
        Type::GetStateByRange,
        range("col", "\u{1}", "z", vec![]),
        nothing(),
    )
    .await;
    peer.answer(Type::GetStateByRange, range("col", start, end, vec![]), nothing())
        .await;
    peer.answer(Type::GetQueryResult, rich(""), nothing()).await;
    peer.answer(Type::GetQueryResult, rich("col"), nothing()).await;
    let change = KeyModification {
        tx_id: "t0".to_owned(),
        is_delete: true,
        ..KeyModification::default()
    };
    let history = GetHistoryForKey { key: "k".to_owned() }.encode_to_vec();
    peer.answer(Type::GetHistoryForKey, history, results(&[change], None))
        .await;
    peer.succeeded("tx").await;
}

#[tokio::test]
async fn pages_carry_size_and_bookmark_both_ways() {
    let (_server, mut peer) = begin(|stub| async move {
        let page = stub
            .get_state_by_range_with_pagination("", "", 2, "here")
            .await
            .unwrap();
        assert_eq!(
            (keys(&page.results), page.fetched, page.bookmark.as_str()),
            (vec!["a"], 1, "there")
        );
        stub.get_state_by_partial_composite_key_with_pagination::<&str>("t", &[], 2, "here")
            .await
            .unwrap();
        stub.get_all_states_composite_key_with_pagination(2, "here")
            .await
            .unwrap();
        stub.get_query_result_with_pagination("{}", 2, "here")
            .await
            .unwrap();
    })
    .await;
    let asked = QueryMetadata {
        page_size: 2,
        bookmark: "here".to_owned(),
    }
    .encode_to_vec();
    let found = QueryResponse {
        results: vec![QueryResultBytes {
            result_bytes: kv("a", "1").encode_to_vec(),
        }],
        metadata: QueryResponseMetadata {
            fetched_records_count: 1,
            bookmark: "there".to_owned(),
        }
        .encode_to_vec(),
        ..QueryResponse::default()
    }
    .encode_to_vec();
    for (start, end) in [
        ("\u{1}", ""),
        ("\0t\0", "\0t\0\u{10FFFF}"),
        ("\0", "\0\u{10FFFF}"),
    ] {
        peer.answer(
            Type::GetStateByRange,
            range("", start, end, asked.clone()),
            found.clone(),
        )
        .await;
    }
    let query = GetQueryResult {
        query: "{}".to_owned(),
        metadata: asked,
        ..GetQueryResult::default()
    };
    peer.answer(Type::GetQueryResult, query.encode_to_vec(), found)
        .await;
    peer.succeeded("tx").await;
}

#[tokio::test]
async fn range_all_goes_on_where_the_peer_stopped_silently() {
    let (_server, mut peer) = begin(|stub| async move {
        let all = stub.range_all("", "").unwrap().collect().await.unwrap();
        assert_eq!(keys(&all), ["a", "b", "c"]);
        let mut composite = stub.range_all_by_partial_composite_key("t", &["x"]).unwrap();
        assert_eq!(composite.next().await.unwrap().unwrap().key, "\0t\0x\0y\0");
        assert!(composite.next().await.unwrap().is_none());
        assert!(composite.next().await.unwrap().is_none());
        assert!(
            stub.private_range_all("col", "a", "b")
                .unwrap()
                .collect()
                .await
                .unwrap()
                .is_empty()
        );
    })
    .await;
    let first = range("", "\u{1}", "", vec![]);
    peer.answer(
        Type::GetStateByRange,
        first,
        results(&[kv("a", "1"), kv("b", "2")], None),
    )
    .await;
    peer.answer(
        Type::GetStateByRange,
        range("", "b\0", "", vec![]),
        results(&[kv("c", "3")], None),
    )
    .await;
    peer.answer(
        Type::GetStateByRange,
        range("", "c\0", "", vec![]),
        results::<Kv>(&[], None),
    )
    .await;
    let (start, end) = ("\0t\0x\0", "\0t\0x\0\u{10FFFF}");
    let one = results(&[kv("\0t\0x\0y\0", "1")], None);
    peer.answer(Type::GetStateByRange, range("", start, end, vec![]), one)
        .await;
    let again = range("", "\0t\0x\0y\0\0", end, vec![]);
    peer.answer(Type::GetStateByRange, again, results::<Kv>(&[], None))
        .await;
    peer.answer(
        Type::GetStateByRange,
        range("col", "a", "b", vec![]),
        results::<Kv>(&[], None),
    )
    .await;
    peer.succeeded("tx").await;
}

/// What queries a transaction made is part of what endorsers agree on: peers whose limits differ see the same ones.
#[tokio::test]
async fn range_all_begins_a_new_query_before_any_limit_comes_into_play() {
    let (_server, mut peer) = begin(|stub| async move {
        let all = stub.range_all("", "").unwrap().collect().await.unwrap();
        let keys: BTreeSet<_> = all.iter().map(|kv| &kv.key).collect();
        assert_eq!((all.len(), keys.len()), (501, 501));
    })
    .await;
    let key = |place: usize| format!("k{place:04}");
    let page = |first: usize| -> Vec<Kv> { (first..first + 100).map(|place| kv(&key(place), "1")).collect() };
    let first = range("", "\u{1}", "", vec![]);
    peer.answer(Type::GetStateByRange, first, results(&page(0), Some("q")))
        .await;
    for first in [100, 200, 300, 400] {
        let next = QueryStateNext { id: "q".to_owned() }.encode_to_vec();
        peer.answer(Type::QueryStateNext, next, results(&page(first), Some("q")))
            .await;
    }
    let close = QueryStateClose { id: "q".to_owned() }.encode_to_vec();
    peer.answer(Type::QueryStateClose, close, results::<Kv>(&[], None))
        .await;
    let again = range("", &format!("{}\0", key(RangeAll::KEYS_A_QUERY - 1)), "", vec![]);
    let rest = results(&[kv(&key(499), "1"), kv(&key(500), "1")], None);
    peer.answer(Type::GetStateByRange, again, rest).await;
    let end = range("", &format!("{}\0", key(500)), "", vec![]);
    peer.answer(Type::GetStateByRange, end, results::<Kv>(&[], None))
        .await;
    peer.succeeded("tx").await;
}

#[tokio::test]
async fn answers_that_make_no_sense_are_errors() {
    let (_server, mut peer) = begin(|stub| async move {
        let malformed = |error: Error| matches!(error, Error::Malformed { .. });
        assert!(malformed(stub.get_state_by_range("a", "").await.unwrap_err()));
        assert!(malformed(
            stub.get_state_by_range("a", "")
                .await
                .unwrap()
                .next()
                .await
                .unwrap_err()
        ));
        assert!(malformed(
            stub.get_state_validation_parameter("k").await.unwrap_err()
        ));
        assert!(malformed(
            stub.invoke_chaincode("c", vec![], "").await.unwrap_err()
        ));
        let unexpected = Error::UnexpectedReply {
            request: "INVOKE_CHAINCODE",
            got: "UNDEFINED",
        };
        assert_eq!(
            stub.invoke_chaincode("c", vec![], "").await.unwrap_err(),
            unexpected
        );
    })
    .await;
    let junk = || b"\xff\xff\xff".to_vec();
    peer.answer(Type::GetStateByRange, range("", "a", "", vec![]), junk())
        .await;
    let bad = QueryResponse {
        results: vec![QueryResultBytes { result_bytes: junk() }],
        ..QueryResponse::default()
    };
    peer.answer(
        Type::GetStateByRange,
        range("", "a", "", vec![]),
        bad.encode_to_vec(),
    )
    .await;
    let asked = GetStateMetadata {
        key: "k".to_owned(),
        collection: String::new(),
    }
    .encode_to_vec();
    peer.answer(Type::GetStateMetadata, asked, junk()).await;
    for answer in [junk(), Vec::new()] {
        assert_eq!(peer.receive().await.r#type(), Type::InvokeChaincode);
        peer.send(Type::Response, "tx", answer).await;
    }
    peer.succeeded("tx").await;
}
