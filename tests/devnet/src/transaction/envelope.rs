//! A transaction in a block: its form, its creator's signature and its tie to the proposal that was endorsed
//! (Fabric's `core/common/validation/msgvalidation.go`, `txvalidator/v20/plugindispatcher`).

use super::{proposal_hash, transaction_id};
use crate::{identity::MspRegistry, ledger::ReadWriteSet};
use fabric_protos::{
    common::{ChannelHeader, Envelope, Header, HeaderType, Payload, SignatureHeader},
    protos::{
        ChaincodeAction, ChaincodeActionPayload, ChaincodeEvent, ChaincodeHeaderExtension, Endorsement,
        ProposalResponsePayload, Transaction, TxValidationCode,
    },
};
use prost::Message;
use std::collections::BTreeSet;

/// What a well-formed chaincode transaction says.
pub(crate) struct EndorserTransaction {
    pub(crate) tx_id: String,
    pub(crate) channel: String,
    pub(crate) timestamp: Option<prost_types::Timestamp>,
    pub(crate) chaincode: String,
    pub(crate) set: ReadWriteSet,
    pub(crate) event: Option<ChaincodeEvent>,
    /// The bytes that every endorser signed, its identity appended.
    pub(crate) response_payload: Vec<u8>,
    pub(crate) endorsements: Vec<Endorsement>,
}

/// Why a transaction is not well-formed, and its id as far as it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InvalidTransaction {
    pub(crate) tx_id: String,
    pub(crate) code: TxValidationCode,
}

impl EndorserTransaction {
    /// Takes an envelope apart and checks everything but its endorsements and reads.
    pub(crate) fn unpack(bytes: &[u8], msps: &MspRegistry) -> Result<Self, InvalidTransaction> {
        let mut tx_id = String::new();
        unpack(bytes, msps, &mut tx_id).map_err(|code| InvalidTransaction { tx_id, code })
    }
}

fn unpack(
    bytes: &[u8],
    msps: &MspRegistry,
    tx_id: &mut String,
) -> Result<EndorserTransaction, TxValidationCode> {
    use TxValidationCode as Code;
    let envelope = Envelope::decode(bytes).map_err(|_| Code::InvalidOtherReason)?;
    let payload = Payload::decode(envelope.payload.as_slice()).map_err(|_| Code::BadPayload)?;
    let header = payload.header.ok_or(Code::BadCommonHeader)?;
    let channel_header =
        ChannelHeader::decode(header.channel_header.as_slice()).map_err(|_| Code::BadCommonHeader)?;
    let signature_header =
        SignatureHeader::decode(header.signature_header.as_slice()).map_err(|_| Code::BadCommonHeader)?;
    let kinds = [
        HeaderType::EndorserTransaction,
        HeaderType::ConfigUpdate,
        HeaderType::Config,
    ];
    let well_formed = kinds.map(i32::from).contains(&channel_header.r#type)
        && channel_header.epoch == 0
        && !signature_header.nonce.is_empty()
        && !signature_header.creator.is_empty();
    if !well_formed {
        return Err(Code::BadCommonHeader);
    }
    tx_id.clone_from(&channel_header.tx_id);
    msps.authenticate(&signature_header.creator, &envelope.payload, &envelope.signature)
        .map_err(|_| Code::BadCreatorSignature)?;
    if channel_header.r#type != i32::from(HeaderType::EndorserTransaction) {
        return Err(Code::UnsupportedTxPayload);
    }
    if channel_header.tx_id != transaction_id(&signature_header.nonce, &signature_header.creator) {
        return Err(Code::BadProposalTxid);
    }
    let action = endorsed_action(&payload.data, &header).ok_or(Code::InvalidEndorserTransaction)?;
    dispatchable(channel_header, action)
}

struct EndorsedAction {
    response_payload: Vec<u8>,
    extension: Vec<u8>,
    endorsements: Vec<Endorsement>,
}

/// The one action of a transaction, when the proposal that its endorsers answered is the one it carries.
fn endorsed_action(data: &[u8], header: &Header) -> Option<EndorsedAction> {
    let transaction = Transaction::decode(data).ok()?;
    let [action] = transaction.actions.as_slice() else {
        return None;
    };
    let signature_header = SignatureHeader::decode(action.header.as_slice()).ok()?;
    if signature_header.nonce.is_empty() || signature_header.creator.is_empty() {
        return None;
    }
    let payload = ChaincodeActionPayload::decode(action.payload.as_slice()).ok()?;
    let endorsed = payload.action?;
    let response = ProposalResponsePayload::decode(endorsed.proposal_response_payload.as_slice()).ok()?;
    let expected = proposal_hash(
        &header.channel_header,
        &action.header,
        &payload.chaincode_proposal_payload,
    );
    (response.proposal_hash == expected).then_some(EndorsedAction {
        response_payload: endorsed.proposal_response_payload,
        extension: response.extension,
        endorsements: endorsed.endorsements,
    })
}

fn dispatchable(
    channel_header: ChannelHeader,
    action: EndorsedAction,
) -> Result<EndorserTransaction, TxValidationCode> {
    use TxValidationCode as Code;
    let extension = ChaincodeHeaderExtension::decode(channel_header.extension.as_slice())
        .map_err(|_| Code::BadHeaderExtension)?;
    let chaincode_action =
        ChaincodeAction::decode(action.extension.as_slice()).map_err(|_| Code::BadResponsePayload)?;
    let set = ReadWriteSet::decode(&chaincode_action.results).map_err(|_| Code::BadRwset)?;
    let invoked = extension.chaincode_id.ok_or(Code::InvalidOtherReason)?.name;
    let answered = chaincode_action.chaincode_id.ok_or(Code::InvalidOtherReason)?;
    if invoked.is_empty() || invoked != answered.name || answered.version.is_empty() {
        return Err(Code::InvalidChaincode);
    }
    let event = match chaincode_action.events.as_slice() {
        [] => None,
        bytes => Some(ChaincodeEvent::decode(bytes).map_err(|_| Code::InvalidOtherReason)?),
    };
    if event.as_ref().is_some_and(|event| event.chaincode_id != invoked) {
        return Err(Code::InvalidOtherReason);
    }
    let mut seen = BTreeSet::new();
    if !set
        .namespaces
        .iter()
        .all(|writes| seen.insert(writes.namespace.as_str()))
    {
        return Err(Code::IllegalWriteset);
    }
    Ok(EndorserTransaction {
        tx_id: channel_header.tx_id,
        channel: channel_header.channel_id,
        timestamp: channel_header.timestamp,
        chaincode: invoked,
        set,
        event,
        response_payload: action.response_payload,
        endorsements: action.endorsements,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(envelope: &Envelope) -> TxValidationCode {
        let invalid = EndorserTransaction::unpack(&envelope.encode_to_vec(), &MspRegistry::default());
        invalid
            .err()
            .map_or(TxValidationCode::Valid, |invalid| invalid.code)
    }

    fn envelope(channel_header: &ChannelHeader, signature_header: &SignatureHeader) -> Envelope {
        let header = Header {
            channel_header: channel_header.encode_to_vec(),
            signature_header: signature_header.encode_to_vec(),
        };
        let payload = Payload {
            header: Some(header),
            data: Vec::new(),
        };
        Envelope {
            payload: payload.encode_to_vec(),
            signature: vec![1],
        }
    }

    #[test]
    fn each_fault_has_its_code_in_fabrics_order() {
        let broken = Envelope {
            payload: vec![0xff],
            signature: vec![1],
        };
        assert_eq!(code(&broken), TxValidationCode::BadPayload);
        assert_eq!(code(&Envelope::default()), TxValidationCode::BadCommonHeader);
        let transaction = ChannelHeader {
            r#type: HeaderType::EndorserTransaction.into(),
            ..ChannelHeader::default()
        };
        let signed = SignatureHeader {
            creator: vec![1],
            nonce: vec![1],
        };
        for (channel_header, signature_header) in [
            (
                ChannelHeader {
                    r#type: 99,
                    ..transaction.clone()
                },
                signed.clone(),
            ),
            (
                ChannelHeader {
                    epoch: 1,
                    ..transaction.clone()
                },
                signed.clone(),
            ),
            (
                transaction.clone(),
                SignatureHeader {
                    nonce: Vec::new(),
                    ..signed.clone()
                },
            ),
            (
                transaction.clone(),
                SignatureHeader {
                    creator: Vec::new(),
                    ..signed.clone()
                },
            ),
        ] {
            assert_eq!(
                code(&envelope(&channel_header, &signature_header)),
                TxValidationCode::BadCommonHeader
            );
        }
        assert_eq!(
            code(&envelope(&transaction, &signed)),
            TxValidationCode::BadCreatorSignature
        );
    }

    proptest! {
        #[test]
        fn junk_is_invalid_and_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(EndorserTransaction::unpack(&bytes, &MspRegistry::default()).is_err());
        }
    }
}
