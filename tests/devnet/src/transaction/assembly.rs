//! Putting a transaction together from a proposal and its endorsements.

use super::UnpackedProposal;
use fabric_protos::{
    common::{Envelope, Payload},
    protos::{ChaincodeActionPayload, ChaincodeEndorsedAction, Endorsement, Transaction, TransactionAction},
};
use prost::Message;

/// The transaction that a client is to sign; without transient data.
pub(crate) fn assemble(
    proposal: &UnpackedProposal,
    payload: Vec<u8>,
    endorsements: Vec<Endorsement>,
) -> Envelope {
    let action = ChaincodeActionPayload {
        chaincode_proposal_payload: proposal.public_payload.clone(),
        action: Some(ChaincodeEndorsedAction {
            proposal_response_payload: payload,
            endorsements,
        }),
    };
    let transaction = Transaction {
        actions: vec![TransactionAction {
            header: proposal.header.signature_header.clone(),
            payload: action.encode_to_vec(),
        }],
    };
    let payload = Payload {
        header: Some(proposal.header.clone()),
        data: transaction.encode_to_vec(),
    };
    Envelope {
        payload: payload.encode_to_vec(),
        signature: Vec::new(),
    }
}
