//! Making a stream to another participant's sidecar.

use std::sync::Arc;
use std::time::Duration;

use fabric_protos::ipo::sidecar::v1 as wire;
use fabric_protos::ipo::sidecar::v1::exchange_client::ExchangeClient;
use fabric_protos::ipo::sidecar::v1::frame::Body;
use hyper_util::rt::TokioIo;
use order_commitments::Participant;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use super::link::{self, Inbound, Link, QUEUE};
use super::{CONNECTION_WINDOW, KEEPALIVE, MAX_MESSAGE, STREAM_WINDOW};
use crate::tls::server_name;
use crate::tls_files::FollowedCredentials;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a peer may take to answer a greeting: it may be at the end of another attempt.
const GREETING: Duration = Duration::from_secs(30);

/// Dials other participants' sidecars with this sidecar's certificate.
#[derive(Debug)]
pub(crate) struct Dialler {
    credentials: Arc<FollowedCredentials>,
}

impl Dialler {
    pub(crate) fn new(credentials: Arc<FollowedCredentials>) -> Self {
        Self { credentials }
    }

    /// A stream on which both have said `Hello`. The error is for people.
    pub(crate) async fn dial(
        &self,
        participant: &Participant,
        hello: wire::Hello,
    ) -> Result<(Link, wire::Hello), String> {
        let (outbound, inbound) = self.open(participant, hello).await?;
        let mut link = Link {
            outbound,
            inbound: Inbound::new(inbound),
            traffic: Arc::default(),
        };
        match timeout(GREETING, link.inbound.receive()).await {
            Ok(Ok(Body::Hello(theirs))) => Ok((link, theirs)),
            Ok(Ok(Body::Ready(_) | Body::Chunk(_))) => Err("it did not greet".to_owned()),
            Ok(Err(reason)) => Err(reason),
            Err(_) => Err(format!("it did not greet within {} s", GREETING.as_secs())),
        }
    }

    /// Tells a participant that dials this one that it is there. The error is for people.
    pub(crate) async fn knock(&self, participant: &Participant, hello: wire::Hello) -> Result<(), String> {
        let (_outbound, mut inbound) = self.open(participant, hello).await?;
        match timeout(GREETING, inbound.message()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(status)) => Err(link::describe(&status)),
            Err(_) => Err(format!("it did not answer within {} s", GREETING.as_secs())),
        }
    }

    async fn open(
        &self,
        participant: &Participant,
        hello: wire::Hello,
    ) -> Result<(mpsc::Sender<wire::Frame>, Streaming<wire::Frame>), String> {
        let channel = self.connect(participant).await?;
        let mut client = ExchangeClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        let (outbound, queued) = mpsc::channel(QUEUE);
        // The queue is empty, so this does not wait.
        link::send(&outbound, Body::Hello(hello)).await;
        let inbound = timeout(GREETING, client.connect(ReceiverStream::new(queued)))
            .await
            .map_err(|_| format!("it did not answer within {} s", GREETING.as_secs()))?
            .map_err(|status| link::describe(&status))?
            .into_inner();
        Ok((outbound, inbound))
    }

    async fn connect(&self, participant: &Participant) -> Result<Channel, String> {
        let tls = Arc::new(
            self.credentials
                .current()
                .await
                .client(participant)
                .map_err(|error| error.to_string())?,
        );
        let name = server_name(participant).map_err(|error| error.to_string())?;
        let address: Arc<str> = participant.endpoint.as_str().into();
        // The scheme and host are for HTTP alone: the connector below makes the TLS connection.
        let endpoint = Endpoint::try_from(format!("http://{address}"))
            .map_err(|error| format!("its endpoint {address:?} is no address: {error}"))?
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        let connector = service_fn(move |_: Uri| tls_stream(address.clone(), name.clone(), tls.clone()));
        let connected = timeout(CONNECT, endpoint.connect_with_connector(connector))
            .await
            .map_err(|_| format!("no connection within {} s", CONNECT.as_secs()))?;
        connected.map_err(|error| root_cause(&error))
    }
}

async fn tls_stream(
    address: Arc<str>,
    name: ServerName<'static>,
    tls: Arc<ClientConfig>,
) -> Result<TokioIo<tokio_rustls::client::TlsStream<TcpStream>>, std::io::Error> {
    let tcp = TcpStream::connect(&*address).await?;
    tcp.set_nodelay(true)?;
    Ok(TokioIo::new(TlsConnector::from(tls).connect(name, tcp).await?))
}

/// The innermost error, which says what happened; those around it say "transport error".
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
