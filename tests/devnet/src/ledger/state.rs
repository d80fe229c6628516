//! What a peer knows after a block: the latest value of every key with the version at which it was written.

use fabric_protos::kvrwset;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fmt, ops::Bound};

/// Where a value was written: block, and transaction in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The block's number.
    pub block: u64,
    /// The transaction's place in the block.
    pub transaction: u64,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{BlockNum: {}, TxNum: {}}}", self.block, self.transaction)
    }
}

impl From<Version> for kvrwset::Version {
    fn from(version: Version) -> Self {
        Self {
            block_num: version.block,
            tx_num: version.transaction,
        }
    }
}

impl From<&kvrwset::Version> for Version {
    fn from(version: &kvrwset::Version) -> Self {
        Self {
            block: version.block_num,
            transaction: version.tx_num,
        }
    }
}

/// As Fabric prints a version that may be missing.
pub(crate) fn show(version: Option<Version>) -> String {
    version.map_or_else(|| "<nil>".to_owned(), |version| version.to_string())
}

pub(crate) fn hash(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

/// Metadata of a key: name and value (the key-level endorsement policy is one of them).
pub(crate) type Metadata = BTreeMap<String, Vec<u8>>;

/// A value with its version. Prints without the value.
#[derive(Clone, PartialEq, Eq)]
pub struct StateEntry {
    /// The value; for a hashed entry the SHA-256 of it.
    pub value: Vec<u8>,
    /// When it was written.
    pub version: Version,
    /// The key's metadata.
    pub metadata: BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for StateEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateEntry")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// A namespace's entries in key order. Keys are compared by their bytes.
pub(crate) type Entries<K = String> = BTreeMap<K, StateEntry>;

/// A change of a key, as `GetHistoryForKey` reports it.
#[derive(Clone)]
pub(crate) struct Modification {
    pub(crate) tx_id: String,
    /// None: deleted.
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) timestamp: Option<prost_types::Timestamp>,
}

/// Namespace and collection.
pub(crate) type CollectionKey = (String, String);

/// A peer's state.
#[derive(Clone, Default)]
pub(crate) struct LedgerState {
    /// Public entries by namespace.
    pub(crate) public: BTreeMap<String, Entries>,
    /// Hashes of private entries, on every peer, by the SHA-256 of their key.
    pub(crate) hashed: BTreeMap<CollectionKey, Entries<Vec<u8>>>,
    /// Private entries, where this peer is entitled to them and has them.
    pub(crate) private: BTreeMap<CollectionKey, Entries>,
    /// Every change of public keys, oldest first.
    pub(crate) history: BTreeMap<(String, String), Vec<Modification>>,
    /// Blocks committed.
    pub(crate) height: u64,
}

impl LedgerState {
    pub(crate) fn public(&self, namespace: &str, key: &str) -> Option<&StateEntry> {
        self.public.get(namespace)?.get(key)
    }

    pub(crate) fn hashed(&self, namespace: &str, collection: &str, key_hash: &[u8]) -> Option<&StateEntry> {
        self.hashed
            .get(&collection_key(namespace, collection))?
            .get(key_hash)
    }

    pub(crate) fn private(&self, namespace: &str, collection: &str, key: &str) -> Option<&StateEntry> {
        self.private.get(&collection_key(namespace, collection))?.get(key)
    }
}

pub(crate) fn collection_key(namespace: &str, collection: &str) -> CollectionKey {
    (namespace.to_owned(), collection.to_owned())
}

/// From `start` (empty: the first key) up to but without `end` (empty: no end). A start above the end is an empty range.
pub(crate) fn range_bounds<'a>(start: &'a str, end: &'a str) -> Option<(Bound<&'a str>, Bound<&'a str>)> {
    if !end.is_empty() && start >= end {
        return None;
    }
    let to = if end.is_empty() {
        Bound::Unbounded
    } else {
        Bound::Excluded(end)
    };
    Some((Bound::Included(start), to))
}
