//! Proposals and transactions: taking them apart, putting them together, and judging them before their reads are looked at
//! (Fabric's `core/endorser/msgvalidation.go`, `core/common/validation`, `core/committer/txvalidator`).

mod assembly;
mod endorsement;
mod envelope;
mod proposal;

pub(crate) use assembly::assemble;
pub(crate) use endorsement::{BlockPolicies, evaluate};
pub(crate) use envelope::{EndorserTransaction, InvalidTransaction};
pub(crate) use proposal::{ProposalError, UnpackedProposal};

use sha2::{Digest, Sha256};

/// A transaction's id: SHA-256 of nonce and creator, in hexadecimal.
pub(crate) fn transaction_id(nonce: &[u8], creator: &[u8]) -> String {
    hex::encode(Sha256::new().chain_update(nonce).chain_update(creator).finalize())
}

/// SHA-256 of the channel header, the signature header and the proposal's payload without transient data.
pub(crate) fn proposal_hash(channel_header: &[u8], signature_header: &[u8], payload: &[u8]) -> Vec<u8> {
    Sha256::new()
        .chain_update(channel_header)
        .chain_update(signature_header)
        .chain_update(payload)
        .finalize()
        .to_vec()
}
