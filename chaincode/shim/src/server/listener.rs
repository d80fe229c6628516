//! Connections: taken from the listener, and over TLS only once their handshake is done.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::reload::Certificates;
use crate::metrics::Metrics;

/// How long a handshake may take, as in Fabric's Go shim.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// How many handshakes go on at once; further callers wait in the system's queue.
const HANDSHAKES: usize = 256;

/// How long to wait when the system gives no connection, having too many files open.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Connections that are ready and not served yet.
const QUEUE: usize = 32;

/// A silent connection is probed by the system after this time, and is dropped after three probes without an answer. That finds a
/// peer whose machine is gone, without HTTP/2 pings that somebody might count.
const PROBE_AFTER: Duration = Duration::from_secs(60);
const PROBE_EVERY: Duration = Duration::from_secs(20);
const PROBES: u32 = 3;

/// Connections in the clear, until `stop`.
pub(super) fn plaintext(
    listener: TcpListener,
    stop: CancellationToken,
) -> ReceiverStream<io::Result<TcpStream>> {
    let (ready, connections) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        while let Some((tcp, _)) = accept(&listener, &stop).await {
            if ready.send(Ok(tcp)).await.is_err() {
                return;
            }
        }
    });
    ReceiverStream::new(connections)
}

/// Connections over TLS, until `stop`. Each handshake runs on its own, so that a slow or silent caller holds nobody up.
pub(super) fn tls(
    listener: TcpListener,
    certificates: Arc<Certificates>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> ReceiverStream<io::Result<TlsStream<TcpStream>>> {
    let (ready, connections) = mpsc::channel(QUEUE);
    let room = Arc::new(Semaphore::new(HANDSHAKES));
    tokio::spawn(async move {
        while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
            let Some((tcp, peer)) = accept(&listener, &stop).await else {
                return;
            };
            let (certificates, metrics, ready) =
                (Arc::clone(&certificates), Arc::clone(&metrics), ready.clone());
            tokio::spawn(async move {
                let shaken = async {
                    TlsAcceptor::from(certificates.current().await.server)
                        .accept(tcp)
                        .await
                };
                let reason = match timeout(HANDSHAKE, shaken).await {
                    Ok(Ok(stream)) => return drop(ready.send(Ok(stream)).await),
                    // Somebody who only looks whether the port is open.
                    Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        return debug!(%peer, "a caller left before the TLS handshake");
                    }
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => format!("it took longer than {HANDSHAKE:?}"),
                };
                drop(permit);
                metrics.handshake_failed();
                warn!(%peer, reason, "a TLS handshake failed");
            });
        }
    });
    ReceiverStream::new(connections)
}

async fn accept(listener: &TcpListener, stop: &CancellationToken) -> Option<(TcpStream, SocketAddr)> {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return None,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, peer)) => {
                // A system without one of these serves as well, only slower or with dead peers for longer.
                let _ = tcp.set_nodelay(true);
                let probes = TcpKeepalive::new()
                    .with_time(PROBE_AFTER)
                    .with_interval(PROBE_EVERY)
                    .with_retries(PROBES);
                let _ = SockRef::from(&tcp).set_tcp_keepalive(&probes);
                return Some((tcp, peer));
            }
            Err(error) => {
                warn!(%error, "no connection could be accepted");
                sleep(EXHAUSTED).await;
            }
        }
    }
}
