//! What a block changes, and changing it (Fabric's `txmgmt/validation/tx_ops.go`, `privacyenabledstate`,
//! `pvtstatepurgemgmt`).

use super::{
    rwset::{PrivateWriteSets, ReadWriteSet},
    state::{CollectionKey, LedgerState, Metadata, Modification, StateEntry, Version, collection_key, hash},
};
use crate::channel::Definitions;
use fabric_protos::kvrwset::{KvMetadataEntry, KvWriteHash, KvrwSet};
use prost::Message;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What the valid transactions of a block write. None: deleted.
pub(crate) struct BlockUpdates {
    pub(crate) block: u64,
    pub(crate) public: BTreeMap<String, BTreeMap<String, Option<StateEntry>>>,
    pub(crate) hashed: BTreeMap<CollectionKey, BTreeMap<Vec<u8>, Option<StateEntry>>>,
    /// Hashed keys purged, with the version before which private values are to be forgotten.
    pub(crate) purged: BTreeMap<CollectionKey, BTreeMap<Vec<u8>, Version>>,
}

/// A valid transaction's traces besides its writes.
pub(crate) struct CommittedTransaction {
    pub(crate) place: u64,
    pub(crate) tx_id: String,
    pub(crate) timestamp: Option<prost_types::Timestamp>,
    pub(crate) set: Arc<ReadWriteSet>,
    /// The private values that this peer has of it.
    pub(crate) private: PrivateWriteSets,
}

#[derive(Default)]
struct KeyChange<'a> {
    /// The outer option: was it written; the inner: to what, none when deleted.
    value: Option<Option<&'a [u8]>>,
    metadata: Option<Metadata>,
}

impl KeyChange<'_> {
    /// The entry after the change of `latest`; none when the change does nothing.
    fn applied(self, latest: Option<&StateEntry>, version: Version) -> Option<Option<StateEntry>> {
        let entry = |value: &[u8], metadata| StateEntry {
            value: value.to_vec(),
            version,
            metadata,
        };
        match (self.value, self.metadata) {
            (Some(None), _) => Some(None),
            (Some(Some(value)), Some(metadata)) => Some(Some(entry(value, metadata))),
            (Some(Some(value)), None) => {
                let metadata = latest.map(|latest| latest.metadata.clone()).unwrap_or_default();
                Some(Some(entry(value, metadata)))
            }
            // Metadata of a key that does not exist is dropped.
            (None, Some(metadata)) => latest.map(|latest| Some(entry(&latest.value, metadata))),
            (None, None) => None,
        }
    }
}

fn metadata_of(entries: &[KvMetadataEntry]) -> Metadata {
    entries
        .iter()
        .map(|entry| (entry.name.clone(), entry.value.clone()))
        .collect()
}

/// Fabric takes an absent hash and the hash of nothing for a deletion, too.
fn hashed_value(write: &KvWriteHash) -> Option<&[u8]> {
    let empty = write.value_hash.is_empty() || write.value_hash == hash(b"");
    (!write.is_delete && !empty).then_some(write.value_hash.as_slice())
}

impl BlockUpdates {
    pub(crate) fn new(block: u64) -> Self {
        Self {
            block,
            public: BTreeMap::new(),
            hashed: BTreeMap::new(),
            purged: BTreeMap::new(),
        }
    }

    /// Takes the writes of a valid transaction.
    pub(super) fn take(&mut self, state: &LedgerState, place: u64, set: &ReadWriteSet) {
        let version = Version {
            block: self.block,
            transaction: place,
        };
        for writes in &set.namespaces {
            let namespace = &writes.namespace;
            let mut changes: BTreeMap<&str, KeyChange<'_>> = BTreeMap::new();
            for write in &writes.public.writes {
                let deleted = write.is_delete || write.value.is_empty();
                changes.entry(&write.key).or_default().value =
                    Some((!deleted).then_some(write.value.as_slice()));
            }
            for write in &writes.public.metadata_writes {
                changes.entry(&write.key).or_default().metadata = Some(metadata_of(&write.entries));
            }
            for (key, change) in changes {
                let pending = self.public.get(namespace).and_then(|keys| keys.get(key));
                let latest = pending.map_or_else(|| state.public(namespace, key), Option::as_ref);
                if let Some(entry) = change.applied(latest, version) {
                    self.public
                        .entry(namespace.clone())
                        .or_default()
                        .insert(key.to_owned(), entry);
                }
            }
            for collection in &writes.collections {
                self.take_hashed(state, version, namespace, &collection.name, &collection.set);
            }
        }
    }

    fn take_hashed(
        &mut self,
        state: &LedgerState,
        version: Version,
        namespace: &str,
        collection: &str,
        set: &fabric_protos::kvrwset::HashedRwSet,
    ) {
        let collection_key = collection_key(namespace, collection);
        let mut changes: BTreeMap<&[u8], KeyChange<'_>> = BTreeMap::new();
        for write in &set.hashed_writes {
            changes.entry(&write.key_hash).or_default().value = Some(hashed_value(write));
            if write.is_purge {
                let purged = self.purged.entry(collection_key.clone()).or_default();
                purged.insert(write.key_hash.clone(), version);
            }
        }
        for write in &set.metadata_writes {
            changes.entry(&write.key_hash).or_default().metadata = Some(metadata_of(&write.entries));
        }
        for (key, change) in changes {
            let pending = self.hashed.get(&collection_key).and_then(|keys| keys.get(key));
            let latest = pending.map_or_else(|| state.hashed(namespace, collection, key), Option::as_ref);
            if let Some(entry) = change.applied(latest, version) {
                self.hashed
                    .entry(collection_key.clone())
                    .or_default()
                    .insert(key.to_owned(), entry);
            }
        }
    }
}

impl LedgerState {
    /// Applies a block. The caller holds the write lock.
    pub(crate) fn apply(
        &mut self,
        updates: BlockUpdates,
        transactions: &[CommittedTransaction],
        definitions: &Definitions,
    ) {
        let block = updates.block;
        for (namespace, keys) in updates.public {
            merge(self.public.entry(namespace).or_default(), keys);
        }
        for (collection, keys) in updates.hashed {
            merge(self.hashed.entry(collection).or_default(), keys);
        }
        for transaction in transactions {
            let version = Version {
                block,
                transaction: transaction.place,
            };
            for (collection, set) in &transaction.private {
                self.apply_private(collection, set, version);
            }
            self.record_history(transaction);
        }
        for (collection, hashes) in updates.purged {
            if let Some(private) = self.private.get_mut(&collection) {
                private.retain(|key, entry| {
                    let purged = hashes.get(&hash(key.as_bytes()));
                    purged.is_none_or(|version| entry.version > *version)
                });
            }
        }
        self.expire(block, definitions);
        self.height = block + 1;
    }

    /// Takes private values that came after their block, as far as the hashes still say so: a key may have been changed, deleted or
    /// purged since.
    pub(crate) fn apply_late_private(&mut self, collection: &CollectionKey, set: &[u8]) {
        let Ok(set) = KvrwSet::decode(set) else { return };
        let Some(hashed) = self.hashed.get(collection) else {
            return;
        };
        let entries = self.private.entry(collection.clone()).or_default();
        for write in set.writes {
            let current = hashed.get(&hash(write.key.as_bytes()));
            if let Some(current) = current.filter(|current| current.value == hash(&write.value)) {
                let entry = StateEntry {
                    value: write.value,
                    version: current.version,
                    metadata: Metadata::new(),
                };
                entries.insert(write.key, entry);
            }
        }
    }

    /// Applies private values of a valid transaction.
    fn apply_private(&mut self, collection: &CollectionKey, set: &[u8], version: Version) {
        // The hash of the bytes was compared with the transaction's; bytes that no chaincode wrote hold no values.
        let Ok(set) = KvrwSet::decode(set) else { return };
        let entries = self.private.entry(collection.clone()).or_default();
        for write in set.writes {
            if write.is_delete || write.value.is_empty() {
                entries.remove(&write.key);
            } else {
                let entry = StateEntry {
                    value: write.value,
                    version,
                    metadata: Metadata::new(),
                };
                entries.insert(write.key, entry);
            }
        }
        // Metadata is kept with the hash; here the version follows, so that value and hash still match.
        for write in set.metadata_writes {
            if let Some(entry) = entries
                .get_mut(&write.key)
                .filter(|entry| entry.version < version)
            {
                entry.version = version;
            }
        }
    }

    fn record_history(&mut self, transaction: &CommittedTransaction) {
        for writes in &transaction.set.namespaces {
            for write in &writes.public.writes {
                let deleted = write.is_delete || write.value.is_empty();
                let change = Modification {
                    tx_id: transaction.tx_id.clone(),
                    value: (!deleted).then(|| write.value.clone()),
                    timestamp: transaction.timestamp,
                };
                let key = (writes.namespace.clone(), write.key.clone());
                self.history.entry(key).or_default().push(change);
            }
        }
    }

    /// Forgets private values, and their hashes, whose `blockToLive` has passed.
    fn expire(&mut self, block: u64, definitions: &Definitions) {
        let lives = |(namespace, collection): &CollectionKey| {
            let collection = definitions.get(namespace)?.collection(collection)?;
            (collection.block_to_live > 0).then_some(collection.block_to_live)
        };
        let keys: BTreeSet<CollectionKey> = self.hashed.keys().chain(self.private.keys()).cloned().collect();
        for (key, life) in keys.iter().filter_map(|key| Some((key, lives(key)?))) {
            let alive = |entry: &StateEntry| entry.version.block.saturating_add(life) >= block;
            if let Some(entries) = self.hashed.get_mut(key) {
                entries.retain(|_, entry| alive(entry));
            }
            if let Some(entries) = self.private.get_mut(key) {
                entries.retain(|_, entry| alive(entry));
            }
        }
    }
}

fn merge<K: Ord>(entries: &mut BTreeMap<K, StateEntry>, updates: BTreeMap<K, Option<StateEntry>>) {
    for (key, update) in updates {
        match update {
            Some(entry) => entries.insert(key, entry),
            None => entries.remove(&key),
        };
    }
}
