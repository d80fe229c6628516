//! Reaching a chaincode server as `connection.json` says. As in Fabric (`internal/pkg/comm`), a refused connection fails at
//! once; whatever else goes wrong before the server speaks (a failed handshake, a server without TLS) is tried again until
//! `dial_timeout`.

use super::stream::{Link, OUTGOING};
use crate::{causes::with_causes, config::Connection};
use fabric_protos::protos::chaincode_client::ChaincodeClient;
use std::{error::Error as _, io, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout_at},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{
    Status,
    transport::{Certificate, ClientTlsConfig, Endpoint, Identity},
};

const DEFAULT_DIAL_TIMEOUT: Duration = Duration::from_secs(3);
/// Between attempts; gRPC's own backoff starts at a second, which would only delay the answer.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// `comm.MaxRecvMsgSize`.
const MAX_MESSAGE: usize = 100 << 20;

/// Why a server was not reached.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DialError {
    #[error("chaincode address not provided")]
    NoAddress,
    #[error("chaincode tls {0} not provided")]
    MissingTls(&'static str),
    #[error("address `{address}`: expected host:port")]
    Address { address: String },
    #[error(
        "error creating grpc connection to {address}: failed to create new connection: connection error: desc = \"transport: error while dialing: dial tcp {address}: connect: connection refused\""
    )]
    Refused { address: String },
    #[error(
        "error creating grpc connection to {address}: failed to create new connection: context deadline exceeded ({last})"
    )]
    Deadline { address: String, last: String },
    #[error("error creating grpc client connection: {0}")]
    Rejected(String),
}

enum Attempt {
    /// No use in trying again.
    Final(DialError),
    Again(String),
}

/// Connects and opens the stream, which ends with `stop` at the latest.
pub(crate) async fn dial(connection: &Connection, stop: &CancellationToken) -> Result<Link, DialError> {
    let endpoint = endpoint(connection)?;
    let address = connection.address.clone();
    let deadline = Instant::now() + connection.dial_timeout.unwrap_or(DEFAULT_DIAL_TIMEOUT);
    let mut last = "no answer".to_owned();
    loop {
        match timeout_at(deadline, attempt(&endpoint, &address, stop)).await {
            Ok(Ok(link)) => return Ok(link),
            Ok(Err(Attempt::Final(error))) => return Err(error),
            Ok(Err(Attempt::Again(reason))) => last = reason,
            Err(_) => return Err(DialError::Deadline { address, last }),
        }
        sleep_until(deadline.min(Instant::now() + RETRY_INTERVAL)).await;
        if Instant::now() >= deadline {
            return Err(DialError::Deadline { address, last });
        }
    }
}

async fn attempt(endpoint: &Endpoint, address: &str, stop: &CancellationToken) -> Result<Link, Attempt> {
    let channel = endpoint.connect().await.map_err(|error| {
        if is_refused(&error) {
            Attempt::Final(DialError::Refused {
                address: address.to_owned(),
            })
        } else {
            Attempt::Again(with_causes(&error))
        }
    })?;
    let (outgoing, receiver) = mpsc::channel(OUTGOING);
    let mut client = ChaincodeClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    match client.connect(ReceiverStream::new(receiver)).await {
        Ok(response) => Ok(Link {
            outgoing,
            incoming: response.into_inner(),
            closed: stop.child_token(),
        }),
        // A status that the connection made, not the server: the handshake failed after all.
        Err(status) if status.source().is_some() => Err(Attempt::Again(with_causes(&status))),
        Err(status) => Err(Attempt::Final(DialError::Rejected(show(&status)))),
    }
}

fn show(status: &Status) -> String {
    format!(
        "rpc error: code = {:?} desc = {}",
        status.code(),
        status.message()
    )
}

fn endpoint(connection: &Connection) -> Result<Endpoint, DialError> {
    if connection.address.is_empty() {
        return Err(DialError::NoAddress);
    }
    let scheme = if connection.tls_required { "https" } else { "http" };
    let bad_address = || DialError::Address {
        address: connection.address.clone(),
    };
    let endpoint = Endpoint::from_shared(format!("{scheme}://{}", connection.address))
        .map_err(|_| bad_address())?
        .http2_keep_alive_interval(Duration::from_secs(60))
        .keep_alive_timeout(Duration::from_secs(20));
    if !connection.tls_required {
        return Ok(endpoint);
    }
    let required = |value: &str, what| {
        if value.is_empty() {
            Err(DialError::MissingTls(what))
        } else {
            Ok(value.to_owned())
        }
    };
    let root = required(&connection.root_cert, "root cert")?;
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(root));
    if connection.client_auth_required {
        let key = required(&connection.client_key, "key")?;
        let certificate = required(&connection.client_cert, "cert")?;
        tls = tls.identity(Identity::from_pem(certificate, key));
        if !connection.domain.is_empty() {
            tls = tls.domain_name(connection.domain.clone());
        }
    }
    endpoint
        .tls_config(tls)
        .map_err(|_| DialError::MissingTls("material in PEM"))
}

fn is_refused(error: &tonic::transport::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused) {
            return true;
        }
        source = error.source();
    }
    false
}
