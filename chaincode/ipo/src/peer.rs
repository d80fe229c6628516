//! The [`Ledger`] of a real peer, through the chaincode shim.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use chaincode_shim::{ChaincodeStub, Error, KeyEndorsementPolicy, Kv, TransactionContext};
use fabric_protos::common::{ChannelHeader, Header};
use fabric_protos::protos::{ChaincodeHeaderExtension, Proposal};
use prost::Message;
use zeroize::Zeroizing;

use crate::error::ContractError;
use crate::identifier::{ListingId, MspId};
use crate::keys::{Key, Prefix, PrivateKey};
use crate::ledger::{Change, Entry, Ledger, Page, Transaction};
use crate::moment::Moment;
use crate::role::{self, Caller};

/// The peer behind a stub.
pub struct Peer<'a>(&'a ChaincodeStub);

impl<'a> Peer<'a> {
    /// The peer of this transaction.
    #[must_use]
    pub fn new(stub: &'a ChaincodeStub) -> Self {
        Self(stub)
    }

    /// The transaction: who calls, when, with what. Every function begins with it, so that none is without the check of the caller's role.
    ///
    /// # Errors
    /// A call without a signed proposal, a caller that is not X.509 or whose certificate does not allow the function, a timestamp that is none.
    pub fn transaction(
        &self,
        context: &TransactionContext,
        clock: SystemTime,
        max_skew: Duration,
    ) -> Result<Transaction<'_, Self>, ContractError> {
        let client = context.client_identity()?;
        let msp = MspId::parse("the caller's MSP id", client.msp_id())?;
        let caller = Caller::new(msp, client.node_role(), client.attribute(role::ATTRIBUTE));
        caller.require(context.function())?;
        let timestamp = self.0.get_tx_timestamp()?;
        let moment = Moment::new(timestamp.seconds, timestamp.nanos);
        Ok(Transaction {
            ledger: self,
            id: self.0.get_tx_id().to_owned(),
            channel: self.0.get_channel_id().to_owned(),
            chaincode: chaincode_name(self.0)?,
            caller: caller.msp,
            timestamp: moment.ok_or_else(|| {
                let found = format_args!("{} s {} ns", timestamp.seconds, timestamp.nanos);
                ContractError::argument("the transaction's timestamp", found, "a time from 1970 to 9999")
            })?,
            clock: clock.into(),
            max_skew,
            transient: transient(self.0.get_transient()),
        })
    }

    fn key((kind, attributes): &(&'static str, Vec<String>)) -> Result<String, Error> {
        chaincode_shim::create_composite_key(kind, attributes)
    }
}

fn transient(fields: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Zeroizing<Vec<u8>>> {
    fields
        .iter()
        .map(|(name, value)| (name.clone(), Zeroizing::new(value.clone())))
        .collect()
}

/// The name by which the client called this chaincode. The peer tells a chaincode its package, not its name; the client
/// signed the name, and the peer has routed by it.
fn chaincode_name(stub: &ChaincodeStub) -> Result<String, ContractError> {
    let malformed = |_| Error::NoProposal {
        missing: "a chaincode header extension",
    };
    let proposal =
        Proposal::decode(stub.get_signed_proposal()?.proposal_bytes.as_slice()).map_err(malformed)?;
    let header = Header::decode(proposal.header.as_slice()).map_err(malformed)?;
    let channel = ChannelHeader::decode(header.channel_header.as_slice()).map_err(malformed)?;
    let extension = ChaincodeHeaderExtension::decode(channel.extension.as_slice()).map_err(malformed)?;
    let id = extension.chaincode_id.ok_or(Error::NoProposal {
        missing: "a chaincode id",
    })?;
    Ok(id.name)
}

fn entry(kv: Kv) -> Result<Entry, ContractError> {
    let (_, attributes) = chaincode_shim::split_composite_key(&kv.key)?;
    Ok((attributes, kv.value))
}

impl Ledger for Peer<'_> {
    async fn get(&self, key: Key<'_>) -> Result<Option<Vec<u8>>, ContractError> {
        Ok(self.0.get_state(&Self::key(&key.parts())?).await?)
    }

    async fn put(&self, key: Key<'_>, value: Vec<u8>) -> Result<(), ContractError> {
        Ok(self.0.put_state(&Self::key(&key.parts())?, value).await?)
    }

    async fn delete(&self, key: Key<'_>) -> Result<(), ContractError> {
        Ok(self.0.del_state(&Self::key(&key.parts())?).await?)
    }

    async fn require_endorsers(
        &self,
        key: Key<'_>,
        organisations: &BTreeSet<MspId>,
    ) -> Result<(), ContractError> {
        let peers = organisations
            .iter()
            .map(|msp| KeyEndorsementPolicy::peer(msp.as_str()));
        let policy = KeyEndorsementPolicy::and(peers).encode()?;
        Ok(self
            .0
            .set_state_validation_parameter(&Self::key(&key.parts())?, policy)
            .await?)
    }

    async fn range(&self, prefix: Prefix<'_>) -> Result<Vec<Entry>, ContractError> {
        let (kind, attributes) = prefix.parts();
        let found = self
            .0
            .range_all_by_partial_composite_key(kind, &attributes)?
            .collect()
            .await?;
        found.into_iter().map(entry).collect()
    }

    async fn page(&self, prefix: Prefix<'_>, size: u32, bookmark: &str) -> Result<Page, ContractError> {
        let (kind, attributes) = prefix.parts();
        // Page sizes are at most a few hundred.
        let size = i32::try_from(size).unwrap_or(i32::MAX);
        let page = self
            .0
            .get_state_by_partial_composite_key_with_pagination(kind, &attributes, size, bookmark)
            .await?;
        let entries = page.results.into_iter().map(entry).collect::<Result<_, _>>()?;
        // After the last page LevelDB says nothing and CouchDB the end of the range, whose last character no key has.
        let bookmark = if page.bookmark.ends_with(char::MAX) {
            String::new()
        } else {
            page.bookmark
        };
        Ok(Page { entries, bookmark })
    }

    async fn history(&self, key: Key<'_>) -> Result<Vec<Change>, ContractError> {
        let changes = self
            .0
            .get_history_for_key(&Self::key(&key.parts())?)
            .await?
            .collect()
            .await?;
        Ok(changes
            .into_iter()
            .map(|change| Change {
                tx_id: change.tx_id,
                timestamp: change
                    .timestamp
                    .and_then(|time| Moment::new(time.seconds, time.nanos)),
                value: (!change.is_delete).then_some(change.value),
            })
            .collect())
    }

    async fn get_private(
        &self,
        collection: &str,
        key: PrivateKey<'_>,
    ) -> Result<Option<Vec<u8>>, ContractError> {
        Ok(self
            .0
            .get_private_data(collection, &Self::key(&key.parts())?)
            .await?)
    }

    async fn get_private_hash(
        &self,
        collection: &str,
        key: PrivateKey<'_>,
    ) -> Result<Option<Vec<u8>>, ContractError> {
        Ok(self
            .0
            .get_private_data_hash(collection, &Self::key(&key.parts())?)
            .await?)
    }

    async fn put_private(
        &self,
        collection: &str,
        key: PrivateKey<'_>,
        value: &[u8],
    ) -> Result<(), ContractError> {
        Ok(self
            .0
            .put_private_data(collection, &Self::key(&key.parts())?, value.to_vec())
            .await?)
    }

    async fn purge_private(&self, collection: &str, key: PrivateKey<'_>) -> Result<(), ContractError> {
        Ok(self
            .0
            .purge_private_data(collection, &Self::key(&key.parts())?)
            .await?)
    }

    async fn private_orders(
        &self,
        collection: &str,
        listing: &ListingId,
    ) -> Result<Vec<Entry>, ContractError> {
        let attributes = [listing.as_str()];
        let found = self
            .0
            .private_range_all_by_partial_composite_key(collection, "order", &attributes)?
            .collect()
            .await?;
        found.into_iter().map(entry).collect()
    }

    async fn set_event(&self, name: &str, payload: Vec<u8>) -> Result<(), ContractError> {
        Ok(self.0.set_event(name, payload)?)
    }
}
