//! Private values outside the state: those of transactions endorsed here and not yet committed (Fabric's transient store), and
//! those committed, kept so that entitled peers that missed them can ask (Fabric's `pvtdatastorage`).

use super::{
    rwset::PrivateWriteSets,
    state::{CollectionKey, hash},
};
use fabric_protos::kvrwset::KvrwSet;
use prost::Message;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Private write sets by transaction and collection. A transaction can be endorsed twice with different values, so there may be
/// several; the transaction's hash says which one counts.
type Sets = BTreeMap<String, BTreeMap<CollectionKey, BTreeSet<Vec<u8>>>>;

/// A store of them.
#[derive(Default)]
pub(crate) struct PrivateStore {
    sets: Mutex<Sets>,
}

impl PrivateStore {
    // Every change is complete before the lock is let go.
    fn sets(&self) -> MutexGuard<'_, Sets> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn put(&self, tx_id: &str, sets: &PrivateWriteSets) {
        let mut all = self.sets();
        let transaction = all.entry(tx_id.to_owned()).or_default();
        for (collection, set) in sets {
            transaction
                .entry(collection.clone())
                .or_default()
                .insert(set.clone());
        }
    }

    /// The set with the given hash.
    pub(crate) fn find(&self, tx_id: &str, collection: &CollectionKey, expected: &[u8]) -> Option<Vec<u8>> {
        self.sets()
            .get(tx_id)?
            .get(collection)?
            .iter()
            .find(|set| hash(set) == expected)
            .cloned()
    }

    pub(crate) fn clear(&self) {
        self.sets().clear();
    }

    pub(crate) fn remove(&self, tx_id: &str) {
        self.sets().remove(tx_id);
    }

    /// Forgets every set that holds a key with one of the given hashes.
    pub(crate) fn purge(&self, collection: &CollectionKey, key_hashes: &BTreeSet<Vec<u8>>) {
        let holds = |set: &Vec<u8>| {
            let set = KvrwSet::decode(set.as_slice()).unwrap_or_default();
            set.writes
                .iter()
                .any(|write| key_hashes.contains(&hash(write.key.as_bytes())))
        };
        for transaction in self.sets().values_mut() {
            if let Some(sets) = transaction.get_mut(collection) {
                sets.retain(|set| !holds(set));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fabric_protos::kvrwset::KvWrite;

    #[test]
    fn finds_by_hash_and_purges_by_key() {
        let collection = ("cc".to_owned(), "c".to_owned());
        let set = |key: &str, value: &[u8]| {
            let write = KvWrite {
                key: key.into(),
                is_delete: false,
                value: value.to_vec(),
            };
            KvrwSet {
                writes: vec![write],
                ..KvrwSet::default()
            }
            .encode_to_vec()
        };
        let store = PrivateStore::default();
        for value in [b"1", b"2"] {
            store.put("tx", &[(collection.clone(), set("key", value))].into());
        }
        store.put("other", &[(collection.clone(), set("another", b"3"))].into());
        let expected = set("key", b"2");
        assert_eq!(
            store.find("tx", &collection, &hash(&expected)),
            Some(expected.clone())
        );
        assert_eq!(store.find("tx", &collection, &hash(b"?")), None);

        store.purge(&collection, &[hash(b"key")].into());
        assert_eq!(store.find("tx", &collection, &hash(&expected)), None);
        let kept = set("another", b"3");
        assert!(store.find("other", &collection, &hash(&kept)).is_some());
        store.remove("other");
        assert!(store.find("other", &collection, &hash(&kept)).is_none());
    }
}
