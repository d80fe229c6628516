//! What a transaction sees of its peer: the state, its own organisation's collection, and who calls when.
//!
//! The transactions are written against the trait [`Ledger`], so that the rules run in a test over a map as they run on a
//! peer. As on a peer, a transaction does not see its own writes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::error::ContractError;
use crate::identifier::MspId;
use crate::keys::{Key, Prefix, PrivateKey, own_collection};
use crate::moment::{self, Moment};
use crate::record;

/// A composite key's attributes, and the value behind it.
pub type Entry = (Vec<String>, Vec<u8>);

/// One page of a query and the bookmark of the next; no bookmark after the last.
#[derive(Debug, Default)]
pub struct Page {
    /// The entries in key order.
    pub entries: Vec<Entry>,
    /// Where the next page begins; empty at the end.
    pub bookmark: String,
}

/// One former value of a key.
#[derive(Debug)]
pub struct Change {
    /// The transaction that wrote it.
    pub tx_id: String,
    /// That transaction's timestamp.
    pub timestamp: Option<Moment>,
    /// The value; none if the key was deleted.
    pub value: Option<Vec<u8>>,
}

/// One former value of a record.
#[derive(Debug)]
pub struct Former<T> {
    /// The transaction that wrote it.
    pub tx_id: String,
    /// The timestamp that its client chose.
    pub timestamp: Option<Moment>,
    /// The record; none if it was removed.
    pub record: Option<T>,
}

type Answer<T> = Result<T, ContractError>;

/// The peer's side of one transaction. Reads see the state before the transaction.
pub trait Ledger: Sync {
    /// The value behind a key.
    fn get(&self, key: Key<'_>) -> impl Future<Output = Answer<Option<Vec<u8>>>> + Send;
    /// Sets the value behind a key.
    fn put(&self, key: Key<'_>, value: Vec<u8>) -> impl Future<Output = Answer<()>> + Send;
    /// Removes a key.
    fn delete(&self, key: Key<'_>) -> impl Future<Output = Answer<()>> + Send;
    /// Requires a peer of each of these organisations to endorse every change of a key, from the next one on.
    fn require_endorsers(
        &self,
        key: Key<'_>,
        organisations: &BTreeSet<MspId>,
    ) -> impl Future<Output = Answer<()>> + Send;
    /// Every entry under a prefix, in key order, however many a peer answers at once.
    fn range(&self, prefix: Prefix<'_>) -> impl Future<Output = Answer<Vec<Entry>>> + Send;
    /// At most `size` entries under a prefix. For queries.
    fn page(
        &self,
        prefix: Prefix<'_>,
        size: u32,
        bookmark: &str,
    ) -> impl Future<Output = Answer<Page>> + Send;
    /// What a key held before, in the peer's order. For queries.
    fn history(&self, key: Key<'_>) -> impl Future<Output = Answer<Vec<Change>>> + Send;
    /// The value behind a key of a private collection.
    fn get_private(
        &self,
        collection: &str,
        key: PrivateKey<'_>,
    ) -> impl Future<Output = Answer<Option<Vec<u8>>>> + Send;
    /// The hash of a private value: every peer knows it.
    fn get_private_hash(
        &self,
        collection: &str,
        key: PrivateKey<'_>,
    ) -> impl Future<Output = Answer<Option<Vec<u8>>>> + Send;
    /// Sets the value behind a key of a private collection.
    fn put_private(
        &self,
        collection: &str,
        key: PrivateKey<'_>,
        value: &[u8],
    ) -> impl Future<Output = Answer<()>> + Send;
    /// Removes a private value, its former values too, from every peer's disk.
    fn purge_private(&self, collection: &str, key: PrivateKey<'_>)
    -> impl Future<Output = Answer<()>> + Send;
    /// The own private orders on a listing, every one. For queries: a peer lets no transaction write after it.
    fn private_orders(
        &self,
        collection: &str,
        listing: &crate::identifier::ListingId,
    ) -> impl Future<Output = Answer<Vec<Entry>>> + Send;
    /// Sets the transaction's one event.
    fn set_event(&self, name: &str, payload: Vec<u8>) -> impl Future<Output = Answer<()>> + Send;
}

/// A transaction: the ledger, the caller and the time.
pub struct Transaction<'a, L> {
    /// The peer's side.
    pub ledger: &'a L,
    /// The transaction's id.
    pub id: String,
    /// The channel.
    pub channel: String,
    /// This chaincode's name on the channel.
    pub chaincode: String,
    /// The caller's organisation, from its certificate.
    pub caller: MspId,
    /// The timestamp that the client chose.
    pub timestamp: Moment,
    /// This endorser's clock.
    pub clock: Moment,
    /// How far the two may be apart for a function that depends on time.
    pub max_skew: Duration,
    /// What the client sent besides the arguments. Secret.
    pub transient: BTreeMap<String, Zeroizing<Vec<u8>>>,
}

impl<L: Ledger> Transaction<'_, L> {
    /// The transaction's time.
    ///
    /// # Errors
    /// [`ContractError::ClockSkew`].
    pub fn now(&self) -> Answer<Moment> {
        moment::transaction_time(self.timestamp, self.clock, self.max_skew)
    }

    /// A transient field.
    #[must_use]
    pub fn transient(&self, field: &str) -> Option<&[u8]> {
        self.transient.get(field).map(|value| value.as_slice())
    }

    /// The record behind a key, if there is one.
    ///
    /// # Errors
    /// [`ContractError::UnreadableRecord`], or the peer's.
    pub async fn find<T: DeserializeOwned>(&self, key: Key<'_>) -> Answer<Option<T>> {
        let value = self.ledger.get(key).await?;
        value
            .map(|value| record::decode(&key.to_string(), &value))
            .transpose()
    }

    /// The record behind a key.
    ///
    /// # Errors
    /// [`ContractError::NotFound`] if there is none; [`ContractError::UnreadableRecord`], or the peer's.
    pub async fn read<T: DeserializeOwned>(&self, key: Key<'_>) -> Answer<T> {
        self.find(key).await?.ok_or_else(|| {
            let (what, attributes) = key.parts();
            ContractError::NotFound {
                what,
                id: attributes.join(" "),
            }
        })
    }

    /// Stores a record.
    ///
    /// # Errors
    /// The peer's.
    pub async fn write<T: Serialize + Sync>(&self, key: Key<'_>, record: &T) -> Answer<()> {
        let value = record::encode(&key.to_string(), record)?;
        self.ledger.put(key, value).await
    }

    /// Requires that nothing stands behind a key.
    ///
    /// # Errors
    /// [`ContractError::AlreadyExists`], or the peer's.
    pub async fn require_absent(&self, key: Key<'_>) -> Answer<()> {
        if self.ledger.get(key).await?.is_none() {
            return Ok(());
        }
        let (what, attributes) = key.parts();
        Err(ContractError::AlreadyExists {
            what,
            id: attributes.join(" "),
        })
    }

    /// Every record under a prefix with its key's attributes, in key order.
    ///
    /// # Errors
    /// [`ContractError::UnreadableRecord`], or the peer's.
    pub async fn all<T: DeserializeOwned>(&self, prefix: Prefix<'_>) -> Answer<Vec<(Vec<String>, T)>> {
        let entries = self.ledger.range(prefix).await?;
        entries
            .into_iter()
            .map(|(attributes, value)| decode_entry(prefix, attributes, &value))
            .collect()
    }

    /// One page of the records under a prefix, in key order, and the bookmark of the next; an empty one after the last. For queries.
    ///
    /// # Errors
    /// [`ContractError::BadArgument`] for a page size of none or more than `most`; [`ContractError::UnreadableRecord`], or the peer's.
    pub async fn page<T: DeserializeOwned>(
        &self,
        prefix: Prefix<'_>,
        size: u32,
        most: u32,
        bookmark: &str,
    ) -> Answer<(Vec<(Vec<String>, T)>, String)> {
        check_page_size(size, most)?;
        let page = self.ledger.page(prefix, size, bookmark).await?;
        let entries = page.entries.into_iter();
        let records = entries.map(|(attributes, value)| decode_entry(prefix, attributes, &value));
        Ok((records.collect::<Answer<_>>()?, page.bookmark))
    }

    /// Every former value of a record, as far as this peer knows. For queries.
    ///
    /// # Errors
    /// [`ContractError::NotFound`] when there is none now; [`ContractError::UnreadableRecord`], or the peer's.
    pub async fn history<T: DeserializeOwned>(&self, key: Key<'_>) -> Answer<Vec<Former<T>>> {
        self.read::<serde::de::IgnoredAny>(key).await?;
        let changes = self.ledger.history(key).await?;
        let former = changes.into_iter().map(|change| {
            let value = change.value.map(|value| record::decode(&key.to_string(), &value));
            Ok(Former {
                tx_id: change.tx_id,
                timestamp: change.timestamp,
                record: value.transpose()?,
            })
        });
        former.collect()
    }

    /// Sets the transaction's event. Its payload is for everybody on the channel.
    ///
    /// # Errors
    /// The peer's.
    pub async fn announce<T: Serialize + Sync>(&self, name: &str, payload: &T) -> Answer<()> {
        let payload = record::encode(name, payload)?;
        self.ledger.set_event(name, payload).await
    }

    /// The caller's organisation's own collection.
    #[must_use]
    pub fn own_collection(&self) -> String {
        own_collection(&self.caller)
    }
}

/// Checks the page size of a query.
///
/// # Errors
/// [`ContractError::BadArgument`] for none or more than `most`.
pub fn check_page_size(size: u32, most: u32) -> Answer<()> {
    if (1..=most).contains(&size) {
        Ok(())
    } else {
        Err(ContractError::argument("pageSize", size, format!("1 to {most}")))
    }
}

/// Reads one entry of a range.
///
/// # Errors
/// [`ContractError::UnreadableRecord`].
pub fn decode_entry<T: DeserializeOwned>(
    prefix: Prefix<'_>,
    attributes: Vec<String>,
    value: &[u8],
) -> Answer<(Vec<String>, T)> {
    let (kind, _) = prefix.parts();
    let record = record::decode(&format!("{kind} {}", attributes.join(" ")), value)?;
    Ok((attributes, record))
}
