//! What was recorded: messages between a real peer and the Go chaincode, and what the peer endorsed.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::{ChaincodeMessage, QueryResponse, QueryStateClose};
use prost::Message;
use serde::{Deserialize, Serialize};

/// Why a vector cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VectorError {
    /// A field is no Base64.
    #[error("{field}: {source}")]
    Base64 {
        /// The field.
        field: &'static str,
        /// The decoder's reason.
        source: base64::DecodeError,
    },
    /// A field is not the message that it should be.
    #[error("{field}: {source}")]
    Message {
        /// The field.
        field: &'static str,
        /// The decoder's reason.
        source: prost::DecodeError,
    },
}

/// A recording against one version of Fabric.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    /// Fabric's version, as `peer version` says it.
    pub fabric: String,
    /// Which Go shim.
    pub go_shim: String,
    /// The chaincode's id in REGISTER.
    pub chaincode_id: String,
    /// Payload of the peer's READY, in Base64.
    pub ready: String,
    /// The script's calls, in its order.
    pub calls: Vec<RecordedCall>,
}

/// A recorded call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedCall {
    /// The script's name for it.
    pub name: String,
    /// Status of the peer's answer.
    pub status: i32,
    /// Its message, the transaction's id replaced by `TX`.
    pub message: String,
    /// In which block it was committed, if it was.
    pub block: Option<u64>,
    /// `ProposalResponse.payload`, in Base64: read-write set, response and event, as the peer simulated them with either chaincode.
    pub endorsed: String,
    /// All messages of the transaction.
    pub frames: Vec<Frame>,
}

/// Who sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The peer.
    Peer,
    /// The chaincode.
    Chaincode,
}

/// A message of the chaincode's stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frame {
    /// Who sent it.
    pub from: Side,
    /// Its type, for people.
    pub r#type: String,
    /// The encoded `protos.ChaincodeMessage`, in Base64.
    pub message: String,
}

impl Frame {
    /// A message as it is recorded.
    pub fn new(from: Side, message: &ChaincodeMessage) -> Self {
        Self {
            from,
            r#type: message.r#type().as_str_name().to_owned(),
            message: STANDARD.encode(message.encode_to_vec()),
        }
    }

    /// The message.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&self) -> Result<ChaincodeMessage, VectorError> {
        let field = "frames.message";
        let bytes = STANDARD
            .decode(&self.message)
            .map_err(|source| VectorError::Base64 { field, source })?;
        ChaincodeMessage::decode(bytes.as_slice()).map_err(|source| VectorError::Message { field, source })
    }
}

/// The messages of a transaction without those that change nothing at the peer, which our shim leaves out: closing a query that the peer has
/// closed by itself at its end, with the answer to it.
///
/// # Errors
/// If a message cannot be read.
pub fn essential(frames: &[Frame]) -> Result<Vec<(Side, ChaincodeMessage)>, VectorError> {
    let messages = frames
        .iter()
        .map(|frame| Ok((frame.from, frame.read()?)))
        .collect::<Result<Vec<_>, VectorError>>()?;
    let mut open = BTreeSet::new();
    let mut kept = Vec::new();
    let mut skip_answer = false;
    for (from, message) in messages {
        if from == Side::Peer && std::mem::take(&mut skip_answer) {
            continue;
        }
        let needless = match (from, message.r#type()) {
            (Side::Peer, Type::Response) => {
                if let Some(page) = page(kept.last(), &message) {
                    if page.has_more {
                        open.insert(page.id);
                    } else {
                        open.remove(&page.id);
                    }
                }
                false
            }
            (Side::Chaincode, Type::QueryStateClose) => QueryStateClose::decode(message.payload.as_slice())
                .is_ok_and(|close| !open.contains(&close.id)),
            _ => false,
        };
        if needless {
            skip_answer = true;
        } else {
            kept.push((from, message));
        }
    }
    Ok(kept)
}

/// What the peer answered to a query.
fn page(request: Option<&(Side, ChaincodeMessage)>, answer: &ChaincodeMessage) -> Option<QueryResponse> {
    let (_, request) = request?;
    match request.r#type() {
        Type::GetStateByRange | Type::GetQueryResult | Type::GetHistoryForKey | Type::QueryStateNext => {
            QueryResponse::decode(answer.payload.as_slice()).ok()
        }
        _ => None,
    }
}
