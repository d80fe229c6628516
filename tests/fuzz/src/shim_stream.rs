//! A chaincode server in memory, and a peer that says to it what an input says.

use std::cell::OnceCell;
use std::time::Duration;

use chaincode_shim::{
    Answer, Chaincode, ChaincodeServer, ChaincodeStub, ClientIdentity, Error, ServerConfig, success,
};
use fabric_protos::protos::ChaincodeMessage;
use fabric_protos::protos::chaincode_message::Type;
use futures_util::StreamExt;
use hyper_util::rt::TokioIo;
use prost::Message;
use prost::bytes::{Buf, BufMut, Bytes};
use tokio::io::{DuplexStream, duplex};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, UnboundedReceiverStream};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// No conversation takes longer, unless something hangs.
const LIMIT: Duration = Duration::from_secs(20);

/// What a transaction is called.
const TXID: &str = "tx";

/// Asks for a little of everything, whatever it is told.
struct Curious;

impl Chaincode for Curious {
    fn invoke(&self, stub: ChaincodeStub) -> Answer<'_> {
        Box::pin(async move {
            let read = format!(
                "{:?} {:?} {:?} {:?} {:?} {}",
                stub.get_function_and_parameters().map(|_| ()),
                stub.get_tx_timestamp().map(|_| ()),
                stub.get_binding().map(|_| ()),
                stub.get_signed_proposal().map(|_| ()),
                ClientIdentity::new(&stub).map(|_| ()),
                stub.get_transient().len(),
            );
            let asked = match ask(&stub).await {
                Ok(()) => String::new(),
                Err(error) => error.to_string(),
            };
            success(format!("{read} {asked}").into_bytes())
        })
    }
}

/// Goes on after what the peer refuses or answers wrongly, so that every request has its turn.
async fn ask(stub: &ChaincodeStub) -> Result<(), Error> {
    let mut wrong = None;
    let mut note = |result: Result<(), Error>| {
        if let Err(error) = result {
            wrong = Some(error);
        }
    };
    let keys = ["a", "b", "c"].map(str::to_owned);
    note(stub.get_multiple_states(&keys).await.map(drop));
    note(stub.get_state_validation_parameter("k").await.map(drop));
    note(stub.invoke_chaincode("other", Vec::new(), "").await.map(drop));
    match stub.get_state_by_range("", "").await {
        Ok(mut range) => {
            // A peer may go on for ever.
            for _ in 0..8 {
                match range.next().await {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(error) => {
                        note(Err(error));
                        break;
                    }
                }
            }
            note(range.close().await);
        }
        Err(error) => note(Err(error)),
    }
    note(stub.get_query_result_with_pagination("{}", 2, "").await.map(drop));
    match stub.get_history_for_key("k").await {
        Ok(mut history) => note(history.next().await.map(drop)),
        Err(error) => note(Err(error)),
    }
    stub.start_write_batch();
    for n in 0..101 {
        stub.put_state(&format!("key {n}"), b"v".to_vec()).await?;
    }
    note(stub.finish_write_batch().await);
    wrong.map_or(Ok(()), Err)
}

struct World {
    runtime: Runtime,
    channel: Channel,
}

impl World {
    fn start() -> Self {
        #[expect(clippy::unwrap_used, reason = "without a runtime there is nothing to run")]
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let (connect, connections) = mpsc::unbounded_channel::<std::io::Result<DuplexStream>>();
        let mut config = ServerConfig::new("id", "127.0.0.1:0");
        config.max_message = 1 << 20;
        #[expect(clippy::unwrap_used, reason = "this configuration is good")]
        let server = ChaincodeServer::new(config, Curious).unwrap();
        let connections = UnboundedReceiverStream::new(connections);
        runtime.spawn(server.serve_connections(
            connections.chain(futures_util::stream::pending()),
            std::future::pending(),
        ));
        let connector = tower::service_fn(move |_| {
            let (near, far) = duplex(1 << 16);
            let connected = connect.send(Ok(far)).map(|()| TokioIo::new(near));
            std::future::ready(connected.map_err(std::io::Error::other))
        });
        let _inside = runtime.enter();
        let channel = Endpoint::from_static("http://chaincode").connect_with_connector_lazy(connector);
        Self {
            runtime: {
                drop(_inside);
                runtime
            },
            channel,
        }
    }
}

thread_local! {
    static WORLD: OnceCell<World> = const { OnceCell::new() };
}

/// Messages as they are, decoded or not.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Bytes;
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
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// A message of a peer, encoded.
pub(crate) fn message(of_type: Type, payload: Vec<u8>) -> Vec<u8> {
    typed(of_type, payload).encode_to_vec()
}

/// A message of a peer about the one transaction.
pub(crate) fn typed(of_type: Type, payload: Vec<u8>) -> ChaincodeMessage {
    ChaincodeMessage {
        r#type: of_type.into(),
        payload,
        txid: TXID.to_owned(),
        ..ChaincodeMessage::default()
    }
}

/// Sends messages, then answers requests with `replies` one after the other while there are any, and ends its half of the stream.
/// Says what it heard.
pub(crate) fn converse(messages: Vec<Vec<u8>>, replies: Vec<Vec<u8>>) -> String {
    WORLD.with(|world| {
        let world = world.get_or_init(World::start);
        let conversation = speak(world.channel.clone(), messages, replies);
        match world
            .runtime
            .block_on(async { tokio::time::timeout(LIMIT, conversation).await })
        {
            Ok(heard) => heard,
            Err(_) => panic!("the server hangs"),
        }
    })
}

async fn speak(channel: Channel, messages: Vec<Vec<u8>>, replies: Vec<Vec<u8>>) -> String {
    let mut client = Grpc::new(channel);
    if let Err(error) = client.ready().await {
        return error.to_string();
    }
    let (outgoing, sent) = mpsc::channel(messages.len() + replies.len() + 1);
    for message in messages {
        // There is room.
        let _ = outgoing.try_send(message);
    }
    let mut replies = replies.into_iter();
    let mut outgoing = (replies.len() > 0).then_some(outgoing);
    let path = PathAndQuery::from_static("/protos.Chaincode/Connect");
    let mut incoming = match client
        .streaming(Request::new(ReceiverStream::new(sent)), path, Raw)
        .await
    {
        Ok(response) => response.into_inner(),
        Err(status) => return status.to_string(),
    };
    let mut heard = String::new();
    loop {
        match incoming.message().await {
            Ok(Some(bytes)) => {
                let Ok(message) = ChaincodeMessage::decode(bytes) else {
                    panic!("the chaincode sends what is no message");
                };
                heard.push_str(message.r#type().as_str_name());
                heard.push(' ');
                let to_answer = !matches!(message.r#type(), Type::Register | Type::Keepalive);
                if matches!(message.r#type(), Type::Completed | Type::Error) {
                    heard.push_str(&String::from_utf8_lossy(&message.payload));
                    outgoing = None;
                } else if to_answer && let Some(to) = &outgoing {
                    match replies.next() {
                        Some(reply) => drop(to.try_send(reply)),
                        None => outgoing = None,
                    }
                }
            }
            Ok(None) => return heard,
            Err(status) => return format!("{heard}{:?}", status.code()),
        }
    }
}
