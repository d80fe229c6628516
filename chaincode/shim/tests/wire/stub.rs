//! Every stub method: the bytes it asks with, and what it makes of the answer.

use std::future::Future;

use chaincode_shim::{ChaincodeStub, Error, Kv, Response, success};
use fabric_protos::common::HeaderType;
use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::write_record::Type as Write;
use fabric_protos::protos::{
    ChaincodeAdditionalParams, ChaincodeId, ChaincodeInput, ChaincodeMessage, ChaincodeSpec, DelState,
    GetHistoryForKey, GetQueryResult, GetState, GetStateByRange, GetStateMetadata, GetStateMultiple,
    GetStateMultipleResult, PurgePrivateState, PutState, PutStateMetadata, QueryMetadata, QueryResponse,
    QueryResponseMetadata, QueryResultBytes, QueryStateClose, QueryStateNext, StateMetadata,
    StateMetadataResult, WriteBatchState, WriteRecord,
};
use fabric_protos::queryresult::KeyModification;
use prost::Message;
use sha2::{Digest, Sha256};

use crate::peer::{CHANNEL, LIMIT, Peer, Running, proposal_of_type, with_peer};

/// A transaction whose script is under way.
async fn begin<F, R>(contract: F) -> (Running, Peer)
where
    F: Fn(ChaincodeStub) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let (server, peer) = with_peer(move |stub| {
        let running = contract(stub);
        async move {
            running.await;
            success(Vec::new())
        }
    })
    .await;
    peer.invoke("tx", &["Function", "argument"]).await;
    (server, peer)
}

fn get_state(collection: &str, key: &str) -> Vec<u8> {
    GetState {
        key: key.to_owned(),
        collection: collection.to_owned(),
    }
    .encode_to_vec()
}

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
async fn what_came_with_the_transaction_needs_no_message() {
    let (_server, mut peer) = begin(|stub| async move {
        assert_eq!(stub.get_args(), [b"Function".to_vec(), b"argument".to_vec()]);
        assert_eq!(stub.get_string_args(), Ok(vec!["Function", "argument"]));
        assert_eq!(
            stub.get_function_and_parameters(),
            Ok(("Function", vec!["argument"]))
        );
        assert_eq!(stub.get_args_slice(), b"Functionargument");
        assert_eq!((stub.get_tx_id(), stub.get_channel_id()), ("tx", CHANNEL));
        assert_eq!(stub.get_mspid(), Ok("Org1MSP"));
        assert_eq!(stub.get_tx_timestamp().unwrap().seconds, 1_700_000_000);
        assert_eq!(stub.get_tx_timestamp().unwrap().nanos, 5);
        assert_eq!(stub.get_creator(), Ok(&b"creator"[..]));
        assert!(stub.get_transient().is_empty());
        assert_eq!(stub.get_decorations()["decoration"], b"added");
        assert_eq!(stub.get_signed_proposal().unwrap().signature, b"signature");
        let binding: [u8; 32] = Sha256::digest(b"noncecreator\x07\0\0\0\0\0\0\0").into();
        assert_eq!(stub.get_binding(), Ok(binding));
        assert_eq!(
            format!("{stub:?}"),
            r#"ChaincodeStub { channel_id: "ch", tx_id: "tx", .. }"#
        );
    })
    .await;
    peer.succeeded("tx").await;
}

#[tokio::test]
async fn transient_data_and_odd_arguments_arrive_as_they_are() {
    let (_server, mut peer) = with_peer(|stub| async move {
        assert_eq!(stub.get_transient()["order"], b"\0secret");
        assert_eq!(stub.get_string_args(), Err(Error::ArgumentNotUtf8 { index: 1 }));
        assert_eq!(
            stub.get_function_and_parameters(),
            Err(Error::ArgumentNotUtf8 { index: 1 })
        );
        assert_eq!(stub.get_args()[1], b"\xff");
        success(Vec::new())
    })
    .await;
    let proposal = proposal_of_type(HeaderType::Config, b"creator", &[("order", b"\0secret")]);
    peer.invoke_as(
        Type::Transaction,
        "tx",
        vec![b"f".to_vec(), b"\xff".to_vec()],
        Some(proposal),
    )
    .await;
    peer.succeeded("tx").await;
}

#[tokio::test]
async fn a_transaction_without_a_proposal_has_no_caller() {
    let (_server, mut peer) = with_peer(|stub| async move {
        assert!(matches!(stub.get_creator(), Err(Error::NoProposal { .. })));
        assert!(matches!(stub.get_tx_timestamp(), Err(Error::NoProposal { .. })));
        assert!(matches!(stub.get_binding(), Err(Error::NoProposal { .. })));
        assert!(matches!(
            stub.get_signed_proposal(),
            Err(Error::NoProposal { .. })
        ));
        assert!(stub.get_transient().is_empty());
        success(Vec::new())
    })
    .await;
    peer.invoke_as(Type::Transaction, "tx", Vec::new(), None).await;
    peer.succeeded("tx").await;
}

#[tokio::test]
async fn reads_ask_for_the_key_and_tell_missing_from_present() {
    let (_server, mut peer) = begin(|stub| async move {
        assert_eq!(stub.get_state("k").await, Ok(Some(b"v".to_vec())));
        assert_eq!(stub.get_state("missing").await, Ok(None));
        assert_eq!(stub.get_private_data("col", "k").await, Ok(Some(b"p".to_vec())));
        assert_eq!(
            stub.get_private_data_hash("col", "k").await,
            Ok(Some(b"h".to_vec()))
        );
        assert_eq!(stub.get_private_data("", "k").await, Err(Error::EmptyCollection));
        assert_eq!(
            stub.get_private_data_hash("", "k").await,
            Err(Error::EmptyCollection)
        );
        let keys = ["a".to_owned(), "b".to_owned()];
        assert_eq!(
            stub.get_multiple_states(&keys).await,
            Ok(vec![Some(b"1".to_vec()), None])
        );
        assert_eq!(
            stub.get_multiple_private_data("col", &keys[..1]).await,
            Ok(vec![Some(b"2".to_vec())])
        );
        assert_eq!(stub.get_multiple_states(&[]).await, Ok(vec![]));
        let refused = Error::Peer {
            request: "GET_STATE",
            message: "no".to_owned(),
        };
        assert_eq!(stub.get_state("k").await, Err(refused));
    })
    .await;
    peer.answer(Type::GetState, get_state("", "k"), b"v".to_vec())
        .await;
    peer.answer(Type::GetState, get_state("", "missing"), Vec::new())
        .await;
    peer.answer(Type::GetState, get_state("col", "k"), b"p".to_vec())
        .await;
    peer.answer(Type::GetPrivateDataHash, get_state("col", "k"), b"h".to_vec())
        .await;
    peer.answer(Type::GetState, get_state("", "a"), b"1".to_vec())
        .await;
    peer.answer(Type::GetState, get_state("", "b"), Vec::new()).await;
    peer.answer(Type::GetState, get_state("col", "a"), b"2".to_vec())
        .await;
    peer.refuse(Type::GetState, "no").await;
    peer.succeeded("tx").await;
}

#[tokio::test]
async fn writes_carry_key_value_and_collection() {
    let (_server, mut peer) = begin(|stub| async move {
        stub.start_write_batch(); // Nothing on a peer that takes no batches.
        stub.put_state("k", b"v".to_vec()).await.unwrap();
        stub.del_state("k").await.unwrap();
        stub.put_private_data("col", "k", b"v".to_vec()).await.unwrap();
        stub.del_private_data("col", "k").await.unwrap();
        stub.purge_private_data("col", "k").await.unwrap();
        stub.set_state_validation_parameter("k", b"policy".to_vec())
            .await
            .unwrap();
        stub.set_private_data_validation_parameter("col", "k", b"policy".to_vec())
            .await
            .unwrap();
        assert_eq!(stub.put_state("", b"v".to_vec()).await, Err(Error::EmptyKey));
        assert_eq!(
            stub.put_private_data("col", "", b"v".to_vec()).await,
            Err(Error::EmptyKey)
        );
        assert_eq!(
            stub.put_private_data("", "k", b"v".to_vec()).await,
            Err(Error::EmptyCollection)
        );
        assert_eq!(stub.del_private_data("", "k").await, Err(Error::EmptyCollection));
        assert_eq!(
            stub.purge_private_data("", "k").await,
            Err(Error::EmptyCollection)
        );
        let refused = Error::Peer {
            request: "PUT_STATE",
            message: "no ledger context".to_owned(),
        };
        assert_eq!(stub.put_state("k", b"v".to_vec()).await, Err(refused));
    })
    .await;
    let (k, v) = (|| "k".to_owned(), || b"v".to_vec());
    for collection in ["", "col"] {
        let collection = || collection.to_owned();
        let put = PutState {
            key: k(),
            value: v(),
            collection: collection(),
        };
        peer.answer(Type::PutState, put.encode_to_vec(), Vec::new()).await;
        let del = DelState {
            key: k(),
            collection: collection(),
        };
        peer.answer(Type::DelState, del.encode_to_vec(), Vec::new()).await;
    }
    let purge = PurgePrivateState {
        key: k(),
        collection: "col".to_owned(),
    };
    peer.answer(Type::PurgePrivateData, purge.encode_to_vec(), Vec::new())
        .await;
    for collection in ["", "col"] {
        let metadata = StateMetadata {
            metakey: "VALIDATION_PARAMETER".to_owned(),
            value: b"policy".to_vec(),
        };
        let put = PutStateMetadata {
            key: k(),
            collection: collection.to_owned(),
            metadata: Some(metadata),
        };
        peer.answer(Type::PutStateMetadata, put.encode_to_vec(), Vec::new())
            .await;
    }
    peer.refuse(Type::PutState, "no ledger context").await;
    peer.succeeded("tx").await;
}

#[tokio::test]
async fn a_keys_policy_is_found_among_its_metadata() {
    let (_server, mut peer) = begin(|stub| async move {
        assert_eq!(
            stub.get_state_validation_parameter("k").await,
            Ok(Some(b"policy".to_vec()))
        );
        assert_eq!(
            stub.get_private_data_validation_parameter("col", "k").await,
            Ok(None)
        );
    })
    .await;
    let entry = |metakey: &str, value: &[u8]| StateMetadata {
        metakey: metakey.to_owned(),
        value: value.to_vec(),
    };
    let entries = vec![entry("other", b"x"), entry("VALIDATION_PARAMETER", b"policy")];
    let asked = |collection: &str| {
        GetStateMetadata {
            key: "k".to_owned(),
            collection: collection.to_owned(),
        }
        .encode_to_vec()
    };
    let found = StateMetadataResult { entries }.encode_to_vec();
    peer.answer(Type::GetStateMetadata, asked(""), found).await;
    peer.answer(Type::GetStateMetadata, asked("col"), Vec::new())
        .await;
    peer.succeeded("tx").await;
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
        assert_eq!(open.next().await, Err(Error::QueryInterrupted));
    })
    .await;
    peer.answer(
        Type::GetStateByRange,
        range("", "a", "", vec![]),
        results(&[kv("a", "1")], Some("q")),
    )
    .await;
    peer.refuse(Type::QueryStateNext, "iterator gone").await;
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

#[tokio::test]
async fn another_chaincode_is_called_by_name_and_channel() {
    let (_server, mut peer) = begin(|stub| async move {
        let response = stub
            .invoke_chaincode("other", vec![b"f".to_vec()], "")
            .await
            .unwrap();
        assert_eq!((response.status, response.payload), (200, b"found".to_vec()));
        let refused = stub.invoke_chaincode("other", vec![], "ch2").await;
        let expected = Error::Peer {
            request: "INVOKE_CHAINCODE",
            message: "inner".to_owned(),
        };
        assert_eq!(refused.unwrap_err(), expected);
    })
    .await;
    let spec = |name: &str, args: Vec<Vec<u8>>| {
        ChaincodeSpec {
            chaincode_id: Some(ChaincodeId {
                name: name.to_owned(),
                ..ChaincodeId::default()
            }),
            input: Some(ChaincodeInput {
                args,
                ..ChaincodeInput::default()
            }),
            ..ChaincodeSpec::default()
        }
        .encode_to_vec()
    };
    let wrapped = |of_type: Type, payload: Vec<u8>| {
        ChaincodeMessage {
            r#type: of_type.into(),
            payload,
            ..ChaincodeMessage::default()
        }
        .encode_to_vec()
    };
    let response = Response {
        status: 200,
        message: String::new(),
        payload: b"found".to_vec(),
    };
    let completed = wrapped(Type::Completed, response.encode_to_vec());
    peer.answer(
        Type::InvokeChaincode,
        spec("other", vec![b"f".to_vec()]),
        completed,
    )
    .await;
    let failed = wrapped(Type::Error, b"inner".to_vec());
    peer.answer(Type::InvokeChaincode, spec("other/ch2", vec![]), failed)
        .await;
    peer.succeeded("tx").await;
}

#[tokio::test]
async fn the_last_event_set_goes_with_the_completed_message() {
    let (_server, mut peer) = begin(|stub| async move {
        assert_eq!(stub.set_event("", vec![]), Err(Error::EmptyEventName));
        stub.set_event("First", b"1".to_vec()).unwrap();
        stub.set_event("Second", b"2".to_vec()).unwrap();
    })
    .await;
    let message = peer.receive().await;
    assert_eq!(message.r#type(), Type::Completed);
    let event = message.chaincode_event.unwrap();
    assert_eq!(
        (event.event_name.as_str(), event.payload.as_slice()),
        ("Second", &b"2"[..])
    );
}

#[tokio::test]
async fn batches_are_used_when_ready_offers_them_and_split_to_the_limit() {
    let server = Running::script(|stub| async move {
        stub.start_write_batch();
        for n in 0..250 {
            stub.put_state(&format!("k{n:03}"), b"v".to_vec()).await.unwrap();
        }
        stub.del_state("d").await.unwrap();
        stub.finish_write_batch().await.unwrap();
        stub.put_state("between", b"v".to_vec()).await.unwrap();
        stub.start_write_batch();
        stub.purge_private_data("col", "p").await.unwrap();
        let keys: Vec<_> = (0..150).map(|n| format!("k{n}")).collect();
        let found = stub.get_multiple_states(&keys).await.unwrap();
        assert_eq!(
            (found.len(), &found[1], &found[149]),
            (150, &None, &Some(b"149".to_vec()))
        );
        let wrong = stub.get_multiple_states(&keys[..3]).await;
        assert_eq!(wrong, Err(Error::WrongNumberOfValues { expected: 3, got: 1 }));
        success(Vec::new())
    })
    .await;
    let mut peer = server.dial().await;
    // A limit below 100 counts as 100.
    let ready = ChaincodeAdditionalParams {
        use_write_batch: true,
        max_size_write_batch: 200,
        use_get_multiple_keys: true,
        max_size_get_multiple_keys: 5,
    };
    peer.register(&ready.encode_to_vec()).await;
    peer.invoke("tx", &[]).await;

    let put = |key: String| WriteRecord {
        key,
        value: b"v".to_vec(),
        r#type: Write::PutState.into(),
        ..WriteRecord::default()
    };
    let mut records: Vec<_> = (0..250).map(|n| put(format!("k{n:03}"))).collect();
    let del = |key: &str, collection: &str, write: Write| WriteRecord {
        key: key.to_owned(),
        collection: collection.to_owned(),
        r#type: write.into(),
        ..WriteRecord::default()
    };
    records.push(del("d", "", Write::DelState));
    for rec in records.chunks(200) {
        let batch = WriteBatchState { rec: rec.to_vec() }.encode_to_vec();
        peer.answer(Type::WriteBatchState, batch, Vec::new()).await;
    }
    let between = PutState {
        key: "between".to_owned(),
        value: b"v".to_vec(),
        ..PutState::default()
    };
    peer.answer(Type::PutState, between.encode_to_vec(), Vec::new())
        .await;
    for range in [0..100, 100..150] {
        let keys = range.clone().map(|n| format!("k{n}")).collect();
        let values = range
            .map(|n| {
                if n == 1 {
                    Vec::new()
                } else {
                    n.to_string().into_bytes()
                }
            })
            .collect();
        let asked = GetStateMultiple {
            keys,
            ..GetStateMultiple::default()
        }
        .encode_to_vec();
        peer.answer(
            Type::GetStateMultiple,
            asked,
            GetStateMultipleResult { values }.encode_to_vec(),
        )
        .await;
    }
    let asked = (0..3).map(|n| format!("k{n}")).collect();
    let asked = GetStateMultiple {
        keys: asked,
        ..GetStateMultiple::default()
    }
    .encode_to_vec();
    let one = GetStateMultipleResult {
        values: vec![vec![1]],
    }
    .encode_to_vec();
    peer.answer(Type::GetStateMultiple, asked, one).await;
    // The batch left open is sent when the function has returned.
    let left = WriteBatchState {
        rec: vec![del("p", "col", Write::PurgePrivateData)],
    }
    .encode_to_vec();
    peer.answer(Type::WriteBatchState, left, Vec::new()).await;
    peer.succeeded("tx").await;
}

#[tokio::test]
async fn a_batch_that_the_peer_refuses_fails_the_transaction() {
    let server = Running::script(|stub| async move {
        stub.start_write_batch();
        stub.put_state("k", b"v".to_vec()).await.unwrap();
        success(b"fine".to_vec())
    })
    .await;
    let mut peer = server.dial().await;
    let ready = ChaincodeAdditionalParams {
        use_write_batch: true,
        ..ChaincodeAdditionalParams::default()
    };
    peer.register(&ready.encode_to_vec()).await;
    peer.invoke("tx", &[]).await;
    peer.refuse(Type::WriteBatchState, "no ledger context").await;
    let response = peer.completed("tx").await;
    assert_eq!(
        (response.status, response.message.as_str()),
        (500, "no ledger context")
    );
    assert!(response.payload.is_empty());
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

#[tokio::test]
async fn a_message_over_the_limit_is_refused_before_it_is_sent() {
    let (_server, mut peer) = begin(|stub| async move {
        let error = stub.put_state("k", vec![0; LIMIT]).await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::TooLarge {
                    what: "PUT_STATE",
                    ..
                }
            ),
            "{error}"
        );
        stub.put_state("k", b"v".to_vec()).await.unwrap();
    })
    .await;
    let put = PutState {
        key: "k".to_owned(),
        value: b"v".to_vec(),
        collection: String::new(),
    };
    peer.answer(Type::PutState, put.encode_to_vec(), Vec::new()).await;
    peer.succeeded("tx").await;
}
