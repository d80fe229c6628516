//! The own organisation's sidecar, as the contract asks it.
//!
//! Every call has a deadline well under a second and none is repeated here: a chaincode call that waits holds up its peer's
//! commits. The sidecar answers from memory; a caller that got no answer calls again.

use std::time::Duration;

use fabric_protos::ipo::sidecar::v1::clearing_client::ClearingClient;
use fabric_protos::ipo::sidecar::v1::{
    JoinRequest, JoinResponse, OutcomeRequest, OutcomeResponse, StatusRequest, StatusResponse,
};
use thiserror::Error;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use crate::config::SidecarAddress;

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_millis(500);
/// How long handing over a book may take: it holds up to thousands of orders.
const JOIN_DEADLINE: Duration = Duration::from_millis(900);
/// The largest message: some 100,000 orders.
const MAX_MESSAGE: usize = 64 << 20;

/// Why the sidecar gave no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SidecarError {
    /// It cannot be reached, or did not answer in time.
    #[error("it does not answer at {address}: {reason}")]
    Unreachable {
        /// Where it should be.
        address: String,
        /// What happened.
        reason: String,
    },
    /// It does not take the request.
    #[error("it refuses: {reason}")]
    Refused {
        /// Its own words.
        reason: String,
    },
}

/// What the contract asks of a sidecar.
pub trait Sidecar: Sync {
    /// Hands over a frozen listing and the own orders.
    fn join(&self, request: JoinRequest) -> impl Future<Output = Result<JoinResponse, SidecarError>> + Send;
    /// Asks how far a clearing is.
    fn status(
        &self,
        request: StatusRequest,
    ) -> impl Future<Output = Result<StatusResponse, SidecarError>> + Send;
    /// Asks for the outcome.
    fn outcome(
        &self,
        request: OutcomeRequest,
    ) -> impl Future<Output = Result<OutcomeResponse, SidecarError>> + Send;
}

/// A sidecar reached over gRPC. Connects on first use and again after a failure.
#[derive(Clone, Debug)]
pub struct SidecarClient {
    address: String,
    client: ClearingClient<Channel>,
}

impl SidecarClient {
    /// A client of the sidecar at `address`.
    ///
    /// # Errors
    /// TLS material that cannot be used.
    pub fn new(address: &SidecarAddress) -> Result<Self, tonic::transport::Error> {
        let mut endpoint: Endpoint = address.endpoint()?;
        endpoint = endpoint.connect_timeout(DEADLINE).tcp_nodelay(true);
        let client = ClearingClient::new(endpoint.connect_lazy())
            .max_encoding_message_size(MAX_MESSAGE)
            .max_decoding_message_size(MAX_MESSAGE);
        Ok(Self {
            address: address.to_string(),
            client,
        })
    }

    fn error(&self, status: &tonic::Status) -> SidecarError {
        match status.code() {
            Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::PermissionDenied
            | Code::Unimplemented => SidecarError::Refused {
                reason: status.message().to_owned(),
            },
            code => self.unreachable(format!("{code:?}: {}", status.message())),
        }
    }

    fn unreachable(&self, reason: String) -> SidecarError {
        SidecarError::Unreachable {
            address: self.address.clone(),
            reason,
        }
    }

    async fn bounded<T>(
        &self,
        deadline: Duration,
        call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>> + Send,
    ) -> Result<T, SidecarError> {
        match tokio::time::timeout(deadline, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(self.error(&status)),
            Err(_) => Err(self.unreachable(format!("no answer within {} ms", deadline.as_millis()))),
        }
    }
}

impl Sidecar for SidecarClient {
    async fn join(&self, request: JoinRequest) -> Result<JoinResponse, SidecarError> {
        let mut client = self.client.clone();
        self.bounded(JOIN_DEADLINE, client.join(request)).await
    }

    async fn status(&self, request: StatusRequest) -> Result<StatusResponse, SidecarError> {
        let mut client = self.client.clone();
        self.bounded(DEADLINE, client.status(request)).await
    }

    async fn outcome(&self, request: OutcomeRequest) -> Result<OutcomeResponse, SidecarError> {
        let mut client = self.client.clone();
        self.bounded(DEADLINE, client.outcome(request)).await
    }
}
