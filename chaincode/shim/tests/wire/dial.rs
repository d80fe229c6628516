//! The chaincode dials: a peer in development mode, with TLS and without.

use std::fs;
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
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinHandle};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Status, Streaming};

use crate::certificates::{Authority, Leaf};
use crate::operations::get;
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
    let (address, peers, _) = listen_at("127.0.0.1:0", tls).await;
    (address, peers)
}

/// The same at an address, and what ends it.
async fn listen_at(
    address: &str,
    tls: Option<ServerTlsConfig>,
) -> (SocketAddr, mpsc::Receiver<Peer>, AbortHandle) {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (dialled, peers) = mpsc::channel(4);
    let mut server = Server::builder();
    if let Some(tls) = tls {
        server = server.tls_config(tls).unwrap();
    }
    let service = ChaincodeSupportServer::new(Listener(dialled));
    let serving = tokio::spawn(
        server
            .add_service(service)
            .serve_with_incoming(TcpIncoming::from(listener)),
    );
    (address, peers, serving.abort_handle())
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
    run(ChaincodeClient::new(config, script(contract)).unwrap())
}

fn run(client: ChaincodeClient) -> (JoinHandle<Result<(), ClientError>>, oneshot::Sender<()>) {
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
        Some(ClientTls {
            root: root.pem().into(),
            certificate: certificate.into(),
            key: key.into(),
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

#[tokio::test]
async fn health_readiness_and_metrics_are_told_of_a_chaincode_that_dials() {
    let (address, mut peers) = listen(None).await;
    let operations = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http = operations.local_addr().unwrap();
    let config = ClientConfig::new(CHAINCODE_ID, address.to_string());
    let client = ChaincodeClient::new(config, script(contract)).unwrap();
    let (running, stop) = run(client.with_operations(operations));
    let mut peer = dialled(&mut peers).await;
    peer.register(&[]).await;
    assert_eq!(get(http, "/healthz").await.1, "ok\n");
    assert_eq!(get(http, "/readyz").await.1, "ready\n");
    peer.invoke("tx1", &[]).await;
    finish(&mut peer, "tx1").await;
    peer.invoke("tx2", &[]).await;
    assert_eq!(peer.receive().await.r#type(), Type::GetState);
    let text = get(http, "/metrics").await.1;
    for line in [
        "chaincode_transactions_total{channel=\"ch\",outcome=\"ok\"} 1",
        "chaincode_transactions_in_flight 1",
        "chaincode_streams 1",
        "chaincode_certificate_not_after_timestamp_seconds 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    stop.send(()).unwrap();
    // It is stopping once it refuses what is new.
    peer.invoke("late", &[]).await;
    assert_eq!(peer.completed("late").await.status, 503);
    let (status, why) = get(http, "/readyz").await;
    assert_eq!(
        (status.as_str(), why.as_str()),
        ("HTTP/1.1 503 Service Unavailable", "stopping\n")
    );
    peer.send(Type::Response, "tx2", Vec::new()).await;
    peer.succeeded("tx2").await;
    assert!(peer.ended().await);
    drop(peer);
    bounded(running).await.unwrap().unwrap();
    assert!(TcpStream::connect(http).await.is_err());
}

#[tokio::test]
async fn a_peer_that_comes_back_is_dialled_again_with_the_certificates_of_then() {
    let (peers_ca, old, new) = (
        Authority::new("peers"),
        Authority::new("old"),
        Authority::new("new"),
    );
    let trusting = |clients: &Authority| {
        let Leaf { certificate, key } = peers_ca.tls();
        let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
        Some(tls.client_ca_root(Certificate::from_pem(clients.pem())))
    };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let write = |leaf: &Leaf| {
        fs::write(path("cert"), &leaf.certificate).unwrap();
        fs::write(path("key"), &leaf.key).unwrap();
    };
    write(&old.tls());
    let (address, mut peers, listening) = listen_at("127.0.0.1:0", trusting(&old)).await;
    let operations = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http = operations.local_addr().unwrap();
    let mut config = ClientConfig::new(CHAINCODE_ID, address.to_string());
    config.redial = true;
    config.tls = Some(ClientTls {
        root: peers_ca.pem().into(),
        certificate: path("cert").into(),
        key: path("key").into(),
    });
    let client = ChaincodeClient::new(config, script(contract)).unwrap();
    let (running, stop) = run(client.with_operations(operations));
    let mut peer = dialled(&mut peers).await;
    peer.register(&[]).await;
    peer.invoke("tx", &[]).await;
    assert_eq!(finish(&mut peer, "tx").await, b"value");

    // A file that is of no use yet is no reason to stop.
    fs::write(path("cert"), "soon").unwrap();
    listening.abort();
    drop((peer, peers));
    while get(http, "/readyz").await.1 != "not connected\n" {}
    write(&new.tls());
    let (_, mut peers, _listening) = listen_at(&address.to_string(), trusting(&new)).await;
    let mut peer = dialled(&mut peers).await;
    peer.register(&[]).await;
    peer.invoke("tx", &[]).await;
    assert_eq!(finish(&mut peer, "tx").await, b"value");
    let text = get(http, "/metrics").await.1;
    let loaded = "chaincode_certificate_loads_total{result=\"loaded\"} 2";
    assert!(text.lines().any(|line| line == loaded), "{text}");

    stop.send(()).unwrap();
    assert!(peer.ended().await);
    drop(peer);
    bounded(running).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_refused_registration_and_a_peer_that_was_never_there_are_no_reasons_to_dial_again() {
    let (address, mut peers) = listen(None).await;
    let redialling = |address: SocketAddr| {
        let mut config = ClientConfig::new(CHAINCODE_ID, address.to_string());
        config.redial = true;
        run(ChaincodeClient::new(config, script(contract)).unwrap())
    };
    let (running, _stop) = redialling(address);
    let mut peer = dialled(&mut peers).await;
    peer.send(Type::Error, "", b"no".to_vec()).await;
    assert!(peer.ended().await);
    drop(peer);
    assert!(matches!(
        bounded(running).await.unwrap(),
        Err(ClientError::Stream { .. })
    ));

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let (running, _stop) = redialling(address);
    assert!(matches!(
        bounded(running).await.unwrap(),
        Err(ClientError::Connect { .. })
    ));
}
