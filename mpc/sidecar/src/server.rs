//! A running sidecar: its three listeners and its sessions.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fabric_protos::ipo::sidecar::v1 as wire;
use fabric_protos::ipo::sidecar::v1::clearing_server::ClearingServer;
use fabric_protos::ipo::sidecar::v1::exchange_server::ExchangeServer;
use order_commitments::SessionId;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::server::HealthReporter;
use tracing::{error, info, warn};

use crate::config::{Config, ConfigError};
use crate::exchange::{CONNECTION_WINDOW, Dialler, ExchangeService, KEEPALIVE, MAX_MESSAGE, STREAM_WINDOW};
use crate::join::{self, Joined};
use crate::listener;
use crate::metrics::Metrics;
use crate::operations::{self, Operations};
use crate::service::{ClearingService, check_roster};
use crate::sessions::Sessions;
use crate::store::{History, Store, StoreError};
use crate::tls::Credentials;
use crate::tls_files::{ChaincodeSource, FollowedChaincode, FollowedCredentials, PeersSource};

/// The largest message of a chaincode; a book comes in several.
const MAX_REQUEST: usize = 4 << 20;

/// How long connections may take to end when the sidecar stops.
const DRAIN: Duration = Duration::from_secs(5);

/// A sidecar that serves. Dropping it stops its tasks with the runtime; [`Sidecar::stop`] does so in good order.
#[derive(Debug)]
pub struct Sidecar {
    chaincode: SocketAddr,
    peers: SocketAddr,
    operations: SocketAddr,
    sessions: Arc<Sessions>,
    ready: Arc<AtomicBool>,
    health: HealthReporter,
    stop: CancellationToken,
    servers: Vec<JoinHandle<()>>,
}

/// Why a sidecar does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The storage is.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An address cannot be listened on.
    #[error("{field}: cannot listen on {address}: {source}")]
    Listen {
        /// The field of the configuration.
        field: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
}

impl Sidecar {
    /// Starts to listen, and takes up again what was joined before.
    ///
    /// # Errors
    /// The configuration, the storage or an address is not usable.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        config.check()?;
        let metrics = Arc::new(Metrics::new());
        let credentials = FollowedCredentials::load(PeersSource {
            config: config.peers.clone(),
            metrics: metrics.clone(),
        })?;
        let chaincode_tls = match config.chaincode.tls.clone() {
            None => None,
            Some(config) => {
                let metrics = metrics.clone();
                Some(FollowedChaincode::load(ChaincodeSource { config, metrics })?)
            }
        };
        let store = Arc::new(Store::open(&config.storage)?);
        let dialler = Arc::new(Dialler::new(credentials.clone()));
        let sessions = Arc::new(Sessions::new(
            store.clone(),
            dialler,
            metrics.clone(),
            config.attempts,
        ));

        let chaincode = listen("chaincode.listen", config.chaincode.listen).await?;
        let peers = listen("peers.listen", config.peers.listen).await?;
        let http = listen("operations.listen", config.operations.listen).await?;
        let addresses = (chaincode.1, peers.1, http.1);

        let stop = CancellationToken::new();
        let ready = Arc::new(AtomicBool::new(false));
        let (health, health_service) = tonic_health::server::health_reporter();
        let own = config.msp.clone();
        let exchange = ExchangeService::new(own.clone(), credentials.clone(), sessions.clone());
        let clearing = ClearingService::new(
            own,
            credentials.clone(),
            sessions.clone(),
            store.clone(),
            config.attempts.max,
        );
        health.set_serving::<ClearingServer<ClearingService>>().await;

        tokio::spawn(credentials.clone().watch(stop.clone()));
        let followed = credentials.clone();
        let config_now = move || {
            let followed = followed.clone();
            async move {
                let server = followed.current().await.server();
                server.map(Arc::new).map_err(io::Error::other)
            }
        };
        let incoming = listener::tls(peers.0, config_now, stop.clone());
        let exchange = ExchangeServer::new(exchange).max_decoding_message_size(MAX_MESSAGE);
        let peer_server = Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE))
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .add_service(exchange)
            .serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
        let router = Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE))
            .add_service(ClearingServer::new(clearing).max_decoding_message_size(MAX_REQUEST))
            .add_service(health_service);
        let stopped = stop.clone().cancelled_owned();
        let chaincode_server = match chaincode_tls {
            Some(tls) => {
                tokio::spawn(tls.clone().watch(stop.clone()));
                let config_now = move || {
                    let tls = tls.clone();
                    async move { Ok(tls.current().await) }
                };
                let incoming = listener::tls(chaincode.0, config_now, stop.clone());
                tokio::spawn(report(
                    "chaincode",
                    router.serve_with_incoming_shutdown(incoming, stopped),
                ))
            }
            None => {
                let incoming = TcpIncoming::from(chaincode.0).with_nodelay(Some(true));
                tokio::spawn(report(
                    "chaincode",
                    router.serve_with_incoming_shutdown(incoming, stopped),
                ))
            }
        };
        let routes = operations::routes(Operations {
            metrics,
            ready: ready.clone(),
        });
        let http_server = axum::serve(http.0, routes).with_graceful_shutdown(stop.clone().cancelled_owned());
        let servers = vec![
            tokio::spawn(report("peers", peer_server)),
            chaincode_server,
            tokio::spawn(report("operations", async move { http_server.await })),
        ];
        resume(&store, &sessions, &*credentials.current().await, &config.msp)?;
        ready.store(true, Ordering::Relaxed);
        let (chaincode, peers, operations) = addresses;
        info!(msp = config.msp, %chaincode, %peers, %operations, "the sidecar serves");
        Ok(Self {
            chaincode,
            peers,
            operations,
            sessions,
            ready,
            health,
            stop,
            servers,
        })
    }

    /// Where chaincode servers reach it.
    #[must_use]
    pub fn chaincode_address(&self) -> SocketAddr {
        self.chaincode
    }

    /// Where other sidecars reach it.
    #[must_use]
    pub fn peers_address(&self) -> SocketAddr {
        self.peers
    }

    /// Where operators reach it.
    #[must_use]
    pub fn operations_address(&self) -> SocketAddr {
        self.operations
    }

    /// Stops in good order: says that it is not ready, ends its sessions' tasks (what is on disk stays), lets calls in
    /// flight end, and closes.
    pub async fn stop(self) {
        info!("the sidecar stops");
        self.ready.store(false, Ordering::Relaxed);
        self.health
            .set_not_serving::<ClearingServer<ClearingService>>()
            .await;
        self.sessions.stop().await;
        self.stop.cancel();
        for server in self.servers {
            let abort = server.abort_handle();
            if timeout(DRAIN, server).await.is_err() {
                abort.abort();
            }
        }
    }
}

/// Takes up every session that was joined before, whatever became of keys and authorities since: an outcome is served,
/// and if the others no longer talk to this sidecar, its status says why. A session whose record is damaged, or does not
/// pass the checks any more, is shelved: the others are not to suffer from it.
fn resume(
    store: &Store,
    sessions: &Sessions,
    credentials: &Credentials,
    own: &str,
) -> Result<(), StoreError> {
    for (session, request) in store.joined()? {
        let history = store.history(session);
        match (take_up(session, request, own), history) {
            (Ok(joined), Ok(history)) => {
                if let Err(error) = check_roster(&joined, credentials) {
                    warn!(%session, %error, "a session was joined with other keys or authorities");
                }
                sessions.start(joined, history);
            }
            (Err(reason), history) => shelve(sessions, session, reason, history.unwrap_or_default()),
            (Ok(_), Err(_)) => shelve(
                sessions,
                session,
                "its history cannot be read",
                History::default(),
            ),
        }
    }
    Ok(())
}

/// The session of a stored request, or what is wrong in words that tell nothing of the orders: they go to the log, and to
/// whoever asks for the status.
fn take_up(
    session: SessionId,
    request: Result<wire::JoinRequest, StoreError>,
    own: &str,
) -> Result<Joined, &'static str> {
    let mut request = request.map_err(|_| "its record cannot be read")?;
    let checked = join::check(&request, own);
    request.openings.iter_mut().for_each(join::erase);
    match checked {
        Ok(joined) if joined.session.id() == session => Ok(joined),
        Ok(_) => Err("its record is of another session"),
        Err(error) if error.concerns_orders() => Err("one of its orders does not pass the checks"),
        Err(_) => Err("its terms or participants do not pass the checks"),
    }
}

fn shelve(sessions: &Sessions, session: SessionId, reason: &'static str, history: History) {
    error!(%session, reason, "a session in the storage is not taken up");
    sessions.shelve(session, history, reason);
}

async fn listen(field: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let refuse = |source| StartError::Listen {
        field,
        address,
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(refuse)?;
    let bound = listener.local_addr().map_err(refuse)?;
    Ok((listener, bound))
}

async fn report<E: std::fmt::Display>(name: &'static str, server: impl Future<Output = Result<(), E>>) {
    if let Err(error) = server.await {
        error!(listener = name, %error, "a listener failed");
    }
}
