//! A client's signed proposal (Fabric's `core/endorser/msgvalidation.go`).

use super::{proposal_hash, transaction_id};
use crate::identity::{Identity, MspRegistry};
use fabric_protos::{
    common::{ChannelHeader, Header, HeaderType, SignatureHeader},
    protos::{
        ChaincodeHeaderExtension, ChaincodeInput, ChaincodeInvocationSpec, ChaincodeProposalPayload,
        Proposal, SignedProposal,
    },
};
use prost::Message;

/// Why a proposal is refused before any chaincode sees it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ProposalError {
    #[error("error unmarshalling {what}: {source}")]
    Malformed {
        what: &'static str,
        source: prost::DecodeError,
    },
    #[error("ChaincodeHeaderExtension.ChaincodeId is nil")]
    NoChaincodeId,
    #[error("ChaincodeHeaderExtension.ChaincodeId.Name is empty")]
    NoChaincodeName,
    #[error("chaincode invocation spec did not contain chaincode spec")]
    NoSpec,
    #[error("chaincode input did not contain any input")]
    NoInput,
    #[error("error validating proposal: invalid header type {0}")]
    HeaderType(i32),
    #[error("error validating proposal: epoch is non-zero")]
    Epoch,
    #[error("error validating proposal: nonce is empty")]
    NoNonce,
    #[error("error validating proposal: creator is empty")]
    NoCreator,
    #[error("error validating proposal: incorrectly computed txid '{found}' -- expected '{expected}'")]
    TransactionId { found: String, expected: String },
    #[error("error validating proposal: empty signature bytes")]
    NoSignature,
    #[error(
        "error validating proposal: access denied: channel [{channel}] creator org unknown, creator is malformed"
    )]
    UnknownCreator { channel: String },
    #[error("error validating proposal: access denied: channel [{channel}] creator org [{msp_id}]")]
    AccessDenied { channel: String, msp_id: String },
}

/// A proposal taken apart.
pub(crate) struct UnpackedProposal {
    pub(crate) signed: SignedProposal,
    pub(crate) channel_header: ChannelHeader,
    pub(crate) creator: Vec<u8>,
    pub(crate) nonce: Vec<u8>,
    /// The whole header, as a transaction carries it on.
    pub(crate) header: Header,
    pub(crate) chaincode: String,
    pub(crate) input: ChaincodeInput,
    pub(crate) has_transient: bool,
    /// The payload without transient data, as it goes into the transaction.
    pub(crate) public_payload: Vec<u8>,
    pub(crate) hash: Vec<u8>,
}

fn decode<M: Message + Default>(what: &'static str, bytes: &[u8]) -> Result<M, ProposalError> {
    M::decode(bytes).map_err(|source| ProposalError::Malformed { what, source })
}

impl UnpackedProposal {
    pub(crate) fn unpack(signed: &SignedProposal) -> Result<Self, ProposalError> {
        let proposal: Proposal = decode("Proposal", &signed.proposal_bytes)?;
        let header: Header = decode("Header", &proposal.header)?;
        let channel_header: ChannelHeader = decode("ChannelHeader", &header.channel_header)?;
        let signature_header: SignatureHeader = decode("SignatureHeader", &header.signature_header)?;
        let extension: ChaincodeHeaderExtension =
            decode("ChaincodeHeaderExtension", &channel_header.extension)?;
        let chaincode = extension.chaincode_id.ok_or(ProposalError::NoChaincodeId)?.name;
        if chaincode.is_empty() {
            return Err(ProposalError::NoChaincodeName);
        }
        let payload: ChaincodeProposalPayload = decode("ChaincodeProposalPayload", &proposal.payload)?;
        let invocation: ChaincodeInvocationSpec = decode("ChaincodeInvocationSpec", &payload.input)?;
        let spec = invocation.chaincode_spec.ok_or(ProposalError::NoSpec)?;
        let input = spec.input.ok_or(ProposalError::NoInput)?;
        let has_transient = !payload.transient_map.is_empty();
        let public_payload = ChaincodeProposalPayload {
            transient_map: Default::default(),
            ..payload
        }
        .encode_to_vec();
        let hash = proposal_hash(&header.channel_header, &header.signature_header, &public_payload);
        Ok(Self {
            signed: signed.clone(),
            channel_header,
            creator: signature_header.creator,
            nonce: signature_header.nonce,
            header,
            chaincode,
            input,
            has_transient,
            public_payload,
            hash,
        })
    }

    pub(crate) fn tx_id(&self) -> &str {
        &self.channel_header.tx_id
    }

    /// Checks the form, and that the creator is of the channel and signed this proposal.
    pub(crate) fn validate(&self, msps: &MspRegistry) -> Result<Identity, ProposalError> {
        let kind = self.channel_header.r#type;
        if ![HeaderType::EndorserTransaction, HeaderType::Config]
            .map(i32::from)
            .contains(&kind)
        {
            return Err(ProposalError::HeaderType(kind));
        }
        if self.channel_header.epoch != 0 {
            return Err(ProposalError::Epoch);
        }
        if self.nonce.is_empty() {
            return Err(ProposalError::NoNonce);
        }
        if self.creator.is_empty() {
            return Err(ProposalError::NoCreator);
        }
        let expected = transaction_id(&self.nonce, &self.creator);
        if self.tx_id() != expected {
            return Err(ProposalError::TransactionId {
                found: self.tx_id().to_owned(),
                expected,
            });
        }
        if self.signed.signature.is_empty() {
            return Err(ProposalError::NoSignature);
        }
        let channel = || self.channel_header.channel_id.clone();
        let msp_id = fabric_protos::msp::SerializedIdentity::decode(self.creator.as_slice())
            .ok()
            .filter(|identity| msps.contains(&identity.mspid))
            .ok_or_else(|| ProposalError::UnknownCreator { channel: channel() })?
            .mspid;
        // Fabric, too, tells the caller no more than this.
        msps.authenticate(&self.creator, &self.signed.proposal_bytes, &self.signed.signature)
            .map_err(|reason| {
                tracing::warn!(%msp_id, %reason, "access denied");
                ProposalError::AccessDenied {
                    channel: channel(),
                    msp_id,
                }
            })
    }
}
