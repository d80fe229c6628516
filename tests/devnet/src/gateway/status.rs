//! How the Gateway reads an endorser's answer and tells the client of failures: a gRPC status with a `gateway.ErrorDetail` for each
//! endorser that failed (Fabric's `apiutils.go`).

use crate::peer::{EndorserError, Peer};
use fabric_protos::{gateway::ErrorDetail, protos::ProposalResponse};
use prost::Message;
use tonic::{Code, Status};

/// `google.rpc.Status`, which the trailer `grpc-status-details-bin` carries.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

const ERROR_DETAIL: &str = "type.googleapis.com/gateway.ErrorDetail";

/// A status with details.
pub(super) fn with_details(code: Code, message: String, details: &[ErrorDetail]) -> Status {
    let any = |detail: &ErrorDetail| prost_types::Any {
        type_url: ERROR_DETAIL.to_owned(),
        value: detail.encode_to_vec(),
    };
    let details: Vec<_> = details.iter().map(any).collect();
    if details.is_empty() {
        return Status::new(code, message);
    }
    let status = RpcStatus {
        code: code as i32,
        message: message.clone(),
        details,
    };
    Status::with_details(code, message, status.encode_to_vec().into())
}

/// The `gateway.ErrorDetail`s of a status.
pub(crate) fn details_of(status: &Status) -> Vec<ErrorDetail> {
    let decoded = RpcStatus::decode(status.details()).unwrap_or_default();
    decoded
        .details
        .iter()
        .filter(|any| any.type_url == ERROR_DETAIL)
        .filter_map(|any| ErrorDetail::decode(any.value.as_slice()).ok())
        .collect()
}

/// What an endorser said about itself.
pub(super) fn detail(peer: &Peer, message: &str) -> ErrorDetail {
    ErrorDetail {
        address: peer.address().to_owned(),
        msp_id: peer.msp_id.clone(),
        message: message.to_owned(),
    }
}

/// An endorser that did not endorse.
pub(super) struct Failure {
    pub(super) code: Code,
    pub(super) message: String,
    /// Whether another endorser may do better (a query asks it).
    pub(super) retry: bool,
}

/// Sorts an endorser's answer. `local`: it is the Gateway's own peer, whose errors arrive as they are.
pub(super) fn sort(
    answer: Result<ProposalResponse, EndorserError>,
    local: bool,
) -> Result<ProposalResponse, Failure> {
    match answer {
        Err(error) if local && error.is_clients() => Err(Failure {
            code: Code::FailedPrecondition,
            message: error.to_string(),
            retry: false,
        }),
        Err(error) => {
            let message = if local {
                error.to_string()
            } else {
                let code = if error == EndorserError::Stopped {
                    "Unavailable"
                } else {
                    "Unknown"
                };
                format!("rpc error: code = {code} desc = {error}")
            };
            Err(Failure {
                code: Code::Unavailable,
                message,
                retry: true,
            })
        }
        Ok(response) => {
            let chaincode = response.response.clone().unwrap_or_default();
            if (200..400).contains(&chaincode.status) {
                Ok(response)
            } else if response.payload.is_empty() && chaincode.status == 500 {
                Err(Failure {
                    code: Code::Aborted,
                    message: chaincode.message,
                    retry: true,
                })
            } else {
                let message = format!("chaincode response {}, {}", chaincode.status, chaincode.message);
                Err(Failure {
                    code: Code::Unknown,
                    message,
                    retry: false,
                })
            }
        }
    }
}
