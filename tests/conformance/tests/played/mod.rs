//! A recorded peer, played to our shim.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chaincode_shim::{ChaincodeServer, ServerConfig};
use fabric_protos::protos::ChaincodeMessage;
use fabric_protos::protos::chaincode_client::ChaincodeClient;
use fabric_protos::protos::chaincode_message::Type;
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

/// Plays a recording to our shim, which must say what Go's said.
pub(crate) async fn replay(vector: &Vector) {
    let mut peer = Peer::start(vector).await;
    assert!(!vector.calls.is_empty());
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
