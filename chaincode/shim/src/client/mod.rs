//! The chaincode that dials its peer: development mode, and programs that a peer's own builder starts.

mod config;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use fabric_protos::protos::chaincode_support_client::ChaincodeSupportClient;
use futures_util::{StreamExt, TryFutureExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tracing::info;

pub use self::config::{ClientConfig, ClientTls};
use crate::metrics::Metrics;
use crate::server::{
    ADDRESS, AFTERMATH, CHAINCODE_ID, ConfigError, LINGER, LOCAL_MSPID, OUTGOING, ServerError, stop_signals,
};
use crate::session::{self, Shared};
use crate::{Chaincode, ChaincodeServer};

/// Half as often again as the least that peers ask for (`peer.keepalive.minInterval`, a minute): a ping that comes early counts against
/// the chaincode, and a third one ends the connection.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(90);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

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
}

/// A chaincode that dials its peer: `protos.ChaincodeSupport/Register`. A peer in development mode (`peer node start
/// --peer-chaincodedev`) takes it under any `name:version`, so that a changed program runs without a new package.
pub struct ChaincodeClient {
    config: ClientConfig,
    chaincode: Arc<dyn Chaincode>,
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
        })
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
    /// [`ClientError`]; as with Go's shim the end of the stream is one, and whoever started the program starts it again.
    pub async fn run(self) -> Result<(), ClientError> {
        let shutdown = stop_signals().map_err(ClientError::Signals)?;
        self.run_until(shutdown).await
    }

    /// Serves the peer until `shutdown` comes.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_until(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), ClientError> {
        let Self { config, chaincode } = self;
        let channel = endpoint(&config)
            .and_then(|endpoint| async move { endpoint.connect().await })
            .await
            .map_err(|error| ClientError::Connect {
                address: config.peer_address.clone(),
                reason: with_causes(&error),
            })?;
        info!(
            chaincode = config.chaincode_id,
            peer = config.peer_address,
            tls = config.tls.is_some(),
            mspid = config.local_mspid.as_deref().unwrap_or_default(),
            "connected"
        );
        let stopping = CancellationToken::new();
        let shared = Arc::new(Shared {
            chaincode,
            chaincode_id: config.chaincode_id,
            local_mspid: config.local_mspid,
            max_message: config.max_message,
            drain_timeout: config.drain_timeout,
            aftermath: AFTERMATH,
            execute_timeout: None,
            metrics: Arc::new(Metrics::new()),
            stopping: stopping.clone(),
        });
        let (sender, receiver) = mpsc::channel(OUTGOING);
        let mut client = ChaincodeSupportClient::new(channel)
            .max_decoding_message_size(config.max_message)
            .max_encoding_message_size(config.max_message);
        // The peer says nothing, not even that it takes the stream, before it has our registration: so the session starts first.
        let mut incoming = async move { client.register(ReceiverStream::new(receiver)).await }
            .map_ok(tonic::Response::into_inner)
            .try_flatten_stream()
            .boxed();
        let session = session::run(shared, &mut incoming, sender);
        let ended = {
            tokio::pin!(session, shutdown);
            tokio::select! {
                ended = &mut session => ended,
                () = &mut shutdown => {
                    info!("stopping");
                    stopping.cancel();
                    session.await
                }
            }
        };
        // Whoever lets go of a stream cuts it, and with it what has not left yet.
        let rest = async { while incoming.next().await.is_some_and(|message| message.is_ok()) {} };
        let _ = tokio::time::timeout(LINGER, rest).await;
        ended.map_err(|reason| ClientError::Stream {
            reason: reason.to_string(),
        })
    }
}

async fn endpoint(config: &ClientConfig) -> Result<Endpoint, tonic::transport::Error> {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let endpoint = Endpoint::from_shared(format!("{scheme}://{}", config.peer_address))?
        .connect_timeout(DIAL_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW);
    match &config.tls {
        None => Ok(endpoint),
        Some(tls) => endpoint.tls_config(
            ClientTlsConfig::new()
                .ca_certificate(Certificate::from_pem(&tls.root))
                .identity(Identity::from_pem(&tls.certificate, &tls.key)),
        ),
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
        let client = ChaincodeClient::from_env(chaincode).map_err(ClientError::from)?;
        Ok(client.run().await?)
    }
}
