//! Stub methods: the bytes that they ask with, and what they make of the answer.

use std::future::Future;

use chaincode_shim::{ChaincodeStub, Error, Response, success};
use fabric_protos::common::HeaderType;
use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::{
    ChaincodeId, ChaincodeInput, ChaincodeMessage, ChaincodeSpec, DelState, GetState, GetStateMetadata,
    PurgePrivateState, PutState, PutStateMetadata, StateMetadata, StateMetadataResult,
};
use prost::Message;
use sha2::{Digest, Sha256};

use crate::peer::{CHANNEL, LIMIT, Peer, Running, proposal_of_type, with_peer};

/// A transaction whose script is under way.
pub(crate) async fn begin<F, R>(contract: F) -> (Running, Peer)
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
