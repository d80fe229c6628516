//! Answering another sidecar's stream.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fabric_protos::ipo::sidecar::v1 as wire;
use fabric_protos::ipo::sidecar::v1::exchange_server::Exchange;
use fabric_protos::ipo::sidecar::v1::frame::Body;
use futures_util::Stream;
use order_commitments::{PROTOCOL_VERSION, SessionId};
use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tracing::debug;

use super::link::{self, Inbound, Link, QUEUE};
use crate::sessions::{Handle, Sessions};
use crate::tls::Credentials;
use crate::tls_files::FollowedCredentials;

/// How long a caller may take to say who it is.
const GREETING: Duration = Duration::from_secs(10);

/// Somebody who came to a session.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// A participant that dials this one. It waits for this one's greeting.
    Visitor(Box<Visitor>),
    /// A participant that this one dials has said that it is there.
    Knock,
}

/// A participant that dialled this one.
#[derive(Debug)]
pub(crate) struct Visitor {
    /// Its place among the participants.
    pub(crate) party: usize,
    /// Its greeting.
    pub(crate) hello: wire::Hello,
    /// Its stream.
    pub(crate) link: Link,
}

/// The service between sidecars.
#[derive(Debug)]
pub(crate) struct ExchangeService {
    own: String,
    credentials: Arc<FollowedCredentials>,
    sessions: Arc<Sessions>,
}

impl ExchangeService {
    pub(crate) fn new(own: String, credentials: Arc<FollowedCredentials>, sessions: Arc<Sessions>) -> Self {
        Self {
            own,
            credentials,
            sessions,
        }
    }

    /// The place of a caller who has the certificate that the ledger names. Anybody else is told what a caller is told about
    /// a session that was not joined: what was joined here is for its participants alone.
    fn recognise(
        &self,
        credentials: &Credentials,
        handle: &Handle,
        from: &str,
        certificates: &[CertificateDer<'_>],
    ) -> Result<usize, Status> {
        let session = handle.session();
        let refuse = |reason: String| {
            debug!(session = %session.id(), reason, "a caller is refused");
            self.not_joined()
        };
        let found = session
            .party(from)
            .and_then(|party| session.participants().get(party).map(|it| (party, it)));
        let (party, participant) = found.ok_or_else(|| refuse("it names no participant".to_owned()))?;
        credentials
            .check_client(participant, certificates)
            .map_err(|error| refuse(error.to_string()))?;
        Ok(party)
    }

    fn not_joined(&self) -> Status {
        Status::not_found(format!(
            "{} has not joined the session with this caller and this certificate",
            self.own
        ))
    }
}

type FrameStream = Pin<Box<dyn Stream<Item = Result<wire::Frame, Status>> + Send>>;

#[tonic::async_trait]
impl Exchange for ExchangeService {
    type ConnectStream = FrameStream;

    async fn connect(
        &self,
        request: Request<Streaming<wire::Frame>>,
    ) -> Result<Response<FrameStream>, Status> {
        let certificates = request.peer_certs().unwrap_or_default();
        let mut inbound = request.into_inner();
        let hello = match timeout(GREETING, link::receive(&mut inbound)).await {
            Ok(Ok(Body::Hello(hello))) => hello,
            Ok(Ok(Body::Ready(_) | Body::Chunk(_))) => {
                return Err(Status::invalid_argument("the first frame is not a hello"));
            }
            Ok(Err(reason)) => return Err(Status::invalid_argument(reason)),
            Err(_) => return Err(Status::deadline_exceeded("no hello came")),
        };
        if hello.protocol_version != u32::from(PROTOCOL_VERSION) {
            let found = hello.protocol_version;
            return Err(Status::failed_precondition(format!(
                "protocol_version is {found}, allowed is {PROTOCOL_VERSION}"
            )));
        }
        let id: [u8; 32] = hello.session_id.as_slice().try_into().map_err(|_| {
            Status::invalid_argument(format!(
                "session_id is {} bytes long, allowed are 32",
                hello.session_id.len()
            ))
        })?;
        let joined = self.sessions.get(SessionId(id));
        let other = || {
            self.sessions
                .of_listing(&hello.channel, &hello.chaincode, &hello.listing)
        };
        let Some(handle) = joined.or_else(other) else {
            return Err(self.not_joined());
        };
        let credentials = self.credentials.current().await;
        let party = self.recognise(&credentials, &handle, &hello.from, &certificates)?;
        let found = handle.session().id();
        if found.0 != id {
            return Err(Status::failed_precondition(format!(
                "{} joined the listing as another session: {found}",
                self.own
            )));
        }
        if hello.to != self.own || party == handle.party() {
            return Err(Status::invalid_argument(format!(
                "this is the sidecar of {}",
                self.own
            )));
        }
        if handle.has_ended() {
            return Err(Status::unavailable(format!(
                "{} takes part in no further attempt of the session",
                self.own
            )));
        }
        if handle.is_idle() && hello.has_outcome {
            return Err(Status::unavailable(format!("{} has the outcome, too", self.own)));
        }
        let (outbound, queued) = mpsc::channel(QUEUE);
        let arrival = if party < handle.party() {
            Arrival::Visitor(Box::new(Visitor {
                party,
                hello,
                link: Link {
                    outbound,
                    inbound: Inbound::new(inbound),
                    traffic: Arc::default(),
                },
            }))
        } else {
            Arrival::Knock
        };
        if !handle.announce(arrival) {
            return Err(Status::unavailable(format!("{} is busy", self.own)));
        }
        Ok(Response::new(Box::pin(ReceiverStream::new(queued).map(Ok))))
    }
}
