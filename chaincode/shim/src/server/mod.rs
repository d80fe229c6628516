//! The server that peers dial: chaincode as a service.

mod config;
mod error;
#[cfg(feature = "flags")]
mod flags;
#[cfg(test)]
mod keepalive_tests;
mod listener;
mod log_filter;
pub(crate) mod operations;
mod reload;
mod tls;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use fabric_protos::protos::ChaincodeMessage;
use fabric_protos::protos::chaincode_server::{
    Chaincode as ChaincodeService, ChaincodeServer as ChaincodeGrpc,
};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::server::NamedService;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic::{Request, Status, Streaming};
use tonic_health::ServingStatus;
use tracing::{Instrument, info, info_span, warn};

pub use self::config::ServerConfig;
pub(crate) use self::config::{
    ADDRESS, CHAINCODE_ID, DRAIN, DRAIN_TIMEOUT, EXECUTE, LOCAL_MSPID, MAX_MESSAGE, OPERATIONS,
    check_address, duration, truth,
};
pub use self::error::{ConfigError, ServerError};
#[cfg(feature = "flags")]
pub use self::flags::Flags;
pub use self::log_filter::log_filter;
use self::reload::Certificates;
pub use self::tls::{Pem, TlsConfig};
pub(crate) use self::tls::{certificates, fail, not_after, private_key};
use crate::Chaincode;
use crate::metrics::Metrics;
use crate::session::{self, Shared};

/// Messages that wait for the wire of one stream. Few, since one may have 100 MiB.
pub(crate) const OUTGOING: usize = 16;

/// Bytes under way before an acknowledgement, for one stream and for a connection: large values at full speed.
const STREAM_WINDOW: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;

/// A peer's own time-out for a transaction, by default: whatever runs longer has nobody to answer to.
pub(crate) const AFTERMATH: Duration = Duration::from_secs(30);

/// How long connections may take to close once their chaincode streams have ended.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// Serves a chaincode to any number of peers of one organisation: `protos.Chaincode/Connect`, gRPC health
/// (`grpc.health.v1.Health`, overall and for `protos.Chaincode`), gRPC reflection, and, if an address is configured for them, health and
/// metrics over HTTP.
pub struct ChaincodeServer {
    config: ServerConfig,
    chaincode: Arc<dyn Chaincode>,
    metrics: Arc<Metrics>,
    operations: Option<TcpListener>,
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
            metrics: Arc::new(Metrics::new()),
            operations: None,
        })
    }

    /// A server configured from the environment: see [`ServerConfig::from_env`].
    ///
    /// # Errors
    /// [`ConfigError`] that names the variable.
    pub fn from_env(chaincode: impl Chaincode) -> Result<Self, ConfigError> {
        Self::new(ServerConfig::from_env()?, chaincode)
    }

    /// Serves health and metrics on this listener, whatever address is configured for them.
    #[must_use]
    pub fn with_operations(mut self, listener: TcpListener) -> Self {
        self.operations = Some(listener);
        self
    }

    /// Serves on the configured address until SIGTERM or SIGINT, and then finishes what is in flight.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn serve(self) -> Result<(), ServerError> {
        let listener = bind(&self.config.address).await?;
        let shutdown = stop_signals()?;
        self.serve_with(listener, shutdown).await
    }

    /// Serves on a listener until `shutdown` comes. Then new transactions are refused, those in flight finish within the
    /// configured time, the streams end, and this returns.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn serve_with(
        mut self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ServerError> {
        let (stopping, over) = (CancellationToken::new(), CancellationToken::new());
        let _over = over.clone().drop_guard();
        if let (None, Some(address)) = (&self.operations, &self.config.operations_address) {
            self.operations = Some(bind(address).await?);
        }
        let operations_address = self.operations.as_ref().map(address_of);
        if let Some(operations) = self.operations.take() {
            let metrics = Arc::clone(&self.metrics);
            let until = over.clone().cancelled_owned();
            let unready = {
                let stopping = stopping.clone();
                move || stopping.is_cancelled().then_some("stopping")
            };
            tokio::spawn(operations::serve(operations, metrics, unready, until));
        }
        let certificates = match self.config.tls.clone() {
            None => None,
            Some(config) => {
                let metrics = Arc::clone(&self.metrics);
                Some(Certificates::load(reload::Files { config, metrics })?)
            }
        };
        info!(
            chaincode = self.config.chaincode_id,
            address = address_of(&listener),
            tls = certificates.is_some(),
            client_authentication = self
                .config
                .tls
                .as_ref()
                .is_some_and(TlsConfig::authenticates_clients),
            mspid = self.config.local_mspid.as_deref().unwrap_or_default(),
            operations = operations_address.unwrap_or_default(),
            "serving"
        );
        match certificates {
            None => {
                let incoming = listener::plaintext(listener, stopping.clone());
                self.serve_until(incoming, stopping, shutdown).await
            }
            Some(certificates) => {
                tokio::spawn(Arc::clone(&certificates).watch(over));
                let metrics = Arc::clone(&self.metrics);
                let incoming = listener::tls(listener, certificates, metrics, stopping.clone());
                self.serve_until(incoming, stopping, shutdown).await
            }
        }
    }

    /// Serves whatever connections come, in the clear, until `shutdown` comes: those of another transport than TCP, or of memory in a
    /// test. Addresses, TLS and what is served over HTTP are the caller's.
    ///
    /// # Errors
    /// [`ServerError::Transport`] and [`ServerError::Reflection`].
    pub async fn serve_connections<C>(
        self,
        incoming: impl Stream<Item = io::Result<C>> + Send,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ServerError>
    where
        C: AsyncRead + AsyncWrite + Connected<ConnectInfo: Clone + Send + Sync> + Unpin + Send + 'static,
    {
        self.serve_until(incoming, CancellationToken::new(), shutdown)
            .await
    }

    /// Cancels `stopping` once `shutdown` comes.
    async fn serve_until<C>(
        self,
        incoming: impl Stream<Item = io::Result<C>> + Send,
        stopping: CancellationToken,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ServerError>
    where
        C: AsyncRead + AsyncWrite + Connected<ConnectInfo: Clone + Send + Sync> + Unpin + Send + 'static,
    {
        let config = self.config;
        let streams = TaskTracker::new();
        let shared = Arc::new(Shared {
            chaincode: self.chaincode,
            chaincode_id: config.chaincode_id.clone(),
            local_mspid: config.local_mspid.clone(),
            max_message: config.max_message,
            drain_timeout: config.drain_timeout,
            aftermath: AFTERMATH,
            execute_timeout: config.execute_timeout,
            metrics: self.metrics,
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
        // Some clients ask by the earlier version of reflection, which differs in its name alone.
        let broken = |error: tonic_reflection::server::Error| ServerError::Reflection(error.to_string());
        let reflection_alpha = reflection().build_v1alpha().map_err(broken)?;
        let reflection = reflection().build_v1().map_err(broken)?;

        let serving = Server::builder()
            .http2_keepalive_interval(Some(config.keepalive_interval))
            .http2_keepalive_timeout(Some(config.keepalive_timeout))
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .add_service(service)
            .add_service(health_service)
            .add_service(reflection)
            .add_service(reflection_alpha)
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

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(fabric_protos::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .with_service_name(<ChaincodeGrpc<Service> as NamedService>::NAME)
        .with_service_name("grpc.health.v1.Health")
}

pub(crate) async fn bind(address: &str) -> Result<TcpListener, ServerError> {
    let address = config::socket_address(address);
    TcpListener::bind(&address)
        .await
        .map_err(|source| ServerError::Listen { address, source })
}

pub(crate) fn address_of(listener: &TcpListener) -> String {
    listener
        .local_addr()
        .map(|address| address.to_string())
        .unwrap_or_default()
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
