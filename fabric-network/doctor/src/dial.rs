//! Reaching a service over TLS, and what may be wrong on the way, told apart as far as the wire allows.

use std::error::Error as _;
use std::io::{self, Cursor};
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, Error, InvalidMessage};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use crate::PATIENCE;

/// Why a service cannot be reached as the peer would reach it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The address is not host:port, or the host has no such form.
    #[error("'{0}' is not HOST:PORT")]
    Address(String),
    /// The host's name has no address.
    #[error("the host name cannot be resolved: {0}")]
    Unresolved(String),
    /// Nobody listens.
    #[error("nothing listens there: is the service started, and with this address?")]
    Refused,
    /// No answer at all.
    #[error("no answer within {} s: a firewall, a wrong host, or a process that hangs", PATIENCE.as_secs())]
    Silent,
    /// The answer is not TLS.
    #[error("it does not speak TLS: another service, or TLS is switched off there")]
    PlainText,
    /// Its certificate comes from elsewhere.
    #[error(
        "its certificate is not signed by the authority that it should be: it uses other files than those deployed"
    )]
    ForeignIssuer,
    /// Its certificate is for other hosts.
    #[error("its certificate does not name the host '{0}': issue one for the address that the peers dial")]
    OtherHost(String),
    /// Its certificate has ended, or this machine's clock is ahead.
    #[error("its certificate has expired, or this clock is wrong")]
    Expired,
    /// Its certificate is not valid yet, or this machine's clock is behind.
    #[error("its certificate is not valid yet: the clocks here and where it was made differ")]
    NotYetValid,
    /// It does not accept the client's certificate.
    #[error(
        "it refuses the client's certificate ({0}): it trusts another authority than the one that signed it"
    )]
    ClientRefused(String),
    /// It ended the connection when TLS stood.
    #[error("it hangs up after the TLS handshake: {0}")]
    HungUp(String),
    /// Something else.
    #[error("TLS: {0}")]
    Other(String),
}

/// A TCP connection.
pub(crate) async fn tcp(address: &str) -> Result<TcpStream, DialError> {
    if host(address).is_none() {
        return Err(DialError::Address(address.to_owned()));
    }
    match timeout(PATIENCE, TcpStream::connect(address)).await {
        Err(_) => Err(DialError::Silent),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Err(DialError::Refused),
        Ok(Err(error)) if error.raw_os_error().is_none() => Err(DialError::Unresolved(error.to_string())),
        Ok(Err(error)) => Err(DialError::Other(error.to_string())),
        Ok(Ok(stream)) => Ok(stream),
    }
}

/// A TLS connection to a server of HTTP/2 that takes this client's certificate. With TLS 1.3 its refusal comes after the handshake, in the
/// place of the first byte that such a server says of its own accord: waiting for that tells the two apart, and whoever speaks
/// first would lose the refusal's reason.
pub(crate) async fn tls(
    address: &str,
    config: Arc<ClientConfig>,
) -> Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static, DialError> {
    let mut stream = handshake(address, config).await?;
    let first = match timeout(PATIENCE, stream.read_u8()).await {
        Err(_) => return Err(DialError::Silent),
        Ok(Err(error)) if tls_error(&error).is_some() => return Err(explain(&error, "")),
        Ok(Err(error)) => return Err(DialError::HungUp(error.to_string())),
        Ok(Ok(first)) => first,
    };
    let (reader, writer) = tokio::io::split(stream);
    Ok(tokio::io::join(Cursor::new([first]).chain(reader), writer))
}

async fn handshake(address: &str, config: Arc<ClientConfig>) -> Result<TlsStream<TcpStream>, DialError> {
    let host = host(address).ok_or_else(|| DialError::Address(address.to_owned()))?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| DialError::Address(address.to_owned()))?;
    let stream = tcp(address).await?;
    match timeout(PATIENCE, TlsConnector::from(config).connect(name, stream)).await {
        Err(_) => Err(DialError::Silent),
        Ok(Err(error)) => Err(explain(&error, host)),
        Ok(Ok(stream)) => Ok(stream),
    }
}

fn host(address: &str) -> Option<&str> {
    let (host, port) = address.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    (!host.is_empty()).then_some(host)
}

fn explain(error: &io::Error, host: &str) -> DialError {
    match tls_error(error) {
        Some(Error::InvalidCertificate(reason)) => match reason {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => DialError::ForeignIssuer,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                DialError::OtherHost(host.to_owned())
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => DialError::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                DialError::NotYetValid
            }
            other => DialError::Other(other.to_string()),
        },
        Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => DialError::PlainText,
        Some(Error::AlertReceived(alert)) => DialError::ClientRefused(format!("{alert:?}")),
        Some(other) => DialError::Other(other.to_string()),
        // A server that reads our greeting as something else hangs up on it.
        None if error.kind() == io::ErrorKind::UnexpectedEof => DialError::PlainText,
        None if error.kind() == io::ErrorKind::ConnectionReset => DialError::PlainText,
        None => DialError::Other(error.to_string()),
    }
}

fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref::<Error>()
}

/// A gRPC channel over a connection that stands already.
pub(crate) async fn channel<S>(stream: S) -> Result<Channel, tonic::transport::Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut stream = Some(TokioIo::new(stream));
    Endpoint::from_static("http://localhost")
        .connect_with_connector(service_fn(move |_| {
            let stream = stream.take();
            async move { stream.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)) }
        }))
        .await
}

/// The refusal of the client's certificate, if that is at the bottom of a failed call. HTTP/2 keeps an I/O error's text alone,
/// so the text of rustls's `AlertReceived` it has to be.
pub(crate) fn refusal(status: &tonic::Status) -> Option<DialError> {
    let mut cause = status.source();
    while let Some(error) = cause {
        if let Some(alert) = error.to_string().strip_prefix("received fatal alert: ") {
            return Some(DialError::ClientRefused(alert.to_owned()));
        }
        cause = error.source();
    }
    None
}
