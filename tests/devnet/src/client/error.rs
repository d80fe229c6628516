//! What can go wrong for a client.

use crate::gateway::details_of;
use fabric_protos::protos::TxValidationCode;
use std::fmt::Write as _;
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
        Self::Rpc {
            step,
            tx_id: tx_id.to_owned(),
            code: status.code(),
            message: status.message().to_owned(),
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
