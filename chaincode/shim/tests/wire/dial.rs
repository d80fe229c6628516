//! The chaincode dials: a peer in development mode, with TLS and without.

use std::net::SocketAddr;

use chaincode_shim::{
    ChaincodeClient, ChaincodeStub, ClientConfig, ClientError, ClientTls, Response, success,
};
use fabric_protos::protos::ChaincodeMessage;
use fabric_protos::protos::GetState;
use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::chaincode_support_server::{ChaincodeSupport, ChaincodeSupportServer};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Status, Streaming};

use crate::certificates::{Authority, Leaf};
use crate::peer::{CHAINCODE_ID, Peer, bounded, script};

/// Hands every chaincode that dials to the test. Like Fabric's, it says nothing before it has the registration.
struct Listener(mpsc::Sender<Peer>);

#[tonic::async_trait]
impl ChaincodeSupport for Listener {
    type RegisterStream = BoxStream<'static, Result<ChaincodeMessage, Status>>;

    async fn register(
        &self,
        request: Request<Streaming<ChaincodeMessage>>,
    ) -> Result<tonic::Response<Self::RegisterStream>, Status> {
        let mut incoming = request.into_inner();
        let register = incoming.message().await?.unwrap_or_default();
        let (outgoing, messages) = mpsc::channel(64);
        let peer = Peer::over(outgoing, incoming, register);
        self.0
            .send(peer)
            .await
            .map_err(|_| Status::unavailable("the test is over"))?;
        Ok(tonic::Response::new(
            ReceiverStream::new(messages).map(Ok).boxed(),
        ))
    }
}

/// A peer's chaincode listener.
async fn listen(tls: Option<ServerTlsConfig>) -> (SocketAddr, mpsc::Receiver<Peer>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (dialled, peers) = mpsc::channel(4);
    let mut server = Server::builder();
    if let Some(tls) = tls {
        server = server.tls_config(tls).unwrap();
    }
    let service = ChaincodeSupportServer::new(Listener(dialled));
    tokio::spawn(
        server
            .add_service(service)
            .serve_with_incoming(TcpIncoming::from(listener)),
    );
    (address, peers)
}

async fn contract(stub: ChaincodeStub) -> Response {
    match stub.get_state("k").await {
        Ok(value) => success(value.unwrap_or_default()),
        Err(error) => chaincode_shim::refusal(500, error.to_string()),
    }
}

fn dial(
    address: SocketAddr,
    tls: Option<ClientTls>,
) -> (JoinHandle<Result<(), ClientError>>, oneshot::Sender<()>) {
    let mut config = ClientConfig::new(CHAINCODE_ID, address.to_string());
    config.tls = tls;
    let client = ChaincodeClient::new(config, script(contract)).unwrap();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async {
        let _ = stopped.await;
    };
    (tokio::spawn(client.run_until(shutdown)), stop)
}

async fn dialled(peers: &mut mpsc::Receiver<Peer>) -> Peer {
    bounded(peers.recv()).await.unwrap()
}

/// Expects the request of [`contract`], answers it, and gives what the transaction answered.
async fn finish(peer: &mut Peer, txid: &str) -> Vec<u8> {
    let get = GetState {
        key: "k".to_owned(),
        collection: String::new(),
    };
    peer.answer(Type::GetState, get.encode_to_vec(), b"value".to_vec())
        .await;
    peer.completed(txid).await.payload
}

#[tokio::test]
async fn a_chaincode_dials_registers_and_serves_until_it_is_stopped() {
    let (address, mut peers) = listen(None).await;
    let (running, stop) = dial(address, None);
    let mut peer = dialled(&mut peers).await;
    peer.register(&[]).await;
    peer.invoke("tx1", &[]).await;
    assert_eq!(finish(&mut peer, "tx1").await, b"value");
    peer.invoke("tx2", &[]).await;
    // What is in flight is finished, and its last message arrives.
    let get = peer.receive().await;
    assert_eq!(get.r#type(), Type::GetState);
    stop.send(()).unwrap();
    peer.send(Type::Response, "tx2", b"late".to_vec()).await;
    assert_eq!(peer.completed("tx2").await.payload, b"late");
    assert!(peer.ended().await);
    drop(peer);
    bounded(running).await.unwrap().unwrap();
}

#[tokio::test]
async fn both_ends_show_their_certificates_where_tls_is_on() {
    let (peers_ca, chaincodes_ca) = (Authority::new("peers"), Authority::new("chaincodes"));
    let Leaf { certificate, key } = peers_ca.tls();
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(certificate, key))
        .client_ca_root(Certificate::from_pem(chaincodes_ca.pem()));
    let (address, mut peers) = listen(Some(tls)).await;
    let material = |root: &Authority, client: &Authority| {
        let Leaf { certificate, key } = client.tls();
        let root = root.pem();
        Some(ClientTls {
            root,
            certificate,
            key,
        })
    };

    let (_running, _stop) = dial(address, material(&peers_ca, &chaincodes_ca));
    let mut peer = dialled(&mut peers).await;
    peer.register(&[]).await;
    peer.invoke("tx", &[]).await;
    assert_eq!(finish(&mut peer, "tx").await, b"value");

    for wrong in [
        material(&chaincodes_ca, &chaincodes_ca),
        material(&peers_ca, &peers_ca),
        None,
    ] {
        let (refused, _stop) = dial(address, wrong);
        assert!(bounded(refused).await.unwrap().is_err());
    }
}

#[tokio::test]
async fn the_end_of_the_stream_is_an_error_that_says_how() {
    let (address, mut peers) = listen(None).await;
    let (running, _stop) = dial(address, None);
    let peer = dialled(&mut peers).await;
    drop(peer);
    let error = bounded(running).await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the peer has ended the stream");

    let (running, _stop) = dial(address, None);
    let mut peer = dialled(&mut peers).await;
    peer.send(Type::Error, "", b"no".to_vec()).await;
    assert!(peer.ended().await);
    drop(peer);
    let error = bounded(running).await.unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the peer sent ERROR while REGISTERED was expected"
    );
}

#[tokio::test]
async fn a_peer_that_is_not_there_is_named() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let (running, _stop) = dial(address, None);
    let error = bounded(running).await.unwrap().unwrap_err();
    assert!(
        matches!(&error, ClientError::Connect { address: named, .. } if *named == address.to_string()),
        "{error}"
    );
}
