//! A sidecar that answers what it was told, over gRPC as a real one.

use std::sync::{Arc, Mutex, PoisonError};

use fabric_protos::ipo::sidecar::v1::clearing_server::{Clearing, ClearingServer};
use fabric_protos::ipo::sidecar::v1::outcome_response::Answer;
use fabric_protos::ipo::sidecar::v1::{
    JoinRequest, JoinResponse, Outcome, OutcomeRequest, OutcomeResponse, State, StatusRequest, StatusResponse,
};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

#[derive(Default)]
struct Told {
    joined: Option<JoinRequest>,
    outcome: Option<Outcome>,
    silent: bool,
}

/// A running sidecar; it ends with the value.
pub(crate) struct Sidecar {
    told: Arc<Mutex<Told>>,
    pub(crate) address: String,
    server: JoinHandle<()>,
}

struct Service(Arc<Mutex<Told>>);

impl Sidecar {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let told = Arc::<Mutex<Told>>::default();
        let service = ClearingServer::new(Service(Arc::clone(&told)));
        let server = tokio::spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            Server::builder()
                .add_service(service)
                .serve_with_incoming(incoming)
                .await
                .unwrap();
        });
        Self {
            told,
            address,
            server,
        }
    }

    /// What was handed over last.
    pub(crate) fn joined(&self) -> Option<JoinRequest> {
        self.lock().joined.clone()
    }

    /// From here on there is this outcome.
    pub(crate) fn finish(&self, outcome: Outcome) {
        self.lock().outcome = Some(outcome);
    }

    /// From here on it accepts calls and answers none.
    pub(crate) fn fall_silent(&self) {
        self.lock().silent = true;
    }

    pub(crate) fn speak(&self) {
        self.lock().silent = false;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Service {
    async fn answer<T>(&self, make: impl FnOnce(&mut Told) -> T) -> Result<Response<T>, Status> {
        let answer = {
            let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if told.silent { None } else { Some(make(&mut told)) }
        };
        match answer {
            Some(answer) => Ok(Response::new(answer)),
            None => std::future::pending().await,
        }
    }
}

fn status(told: &Told) -> StatusResponse {
    let state = match (&told.joined, &told.outcome) {
        (_, Some(_)) => State::Done,
        (Some(_), None) => State::Running,
        (None, None) => State::NotJoined,
    };
    StatusResponse {
        state: state.into(),
        ..StatusResponse::default()
    }
}

#[tonic::async_trait]
impl Clearing for Service {
    async fn join(&self, request: Request<Streaming<JoinRequest>>) -> Result<Response<JoinResponse>, Status> {
        let mut parts = request.into_inner();
        let mut joined = parts.message().await?.unwrap_or_default();
        while let Some(part) = parts.message().await? {
            joined.openings.extend(part.openings);
        }
        self.answer(|told| {
            told.joined = Some(joined);
            JoinResponse {
                status: Some(status(told)),
            }
        })
        .await
    }

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        self.answer(|told| status(told)).await
    }

    async fn outcome(&self, _: Request<OutcomeRequest>) -> Result<Response<OutcomeResponse>, Status> {
        self.answer(|told| {
            let outcome = told.outcome.clone().map(Answer::Outcome);
            OutcomeResponse {
                answer: Some(outcome.unwrap_or_else(|| Answer::Pending(status(told)))),
            }
        })
        .await
    }
}
