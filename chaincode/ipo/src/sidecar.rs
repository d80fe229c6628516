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
/// How long handing over a book may take, and how much longer for each of its orders: reading them took the call far longer.
const JOIN_DEADLINE: Duration = Duration::from_millis(900);
const JOIN_DEADLINE_AN_ORDER: Duration = Duration::from_micros(20);
/// How many openings go into one message: of at most some 300 bytes each, they stay far below what gRPC takes for a message.
const OPENINGS_A_PART: usize = 4096;

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
        Ok(Self {
            address: address.to_string(),
            client: ClearingClient::new(endpoint.connect_lazy()),
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
        let orders = u32::try_from(request.openings.len()).unwrap_or(u32::MAX);
        let deadline = JOIN_DEADLINE + JOIN_DEADLINE_AN_ORDER.saturating_mul(orders);
        let parts = tokio_stream::iter(in_parts(request));
        self.bounded(deadline, client.join(parts)).await
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

/// The messages that hand over a book: the first says everything, each further one has openings alone.
fn in_parts(mut request: JoinRequest) -> impl Iterator<Item = JoinRequest> {
    let mut openings = std::mem::take(&mut request.openings).into_iter();
    request.openings = openings.by_ref().take(OPENINGS_A_PART).collect();
    let further = std::iter::from_fn(move || {
        let openings: Vec<_> = openings.by_ref().take(OPENINGS_A_PART).collect();
        (!openings.is_empty()).then(|| JoinRequest {
            openings,
            ..JoinRequest::default()
        })
    });
    std::iter::once(request).chain(further)
}

#[cfg(test)]
mod tests {
    use fabric_protos::ipo::sidecar::v1::{Opening, Step};
    use prost::Message;

    use super::*;

    #[test]
    fn a_book_of_any_size_goes_into_messages_that_grpc_takes() {
        const MOST: usize = 4 << 20;
        let widest = Opening {
            order_id: "o".repeat(64),
            steps: vec![
                Step {
                    price: u64::MAX,
                    quantity: u64::MAX
                };
                10
            ],
            salt: vec![7; 32],
            commitment: vec![2; 33],
        };
        for orders in [0, 1, OPENINGS_A_PART, OPENINGS_A_PART + 1, 3 * OPENINGS_A_PART] {
            let whole = JoinRequest {
                msp: "BrokerAMSP".to_owned(),
                openings: vec![widest.clone(); orders],
                ..JoinRequest::default()
            };
            let parts: Vec<_> = in_parts(whole.clone()).collect();
            assert_eq!(parts.len(), orders.div_ceil(OPENINGS_A_PART).max(1));
            assert!(parts.iter().all(|part| part.encoded_len() < MOST / 2));
            // Protobuf reads messages one after the other as one.
            let bytes: Vec<u8> = parts.iter().flat_map(Message::encode_to_vec).collect();
            assert_eq!(JoinRequest::decode(&*bytes), Ok(whole));
        }
    }
}
