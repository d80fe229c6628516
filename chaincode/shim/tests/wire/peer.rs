//! A peer that says what a test tells it to, and a server for it to talk to.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use chaincode_shim::{
    Answer, Chaincode, ChaincodeServer, ChaincodeStub, Response, ServerConfig, ServerError,
};
use fabric_protos::common::{ChannelHeader, Header, HeaderType, SignatureHeader};
use fabric_protos::protos::chaincode_client::ChaincodeClient;
use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::{
    ChaincodeId, ChaincodeInput, ChaincodeMessage, ChaincodeProposalPayload, Proposal, SignedProposal,
};
use prost::Message;
use prost_types::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

pub(crate) const CHAINCODE_ID: &str = "assets_1.0:abcd";
pub(crate) const CHANNEL: &str = "ch";
pub(crate) const LIMIT: usize = 100 * 1024 * 1024;

/// No wait in a test is longer.
const BOUND: Duration = Duration::from_secs(60);

pub(crate) async fn bounded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future)
        .await
        .expect("the test waits for something that does not come")
}

/// A chaincode that is one async closure.
pub(crate) struct Script<F>(F);

impl<F, R> Chaincode for Script<F>
where
    F: Fn(ChaincodeStub) -> R + Send + Sync + 'static,
    R: Future<Output = Response> + Send + 'static,
{
    fn invoke(&self, stub: ChaincodeStub) -> Answer<'_> {
        Box::pin((self.0)(stub))
    }
}

/// A running server.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<Result<(), ServerError>>,
}

impl Running {
    pub(crate) async fn start(config: ServerConfig, chaincode: impl Chaincode) -> Self {
        Self::serve(ChaincodeServer::new(config, chaincode).unwrap()).await
    }

    pub(crate) async fn serve(server: ChaincodeServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        let served = tokio::spawn(server.serve_with(listener, shutdown));
        Self {
            address,
            stop: Some(stop),
            served,
        }
    }

    pub(crate) async fn script<F, R>(contract: F) -> Self
    where
        F: Fn(ChaincodeStub) -> R + Send + Sync + 'static,
        R: Future<Output = Response> + Send + 'static,
    {
        Self::start(config(), Script(contract)).await
    }

    pub(crate) async fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address))
            .unwrap()
            .connect()
            .await
            .unwrap()
    }

    /// A peer that has dialled.
    pub(crate) async fn dial(&self) -> Peer {
        Peer::connect(self.channel().await).await
    }

    /// A peer that has dialled and registered, as Fabric 2.5 does: READY without parameters.
    pub(crate) async fn peer(&self) -> Peer {
        let mut peer = self.dial().await;
        peer.register(&[]).await;
        peer
    }

    pub(crate) fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    pub(crate) async fn stopped(self) {
        bounded(self.served).await.unwrap().unwrap();
    }
}

pub(crate) fn config() -> ServerConfig {
    let mut config = ServerConfig::new(CHAINCODE_ID, "127.0.0.1:0");
    config.local_mspid = Some("Org1MSP".to_owned());
    config
}

/// Serves `contract`, and gives a registered peer that talks to it.
pub(crate) async fn with_peer<F, R>(contract: F) -> (Running, Peer)
where
    F: Fn(ChaincodeStub) -> R + Send + Sync + 'static,
    R: Future<Output = Response> + Send + 'static,
{
    let server = Running::script(contract).await;
    let peer = server.peer().await;
    (server, peer)
}

pub(crate) struct Peer {
    outgoing: mpsc::Sender<ChaincodeMessage>,
    incoming: Streaming<ChaincodeMessage>,
    /// What was read from the stream before the test looked.
    first: Option<ChaincodeMessage>,
}

impl Peer {
    pub(crate) async fn connect(channel: Channel) -> Self {
        Self::try_connect(channel).await.unwrap()
    }

    pub(crate) async fn try_connect(channel: Channel) -> Result<Self, tonic::Status> {
        let (outgoing, messages) = mpsc::channel(64);
        let mut client = ChaincodeClient::new(channel)
            .max_decoding_message_size(LIMIT)
            // Somebody may not keep to it.
            .max_encoding_message_size(2 * LIMIT);
        let incoming = bounded(client.connect(ReceiverStream::new(messages)))
            .await?
            .into_inner();
        Ok(Self {
            outgoing,
            incoming,
            first: None,
        })
    }

    /// A peer that was dialled, and has taken the first message.
    pub(crate) fn over(
        outgoing: mpsc::Sender<ChaincodeMessage>,
        incoming: Streaming<ChaincodeMessage>,
        first: ChaincodeMessage,
    ) -> Self {
        Self {
            outgoing,
            incoming,
            first: Some(first),
        }
    }

    pub(crate) async fn register(&mut self, ready: &[u8]) {
        let register = self.receive().await;
        assert_eq!(register.r#type(), Type::Register);
        assert_eq!(
            ChaincodeId::decode(register.payload.as_slice()).unwrap().name,
            CHAINCODE_ID
        );
        self.send(Type::Registered, "", Vec::new()).await;
        self.send(Type::Ready, "", ready.to_vec()).await;
    }

    pub(crate) async fn send_message(&self, message: ChaincodeMessage) {
        bounded(self.outgoing.send(message))
            .await
            .expect("the chaincode has closed the stream");
    }

    /// Ends the peer's half of the stream.
    pub(crate) fn say_no_more(&mut self) {
        self.outgoing = mpsc::channel(1).0;
    }

    /// Whether the message could be handed to the stream.
    pub(crate) async fn try_send(&self, message: ChaincodeMessage) -> bool {
        bounded(self.outgoing.send(message)).await.is_ok()
    }

    pub(crate) async fn send(&self, of_type: Type, txid: &str, payload: Vec<u8>) {
        self.send_message(message(of_type, txid, payload)).await;
    }

    /// Calls a function, on behalf of a client of Org1MSP.
    pub(crate) async fn invoke(&self, txid: &str, args: &[&str]) {
        let args: Vec<_> = args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
        self.invoke_as(Type::Transaction, txid, args, Some(proposal(b"creator", &[])))
            .await;
    }

    pub(crate) async fn invoke_as(
        &self,
        of_type: Type,
        txid: &str,
        args: Vec<Vec<u8>>,
        proposal: Option<SignedProposal>,
    ) {
        let input = ChaincodeInput {
            args,
            decorations: [("decoration".to_owned(), b"added".to_vec())].into(),
            is_init: false,
        };
        let payload = input.encode_to_vec();
        self.send_message(ChaincodeMessage {
            proposal,
            ..message(of_type, txid, payload)
        })
        .await;
    }

    /// The next message; fails the test if the stream ends instead.
    pub(crate) async fn receive(&mut self) -> ChaincodeMessage {
        if let Some(first) = self.first.take() {
            return first;
        }
        bounded(self.incoming.message())
            .await
            .unwrap()
            .expect("the chaincode has ended the stream")
    }

    /// Expects exactly this request, and answers it.
    pub(crate) async fn answer(&mut self, request: Type, payload: Vec<u8>, answer: Vec<u8>) {
        let message = self.receive().await;
        assert_eq!(
            (message.r#type(), message.channel_id.as_str()),
            (request, CHANNEL)
        );
        assert!(
            message.payload == payload,
            "{request:?} has another payload than expected"
        );
        self.send(Type::Response, &message.txid, answer).await;
    }

    /// Expects this request, and refuses it.
    pub(crate) async fn refuse(&mut self, request: Type, reason: &str) {
        let message = self.receive().await;
        assert_eq!(message.r#type(), request);
        self.send(Type::Error, &message.txid, reason.as_bytes().to_vec())
            .await;
    }

    /// Expects the end of a transaction, and gives what it answered.
    pub(crate) async fn completed(&mut self, txid: &str) -> Response {
        let message = self.receive().await;
        assert_eq!((message.r#type(), message.txid.as_str()), (Type::Completed, txid));
        assert_eq!(message.channel_id, CHANNEL);
        Response::decode(message.payload.as_slice()).unwrap()
    }

    /// Expects a transaction to end well; what its script asserted has held then.
    pub(crate) async fn succeeded(&mut self, txid: &str) {
        let response = self.completed(txid).await;
        assert_eq!(response.status, 200, "{}", response.message);
    }

    /// Whether the chaincode ends the stream, whatever it still sends.
    pub(crate) async fn ended(&mut self) -> bool {
        loop {
            match bounded(self.incoming.message()).await {
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return true,
            }
        }
    }
}

pub(crate) fn message(of_type: Type, txid: &str, payload: Vec<u8>) -> ChaincodeMessage {
    ChaincodeMessage {
        r#type: of_type.into(),
        payload,
        txid: txid.to_owned(),
        channel_id: if txid.is_empty() {
            String::new()
        } else {
            CHANNEL.to_owned()
        },
        ..ChaincodeMessage::default()
    }
}

/// A proposal of this creator with this transient data.
pub(crate) fn proposal(creator: &[u8], transient: &[(&str, &[u8])]) -> SignedProposal {
    proposal_of_type(HeaderType::EndorserTransaction, creator, transient)
}

pub(crate) fn proposal_of_type(
    of_type: HeaderType,
    creator: &[u8],
    transient: &[(&str, &[u8])],
) -> SignedProposal {
    let channel = ChannelHeader {
        r#type: of_type.into(),
        timestamp: Some(Timestamp {
            seconds: 1_700_000_000,
            nanos: 5,
        }),
        channel_id: CHANNEL.to_owned(),
        epoch: 7,
        ..ChannelHeader::default()
    };
    let signature = SignatureHeader {
        creator: creator.to_vec(),
        nonce: b"nonce".to_vec(),
    };
    let header = Header {
        channel_header: channel.encode_to_vec(),
        signature_header: signature.encode_to_vec(),
    };
    let transient_map = transient
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.to_vec()))
        .collect();
    let payload = ChaincodeProposalPayload {
        input: Vec::new(),
        transient_map,
    };
    let proposal = Proposal {
        header: header.encode_to_vec(),
        payload: payload.encode_to_vec(),
        extension: Vec::new(),
    };
    SignedProposal {
        proposal_bytes: proposal.encode_to_vec(),
        signature: b"signature".to_vec(),
    }
}

/// A chaincode that runs `contract`, whatever is called.
pub(crate) fn script<F, R>(contract: F) -> Script<F>
where
    F: Fn(ChaincodeStub) -> R + Send + Sync + 'static,
    R: Future<Output = Response> + Send + 'static,
{
    Script(contract)
}
