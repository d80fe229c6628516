//! The stub: a transaction as the contract sees it.

mod private_data;
mod query;
mod state;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fabric_protos::common::{ChannelHeader, Header, HeaderType, SignatureHeader};
use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::{
    ChaincodeEvent, ChaincodeId, ChaincodeInput, ChaincodeMessage, ChaincodeProposalPayload, ChaincodeSpec,
    Proposal, Response, SignedProposal,
};
use prost::Message;
use prost_types::Timestamp;
use sha2::{Digest, Sha256};

pub use self::query::{HistoryIterator, Page, RangeAll, StateIterator};
use crate::line::{Line, decode};
use crate::{Error, composite_key};

/// A transaction: its arguments, who called it, and the ledger through the peer's eyes.
///
/// The methods are those of Fabric's shims in Rust spelling. Those that ask the peer are `async`; calls of one transaction are
/// served one after another, whatever the contract does concurrently. Reads see the ledger as of the last block: a
/// transaction does not see its own writes. Clones share the transaction; once the contract function has returned, they get
/// [`Error::TransactionOver`].
///
/// `Debug` shows channel and transaction id alone.
#[derive(Clone)]
pub struct ChaincodeStub {
    inner: Arc<Inner>,
}

struct Inner {
    line: Line,
    local_mspid: Option<String>,
    args: Vec<Vec<u8>>,
    decorations: BTreeMap<String, Vec<u8>>,
    signed: Option<Signed>,
    event: Mutex<Option<ChaincodeEvent>>,
}

/// What the client signed.
struct Signed {
    proposal: SignedProposal,
    creator: Vec<u8>,
    transient: BTreeMap<String, Vec<u8>>,
    nonce: Vec<u8>,
    epoch: u64,
    timestamp: Option<Timestamp>,
}

/// What an INIT or TRANSACTION message brings.
pub(crate) struct Call {
    input: ChaincodeInput,
    signed: Option<Signed>,
}

impl Call {
    pub(crate) fn read(payload: &[u8], proposal: Option<SignedProposal>) -> Result<Self, Error> {
        Ok(Self {
            input: decode("ChaincodeInput", payload)?,
            signed: proposal.map(Signed::read).transpose()?,
        })
    }
}

impl ChaincodeStub {
    pub(crate) fn new(line: Line, local_mspid: Option<String>, call: Call) -> Self {
        let Call {
            input: ChaincodeInput {
                args, decorations, ..
            },
            signed,
        } = call;
        let event = Mutex::new(None);
        Self {
            inner: Arc::new(Inner {
                line,
                local_mspid,
                args,
                decorations,
                signed,
                event,
            }),
        }
    }

    pub(crate) fn line(&self) -> &Line {
        &self.inner.line
    }

    pub(crate) fn take_event(&self) -> Option<ChaincodeEvent> {
        self.event().take()
    }

    /// The call's arguments as they came, the function's name first.
    pub fn get_args(&self) -> &[Vec<u8>] {
        &self.inner.args
    }

    /// The call's arguments as text, the function's name first.
    ///
    /// # Errors
    /// [`Error::ArgumentNotUtf8`].
    pub fn get_string_args(&self) -> Result<Vec<&str>, Error> {
        self.inner
            .args
            .iter()
            .enumerate()
            .map(|(index, arg)| std::str::from_utf8(arg).map_err(|_| Error::ArgumentNotUtf8 { index }))
            .collect()
    }

    /// The function's name, empty if there is none, and its arguments.
    ///
    /// # Errors
    /// [`Error::ArgumentNotUtf8`].
    pub fn get_function_and_parameters(&self) -> Result<(&str, Vec<&str>), Error> {
        let mut args = self.get_string_args()?;
        if args.is_empty() {
            return Ok(("", args));
        }
        let function = args.remove(0);
        Ok((function, args))
    }

    /// All arguments in one.
    pub fn get_args_slice(&self) -> Vec<u8> {
        self.inner.args.concat()
    }

    /// The transaction's id: unique on its channel.
    pub fn get_tx_id(&self) -> &str {
        &self.inner.line.tx_id
    }

    /// The channel that the transaction is for.
    pub fn get_channel_id(&self) -> &str {
        &self.inner.line.channel_id
    }

    /// MSP id of the peer's own organisation, from `CORE_PEER_LOCALMSPID` of the chaincode server.
    ///
    /// # Errors
    /// [`Error::LocalMspIdUnset`].
    pub fn get_mspid(&self) -> Result<&str, Error> {
        self.inner.local_mspid.as_deref().ok_or(Error::LocalMspIdUnset)
    }

    /// The client's clock when it made the proposal: the same for every endorser, and whatever the client chose.
    ///
    /// # Errors
    /// [`Error::NoProposal`].
    pub fn get_tx_timestamp(&self) -> Result<Timestamp, Error> {
        self.signed("a signed proposal")?
            .timestamp
            .ok_or(Error::NoProposal {
                missing: "a timestamp",
            })
    }

    /// The caller: an encoded `msp.SerializedIdentity`. [`ClientIdentity`](crate::ClientIdentity) reads it.
    ///
    /// # Errors
    /// [`Error::NoProposal`].
    pub fn get_creator(&self) -> Result<&[u8], Error> {
        Ok(&self.signed("a signed proposal")?.creator)
    }

    /// What the client handed over for this call alone: never recorded, and seen by the endorsing peers only. Empty if nothing came.
    pub fn get_transient(&self) -> &BTreeMap<String, Vec<u8>> {
        static NOTHING: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        self.inner
            .signed
            .as_ref()
            .map_or(&NOTHING, |signed| &signed.transient)
    }

    /// SHA-256 over nonce, creator and epoch of the proposal: ties what an application signs to this transaction.
    ///
    /// # Errors
    /// [`Error::NoProposal`].
    pub fn get_binding(&self) -> Result<[u8; 32], Error> {
        let signed = self.signed("a signed proposal")?;
        let binding = Sha256::new()
            .chain_update(&signed.nonce)
            .chain_update(&signed.creator)
            .chain_update(signed.epoch.to_le_bytes());
        Ok(binding.finalize().into())
    }

    /// What the peer's decorators added to the call.
    pub fn get_decorations(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.inner.decorations
    }

    /// The proposal as the client signed it.
    ///
    /// # Errors
    /// [`Error::NoProposal`].
    pub fn get_signed_proposal(&self) -> Result<&SignedProposal, Error> {
        Ok(&self.signed("a signed proposal")?.proposal)
    }

    /// Sets the transaction's event, in place of an earlier one. Listeners get it once the transaction is committed as valid. Of
    /// several chaincodes in one transaction only the first one's event counts.
    ///
    /// # Errors
    /// [`Error::EmptyEventName`].
    pub fn set_event(&self, name: &str, payload: Vec<u8>) -> Result<(), Error> {
        if name.is_empty() {
            return Err(Error::EmptyEventName);
        }
        *self.event() = Some(ChaincodeEvent {
            event_name: name.to_owned(),
            payload,
            ..ChaincodeEvent::default()
        });
        Ok(())
    }

    /// Calls another chaincode in the same transaction. `channel` empty is this channel; on another channel the called chaincode
    /// reads only, and none of its writes count. The answer's status may be any; 400 and above is a refusal.
    ///
    /// # Errors
    /// [`Error::Peer`] if the peer could not make the call.
    pub async fn invoke_chaincode(
        &self,
        name: &str,
        args: Vec<Vec<u8>>,
        channel: &str,
    ) -> Result<Response, Error> {
        let name = if channel.is_empty() {
            name.to_owned()
        } else {
            format!("{name}/{channel}")
        };
        let spec = ChaincodeSpec {
            chaincode_id: Some(ChaincodeId {
                name,
                ..ChaincodeId::default()
            }),
            input: Some(ChaincodeInput {
                args,
                ..ChaincodeInput::default()
            }),
            ..ChaincodeSpec::default()
        };
        let reply = self
            .line()
            .call(Type::InvokeChaincode, spec.encode_to_vec())
            .await?;
        let message: ChaincodeMessage = decode("ChaincodeMessage", &reply)?;
        match message.r#type() {
            Type::Completed => decode("Response", &message.payload),
            Type::Error => Err(Error::Peer {
                request: Type::InvokeChaincode.as_str_name(),
                message: String::from_utf8_lossy(&message.payload).into_owned(),
            }),
            other => Err(Error::unexpected(Type::InvokeChaincode, other)),
        }
    }

    /// A composite key: see [`create_composite_key`](crate::create_composite_key).
    ///
    /// # Errors
    /// [`Error::CompositeKeyPart`].
    pub fn create_composite_key<S: AsRef<str>>(
        &self,
        object_type: &str,
        attributes: &[S],
    ) -> Result<String, Error> {
        composite_key::create_composite_key(object_type, attributes)
    }

    /// The parts of a composite key: see [`split_composite_key`](crate::split_composite_key).
    ///
    /// # Errors
    /// [`Error::NotCompositeKey`].
    pub fn split_composite_key(&self, key: &str) -> Result<(String, Vec<String>), Error> {
        composite_key::split_composite_key(key)
    }

    fn signed(&self, missing: &'static str) -> Result<&Signed, Error> {
        self.inner.signed.as_ref().ok_or(Error::NoProposal { missing })
    }

    fn event(&self) -> MutexGuard<'_, Option<ChaincodeEvent>> {
        // Only ever replaced whole, so that a panic elsewhere cannot leave it half-written.
        self.inner.event.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ChaincodeStub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChaincodeStub")
            .field("channel_id", &self.get_channel_id())
            .field("tx_id", &self.get_tx_id())
            .finish_non_exhaustive()
    }
}

impl Signed {
    fn read(signed: SignedProposal) -> Result<Self, Error> {
        let proposal: Proposal = decode("Proposal", &signed.proposal_bytes)?;
        if proposal.header.is_empty() {
            return Err(Error::NoProposal {
                missing: "a proposal header",
            });
        }
        let header: Header = decode("Header", &proposal.header)?;
        let channel: ChannelHeader = decode("ChannelHeader", &header.channel_header)?;
        if ![HeaderType::EndorserTransaction as i32, HeaderType::Config as i32].contains(&channel.r#type) {
            return Err(Error::HeaderType { got: channel.r#type });
        }
        let signature: SignatureHeader = decode("SignatureHeader", &header.signature_header)?;
        let payload: ChaincodeProposalPayload = decode("ChaincodeProposalPayload", &proposal.payload)?;
        Ok(Self {
            proposal: signed,
            creator: signature.creator,
            transient: payload.transient_map,
            nonce: signature.nonce,
            epoch: channel.epoch,
            timestamp: channel.timestamp,
        })
    }
}
