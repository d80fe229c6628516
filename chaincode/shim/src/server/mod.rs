//! The server that peers dial: chaincode as a service.

mod config;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use fabric_protos::protos::ChaincodeMessage;
use fabric_protos::protos::chaincode_server::{
    Chaincode as ChaincodeService, ChaincodeServer as ChaincodeGrpc,
};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Status, Streaming};
use tonic_health::ServingStatus;
use tracing::{Instrument, info, info_span, warn};

pub(crate) use self::config::{
    ADDRESS, CHAINCODE_ID, DRAIN_TIMEOUT, LOCAL_MSPID, MAX_MESSAGE, check_address, check_certificates,
    read_file,
};
pub use self::config::{ConfigError, ServerConfig, TlsConfig};
use crate::Chaincode;
use crate::session::{self, Shared};

/// Messages that wait for the wire of one stream. Few, since one may have 100 MiB.
pub(crate) const OUTGOING: usize = 16;

/// As Fabric's Go shim: a ping a minute, answered within 20 s, TLS within 5 s.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes under way before an acknowledgement, for one stream and for a connection: large values at full speed.
const STREAM_WINDOW: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;

/// A peer's own time-out for a transaction, by default: whatever runs longer has nobody to answer to.
pub(crate) const AFTERMATH: Duration = Duration::from_secs(30);

/// How long connections may take to close once their chaincode streams have ended.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// What keeps a server from serving.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The configuration is not usable.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The configured address.
        address: String,
        /// The system's reason.
        source: io::Error,
    },
    /// Signals cannot be received.
    #[error("cannot wait for signals: {0}")]
    Signals(#[source] io::Error),
    /// gRPC or TLS failed; a key that does not fit its certificate, for instance.
    #[error("gRPC server: {0}")]
    Transport(#[from] tonic::transport::Error),
}

/// Serves a chaincode to any number of peers of one organisation: `protos.Chaincode/Connect`, and gRPC health
/// (`grpc.health.v1.Health`, overall and for `protos.Chaincode`).
pub struct ChaincodeServer {
    config: ServerConfig,
    chaincode: Arc<dyn Chaincode>,
}

impl ChaincodeServer {
    /// A server of this chaincode.
    ///
    /// # Errors
    /// [`ConfigError`] if the configuration lacks what the chaincode needs.
    pub fn new(config: ServerConfig, chaincode: impl Chaincode) -> Result<Self, ConfigError> {
        config.check()?;
        if chaincode.needs_local_mspid() && config.local_mspid.is_none() {
            return Err(ConfigError::Missing { name: LOCAL_MSPID });
        }
        Ok(Self {
            config,
            chaincode: Arc::new(chaincode),
        })
    }

    /// A server configured from the environment: see [`ServerConfig::from_env`].
    ///
    /// # Errors
    /// [`ConfigError`] that names the variable.
    pub fn from_env(chaincode: impl Chaincode) -> Result<Self, ConfigError> {
        Self::new(ServerConfig::from_env()?, chaincode)
    }

    /// Serves on the configured address until SIGTERM or SIGINT, and then finishes what is in flight.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn serve(self) -> Result<(), ServerError> {
        let address = self.config.listen_address();
        let listener = TcpListener::bind(&address)
            .await
            .map_err(|source| ServerError::Listen { address, source })?;
        let shutdown = stop_signals()?;
        self.serve_with(listener, shutdown).await
    }

    /// Serves on a listener until `shutdown` comes. Then new transactions are refused, those in flight finish within the
    /// configured time, the streams end, and this returns.
    ///
    /// # Errors
    /// [`ServerError::Transport`].
    pub async fn serve_with(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ServerError> {
        let Self { config, chaincode } = self;
        let stopping = CancellationToken::new();
        let streams = TaskTracker::new();
        let shared = Arc::new(Shared {
            chaincode,
            chaincode_id: config.chaincode_id.clone(),
            local_mspid: config.local_mspid.clone(),
            max_message: config.max_message,
            drain_timeout: config.drain_timeout,
            aftermath: AFTERMATH,
            stopping: stopping.clone(),
        });
        let service = ChaincodeGrpc::new(Service {
            shared,
            streams: streams.clone(),
        })
        .max_decoding_message_size(config.max_message)
        .max_encoding_message_size(config.max_message);
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_serving::<ChaincodeGrpc<Service>>().await;

        let mut server = Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        if let Some(tls) = &config.tls {
            server = server.tls_config(tls_config(tls))?;
        }
        info!(
            chaincode = config.chaincode_id,
            address = %listener.local_addr().map_or_else(|_| config.address.clone(), |found| found.to_string()),
            tls = config.tls.is_some(),
            client_authentication = config.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some()),
            mspid = config.local_mspid.as_deref().unwrap_or_default(),
            "serving"
        );
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let serving = server
            .add_service(service)
            .add_service(health_service)
            .serve_with_incoming_shutdown(incoming, stopping.clone().cancelled_owned());
        let drained = async {
            shutdown.await;
            info!("stopping");
            health.set_service_status("", ServingStatus::NotServing).await;
            health.set_not_serving::<ChaincodeGrpc<Service>>().await;
            stopping.cancel();
            streams.close();
            streams.wait().await;
            // Somebody who watches our health would keep his connection open for ever.
            tokio::time::sleep(LINGER).await;
        };
        tokio::select! {
            served = serving => served?,
            () = drained => {}
        }
        info!("stopped");
        Ok(())
    }
}

/// What asks a process to stop.
pub(crate) fn stop_signals() -> Result<impl Future<Output = ()> + Send, ServerError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServerError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServerError::Signals)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn tls_config(tls: &TlsConfig) -> ServerTlsConfig {
    let identity = Identity::from_pem(&tls.certificate, &tls.key);
    let config = ServerTlsConfig::new()
        .identity(identity)
        .timeout(HANDSHAKE_TIMEOUT);
    match &tls.client_ca {
        Some(roots) => config.client_ca_root(Certificate::from_pem(roots)),
        None => config,
    }
}

struct Service {
    shared: Arc<Shared>,
    streams: TaskTracker,
}

#[tonic::async_trait]
impl ChaincodeService for Service {
    type ConnectStream = BoxStream<'static, Result<ChaincodeMessage, Status>>;

    async fn connect(
        &self,
        request: Request<Streaming<ChaincodeMessage>>,
    ) -> Result<tonic::Response<Self::ConnectStream>, Status> {
        if self.shared.stopping.is_cancelled() {
            warn!("a peer called while the server was stopping");
            return Err(Status::unavailable("the chaincode server is stopping"));
        }
        let peer = request
            .remote_addr()
            .map(|address| address.to_string())
            .unwrap_or_default();
        let span = info_span!("stream", peer);
        let (sender, receiver) = mpsc::channel(OUTGOING);
        let session = session::run(Arc::clone(&self.shared), request.into_inner(), sender);
        // How it ended is logged; the peer dials again when it needs the chaincode.
        self.streams.spawn(async { drop(session.await) }.instrument(span));
        Ok(tonic::Response::new(
            ReceiverStream::new(receiver).map(Ok).boxed(),
        ))
    }
}
