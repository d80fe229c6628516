//! TLS, with and without client certificates.

use std::sync::Arc;

use chaincode_shim::success;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::certificates::{Authority, Leaf};
use crate::peer::{Peer, Running, bounded, config, script};

async fn serve(leaf: Leaf, client_ca: Option<String>) -> Running {
    let mut config = config();
    config.tls = Some(leaf.server(client_ca));
    Running::start(config, script(|_| async { success(b"served".to_vec()) })).await
}

pub(crate) fn endpoint(server: &Running, root: &Authority, client: Option<Leaf>) -> Endpoint {
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(root.pem()))
        .domain_name("localhost");
    if let Some(Leaf { certificate, key }) = client {
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    Endpoint::from_shared(format!("https://{}", server.address))
        .unwrap()
        .tls_config(tls)
        .unwrap()
}

pub(crate) async fn serves(channel: Channel) {
    let mut peer = Peer::connect(channel).await;
    peer.register(&[]).await;
    peer.invoke("tx", &[]).await;
    assert_eq!(peer.completed("tx").await.payload, b"served");
}

/// Whether the server has nothing to do with this client. With TLS 1.3 a client learns that its certificate was refused
/// only when it uses the connection.
pub(crate) async fn is_refused(endpoint: Endpoint) -> bool {
    match bounded(endpoint.connect()).await {
        Ok(channel) => Peer::try_connect(channel).await.is_err(),
        Err(_) => true,
    }
}

#[tokio::test]
async fn a_server_with_tls_serves_whoever_trusts_its_ca() {
    let (ca, other) = (Authority::new("ca"), Authority::new("other"));
    let server = serve(ca.tls(), None).await;
    serves(endpoint(&server, &ca, None).connect().await.unwrap()).await;
    assert!(is_refused(endpoint(&server, &other, None)).await);
    let plain = Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
    assert!(is_refused(plain).await);
    // A client certificate is not asked for, and does no harm.
    serves(endpoint(&server, &ca, Some(other.tls())).connect().await.unwrap()).await;
}

#[tokio::test]
async fn with_client_authentication_only_the_right_cas_clients_get_in() {
    let (ca, peers, other) = (
        Authority::new("ca"),
        Authority::new("peers"),
        Authority::new("other"),
    );
    let server = serve(ca.tls(), Some(peers.pem())).await;
    assert!(is_refused(endpoint(&server, &ca, None)).await);
    assert!(is_refused(endpoint(&server, &ca, Some(other.tls()))).await);
    assert!(is_refused(endpoint(&server, &ca, Some(ca.tls()))).await);
    serves(endpoint(&server, &ca, Some(peers.tls())).connect().await.unwrap()).await;
}

#[tokio::test]
async fn several_client_cas_may_be_trusted() {
    let (ca, one, two) = (Authority::new("ca"), Authority::new("one"), Authority::new("two"));
    let server = serve(ca.tls(), Some(format!("{}{}", one.pem(), two.pem()))).await;
    for client in [one.tls(), two.tls()] {
        serves(endpoint(&server, &ca, Some(client)).connect().await.unwrap()).await;
    }
}

#[tokio::test]
async fn both_tls_versions_are_spoken() {
    let ca = Authority::new("ca");
    let server = serve(ca.tls(), None).await;
    let speak = async |version: &'static SupportedProtocolVersion| {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap())
            .unwrap();
        let mut config = ClientConfig::builder_with_protocol_versions(&[version])
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(server.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = bounded(TlsConnector::from(Arc::new(config)).connect(name, stream))
            .await
            .unwrap();
        stream.get_ref().1.protocol_version()
    };
    assert_eq!(speak(&TLS12).await, Some(ProtocolVersion::TLSv1_2));
    assert_eq!(speak(&TLS13).await, Some(ProtocolVersion::TLSv1_3));
}
