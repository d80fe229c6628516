//! What can go wrong for a client.

use crate::{causes::with_causes, gateway::details_of};
use fabric_protos::protos::TxValidationCode;
use std::{error::Error, fmt::Write as _};
use tonic::{Code, Status};

/// What an endorser said about its failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndorserDetail {
    /// Which peer.
    pub address: String,
    /// Of which organisation.
    pub msp_id: String,
    /// What it said.
    pub message: String,
}

/// Why a client's request failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The Gateway was not reached.
    #[error("gateway {address}: {source}")]
    Connect {
        /// Where.
        address: String,
        /// Why.
        source: tonic::transport::Error,
    },
    /// The Gateway answered with an error.
    #[error("{step} of transaction {tx_id}: {code:?}: {message}{}", show(.details))]
    Rpc {
        /// What was asked: evaluate, endorse, submit, commit status, chaincode events.
        step: &'static str,
        /// Which transaction; empty when none is meant.
        tx_id: String,
        /// The gRPC code.
        code: Code,
        /// The message.
        message: String,
        /// What each endorser that failed said.
        details: Vec<EndorserDetail>,
    },
    /// The transaction was committed as invalid.
    #[error("transaction {tx_id} is invalid: {} ({})", .code.as_str_name(), *.code as i32)]
    NotValid {
        /// Which.
        tx_id: String,
        /// Why.
        code: TxValidationCode,
        /// In which block.
        block: u64,
    },
    /// The connected peer, asked past the Gateway, did not endorse.
    #[error("endorsement failure of transaction {tx_id}: status {status}, {message}")]
    NotEndorsed {
        /// Which transaction.
        tx_id: String,
        /// Of the response: 500 where the peer itself failed, else the chaincode's.
        status: i32,
        /// Of the response.
        message: String,
    },
    /// The Gateway's answer cannot be read.
    #[error("the gateway's {what} is malformed")]
    Malformed {
        /// Which part.
        what: &'static str,
        /// Why.
        source: Option<prost::DecodeError>,
    },
    /// The system gives no random numbers for a nonce.
    #[error("no random numbers for a nonce")]
    NoRandomness,
}

fn show(details: &[EndorserDetail]) -> String {
    details.iter().fold(String::new(), |mut text, detail| {
        let EndorserDetail {
            address,
            msp_id,
            message,
        } = detail;
        // Writing to a String does not fail.
        let _ = write!(text, "; {msp_id} at {address}: {message}");
        text
    })
}

/// What happened to the connection, where the status was made on this side since no answer came.
fn broken_connection(status: &Status) -> Option<&(dyn Error + 'static)> {
    let error = status.source()?;
    error.is::<tonic::transport::Error>().then_some(error)
}

impl ClientError {
    pub(super) fn rpc(step: &'static str, tx_id: &str, status: &Status) -> Self {
        let details = details_of(status)
            .into_iter()
            .map(|detail| EndorserDetail {
                address: detail.address,
                msp_id: detail.msp_id,
                message: detail.message,
            })
            .collect();
        let (code, message) = match broken_connection(status) {
            // Official clients tell of a connection that broke by this code; tonic calls it unknown.
            Some(error) => (Code::Unavailable, with_causes(error)),
            None => (status.code(), status.message().to_owned()),
        };
        Self::Rpc {
            step,
            tx_id: tx_id.to_owned(),
            code,
            message,
            details,
        }
    }

    /// The validation code of a transaction that was committed as invalid.
    pub fn validation_code(&self) -> Option<TxValidationCode> {
        match self {
            Self::NotValid { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// The gRPC code of an answer.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Rpc { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// What the endorsers that failed said.
    pub fn details(&self) -> &[EndorserDetail] {
        match self {
            Self::Rpc { details, .. } => details,
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fabric_protos::gateway::{EvaluateRequest, gateway_client::GatewayClient};
    use tokio::{io::AsyncReadExt, net::TcpListener};
    use tonic::transport::Endpoint;

    #[tokio::test]
    async fn a_connection_that_breaks_under_a_call_is_unavailable() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // A peer that is killed when the client has begun to speak.
        let killed = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_u8().await.unwrap();
        });
        let channel = Endpoint::from_shared(format!("http://{address}"))
            .unwrap()
            .connect_lazy();
        let answer = GatewayClient::new(channel)
            .evaluate(EvaluateRequest::default())
            .await;
        killed.await.unwrap();

        let status = answer.unwrap_err();
        let error = ClientError::rpc("evaluate", "tx1", &status);

        assert_eq!(error.code(), Some(Code::Unavailable), "{status:?}");
        assert!(
            error
                .to_string()
                .starts_with("evaluate of transaction tx1: Unavailable: transport error: "),
            "{error}"
        );
    }

    #[test]
    fn what_the_gateway_answered_stays_as_it_was() {
        let error = ClientError::rpc("endorse", "tx1", &Status::unknown("chaincode response 400, no"));
        assert_eq!(
            error.to_string(),
            "endorse of transaction tx1: Unknown: chaincode response 400, no"
        );
    }
}
