//! Many peers, streams that die at every message, transactions that nobody waits for any more, garbage on the wire.

use std::net::SocketAddr;
use std::sync::Arc;

use chaincode_shim::{ChaincodeServer, ChaincodeStub, Error, Response, refusal, success};
use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::{ChaincodeMessage, QueryResponse, QueryResultBytes};
use fabric_protos::queryresult::Kv;
use futures_util::future::join_all;
use proptest::prelude::*;
use prost::Message;
use prost::bytes::{Buf, BufMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::operations::get;
use crate::peer::{LIMIT, Peer, Running, bounded, config, message, script, with_peer};

/// Messages of a whole conversation: 4 to begin with, 2 for each of 7 requests, 1 at the end.
const WHOLE: usize = 19;

/// One of each kind of request, and an event.
async fn everything(stub: &ChaincodeStub) -> Result<(), Error> {
    stub.set_event("done", b"event".to_vec())?;
    stub.get_state("a").await?;
    stub.put_state("b", b"2".to_vec()).await?;
    let mut range = stub.get_state_by_range("", "").await?;
    while range.next().await?.is_some() {}
    stub.get_private_data("collection", "c").await?;
    stub.invoke_chaincode("other", vec![b"f".to_vec()], "").await?;
    stub.del_state("d").await
}

async fn answered(stub: ChaincodeStub) -> Response {
    match everything(&stub).await {
        Ok(()) => success(b"all".to_vec()),
        Err(error) => refusal(500, error.to_string()),
    }
}

fn page(key: &str, has_more: bool) -> Vec<u8> {
    let kv = Kv {
        key: key.to_owned(),
        ..Kv::default()
    };
    let result_bytes = kv.encode_to_vec();
    QueryResponse {
        results: vec![QueryResultBytes { result_bytes }],
        has_more,
        id: "query".to_owned(),
        metadata: Vec::new(),
    }
    .encode_to_vec()
}

/// What a peer says to a request.
fn reply(request: &ChaincodeMessage) -> ChaincodeMessage {
    let payload = match request.r#type() {
        Type::GetStateByRange => page("first", true),
        Type::QueryStateNext => page("second", false),
        Type::InvokeChaincode => {
            let payload = success(Vec::new()).encode_to_vec();
            message(Type::Completed, &request.txid, payload).encode_to_vec()
        }
        _ => b"value".to_vec(),
    };
    message(Type::Response, &request.txid, payload)
}

/// Plays registration and transaction for at most this many messages, both ways counted, and says how many there were.
async fn converse(peer: &mut Peer, most: usize) -> usize {
    let opening = [
        message(Type::Registered, "", Vec::new()),
        message(Type::Ready, "", Vec::new()),
        message(Type::Transaction, "tx", Vec::new()),
    ];
    let mut exchanged = 0;
    let mut to_send = Vec::from(opening);
    let mut heard = peer.receive().await;
    loop {
        // What was heard is the first message of each round.
        exchanged += 1;
        match heard.r#type() {
            Type::Register => {}
            Type::Completed => {
                assert_eq!(
                    Response::decode(heard.payload.as_slice()).unwrap().payload,
                    b"all"
                );
                assert_eq!(heard.chaincode_event.unwrap().payload, b"event");
                return exchanged;
            }
            _ => to_send.push(reply(&heard)),
        }
        for message in to_send.drain(..) {
            if exchanged == most {
                return exchanged;
            }
            peer.send_message(message).await;
            exchanged += 1;
        }
        if exchanged == most {
            return exchanged;
        }
        heard = peer.receive().await;
    }
}

/// Waits until nothing runs any more and this many streams are open.
async fn settled(http: SocketAddr, streams: usize) {
    let settled = async {
        let streams = format!("chaincode_streams {streams}");
        loop {
            let text = get(http, "/metrics").await.1;
            let has = |line: &str| text.lines().any(|found| found == line);
            if has("chaincode_transactions_in_flight 0") && has(&streams) {
                return;
            }
        }
    };
    bounded(settled).await;
}

async fn with_metrics<F, R>(contract: F) -> (Running, SocketAddr)
where
    F: Fn(ChaincodeStub) -> R + Send + Sync + 'static,
    R: Future<Output = Response> + Send + 'static,
{
    let operations = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http = operations.local_addr().unwrap();
    let server = ChaincodeServer::new(config(), script(contract))
        .unwrap()
        .with_operations(operations);
    (Running::serve(server).await, http)
}

#[tokio::test]
async fn a_stream_that_dies_at_any_message_leaves_nothing_behind() {
    let (server, http) = with_metrics(answered).await;
    let mut whole = server.dial().await;
    let messages = converse(&mut whole, usize::MAX).await;
    assert_eq!(messages, WHOLE);
    drop(whole);
    for cut in 1..messages {
        let mut dies = server.dial().await;
        assert_eq!(converse(&mut dies, cut).await, cut);
        drop(dies);
        // Half a stream: the peer says no more, and hears to the end.
        let mut silent = server.dial().await;
        assert_eq!(converse(&mut silent, cut).await, cut);
        silent.say_no_more();
        assert!(silent.ended().await);
        let mut next = server.dial().await;
        assert_eq!(converse(&mut next, usize::MAX).await, messages);
        drop(next);
        settled(http, 0).await;
    }
}

#[tokio::test]
async fn many_peers_with_many_transactions_each_do_not_meet() {
    const PEERS: usize = 8;
    const EACH: usize = 250;
    let (server, http) = with_metrics(|stub| async move {
        let value = stub.get_state("k").await.unwrap_or_default();
        success(value.unwrap_or_default())
    })
    .await;
    let mut peers = join_all((0..PEERS).map(|_| server.peer())).await;
    // All of them use the same names.
    let called = peers.iter().map(|peer| async move {
        for n in 0..EACH {
            peer.invoke(&format!("tx{n}"), &[]).await;
        }
    });
    join_all(called).await;
    let asked = peers.iter_mut().map(|peer| async move {
        let mut asked = Vec::new();
        for _ in 0..EACH {
            asked.push(peer.receive().await.txid);
        }
        asked
    });
    let asked = join_all(asked).await;
    // One dies with all of its transactions waiting.
    drop(peers.pop());
    let answers = peers
        .iter_mut()
        .zip(asked)
        .enumerate()
        .map(|(n, (peer, asked))| async move {
            for txid in asked.iter().rev() {
                peer.send(Type::Response, txid, format!("{n} {txid}").into_bytes())
                    .await;
            }
            for _ in 0..EACH {
                let completed = peer.receive().await;
                let response = Response::decode(completed.payload.as_slice()).unwrap();
                assert_eq!(response.payload, format!("{n} {}", completed.txid).into_bytes());
            }
        });
    join_all(answers).await;
    settled(http, PEERS - 1).await;
}

/// The peer has given up the transaction and forgotten it; the function goes on.
#[tokio::test]
async fn a_transaction_that_outlives_its_peers_time_out_harms_nobody() {
    let hold = Arc::new(Notify::new());
    let (found, mut results) = mpsc::unbounded_channel();
    let on = Arc::clone(&hold);
    let (_server, mut peer) = with_peer(move |stub| {
        let (hold, found) = (Arc::clone(&on), found.clone());
        async move {
            if stub.get_tx_id() == "slow" {
                hold.notified().await;
                let late = stub.put_state("k", b"v".to_vec()).await;
                found.send(late.clone()).unwrap();
                return late.map_or_else(|error| refusal(500, error.to_string()), |()| success(Vec::new()));
            }
            success(b"quick".to_vec())
        }
    })
    .await;
    peer.invoke("slow", &[]).await;
    peer.invoke("quick", &[]).await;
    assert_eq!(peer.completed("quick").await.payload, b"quick");
    hold.notify_one();
    // As Fabric's peers refuse what comes after the time-out.
    let words = "PUT_STATE failed: transaction ID: slow: no ledger context";
    peer.refuse(Type::PutState, words).await;
    let late = bounded(results.recv()).await.unwrap().unwrap_err();
    assert_eq!(late.to_string(), words);
    assert_eq!(peer.completed("slow").await.status, 500);
    peer.invoke("next", &[]).await;
    assert_eq!(peer.completed("next").await.payload, b"quick");
}

#[tokio::test]
async fn a_message_over_the_limit_ends_its_stream_alone() {
    let (server, mut other) = with_peer(|stub| async move {
        drop(stub.get_state("k").await);
        success(Vec::new())
    })
    .await;
    let mut large = server.peer().await;
    for peer in [&mut large, &mut other] {
        peer.invoke("tx", &[]).await;
        assert_eq!(peer.receive().await.r#type(), Type::GetState);
    }
    large.send(Type::Response, "tx", vec![0; LIMIT]).await;
    assert!(large.ended().await);
    other.send(Type::Response, "tx", Vec::new()).await;
    other.succeeded("tx").await;
}

/// Sends these bytes as HTTP/2 or not, and waits until the server has had enough or nothing more to say.
async fn shout(address: SocketAddr, preface: &[u8], bytes: &[u8]) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Either may fail: the server closes as soon as it has read enough.
    let _ = stream.write_all(preface).await;
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut heard = Vec::new();
    let _ = bounded(stream.read_to_end(&mut heard)).await;
}

/// Whatever bytes, as gRPC messages.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = usize;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = usize;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<usize>, Status> {
        let length = from.remaining();
        from.advance(length);
        Ok(Some(length))
    }
}

/// Sends these messages, whatever they are, and hears the server out.
async fn speak(channel: Channel, messages: Vec<Vec<u8>>) {
    let mut client = Grpc::new(channel);
    bounded(client.ready()).await.unwrap();
    let path = PathAndQuery::from_static("/protos.Chaincode/Connect");
    let asked = client.streaming(Request::new(tokio_stream::iter(messages)), path, Raw);
    let mut heard = bounded(asked).await.unwrap().into_inner();
    while let Ok(Some(_)) = bounded(heard.message()).await {}
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Bytes that are no HTTP/2, frames that are no gRPC, messages that are no protobuf.
    #[test]
    fn garbage_on_the_wire_leaves_the_server_up(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        stage in 0..3_u8,
    ) {
        const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (server, mut other) = with_peer(answered).await;
            match stage {
                0 => shout(server.address, b"", &bytes).await,
                1 => shout(server.address, PREFACE, &bytes).await,
                _ => {
                    let opening = [Type::Registered, Type::Ready].map(|of_type| message(of_type, "", Vec::new()));
                    let messages = opening.iter().map(Message::encode_to_vec).chain([bytes]);
                    speak(server.channel().await, messages.collect()).await;
                }
            }
            other.send_message(message(Type::Transaction, "tx", Vec::new())).await;
            assert_eq!(other.receive().await.r#type(), Type::GetState);
            let mut next = server.dial().await;
            assert_eq!(converse(&mut next, usize::MAX).await, WHOLE);
        });
    }
}
