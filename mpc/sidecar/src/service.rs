//! What the organisation's own chaincode servers ask.

use std::sync::Arc;

use fabric_protos::ipo::sidecar::v1 as wire;
use fabric_protos::ipo::sidecar::v1::clearing_server::Clearing;
use fabric_protos::ipo::sidecar::v1::outcome_response::Answer;
use order_commitments::{Session, SessionId};
use tonic::{Request, Response, Status, Streaming};
use tracing::{info, warn};
use zeroize::Zeroizing;

use crate::clearing_task::blocking;
use crate::join::{self, JoinError, Joined};
use crate::progress::Reporter;
use crate::sessions::Sessions;
use crate::store::Store;
use crate::tls::Credentials;
use crate::tls_files::FollowedCredentials;

/// The service for the chaincode. Every call is answered at once.
#[derive(Debug, Clone)]
pub(crate) struct ClearingService {
    own: String,
    credentials: Arc<FollowedCredentials>,
    sessions: Arc<Sessions>,
    store: Arc<Store>,
    max_attempts: u32,
}

impl ClearingService {
    pub(crate) fn new(
        own: String,
        credentials: Arc<FollowedCredentials>,
        sessions: Arc<Sessions>,
        store: Arc<Store>,
        max_attempts: u32,
    ) -> Self {
        Self {
            own,
            credentials,
            sessions,
            store,
            max_attempts,
        }
    }

    /// Reads the parts that follow the first one, which hold further openings: no more of them than the frozen book has, but for
    /// a part, so that what is too much can be named.
    async fn read_openings(
        &self,
        request: &mut ErasedRequest,
        session: &Session,
        parts: &mut Streaming<wire::JoinRequest>,
    ) -> Result<(), Status> {
        let all = session.participants().iter();
        let own = all.filter(|participant| participant.msp == request.0.msp);
        let expected = own.map(|own| own.book.count).sum();
        loop {
            let found = request.0.openings.len() as u64;
            let Some(part) = parts.message().await? else {
                return Ok(());
            };
            let mut part = Zeroizing::new(ErasedRequest(part));
            let openings = std::mem::take(&mut part.0.openings);
            request.0.openings.extend(openings);
            if part.0 != wire::JoinRequest::default() {
                return Err(self.refuse(&JoinError::Part));
            }
            if found > expected {
                let added = join::Added::Several;
                return Err(self.refuse(&JoinError::AddedOrder {
                    found,
                    expected,
                    added,
                }));
            }
        }
    }

    /// Checks what was handed over, keeps it, and starts its clearing.
    async fn take_up(&self, request: Zeroizing<ErasedRequest>) -> Result<wire::StatusResponse, Status> {
        let (own, credentials) = (self.own.clone(), self.credentials.current().await);
        let (request, checked) = blocking(move || {
            let checked = join::check(&request.0, &own)
                .and_then(|joined| check_roster(&joined, &credentials).map(|()| joined));
            (request, checked)
        })
        .await;
        let joined = checked.map_err(|error| self.refuse(&error))?;
        let (id, listing) = (joined.session.id(), joined.session.terms().listing.clone());
        let store = self.store.clone();
        let (joined, kept) = blocking(move || {
            let kept = store
                .join(id, joined.session.terms(), &request.0)
                .and_then(|kept| store.history(id).map(|history| (kept, history)));
            (joined, kept)
        })
        .await;
        let (kept, history) = kept.map_err(|error| Status::internal(error.to_string()))?;
        if kept != id {
            let error = JoinError::OtherSession {
                listing,
                joined: kept,
                found: id,
            };
            return Err(self.refuse(&error));
        }
        info!(session = %id, listing, "a session is joined");
        Ok(self.sessions.start(joined, history).status())
    }

    fn refuse(&self, error: &JoinError) -> Status {
        // The message may quote the organisation's own orders: it is for its chaincode, not for the log.
        warn!(malformed = error.is_malformed(), "a session was not joined");
        if error.is_malformed() {
            Status::invalid_argument(error.to_string())
        } else {
            Status::failed_precondition(error.to_string())
        }
    }

    fn not_joined(&self) -> wire::StatusResponse {
        wire::StatusResponse {
            state: wire::State::NotJoined.into(),
            max_attempts: self.max_attempts,
            ..wire::StatusResponse::default()
        }
    }

    fn reporter(&self, session_id: &[u8]) -> Result<Option<Reporter>, Status> {
        let id = session_id.try_into().map_err(|_| {
            Status::invalid_argument(format!(
                "session_id is {} bytes long, allowed are 32",
                session_id.len()
            ))
        })?;
        Ok(self.sessions.reporter(SessionId(id)))
    }
}

/// Whether this sidecar can authenticate itself to the other participants, and they to it.
pub(crate) fn check_roster(joined: &Joined, credentials: &Credentials) -> Result<(), JoinError> {
    for (party, participant) in joined.session.participants().iter().enumerate() {
        if party == joined.party {
            let own = credentials.key_hash();
            if own != &participant.key_hash && Some(own) != participant.next_key_hash.as_ref() {
                return Err(JoinError::OwnKey {
                    own_key_hash: hex::encode(own),
                });
            }
        } else if !credentials.knows(&participant.msp) {
            return Err(JoinError::NoAuthority {
                msp: participant.msp.clone(),
            });
        }
    }
    Ok(())
}

#[tonic::async_trait]
impl Clearing for ClearingService {
    async fn join(
        &self,
        request: Request<Streaming<wire::JoinRequest>>,
    ) -> Result<Response<wire::JoinResponse>, Status> {
        let mut parts = request.into_inner();
        let mut request = Zeroizing::new(ErasedRequest(parts.message().await?.unwrap_or_default()));
        let session = join::session(&request.0).map_err(|error| self.refuse(&error))?;
        let status = match self.sessions.get(session.id()) {
            // What was handed over first was checked and is kept.
            Some(handle) => handle.status(),
            // On its own: a caller that gives up waiting finds the session joined when it asks again.
            None => {
                self.read_openings(&mut request, &session, &mut parts).await?;
                let service = self.clone();
                tokio::spawn(async move { service.take_up(request).await })
                    .await
                    .map_err(|_| Status::internal("the sidecar stops"))??
            }
        };
        Ok(Response::new(wire::JoinResponse { status: Some(status) }))
    }

    async fn status(
        &self,
        request: Request<wire::StatusRequest>,
    ) -> Result<Response<wire::StatusResponse>, Status> {
        let reporter = self.reporter(&request.get_ref().session_id)?;
        Ok(Response::new(
            reporter.map_or_else(|| self.not_joined(), |reporter| reporter.status()),
        ))
    }

    async fn outcome(
        &self,
        request: Request<wire::OutcomeRequest>,
    ) -> Result<Response<wire::OutcomeResponse>, Status> {
        let answer = match self.reporter(&request.get_ref().session_id)? {
            None => Answer::Pending(self.not_joined()),
            Some(reporter) => match reporter.outcome() {
                Some(outcome) => Answer::Outcome(outcome),
                None => Answer::Pending(reporter.status()),
            },
        };
        Ok(Response::new(wire::OutcomeResponse { answer: Some(answer) }))
    }
}

/// A request whose openings are erased when it is dropped.
struct ErasedRequest(wire::JoinRequest);

impl zeroize::Zeroize for ErasedRequest {
    fn zeroize(&mut self) {
        self.0.openings.iter_mut().for_each(join::erase);
    }
}
