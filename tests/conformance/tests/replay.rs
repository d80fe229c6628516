//! Our shim says to a recorded peer what Go's shim said: every message of every call, response and event included, byte for byte.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chaincode_shim::{ChaincodeServer, ServerConfig};
use fabric_protos::protos::chaincode_client::ChaincodeClient;
use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::{ChaincodeMessage, QueryResponse};
use prost::Message;
use shim_conformance::{RecordedCall, ScriptedChaincode, Side, Vector, essential, said};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Endpoint;

const LIMIT: usize = 100 * 1024 * 1024;

/// No wait is longer.
const BOUND: Duration = Duration::from_secs(60);

/// The recorded peer.
struct Peer {
    outgoing: mpsc::Sender<ChaincodeMessage>,
    incoming: Streaming<ChaincodeMessage>,
}

impl Peer {
    async fn start(vector: &Vector) -> Self {
        let mut config = ServerConfig::new(&vector.chaincode_id, "127.0.0.1:0");
        config.local_mspid = Some("Org1MSP".to_owned());
        let server = ChaincodeServer::new(config, ScriptedChaincode).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(server.serve_with(listener, std::future::pending()));
        let (outgoing, messages) = mpsc::channel(64);
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let channel = endpoint.connect().await.unwrap();
        let mut client = ChaincodeClient::new(channel).max_decoding_message_size(LIMIT);
        let incoming = client
            .connect(ReceiverStream::new(messages))
            .await
            .unwrap()
            .into_inner();
        let mut peer = Self { outgoing, incoming };
        assert_eq!(peer.receive().await.r#type(), Type::Register);
        peer.register(Type::Registered, Vec::new()).await;
        peer.register(Type::Ready, STANDARD.decode(&vector.ready).unwrap())
            .await;
        peer
    }

    async fn register(&self, of_type: Type, payload: Vec<u8>) {
        let message = ChaincodeMessage {
            r#type: of_type.into(),
            payload,
            ..ChaincodeMessage::default()
        };
        self.outgoing.send(message).await.unwrap();
    }

    async fn receive(&mut self) -> ChaincodeMessage {
        let message = tokio::time::timeout(BOUND, self.incoming.message()).await;
        message
            .expect("the chaincode says nothing")
            .unwrap()
            .expect("the stream has ended")
    }

    /// Plays the peer's part of a call, and gives both parts as they were.
    async fn replay(&mut self, recorded: &[(Side, ChaincodeMessage)]) -> Vec<(Side, ChaincodeMessage)> {
        let mut played = Vec::new();
        for (from, message) in recorded {
            let message = match from {
                Side::Peer => {
                    self.outgoing.send(message.clone()).await.unwrap();
                    message.clone()
                }
                Side::Chaincode => self.receive().await,
            };
            played.push((*from, message));
        }
        played
    }
}

async fn replay(vector: &str) {
    let vector: Vector = serde_json::from_str(vector).unwrap();
    let mut peer = Peer::start(&vector).await;
    assert!(vector.calls.len() > 15);
    for RecordedCall { name, frames, .. } in &vector.calls {
        let recorded = essential(frames).unwrap();
        let played = peer.replay(&recorded).await;
        let (go, ours) = (said(&recorded), said(&played));
        assert!(
            go == ours,
            "{}, {name}:\nGo:   {go:#?}\nours: {ours:#?}",
            vector.fabric
        );
    }
}

#[tokio::test]
async fn our_shim_says_what_gos_shim_said_to_a_v2_5_peer() {
    replay(include_str!("../vectors/v2.5.16.json")).await;
}

#[tokio::test]
async fn our_shim_says_what_gos_shim_said_to_a_v3_peer() {
    replay(include_str!("../vectors/v3.1.5.json")).await;
}

/// The rich queries of a recording, from a peer with CouchDB's interface behind it.
fn rich_answers(vector: &str) -> Vec<usize> {
    let vector: Vector = serde_json::from_str(vector).unwrap();
    let call = vector
        .calls
        .iter()
        .find(|call| call.name == "rich queries")
        .unwrap();
    let messages: Vec<_> = call.frames.iter().map(|frame| frame.read().unwrap()).collect();
    let answers = messages
        .windows(2)
        .filter(|pair| pair[0].r#type() == Type::GetQueryResult);
    answers
        .map(|pair| {
            QueryResponse::decode(pair[1].payload.as_slice())
                .unwrap()
                .results
                .len()
        })
        .collect()
}

#[tokio::test]
async fn our_shim_reads_rich_queries_as_gos_shim_did() {
    for vector in [
        include_str!("../vectors/v2.5.16-couchdb.json"),
        include_str!("../vectors/v3.1.5-couchdb.json"),
    ] {
        // Public, public by pages, private: of the last collection nothing has been written yet.
        assert_eq!(rich_answers(vector), [1, 1, 0]);
        replay(vector).await;
    }
}
