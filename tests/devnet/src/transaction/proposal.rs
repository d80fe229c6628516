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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        client::{Call, sign},
        config::NetworkConfig,
        identity::{Material, Msp, SigningIdentity},
        network::generate_material,
    };
    use proptest::prelude::*;
    use std::sync::LazyLock;

    struct Organisation {
        _folder: tempfile::TempDir,
        material: Material,
        msps: MspRegistry,
    }

    static ORGANISATION: LazyLock<Organisation> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        let config = NetworkConfig::with_organisations(&["Org1MSP"]);
        let material = generate_material(&config, folder.path()).unwrap();
        let authority = material
            .organisation("Org1MSP")
            .unwrap()
            .ca_certificate_pem()
            .to_owned();
        let msps = MspRegistry::new([Msp::new("Org1MSP", &authority).unwrap()], []);
        Organisation {
            _folder: folder,
            material,
            msps,
        }
    });

    fn user() -> SigningIdentity {
        ORGANISATION
            .material
            .organisation("Org1MSP")
            .unwrap()
            .user("User1")
            .unwrap()
    }

    fn proposal() -> SignedProposal {
        let call = Call::new("cc", "Put").arg("key").transient("order", "secret");
        sign(&user(), "mychannel", &call).unwrap().proposal
    }

    #[test]
    fn a_signed_proposal_is_its_creators_and_its_public_part_has_no_transient_data() {
        let unpacked = UnpackedProposal::unpack(&proposal()).unwrap();
        let creator = unpacked.validate(&ORGANISATION.msps).unwrap();
        assert_eq!(creator.msp_id, "Org1MSP");
        assert!(unpacked.has_transient);
        assert!(
            !unpacked
                .public_payload
                .windows(6)
                .any(|window| window == b"secret")
        );
    }

    #[test]
    fn transient_data_is_not_in_the_hash_that_endorsers_sign() {
        let user = user();
        let signed = sign(&user, "mychannel", &Call::new("cc", "Put"))
            .unwrap()
            .proposal;
        let mut with = Proposal::decode(signed.proposal_bytes.as_slice()).unwrap();
        let mut payload = ChaincodeProposalPayload::decode(with.payload.as_slice()).unwrap();
        payload.transient_map.insert("order".into(), b"secret".to_vec());
        with.payload = payload.encode_to_vec();
        let with = SignedProposal {
            proposal_bytes: with.encode_to_vec(),
            ..signed.clone()
        };
        let hash = |proposal| UnpackedProposal::unpack(proposal).unwrap().hash;
        assert_eq!(hash(&signed), hash(&with));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_flipped_bit_passes(at in any::<prop::sample::Index>(), bit in 0_u8..8, in_signature in any::<bool>()) {
            let mut signed = proposal();
            let bytes = if in_signature { &mut signed.signature } else { &mut signed.proposal_bytes };
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let passed = UnpackedProposal::unpack(&signed).and_then(|unpacked| unpacked.validate(&ORGANISATION.msps));
            prop_assert!(passed.is_err());
        }

        #[test]
        fn junk_never_panics(proposal_bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let signed = SignedProposal { proposal_bytes, signature: vec![1] };
            let passed = UnpackedProposal::unpack(&signed).and_then(|unpacked| unpacked.validate(&ORGANISATION.msps));
            prop_assert!(passed.is_err());
        }
    }
}
