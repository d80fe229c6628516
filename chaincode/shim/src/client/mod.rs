//! The chaincode that dials its peer: development mode, and programs that a peer's own builder starts.

mod config;
mod tls;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use fabric_protos::protos::chaincode_support_client::ChaincodeSupportClient;
use futures_util::{StreamExt, TryFutureExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;
use tracing::{info, warn};

pub use self::config::ClientConfig;
pub(crate) use self::config::is_given;
use self::tls::Certificates;
pub use self::tls::ClientTls;
use crate::metrics::Metrics;
use crate::server::{
    ADDRESS, AFTERMATH, CHAINCODE_ID, ConfigError, LINGER, LOCAL_MSPID, OUTGOING, ServerError, address_of,
    bind, operations, stop_signals,
};
use crate::session::{self, Ended, Shared};
use crate::{Chaincode, ChaincodeServer};

/// Half as often again as the least that peers ask for (`peer.keepalive.minInterval`, a minute): a ping that comes early counts against
/// the chaincode, and a third one ends the connection.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(90);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Between two attempts to reach a peer that has gone, where the configuration says to dial again.
const REDIAL: Duration = Duration::from_secs(1);

/// As Go's shim.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes under way before an acknowledgement: large values at full speed.
const WINDOW: u32 = 4 * 1024 * 1024;

/// What ends a chaincode that dials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The configuration is not usable.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The peer cannot be reached, or TLS failed.
    #[error("cannot reach the peer at {address}: {reason}")]
    Connect {
        /// The configured address.
        address: String,
        /// The reason, with its causes.
        reason: String,
    },
    /// The stream ended: the peer refused the registration, or went.
    #[error("{reason}")]
    Stream {
        /// How.
        reason: String,
    },
    /// Signals cannot be received.
    #[error(transparent)]
    Signals(ServerError),
    /// Health and metrics cannot be served.
    #[error(transparent)]
    Operations(ServerError),
}

/// A chaincode that dials its peer: `protos.ChaincodeSupport/Register`. A peer in development mode (`peer node start
/// --peer-chaincodedev`) takes it under any `name:version`, so that a changed program runs without a new package.
pub struct ChaincodeClient {
    config: ClientConfig,
    chaincode: Arc<dyn Chaincode>,
    operations: Option<TcpListener>,
}

impl ChaincodeClient {
    /// A client of this chaincode.
    ///
    /// # Errors
    /// [`ConfigError`] if the configuration lacks what the chaincode needs.
    pub fn new(config: ClientConfig, chaincode: impl Chaincode) -> Result<Self, ConfigError> {
        config.check()?;
        if chaincode.needs_local_mspid() && config.local_mspid.is_none() {
            return Err(ConfigError::Missing { name: LOCAL_MSPID });
        }
        Ok(Self {
            config,
            chaincode: Arc::new(chaincode),
            operations: None,
        })
    }

    /// Serves health and metrics on this listener, whatever address is configured for them.
    #[must_use]
    pub fn with_operations(mut self, listener: TcpListener) -> Self {
        self.operations = Some(listener);
        self
    }

    /// A client configured from the environment and the program's arguments: see [`ClientConfig::from_env`].
    ///
    /// # Errors
    /// [`ConfigError`] that names the variable.
    pub fn from_env(chaincode: impl Chaincode) -> Result<Self, ConfigError> {
        Self::new(ClientConfig::from_env()?, chaincode)
    }

    /// Serves the peer until SIGTERM or SIGINT, and then finishes what is in flight.
    ///
    /// # Errors
    /// [`ClientError`]; as with Go's shim the end of the stream is one, unless [`ClientConfig::redial`] says to dial again, and whoever
    /// started the program starts it again.
    pub async fn run(self) -> Result<(), ClientError> {
        let shutdown = stop_signals().map_err(ClientError::Signals)?;
        self.run_until(shutdown).await
    }

    /// Serves the peer until `shutdown` comes.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_until(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), ClientError> {
        let Self {
            config,
            chaincode,
            operations,
        } = self;
        let metrics = Arc::new(Metrics::new());
        let (stopping, over) = (CancellationToken::new(), CancellationToken::new());
        let _over = over.clone().drop_guard();
        let certificates = match config.tls.clone() {
            None => None,
            Some(tls) => {
                let metrics = Arc::clone(&metrics);
                let certificates = Certificates::load(tls::Files { tls, metrics })?;
                tokio::spawn(Arc::clone(&certificates).watch(over.clone()));
                Some(certificates)
            }
        };
        let operations = match (operations, &config.operations_address) {
            (None, Some(address)) => Some(bind(address).await.map_err(ClientError::Operations)?),
            (listener, _) => listener,
        };
        if let Some(operations) = operations {
            info!(operations = address_of(&operations), "serving health and metrics");
            let (counted, stopping) = (Arc::clone(&metrics), stopping.clone());
            let unready = move || {
                let stopping = stopping.is_cancelled().then_some("stopping");
                stopping.or_else(|| (!counted.has_stream()).then_some("not connected"))
            };
            let until = over.clone().cancelled_owned();
            tokio::spawn(operations::serve(
                operations,
                Arc::clone(&metrics),
                unready,
                until,
            ));
        }
        let shared = Arc::new(Shared {
            chaincode,
            chaincode_id: config.chaincode_id.clone(),
            local_mspid: config.local_mspid.clone(),
            max_message: config.max_message,
            drain_timeout: config.drain_timeout,
            aftermath: AFTERMATH,
            execute_timeout: config.execute_timeout,
            metrics,
            stopping: stopping.clone(),
        });
        let dialling = dial(&config, shared, certificates);
        tokio::pin!(dialling, shutdown);
        tokio::select! {
            ended = &mut dialling => ended,
            () = &mut shutdown => {
                info!("stopping");
                stopping.cancel();
                dialling.await
            }
        }
    }
}

/// Serves the peer, and again where the configuration says so, until the chaincode is to stop.
async fn dial(
    config: &ClientConfig,
    shared: Arc<Shared>,
    certificates: Option<Arc<Certificates>>,
) -> Result<(), ClientError> {
    let mut served = false;
    loop {
        let ended = serve_once(config, Arc::clone(&shared), certificates.as_deref()).await;
        let error = match ended {
            Ok(None) => return Ok(()),
            Ok(Some(ended)) => {
                served = true;
                let may_pass = matches!(ended, Ended::ByPeer | Ended::Broken(_));
                let reason = ended.to_string();
                (may_pass, ClientError::Stream { reason })
            }
            // At first it is a mistake in the settings.
            Err(error) => (served, error),
        };
        match error {
            _ if shared.stopping.is_cancelled() => return Ok(()),
            (true, error) if config.redial => warn!(%error, "dialling again"),
            (_, error) => return Err(error),
        }
        tokio::select! {
            () = shared.stopping.cancelled() => return Ok(()),
            () = tokio::time::sleep(REDIAL) => {}
        }
    }
}

/// Dials the peer and serves it until the stream ends; says how it ended, unless the chaincode was to stop.
async fn serve_once(
    config: &ClientConfig,
    shared: Arc<Shared>,
    certificates: Option<&Certificates>,
) -> Result<Option<Ended>, ClientError> {
    let stopping = shared.stopping.clone();
    let connected = async { endpoint(config, certificates).await?.connect().await };
    let channel = tokio::select! {
        () = stopping.cancelled() => return Ok(None),
        connected = connected => connected.map_err(|error| ClientError::Connect {
            address: config.peer_address.clone(),
            reason: with_causes(&error),
        })?,
    };
    info!(
        chaincode = config.chaincode_id,
        peer = config.peer_address,
        tls = config.tls.is_some(),
        mspid = config.local_mspid.as_deref().unwrap_or_default(),
        "connected"
    );
    let (sender, receiver) = mpsc::channel(OUTGOING);
    let mut client = ChaincodeSupportClient::new(channel)
        .max_decoding_message_size(config.max_message)
        .max_encoding_message_size(config.max_message);
    // The peer says nothing, not even that it takes the stream, before it has our registration: so the session starts first.
    let mut incoming = async move { client.register(ReceiverStream::new(receiver)).await }
        .map_ok(tonic::Response::into_inner)
        .try_flatten_stream()
        .boxed();
    let ended = session::run(shared, &mut incoming, sender).await;
    // Whoever lets go of a stream cuts it, and with it what has not left yet.
    let rest = async { while incoming.next().await.is_some_and(|message| message.is_ok()) {} };
    let _ = tokio::time::timeout(LINGER, rest).await;
    Ok(ended.err())
}

async fn endpoint(
    config: &ClientConfig,
    certificates: Option<&Certificates>,
) -> Result<Endpoint, tonic::transport::Error> {
    let scheme = if certificates.is_some() { "https" } else { "http" };
    let endpoint = Endpoint::from_shared(format!("{scheme}://{}", config.peer_address))?
        .connect_timeout(DIAL_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW);
    match certificates {
        None => Ok(endpoint),
        Some(certificates) => endpoint.tls_config(certificates.current().await.tls),
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// What keeps a chaincode from running, in either mode.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Nothing says what to do.
    #[error(
        "nothing says how to run: CHAINCODE_ID and CHAINCODE_SERVER_ADDRESS, to serve peers that dial, or CORE_CHAINCODE_ID_NAME and CORE_PEER_ADDRESS, to dial one"
    )]
    NotConfigured,
    /// As a service.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// At a peer that it dialled.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Runs a chaincode as the environment says, until SIGTERM or SIGINT: with `CHAINCODE_SERVER_ADDRESS` or `CHAINCODE_ID` it is a
/// [`ChaincodeServer`], without them it dials as a [`ChaincodeClient`].
///
/// # Errors
/// [`StartError`].
pub async fn start(chaincode: impl Chaincode) -> Result<(), StartError> {
    let is_set = |name| std::env::var(name).is_ok_and(|value| !value.is_empty());
    if is_set(ADDRESS) || is_set(CHAINCODE_ID) {
        let server = ChaincodeServer::from_env(chaincode).map_err(ServerError::from)?;
        Ok(server.serve().await?)
    } else {
        if !is_given(|name| std::env::var(name).ok()) {
            return Err(StartError::NotConfigured);
        }
        let client = ChaincodeClient::from_env(chaincode).map_err(ClientError::from)?;
        Ok(client.run().await?)
    }
}
