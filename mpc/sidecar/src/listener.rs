//! Connections that have passed the TLS handshake.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long to wait when the operating system gives no connection (too many open files).
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Handshakes that are done and not served yet.
const QUEUE: usize = 32;

/// Accepts until `stop`, each connection with what `config` then says. Each handshake runs on its own, so that a slow or silent caller holds
/// nobody up.
pub(crate) fn tls<F>(
    listener: TcpListener,
    config: impl Fn() -> F + Clone + Send + Sync + 'static,
    stop: CancellationToken,
) -> ReceiverStream<io::Result<TlsStream<TcpStream>>>
where
    F: Future<Output = io::Result<Arc<ServerConfig>>> + Send + 'static,
{
    let (accepted, stream) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        loop {
            let connection = tokio::select! {
                () = stop.cancelled() => return,
                connection = listener.accept() => connection,
            };
            let Ok((tcp, address)) = connection else {
                sleep(EXHAUSTED).await;
                continue;
            };
            let (config, accepted) = (config.clone(), accepted.clone());
            tokio::spawn(async move {
                let shaken = async {
                    tcp.set_nodelay(true)?;
                    TlsAcceptor::from(config().await?).accept(tcp).await
                };
                match timeout(HANDSHAKE, shaken).await {
                    Ok(Ok(stream)) => drop(accepted.send(Ok(stream)).await),
                    Ok(Err(error)) => debug!(%address, %error, "a TLS handshake failed"),
                    Err(_) => debug!(%address, "a TLS handshake took too long"),
                }
            });
        }
    });
    ReceiverStream::new(stream)
}
