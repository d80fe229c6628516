//! The server's behaviour: many transactions at once, panics, lost streams, garbage, large messages, stopping.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use chaincode_shim::{Error, refusal, success};
use fabric_protos::common::HeaderType;
use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::{ChaincodeMessage, GetState, PutState};
use proptest::prelude::*;
use prost::Message;
use tokio::sync::{Notify, Semaphore, mpsc};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::peer::{LIMIT, Peer, Running, bounded, config, message, proposal_of_type, with_peer};

fn get(key: &str) -> Vec<u8> {
    GetState {
        key: key.to_owned(),
        collection: String::new(),
    }
    .encode_to_vec()
}

/// A server whose transactions read the key of their own name, and a peer that has called it.
async fn reader() -> (Running, Peer) {
    with_peer(|stub| async move {
        match stub.get_state(stub.get_tx_id()).await {
            Ok(value) => success(value.unwrap_or_default()),
            Err(error) => refusal(500, error.to_string()),
        }
    })
    .await
}

#[tokio::test]
async fn thousands_of_transactions_run_at_once_on_one_stream() {
    const MANY: usize = 5000;
    let (_server, mut peer) = reader().await;
    let mut waiting = Vec::new();
    // All of them ask before any has an answer.
    for n in 0..MANY {
        peer.invoke(&format!("tx{n}"), &[]).await;
    }
    for _ in 0..MANY {
        let request = peer.receive().await;
        assert_eq!(request.r#type(), Type::GetState);
        assert_eq!(request.payload, get(&request.txid));
        waiting.push(request.txid);
    }
    for txid in waiting.iter().rev() {
        peer.send(Type::Response, txid, format!("value of {txid}").into_bytes())
            .await;
    }
    let mut answers = BTreeMap::new();
    for _ in 0..MANY {
        let message = peer.receive().await;
        let response = chaincode_shim::Response::decode(message.payload.as_slice()).unwrap();
        answers.insert(message.txid, response.payload);
    }
    assert_eq!(answers.len(), MANY);
    assert!(
        answers
            .iter()
            .all(|(txid, value)| *value == format!("value of {txid}").into_bytes())
    );
}

#[tokio::test]
async fn two_channels_may_use_the_same_transaction_id() {
    let (_server, mut peer) = reader().await;
    for channel in ["one", "two"] {
        let transaction = message(Type::Transaction, "tx", Vec::new());
        peer.send_message(ChaincodeMessage {
            channel_id: channel.to_owned(),
            ..transaction
        })
        .await;
    }
    for _ in 0..2 {
        let request = peer.receive().await;
        let value = request.channel_id.clone().into_bytes();
        let response = message(Type::Response, "tx", value);
        peer.send_message(ChaincodeMessage {
            channel_id: request.channel_id,
            ..response
        })
        .await;
    }
    for _ in 0..2 {
        let completed = peer.receive().await;
        let response = chaincode_shim::Response::decode(completed.payload.as_slice()).unwrap();
        assert_eq!(response.payload, completed.channel_id.into_bytes());
    }
}

#[tokio::test]
async fn calls_of_one_transaction_wait_for_one_another() {
    let (_server, mut peer) = with_peer(|stub| async move {
        let (a, b) = tokio::join!(stub.get_state("a"), stub.get_state("b"));
        assert_eq!((a, b), (Ok(Some(b"1".to_vec())), Ok(Some(b"2".to_vec()))));
        success(Vec::new())
    })
    .await;
    peer.invoke("tx", &[]).await;
    let first = peer.receive().await;
    assert_eq!(first.payload, get("a"));
    // Had the second request been sent, it would come before this echo.
    peer.send(Type::Keepalive, "", Vec::new()).await;
    assert_eq!(peer.receive().await.r#type(), Type::Keepalive);
    peer.send(Type::Response, "tx", b"1".to_vec()).await;
    peer.answer(Type::GetState, get("b"), b"2".to_vec()).await;
    peer.succeeded("tx").await;
}

#[tokio::test]
async fn the_answer_to_a_dropped_call_is_not_taken_for_the_next_ones() {
    let (_server, mut peer) = with_peer(|stub| async move {
        {
            let dropped = stub.get_state("a");
            tokio::pin!(dropped);
            assert!(futures_util::poll!(dropped).is_pending());
        }
        assert_eq!(stub.get_state("b").await, Ok(Some(b"of b".to_vec())));
        success(Vec::new())
    })
    .await;
    peer.invoke("tx", &[]).await;
    peer.answer(Type::GetState, get("a"), b"of a".to_vec()).await;
    peer.answer(Type::GetState, get("b"), b"of b".to_vec()).await;
    peer.succeeded("tx").await;
}

#[tokio::test]
async fn unasked_and_repeated_messages_change_nothing() {
    let (_server, mut peer) = reader().await;
    peer.send(Type::Response, "nobody", b"x".to_vec()).await;
    peer.send(Type::Registered, "", Vec::new()).await;
    peer.invoke("tx", &[]).await;
    let request = peer.receive().await;
    assert_eq!(request.payload, get("tx"));
    peer.invoke("tx", &[]).await;
    peer.send(Type::Response, "tx", b"value".to_vec()).await;
    peer.send(Type::Response, "tx", b"again".to_vec()).await;
    assert_eq!(peer.completed("tx").await.payload, b"value");
    // The name is free as soon as it has been answered: a chaincode may call this one again and again in one transaction.
    for _ in 0..200 {
        peer.invoke("tx", &[]).await;
        peer.answer(Type::GetState, get("tx"), b"later".to_vec()).await;
        assert_eq!(peer.completed("tx").await.payload, b"later");
    }
}

#[tokio::test]
async fn several_peers_are_served_at_once() {
    let (server, mut one) = reader().await;
    let mut two = server.peer().await;
    for peer in [&mut one, &mut two] {
        peer.invoke("tx", &[]).await;
        assert_eq!(peer.receive().await.payload, get("tx"));
    }
    for (peer, value) in [(&mut two, b"two"), (&mut one, b"one")] {
        peer.send(Type::Response, "tx", value.to_vec()).await;
        assert_eq!(peer.completed("tx").await.payload, value);
    }
}

#[tokio::test]
async fn a_panic_is_answered_and_the_stream_lives_on() {
    let (_server, mut peer) = with_peer(|stub| async move {
        assert!(stub.get_args().is_empty(), "panic on purpose: secret");
        success(b"alive".to_vec())
    })
    .await;
    for txid in ["one", "two"] {
        peer.invoke(txid, &["panic"]).await;
        let response = peer.completed(txid).await;
        assert_eq!(response.status, 500);
        assert!(!response.message.contains("secret"), "{}", response.message);
    }
    peer.invoke("three", &[]).await;
    assert_eq!(peer.completed("three").await.payload, b"alive");
}

#[tokio::test]
async fn init_without_a_function_succeeds_and_with_one_is_a_call() {
    let (_server, mut peer) = with_peer(|_| async { success(b"called".to_vec()) }).await;
    for (args, payload) in [
        (vec![], &b""[..]),
        (vec![Vec::new()], b""),
        (vec![b"f".to_vec()], b"called"),
    ] {
        peer.invoke_as(Type::Init, "tx", args, None).await;
        let response = peer.completed("tx").await;
        assert_eq!((response.status, response.payload.as_slice()), (200, payload));
    }
}

#[tokio::test]
async fn a_stub_kept_beyond_its_transaction_is_over() {
    let (found, mut results) = mpsc::unbounded_channel();
    let (_server, mut peer) = with_peer(move |stub| {
        let found = found.clone();
        async move {
            let kept = stub.clone();
            let done = Arc::new(Notify::new());
            let wait = Arc::clone(&done);
            tokio::spawn(async move {
                wait.notified().await;
                // The transaction ends while this waits for its turn at the latest.
                loop {
                    match kept.get_state("late").await {
                        Ok(_) => {}
                        Err(error) => return drop(found.send(error)),
                    }
                }
            });
            done.notify_one();
            success(Vec::new())
        }
    })
    .await;
    peer.invoke("tx", &[]).await;
    loop {
        let message = peer.receive().await;
        match message.r#type() {
            Type::GetState => peer.send(Type::Response, "tx", Vec::new()).await,
            other => break assert_eq!(other, Type::Completed),
        }
    }
    let over = Error::TransactionOver {
        tx_id: "tx".to_owned(),
    };
    assert_eq!(bounded(results.recv()).await, Some(over));
}

#[tokio::test]
async fn a_lost_stream_fails_the_call_that_waits() {
    let (found, mut results) = mpsc::unbounded_channel();
    let (_server, mut peer) = with_peer(move |stub| {
        let found = found.clone();
        async move {
            found.send(stub.get_state("k").await).unwrap();
            found
                .send(stub.put_state("k", b"v".to_vec()).await.map(|()| None))
                .unwrap();
            success(Vec::new())
        }
    })
    .await;
    peer.invoke("tx", &[]).await;
    assert_eq!(peer.receive().await.r#type(), Type::GetState);
    drop(peer);
    assert_eq!(bounded(results.recv()).await, Some(Err(Error::Disconnected)));
    assert_eq!(bounded(results.recv()).await, Some(Err(Error::Disconnected)));
}

#[tokio::test]
async fn a_stream_lost_between_calls_fails_the_next_one() {
    let go = Arc::new(Semaphore::new(0));
    let (found, mut results) = mpsc::unbounded_channel();
    let (server, mut peer) = {
        let go = Arc::clone(&go);
        with_peer(move |stub| {
            let (go, found) = (Arc::clone(&go), found.clone());
            async move {
                assert_eq!(stub.get_state("first").await, Ok(None));
                let _ = go.acquire().await;
                found.send(stub.get_state("second").await).unwrap();
                success(Vec::new())
            }
        })
        .await
    };
    peer.invoke("tx", &[]).await;
    peer.answer(Type::GetState, get("first"), Vec::new()).await;
    // Its echo says that the answer ahead of it has arrived.
    peer.send(Type::Keepalive, "", Vec::new()).await;
    assert_eq!(peer.receive().await.r#type(), Type::Keepalive);
    drop(peer);
    // A new stream does not revive what the old one started.
    let mut next = server.peer().await;
    go.add_permits(1);
    assert_eq!(bounded(results.recv()).await, Some(Err(Error::Disconnected)));
    go.add_permits(1);
    next.invoke("tx", &[]).await;
    next.answer(Type::GetState, get("first"), Vec::new()).await;
    next.answer(Type::GetState, get("second"), Vec::new()).await;
    next.succeeded("tx").await;
}

#[tokio::test]
async fn a_stream_lost_at_any_point_of_the_registration_leaves_the_server_up() {
    let (server, _peer) = reader().await;
    for stage in 0..3 {
        let mut peer = server.dial().await;
        if stage > 0 {
            assert_eq!(peer.receive().await.r#type(), Type::Register);
        }
        if stage > 1 {
            peer.send(Type::Registered, "", Vec::new()).await;
        }
        drop(peer);
    }
    let mut peer = server.peer().await;
    peer.invoke("tx", &[]).await;
    peer.answer(Type::GetState, get("tx"), b"up".to_vec()).await;
    assert_eq!(peer.completed("tx").await.payload, b"up");
}

#[tokio::test]
async fn keepalive_is_echoed_in_every_state() {
    let (server, mut ready) = reader().await;
    let mut peer = server.dial().await;
    assert_eq!(peer.receive().await.r#type(), Type::Register);
    peer.send(Type::Keepalive, "", b"1".to_vec()).await;
    assert_eq!(peer.receive().await.payload, b"1");
    peer.send(Type::Registered, "", Vec::new()).await;
    for peer in [&mut peer, &mut ready] {
        peer.send(Type::Keepalive, "", b"2".to_vec()).await;
        let echo = peer.receive().await;
        assert_eq!(
            (echo.r#type(), echo.payload.as_slice()),
            (Type::Keepalive, &b"2"[..])
        );
    }
}

#[tokio::test]
async fn a_registration_out_of_order_ends_the_stream_with_a_reason() {
    let (server, _peer) = reader().await;
    for wrong in [Type::Ready, Type::Transaction, Type::Response] {
        let mut peer = server.dial().await;
        assert_eq!(peer.receive().await.r#type(), Type::Register);
        peer.send(wrong, "", Vec::new()).await;
        let error = peer.receive().await;
        assert_eq!(error.r#type(), Type::Error);
        assert!(
            String::from_utf8(error.payload)
                .unwrap()
                .contains("REGISTERED was expected")
        );
        assert!(peer.ended().await);
    }
}

#[tokio::test]
async fn transactions_that_cannot_be_read_are_refused_one_by_one() {
    let (_server, mut peer) = reader().await;
    let junk = || b"\xff\xff".to_vec();
    let proposal = |bytes: Vec<u8>| fabric_protos::protos::SignedProposal {
        proposal_bytes: bytes,
        signature: Vec::new(),
    };
    let config_update = proposal_of_type(HeaderType::ConfigUpdate, b"c", &[]);
    let cases = [
        (junk(), None, "malformed ChaincodeInput"),
        (Vec::new(), Some(proposal(junk())), "malformed Proposal"),
        (
            Vec::new(),
            Some(proposal(Vec::new())),
            "without a proposal header",
        ),
        (Vec::new(), Some(config_update), "invalid channel header type 2"),
    ];
    for (payload, proposal, reason) in cases {
        peer.send_message(ChaincodeMessage {
            proposal,
            ..message(Type::Transaction, "tx", payload)
        })
        .await;
        let error = peer.receive().await;
        assert_eq!((error.r#type(), error.txid.as_str()), (Type::Error, "tx"));
        let found = String::from_utf8(error.payload).unwrap();
        assert!(found.contains(reason), "{found}");
    }
}

#[tokio::test]
async fn values_of_nearly_100_mib_go_both_ways() {
    let size = LIMIT - 64 * 1024;
    let (_server, mut peer) = with_peer(move |stub| async move {
        let value = stub.get_state("big").await.unwrap().unwrap();
        assert_eq!(value.len(), size);
        stub.put_state("copy", value).await.unwrap();
        success(Vec::new())
    })
    .await;
    peer.invoke("tx", &[]).await;
    peer.answer(Type::GetState, get("big"), vec![7; size]).await;
    let put = PutState {
        key: "copy".to_owned(),
        value: vec![7; size],
        collection: String::new(),
    };
    peer.answer(Type::PutState, put.encode_to_vec(), Vec::new()).await;
    peer.succeeded("tx").await;
}

#[tokio::test]
async fn an_answer_over_the_limit_becomes_an_error() {
    let (_server, mut peer) = with_peer(|_| async { success(vec![0; LIMIT]) }).await;
    peer.invoke("tx", &[]).await;
    let response = peer.completed("tx").await;
    assert_eq!(response.status, 500);
    assert!(
        response.message.contains("over the limit"),
        "{}",
        response.message
    );
}

async fn health(client: &mut HealthClient<tonic::transport::Channel>, service: &str) -> i32 {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    bounded(client.check(request)).await.unwrap().into_inner().status
}

#[tokio::test]
async fn stopping_finishes_what_is_in_flight_and_takes_nothing_new() {
    const SERVING: i32 = 1;
    const NOT_SERVING: i32 = 2;
    let (mut server, mut peer) = reader().await;
    let mut client = HealthClient::new(server.channel().await);
    for service in ["", "protos.Chaincode"] {
        assert_eq!(health(&mut client, service).await, SERVING);
    }
    let watch = HealthCheckRequest {
        service: String::new(),
    };
    let mut watch = bounded(client.watch(watch)).await.unwrap().into_inner();
    assert_eq!(bounded(watch.message()).await.unwrap().unwrap().status, SERVING);

    peer.invoke("tx", &[]).await;
    assert_eq!(peer.receive().await.payload, get("tx"));
    server.stop();
    assert_eq!(
        bounded(watch.message()).await.unwrap().unwrap().status,
        NOT_SERVING
    );

    peer.invoke("late", &[]).await;
    let refused = peer.completed("late").await;
    assert_eq!(
        (refused.status, refused.message.as_str()),
        (503, "the chaincode server is stopping")
    );
    peer.send(Type::Response, "tx", b"finished".to_vec()).await;
    assert_eq!(peer.completed("tx").await.payload, b"finished");
    assert!(peer.ended().await);
    server.stopped().await;
}

#[tokio::test]
async fn stopping_does_not_wait_for_ever() {
    let mut config = config();
    config.drain_timeout = Duration::from_millis(10);
    let started = Arc::new(Notify::new());
    let wait = Arc::clone(&started);
    let script = move |_| {
        let started = Arc::clone(&started);
        async move {
            started.notify_one();
            pending().await
        }
    };
    let mut server = Running::start(config, crate::peer::script(script)).await;
    let mut peer = server.peer().await;
    peer.invoke("tx", &[]).await;
    bounded(wait.notified()).await;
    server.stop();
    assert!(peer.ended().await);
    server.stopped().await;
}

#[tokio::test]
async fn a_server_without_streams_stops_at_once() {
    let mut server = Running::script(|_| async { success(Vec::new()) }).await;
    drop(server.dial().await);
    server.stop();
    server.stopped().await;
}

fn frames() -> impl Strategy<Value = Vec<ChaincodeMessage>> {
    let payload = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        Just(Vec::new()),
        Just(fabric_protos::protos::ChaincodeInput::default().encode_to_vec()),
    ];
    let proposal = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40));
    let frame = (-1..30_i32, "(tx|other|)", payload, proposal);
    let frame = frame.prop_map(|(of_type, txid, payload, proposal)| ChaincodeMessage {
        r#type: of_type,
        proposal: proposal.map(|proposal_bytes| fabric_protos::protos::SignedProposal {
            proposal_bytes,
            signature: Vec::new(),
        }),
        ..message(Type::Undefined, &txid, payload)
    });
    proptest::collection::vec(frame, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a peer sends, before or after the registration, the server goes on to serve the next stream.
    #[test]
    fn garbage_frames_leave_the_server_up(frames in frames(), registered in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let (server, _other) = reader().await;
            let peer = if registered { server.peer().await } else { server.dial().await };
            for frame in frames {
                if !peer.try_send(frame).await {
                    break;
                }
            }
            drop(peer);
            let mut peer = server.peer().await;
            peer.invoke("tx", &[]).await;
            peer.answer(Type::GetState, get("tx"), b"up".to_vec()).await;
            assert_eq!(peer.completed("tx").await.payload, b"up");
        });
    }
}
