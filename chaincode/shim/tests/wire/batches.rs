//! What Fabric 3.1 and later take in batches.

use chaincode_shim::{Error, success};
use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::write_record::Type as Write;
use fabric_protos::protos::{
    ChaincodeAdditionalParams, GetStateMultiple, GetStateMultipleResult, PutState, WriteBatchState,
    WriteRecord,
};
use prost::Message;

use crate::peer::{LIMIT, Running};

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
async fn a_batch_is_split_where_it_would_be_too_large_for_a_message() {
    const THIRD: usize = LIMIT / 3;
    let server = Running::script(|stub| async move {
        stub.start_write_batch();
        let error = stub.put_state("k", vec![0; LIMIT]).await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::TooLarge {
                    what: "write record",
                    ..
                }
            ),
            "{error}"
        );
        for key in ["a", "b", "c"] {
            stub.put_state(key, vec![1; THIRD]).await.unwrap();
        }
        stub.finish_write_batch().await.unwrap();
        success(Vec::new())
    })
    .await;
    let mut peer = server.dial().await;
    let ready = ChaincodeAdditionalParams {
        use_write_batch: true,
        ..ChaincodeAdditionalParams::default()
    };
    peer.register(&ready.encode_to_vec()).await;
    peer.invoke("tx", &[]).await;
    for keys in [&["a", "b"][..], &["c"]] {
        let rec = keys.iter().map(|key| WriteRecord {
            key: (*key).to_owned(),
            value: vec![1; THIRD],
            r#type: Write::PutState.into(),
            ..WriteRecord::default()
        });
        let batch = WriteBatchState { rec: rec.collect() }.encode_to_vec();
        peer.answer(Type::WriteBatchState, batch, Vec::new()).await;
    }
    peer.succeeded("tx").await;
}
