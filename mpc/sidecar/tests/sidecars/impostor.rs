//! Somebody who speaks to a sidecar with an organisation's key, and says what it likes.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fabric_protos::ipo::sidecar::v1 as wire;
use fabric_protos::ipo::sidecar::v1::exchange_client::ExchangeClient;
use fabric_protos::ipo::sidecar::v1::frame::Body;
use hyper_util::rt::TokioIo;
use mpc_engine::{Transport, TransportError};
use order_commitments::PROTOCOL_VERSION;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Endpoint, Uri};
use tonic::{Status, Streaming};
use tower::service_fn;

use crate::network::{LIMIT, Network};

/// Speaks for the first organisation to the second's sidecar: greets until it is heard, lets an attempt begin, and ends it
/// with garbage. Answers that sidecar's greeting, and the stream, which would break too early if it were dropped at once.
pub(crate) async fn break_off(network: &Network, greeting: wire::Frame) -> (wire::Hello, Dialled) {
    let (theirs, _, (frames, answers)) = begin(network, greeting).await;
    let garbage = wire::Chunk {
        payload: vec![7; 100],
        more: false,
    };
    say(&frames, Body::Chunk(garbage)).await;
    (theirs, (frames, answers))
}

/// Speaks for the first organisation to the second's sidecar: greets until it is heard, and lets an attempt begin. Answers that
/// sidecar's greeting, the attempt's id and the stream.
pub(crate) async fn begin(network: &Network, greeting: wire::Frame) -> (wire::Hello, [u8; 32], Dialled) {
    let greeted = async {
        loop {
            if let Some(greeted) = greet(network, greeting.clone()).await {
                return greeted;
            }
        }
    };
    let (theirs, (frames, mut answers)) = timeout(LIMIT, greeted).await.unwrap();
    let Some(Body::Ready(ready)) = next(&mut answers).await else {
        panic!("no ready")
    };
    let id = ready.attempt_id.as_slice().try_into().unwrap();
    say(&frames, Body::Ready(ready)).await;
    (theirs, id, (frames, answers))
}

async fn say(frames: &mpsc::Sender<wire::Frame>, body: Body) {
    frames.send(wire::Frame { body: Some(body) }).await.unwrap();
}

/// None if the sidecar has sent the visitor away: it was at the end of another attempt.
pub(crate) async fn greet(network: &Network, greeting: wire::Frame) -> Option<(wire::Hello, Dialled)> {
    let (cert, key) = (network.home(0).join("cert.pem"), network.home(0).join("key.pem"));
    let (frames, mut answers) = dial(network, 1, Some((&cert, &key)), greeting).await.ok()?;
    match next(&mut answers).await {
        Some(Body::Hello(theirs)) => Some((theirs, (frames, answers))),
        _ => None,
    }
}

/// What comes next on a stream, none at its end.
pub(crate) async fn next(answers: &mut Streaming<wire::Frame>) -> Option<Body> {
    let frame = timeout(LIMIT, answers.message()).await.unwrap();
    frame.ok().flatten().and_then(|frame| frame.body)
}

/// What the sidecar of `from` says first to that of `to`.
pub(crate) fn hello(network: &Network, from: usize, to: usize) -> wire::Frame {
    let session = network.session();
    let terms = session.terms();
    let hello = wire::Hello {
        protocol_version: u32::from(PROTOCOL_VERSION),
        session_id: session.id().0.to_vec(),
        channel: terms.channel.clone(),
        chaincode: terms.chaincode.clone(),
        listing: terms.listing.clone(),
        from: network.organisations[from].msp.to_owned(),
        to: network.organisations[to].msp.to_owned(),
        attempt: 1,
        nonce: vec![5; 32],
        has_outcome: false,
    };
    wire::Frame {
        body: Some(Body::Hello(hello)),
    }
}

pub(crate) type Dialled = (mpsc::Sender<wire::Frame>, Streaming<wire::Frame>);

/// Dials the sidecar of `to` with any certificate, and says `first`.
pub(crate) async fn dial(
    network: &Network,
    to: usize,
    certificate: Option<(&Path, &Path)>,
    first: wire::Frame,
) -> Result<Dialled, Status> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(network.home(to).join("ca.pem")).unwrap();
    roots.add(authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut tls = match certificate {
        Some((cert, key)) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_file(cert).unwrap()],
                PrivateKeyDer::from_pem_file(key).unwrap(),
            )
            .unwrap(),
        None => builder.with_no_client_auth(),
    };
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let (tls, address) = (Arc::new(tls), network.organisations[to].config.peers.listen);
    let connector = service_fn(move |_: Uri| {
        let tls = tls.clone();
        async move {
            let tcp = TcpStream::connect(address).await?;
            let name = ServerName::try_from(address.ip().to_string()).unwrap();
            std::io::Result::Ok(TokioIo::new(TlsConnector::from(tls).connect(name, tcp).await?))
        }
    });
    let connected = Endpoint::try_from(format!("http://{address}"))
        .unwrap()
        .timeout(LIMIT)
        .connect_timeout(Duration::from_secs(10))
        .connect_with_connector(connector)
        .await;
    let channel = connected.map_err(|error| Status::unknown(error.to_string()))?;
    let (frames, queued) = mpsc::channel(8);
    frames.send(first).await.unwrap();
    let answers = ExchangeClient::new(channel)
        .connect(ReceiverStream::new(queued))
        .await?
        .into_inner();
    Ok((frames, answers))
}

/// The engine's transport from the first of two organisations to the second, over a stream that [`begin`] made.
pub(crate) struct Spoken {
    frames: mpsc::Sender<wire::Frame>,
    answers: Mutex<Streaming<wire::Frame>>,
}

impl Spoken {
    pub(crate) fn over((frames, answers): Dialled) -> Self {
        Self {
            frames,
            answers: Mutex::new(answers),
        }
    }
}

impl Transport for Spoken {
    fn parties(&self) -> usize {
        2
    }

    fn me(&self) -> usize {
        0
    }

    async fn send(&self, _: usize, frame: Vec<u8>) -> Result<(), TransportError> {
        let mut pieces = frame.chunks(200 << 10).peekable();
        while let Some(piece) = pieces.next() {
            let chunk = wire::Chunk {
                payload: piece.to_vec(),
                more: pieces.peek().is_some(),
            };
            let frame = wire::Frame {
                body: Some(Body::Chunk(chunk)),
            };
            let sent = self.frames.send(frame).await;
            sent.map_err(|_| TransportError::Closed)?;
        }
        Ok(())
    }

    async fn receive(&self, _: usize) -> Result<Vec<u8>, TransportError> {
        let mut answers = self.answers.lock().await;
        let mut message = Vec::new();
        loop {
            let Some(Body::Chunk(chunk)) = next(&mut answers).await else {
                return Err(TransportError::Closed);
            };
            message.extend_from_slice(&chunk.payload);
            if !chunk.more {
                return Ok(message);
            }
        }
    }
}
