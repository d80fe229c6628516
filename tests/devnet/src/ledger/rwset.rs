//! Read-write sets: what a simulation read and wrote, as the wire has it (Fabric's `rwsetutil`). Everything is in key
//! order, so that equal simulations give equal bytes.

use super::{
    range::read,
    state::{Metadata, Version, hash},
};
use fabric_protos::{
    kvrwset::{
        HashedRwSet, KvMetadataEntry, KvMetadataWrite, KvMetadataWriteHash, KvReadHash, KvWrite, KvWriteHash,
        KvrwSet, RangeQueryInfo,
    },
    rwset::{CollectionHashedReadWriteSet, NsReadWriteSet, TxReadWriteSet},
};
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};

/// The policy of a written key, if it has one: encoded `SignaturePolicyEnvelope`.
pub(crate) type KeyPolicy = Option<Vec<u8>>;

/// What a simulation gives.
#[derive(Clone, Default)]
pub(crate) struct SimulationResults {
    /// The public set, with the hashes of the private ones: an encoded `rwset.TxReadWriteSet`.
    pub(crate) public: Vec<u8>,
    /// The private values written, to be kept from everybody not entitled to them.
    pub(crate) private: PrivateWriteSets,
    /// The namespaces in the public set.
    pub(crate) namespaces: BTreeSet<String>,
    /// The collections whose private values were read, by namespace.
    pub(crate) private_reads: BTreeMap<String, BTreeSet<String>>,
    /// The keys written, by namespace and collection (empty: public), with the policy that each had before.
    pub(crate) written: BTreeMap<String, BTreeMap<String, BTreeMap<String, KeyPolicy>>>,
}

/// A transaction's private writes: an encoded `kvrwset.KVRWSet` for each namespace and collection.
pub(crate) type PrivateWriteSets = BTreeMap<(String, String), Vec<u8>>;

/// Collects what a simulation does.
#[derive(Default)]
pub(crate) struct Builder {
    namespaces: BTreeMap<String, Namespace>,
}

#[derive(Default)]
struct Namespace {
    reads: BTreeMap<String, Option<Version>>,
    writes: BTreeMap<String, Vec<u8>>,
    metadata_writes: BTreeMap<String, Metadata>,
    range_queries: Vec<RangeQueryInfo>,
    collections: BTreeMap<String, Collection>,
}

#[derive(Default)]
struct Collection {
    reads: BTreeMap<String, Option<Version>>,
    writes: BTreeMap<String, PrivateWrite>,
    metadata_writes: BTreeMap<String, Metadata>,
}

pub(crate) struct PrivateWrite {
    /// Empty: deleted.
    pub(crate) value: Vec<u8>,
    pub(crate) purge: bool,
}

impl Builder {
    fn namespace(&mut self, namespace: &str) -> &mut Namespace {
        self.namespaces.entry(namespace.to_owned()).or_default()
    }

    fn collection(&mut self, namespace: &str, collection: &str) -> &mut Collection {
        self.namespace(namespace)
            .collections
            .entry(collection.to_owned())
            .or_default()
    }

    pub(crate) fn namespaces_with_collections(&self) -> Vec<String> {
        let with = self
            .namespaces
            .iter()
            .filter(|(_, set)| !set.collections.is_empty());
        with.map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn read(&mut self, namespace: &str, key: &str, version: Option<Version>) {
        self.namespace(namespace).reads.insert(key.to_owned(), version);
    }

    /// An empty value deletes the key.
    pub(crate) fn write(&mut self, namespace: &str, key: &str, value: Vec<u8>) {
        self.namespace(namespace).writes.insert(key.to_owned(), value);
    }

    pub(crate) fn write_metadata(&mut self, namespace: &str, key: &str, metadata: Metadata) {
        self.namespace(namespace)
            .metadata_writes
            .insert(key.to_owned(), metadata);
    }

    /// The same range twice is recorded once.
    pub(crate) fn range(&mut self, namespace: &str, query: RangeQueryInfo) {
        let queries = &mut self.namespace(namespace).range_queries;
        let same = |known: &RangeQueryInfo| {
            (&known.start_key, &known.end_key, known.itr_exhausted)
                == (&query.start_key, &query.end_key, query.itr_exhausted)
        };
        if !queries.iter().any(same) {
            queries.push(query);
        }
    }

    pub(crate) fn read_private(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
        version: Option<Version>,
    ) {
        self.collection(namespace, collection)
            .reads
            .insert(key.to_owned(), version);
    }

    pub(crate) fn write_private(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
        write: PrivateWrite,
    ) {
        self.collection(namespace, collection)
            .writes
            .insert(key.to_owned(), write);
    }

    pub(crate) fn write_private_metadata(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
        metadata: Metadata,
    ) {
        self.collection(namespace, collection)
            .metadata_writes
            .insert(key.to_owned(), metadata);
    }

    /// The public set and the private writes. (Private reads and policies are the simulator's to add.)
    pub(crate) fn build(&self) -> SimulationResults {
        let mut private = PrivateWriteSets::new();
        let mut ns_rwset = Vec::new();
        for (name, namespace) in &self.namespaces {
            let mut hashed = Vec::new();
            for (collection_name, collection) in &namespace.collections {
                let private_set = collection.private_set();
                let pvt_rwset_hash = private_set.as_deref().map(hash).unwrap_or_default();
                if let Some(set) = private_set {
                    private.insert((name.clone(), collection_name.clone()), set);
                }
                hashed.push(CollectionHashedReadWriteSet {
                    collection_name: collection_name.clone(),
                    hashed_rwset: collection.hashed_set().encode_to_vec(),
                    pvt_rwset_hash,
                });
            }
            ns_rwset.push(NsReadWriteSet {
                namespace: name.clone(),
                rwset: namespace.public_set().encode_to_vec(),
                collection_hashed_rwset: hashed,
            });
        }
        SimulationResults {
            public: TxReadWriteSet {
                data_model: 0,
                ns_rwset,
            }
            .encode_to_vec(),
            private,
            namespaces: self.namespaces.keys().cloned().collect(),
            ..SimulationResults::default()
        }
    }
}

impl Namespace {
    fn public_set(&self) -> KvrwSet {
        KvrwSet {
            reads: self
                .reads
                .iter()
                .map(|(key, version)| read(key, *version))
                .collect(),
            range_queries_info: self.range_queries.clone(),
            writes: self.writes.iter().map(|(key, value)| write(key, value)).collect(),
            metadata_writes: self
                .metadata_writes
                .iter()
                .map(|(key, metadata)| KvMetadataWrite {
                    key: key.clone(),
                    entries: entries(metadata),
                })
                .collect(),
        }
    }
}

impl Collection {
    /// None when nothing was written.
    fn private_set(&self) -> Option<Vec<u8>> {
        if self.writes.is_empty() && self.metadata_writes.is_empty() {
            return None;
        }
        // Of metadata only the key goes here: its value is stored under the key's hash.
        let bare = |key: &String| KvMetadataWrite {
            key: key.clone(),
            entries: Vec::new(),
        };
        let set = KvrwSet {
            writes: self
                .writes
                .iter()
                .map(|(key, private)| write(key, &private.value))
                .collect(),
            metadata_writes: self.metadata_writes.keys().map(bare).collect(),
            ..KvrwSet::default()
        };
        Some(set.encode_to_vec())
    }

    fn hashed_set(&self) -> HashedRwSet {
        HashedRwSet {
            hashed_reads: self
                .reads
                .iter()
                .map(|(key, version)| KvReadHash {
                    key_hash: hash(key.as_bytes()),
                    version: version.map(Into::into),
                })
                .collect(),
            hashed_writes: self
                .writes
                .iter()
                .map(|(key, private)| KvWriteHash {
                    key_hash: hash(key.as_bytes()),
                    is_delete: private.value.is_empty(),
                    value_hash: if private.value.is_empty() {
                        Vec::new()
                    } else {
                        hash(&private.value)
                    },
                    is_purge: private.purge,
                })
                .collect(),
            metadata_writes: self
                .metadata_writes
                .iter()
                .map(|(key, metadata)| KvMetadataWriteHash {
                    key_hash: hash(key.as_bytes()),
                    entries: entries(metadata),
                })
                .collect(),
        }
    }
}

fn write(key: &str, value: &[u8]) -> KvWrite {
    KvWrite {
        key: key.to_owned(),
        is_delete: value.is_empty(),
        value: value.to_vec(),
    }
}

fn entries(metadata: &Metadata) -> Vec<KvMetadataEntry> {
    let entry = |(name, value): (&String, &Vec<u8>)| KvMetadataEntry {
        name: name.clone(),
        value: value.clone(),
    };
    metadata.iter().map(entry).collect()
}

/// A decoded public read-write set.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadWriteSet {
    pub(crate) namespaces: Vec<TransactionWrites>,
}

/// One namespace of it.
#[derive(Clone, Debug)]
pub(crate) struct TransactionWrites {
    pub(crate) namespace: String,
    pub(crate) public: KvrwSet,
    pub(crate) collections: Vec<HashedCollection>,
}

/// One collection of a namespace: hashes of what was read and written.
#[derive(Clone, Debug)]
pub(crate) struct HashedCollection {
    pub(crate) name: String,
    pub(crate) set: HashedRwSet,
    pub(crate) private_hash: Vec<u8>,
}

impl HashedCollection {
    pub(crate) fn has_writes(&self) -> bool {
        !self.set.hashed_writes.is_empty() || !self.set.metadata_writes.is_empty()
    }
}

impl ReadWriteSet {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, prost::DecodeError> {
        let set = TxReadWriteSet::decode(bytes)?;
        let mut namespaces = Vec::new();
        for namespace in set.ns_rwset {
            let mut collections = Vec::new();
            for collection in namespace.collection_hashed_rwset {
                collections.push(HashedCollection {
                    set: HashedRwSet::decode(collection.hashed_rwset.as_slice())?,
                    name: collection.collection_name,
                    private_hash: collection.pvt_rwset_hash,
                });
            }
            namespaces.push(TransactionWrites {
                namespace: namespace.namespace,
                public: KvrwSet::decode(namespace.rwset.as_slice())?,
                collections,
            });
        }
        Ok(Self { namespaces })
    }
}

impl TransactionWrites {
    /// Whether anything is written to the namespace, publicly or privately.
    pub(crate) fn has_writes(&self) -> bool {
        !self.public.writes.is_empty()
            || !self.public.metadata_writes.is_empty()
            || self.collections.iter().any(HashedCollection::has_writes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_order_of_calls_does_not_show() {
        let version = Some(Version {
            block: 3,
            transaction: 1,
        });
        let (mut one, mut other) = (Builder::default(), Builder::default());
        one.read("cc", "a", version);
        one.write("cc", "b", b"1".to_vec());
        one.write("cc", "a", b"2".to_vec());
        other.write("cc", "a", b"2".to_vec());
        other.write("cc", "b", b"1".to_vec());
        other.read("cc", "a", version);
        assert_eq!(one.build().public, other.build().public);
    }

    #[test]
    fn private_values_are_not_in_the_public_set() {
        let mut builder = Builder::default();
        let value = b"a value that is secret".to_vec();
        builder.write_private(
            "cc",
            "c",
            "a key that is secret",
            PrivateWrite { value, purge: false },
        );
        let results = builder.build();
        let public = String::from_utf8_lossy(&results.public);
        assert!(!public.contains("secret"));

        let decoded = ReadWriteSet::decode(&results.public).unwrap();
        let collection = &decoded.namespaces[0].collections[0];
        let write = &collection.set.hashed_writes[0];
        assert_eq!(write.key_hash, hash(b"a key that is secret"));
        assert_eq!(write.value_hash, hash(b"a value that is secret"));
        let private = &results.private[&("cc".to_owned(), "c".to_owned())];
        assert_eq!(collection.private_hash, hash(private));
    }

    #[test]
    fn an_empty_value_is_a_deletion() {
        let mut builder = Builder::default();
        builder.write("cc", "key", Vec::new());
        let decoded = ReadWriteSet::decode(&builder.build().public).unwrap();
        assert!(decoded.namespaces[0].public.writes[0].is_delete);
    }

    #[test]
    fn a_collection_that_was_only_read_has_no_private_set() {
        let mut builder = Builder::default();
        builder.read_private("cc", "c", "key", None);
        let results = builder.build();
        assert!(results.private.is_empty());
        let decoded = ReadWriteSet::decode(&results.public).unwrap();
        assert!(decoded.namespaces[0].collections[0].private_hash.is_empty());
        assert!(!decoded.namespaces[0].has_writes());
    }

    proptest! {
        #[test]
        fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = ReadWriteSet::decode(&bytes);
        }
    }
}
