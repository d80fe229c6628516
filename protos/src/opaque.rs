//! `Debug` for messages whose content must not reach a log.

use std::fmt::{Debug, Formatter, Result};

use crate::ipo::sidecar::v1 as sidecar;
use crate::{common, gateway, kvrwset, protos, queryresult, rwset};

macro_rules! opaque {
    ($($message:path => $name:literal $(, $shown:ident)*;)*) => {
        $(impl Debug for $message {
            fn fmt(&self, f: &mut Formatter<'_>) -> Result {
                f.debug_struct($name)$(.field(stringify!($shown), &self.$shown))*.finish_non_exhaustive()
            }
        })*
    };
}

opaque! {
    protos::ChaincodeInput => "ChaincodeInput", is_init;
    protos::ChaincodeProposalPayload => "ChaincodeProposalPayload";
    protos::Proposal => "Proposal";
    protos::SignedProposal => "SignedProposal";
    protos::PutState => "PutState", key, collection;
    protos::WriteRecord => "WriteRecord", key, collection;
    protos::GetStateMultipleResult => "GetStateMultipleResult";
    protos::GetQueryResult => "GetQueryResult", collection;
    protos::QueryResultBytes => "QueryResultBytes";
    protos::Response => "Response", status;
    kvrwset::KvWrite => "KvWrite", key, is_delete;
    queryresult::Kv => "Kv", namespace, key;
    queryresult::KeyModification => "KeyModification", tx_id, is_delete;
    rwset::CollectionPvtReadWriteSet => "CollectionPvtReadWriteSet", collection_name;
    gateway::SubmitRequest => "SubmitRequest", transaction_id, channel_id;
    common::Payload => "Payload";
    sidecar::Opening => "Opening", order_id;
    sidecar::Step => "Step";
    sidecar::Chunk => "Chunk", more;
}

impl Debug for protos::ChaincodeMessage {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("ChaincodeMessage")
            .field("type", &self.r#type())
            .field("channel_id", &self.channel_id)
            .field("txid", &self.txid)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::protos::{ChaincodeMessage, ChaincodeProposalPayload, chaincode_message::Type};

    #[test]
    fn debug_shows_no_transient_data_and_no_payload() {
        let payload = ChaincodeProposalPayload {
            input: b"secret".to_vec(),
            transient_map: [("order".to_owned(), b"secret".to_vec())].into(),
        };
        assert_eq!(format!("{payload:?}"), "ChaincodeProposalPayload { .. }");

        let message = ChaincodeMessage {
            r#type: Type::PutState.into(),
            payload: b"secret".to_vec(),
            txid: "t".to_owned(),
            channel_id: "c".to_owned(),
            ..ChaincodeMessage::default()
        };
        let expected = r#"ChaincodeMessage { type: PutState, channel_id: "c", txid: "t", .. }"#;
        assert_eq!(format!("{message:?}"), expected);
    }
}
