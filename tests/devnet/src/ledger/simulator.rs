//! The transaction simulator: runs reads against a state that stands still while it lives, and records them and the
//! writes (Fabric's `txmgr/tx_simulator.go`, `query_executor.go`).
//!
//! A simulator holds the ledger's read lock from its making to its end. A block's commit takes the write lock. So a
//! chaincode call that waits holds back its peer's commits; and since a waiting writer goes before later readers, it holds
//! back queries, too, once a block has arrived.

mod rich_query;

use super::{
    couchdb::{self, Unstorable},
    mango::Refusal,
    range::{QueryCursor, RangeQuery},
    rwset::{Builder, PrivateWrite, SimulationResults},
    state::{
        LedgerState, Metadata, Modification, StateEntry, Version, collection_key, hash, range_bounds, show,
    },
};
use crate::{
    channel::{Chaincode, Collection, Definitions, LIFECYCLE, definition_keys},
    config::StateDatabase,
};
pub(crate) use rich_query::RichQuery;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::OwnedRwLockReadGuard;

/// The name under which a key's endorsement policy is kept in its metadata.
pub(crate) const VALIDATION_PARAMETER: &str = "VALIDATION_PARAMETER";

/// Why the simulator refuses. Texts are the peer's own, misspelling included: applications match on them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SimulationError {
    #[error(
        "txid [{0}]: unsuppored transaction. Transaction has already performed queries on pvt data. Writes are not allowed"
    )]
    WriteAfterPrivateQuery(String),
    #[error(
        "txid [{0}]: unsuppored transaction. Queries on pvt data is supported only in a read-only transaction"
    )]
    PrivateQueryAfterWrite(String),
    #[error(
        "txid [{0}]: unsuppored transaction. Transaction has already performed a paginated query. Writes are not allowed"
    )]
    WriteAfterPagination(String),
    #[error(
        "txid [{0}]: unsuppored transaction. Paginated queries are supported only in a read-only transaction"
    )]
    PaginationAfterWrite(String),
    #[error(
        "private data matching public hash version is not available. Public hash version = {public}, Private data version = {private}"
    )]
    PrivateDataNotAvailable { public: String, private: String },
    #[error("collection [{collection}] not defined in the collection config for chaincode [{chaincode}]")]
    UnknownCollection { chaincode: String, collection: String },
    #[error("chaincode {0} not found")]
    UnknownChaincode(String),
    #[error("{0} not supported for leveldb")]
    NoRichQueries(&'static str),
    #[error(transparent)]
    RichQuery(#[from] Refusal),
    #[error(transparent)]
    Unstorable(#[from] Unstorable),
}

type Result<T> = std::result::Result<T, SimulationError>;

pub(crate) struct Simulator {
    tx_id: String,
    state: OwnedRwLockReadGuard<LedgerState>,
    definitions: Arc<Definitions>,
    database: StateDatabase,
    builder: Builder,
    ranges: Vec<(String, RangeQuery)>,
    results: SimulationResults,
    write_performed: bool,
    private_query_performed: bool,
    paginated_query_performed: bool,
}

impl Simulator {
    pub(crate) fn new(
        tx_id: &str,
        state: OwnedRwLockReadGuard<LedgerState>,
        definitions: Arc<Definitions>,
        database: StateDatabase,
    ) -> Self {
        Self {
            tx_id: tx_id.to_owned(),
            state,
            definitions,
            database,
            builder: Builder::default(),
            ranges: Vec::new(),
            results: SimulationResults::default(),
            write_performed: false,
            private_query_performed: false,
            paginated_query_performed: false,
        }
    }

    pub(crate) fn definition(&self, chaincode: &str) -> Option<&Arc<Chaincode>> {
        self.definitions.get(chaincode)
    }

    fn checked_collection(&self, namespace: &str, collection: &str) -> Result<&Arc<Collection>> {
        let chaincode = self
            .definitions
            .get(namespace)
            .ok_or_else(|| SimulationError::UnknownChaincode(namespace.to_owned()))?;
        chaincode
            .collection(collection)
            .ok_or_else(|| SimulationError::UnknownCollection {
                chaincode: namespace.to_owned(),
                collection: collection.to_owned(),
            })
    }

    pub(crate) fn get_state(&mut self, namespace: &str, key: &str) -> Option<Vec<u8>> {
        let entry = self.read(namespace, key)?;
        Some(self.returned(entry.value))
    }

    pub(crate) fn get_metadata(&mut self, namespace: &str, key: &str) -> Metadata {
        self.read(namespace, key)
            .map(|entry| entry.metadata)
            .unwrap_or_default()
    }

    fn read(&mut self, namespace: &str, key: &str) -> Option<StateEntry> {
        let entry = self.state.public(namespace, key).cloned();
        self.builder
            .read(namespace, key, entry.as_ref().map(|entry| entry.version));
        entry
    }

    /// An empty value deletes the key.
    pub(crate) fn set_state(&mut self, namespace: &str, key: &str, value: Vec<u8>) -> Result<()> {
        self.begin_write(key, &value)?;
        self.builder.write(namespace, key, value);
        let metadata = self.state.public(namespace, key).map(|entry| &entry.metadata);
        note(&mut self.results, namespace, "", key, metadata);
        Ok(())
    }

    pub(crate) fn set_metadata(&mut self, namespace: &str, key: &str, metadata: Metadata) -> Result<()> {
        self.begin_write(key, &[])?;
        self.builder.write_metadata(namespace, key, metadata);
        let old = self.state.public(namespace, key).map(|entry| &entry.metadata);
        note(&mut self.results, namespace, "", key, old);
        Ok(())
    }

    pub(crate) fn get_private(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<Option<Vec<u8>>> {
        self.checked_collection(namespace, collection)?;
        let private = self.state.private(namespace, collection, key).cloned();
        let private_version = private.as_ref().map(|entry| entry.version);
        let public_version = self.hashed(namespace, collection, key).map(|entry| entry.version);
        if private_version != public_version {
            return Err(SimulationError::PrivateDataNotAvailable {
                public: show(public_version),
                private: show(private_version),
            });
        }
        self.note_private_read(namespace, collection, key, private_version);
        Ok(private.map(|entry| self.returned(entry.value)))
    }

    /// A private read among several in one message; here the peer does not compare with the public hash.
    pub(crate) fn get_private_multiple(
        &mut self,
        namespace: &str,
        collection: &str,
        keys: &[String],
    ) -> Result<Vec<Option<Vec<u8>>>> {
        self.checked_collection(namespace, collection)?;
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            let private = self.state.private(namespace, collection, key).cloned();
            self.note_private_read(
                namespace,
                collection,
                key,
                private.as_ref().map(|entry| entry.version),
            );
            values.push(private.map(|entry| self.returned(entry.value)));
        }
        Ok(values)
    }

    fn note_private_read(&mut self, namespace: &str, collection: &str, key: &str, version: Option<Version>) {
        self.builder.read_private(namespace, collection, key, version);
        let reads = self
            .results
            .private_reads
            .entry(namespace.to_owned())
            .or_default();
        reads.insert(collection.to_owned());
    }

    fn hashed(&self, namespace: &str, collection: &str, key: &str) -> Option<&StateEntry> {
        self.state.hashed(namespace, collection, &hash(key.as_bytes()))
    }

    pub(crate) fn get_private_hash(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<Option<Vec<u8>>> {
        Ok(self
            .read_hashed(namespace, collection, key)?
            .map(|entry| entry.value))
    }

    pub(crate) fn get_private_metadata(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<Metadata> {
        Ok(self
            .read_hashed(namespace, collection, key)?
            .map(|entry| entry.metadata)
            .unwrap_or_default())
    }

    fn read_hashed(&mut self, namespace: &str, collection: &str, key: &str) -> Result<Option<StateEntry>> {
        self.checked_collection(namespace, collection)?;
        let entry = self.hashed(namespace, collection, key).cloned();
        self.builder.read_private(
            namespace,
            collection,
            key,
            entry.as_ref().map(|entry| entry.version),
        );
        Ok(entry)
    }

    pub(crate) fn set_private(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
        write: PrivateWrite,
    ) -> Result<()> {
        self.checked_collection(namespace, collection)?;
        self.begin_write(key, &write.value)?;
        self.builder.write_private(namespace, collection, key, write);
        self.note_private_write(namespace, collection, key);
        Ok(())
    }

    pub(crate) fn set_private_metadata(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
        metadata: Metadata,
    ) -> Result<()> {
        self.checked_collection(namespace, collection)?;
        self.begin_write(key, &[])?;
        self.builder
            .write_private_metadata(namespace, collection, key, metadata);
        self.note_private_write(namespace, collection, key);
        Ok(())
    }

    fn note_private_write(&mut self, namespace: &str, collection: &str, key: &str) {
        let metadata = self
            .state
            .hashed(namespace, collection, &hash(key.as_bytes()))
            .map(|entry| &entry.metadata);
        note(&mut self.results, namespace, collection, key, metadata);
    }

    fn begin_write(&mut self, key: &str, value: &[u8]) -> Result<()> {
        if self.private_query_performed {
            return Err(SimulationError::WriteAfterPrivateQuery(self.tx_id.clone()));
        }
        if self.paginated_query_performed {
            return Err(SimulationError::WriteAfterPagination(self.tx_id.clone()));
        }
        self.write_performed = true;
        match self.database {
            StateDatabase::GoLevelDb => Ok(()),
            StateDatabase::CouchDb => Ok(couchdb::check(key, value)?),
        }
    }

    fn begin_pagination(&mut self) -> Result<()> {
        if self.write_performed {
            return Err(SimulationError::PaginationAfterWrite(self.tx_id.clone()));
        }
        self.paginated_query_performed = true;
        Ok(())
    }

    /// Starts a public range query; results come from [`Self::next`].
    pub(crate) fn range(
        &mut self,
        namespace: &str,
        start: &str,
        end: &str,
        paginated: bool,
    ) -> Result<usize> {
        if paginated {
            self.begin_pagination()?;
        }
        self.ranges
            .push((namespace.to_owned(), RangeQuery::new(start, end)));
        Ok(self.ranges.len() - 1)
    }

    /// The next result of a public range query; none says, and records, that there are no more.
    pub(crate) fn next(&mut self, query: usize, cursor: &mut QueryCursor) -> Option<(String, Vec<u8>)> {
        let (namespace, range) = self.ranges.get_mut(query)?;
        let entries = self.state.public.get(namespace);
        let Some((key, entry)) = advance(entries, cursor) else {
            range.exhaust();
            return None;
        };
        range.saw(key, entry.version);
        let (key, value) = (key.clone(), entry.value.clone());
        Some((key, self.returned(value)))
    }

    /// A value as the state database gives it back.
    fn returned(&self, value: Vec<u8>) -> Vec<u8> {
        match self.database {
            StateDatabase::GoLevelDb => value,
            StateDatabase::CouchDb => couchdb::returned(value),
        }
    }

    /// The key after the cursor, without reading it: where a next page would start.
    pub(crate) fn peek(&self, query: usize, cursor: &QueryCursor) -> Option<String> {
        let (namespace, _) = self.ranges.get(query)?;
        advance(self.state.public.get(namespace), &mut cursor.clone()).map(|(key, _)| key.clone())
    }

    /// LevelDB's iterator has no next key then; Fabric's for CouchDB gives the end that it was asked for.
    pub(crate) fn bookmark_at_the_end(&self, cursor: &QueryCursor) -> String {
        match self.database {
            StateDatabase::GoLevelDb => String::new(),
            StateDatabase::CouchDb => couchdb::bookmark_after(&cursor.end),
        }
    }

    /// Begins a query on private values: from here on the transaction may not write.
    pub(crate) fn begin_private_range(&mut self, namespace: &str, collection: &str) -> Result<()> {
        if self.write_performed {
            return Err(SimulationError::PrivateQueryAfterWrite(self.tx_id.clone()));
        }
        self.private_query_performed = true;
        self.checked_collection(namespace, collection).map(|_| ())
    }

    /// The next private value of this peer; nothing is recorded.
    pub(crate) fn next_private(
        &self,
        namespace: &str,
        collection: &str,
        cursor: &mut QueryCursor,
    ) -> Option<(String, Vec<u8>)> {
        let entries = self.state.private.get(&collection_key(namespace, collection));
        advance(entries, cursor).map(|(key, entry)| (key.clone(), self.returned(entry.value.clone())))
    }

    /// A key's changes, newest first.
    pub(crate) fn history(&self, namespace: &str, key: &str) -> Vec<Modification> {
        let changes = self.state.history.get(&collection_key(namespace, key));
        changes
            .map(|changes| changes.iter().rev().cloned().collect())
            .unwrap_or_default()
    }

    /// Ends the simulation.
    pub(crate) fn finish(&mut self) -> SimulationResults {
        for (namespace, query) in &self.ranges {
            self.builder.range(namespace, query.info());
        }
        for namespace in self.builder.namespaces_with_collections() {
            for key in definition_keys(&namespace) {
                self.read(LIFECYCLE, &key);
            }
        }
        let built = self.builder.build();
        SimulationResults {
            public: built.public,
            private: built.private,
            namespaces: built.namespaces,
            ..std::mem::take(&mut self.results)
        }
    }
}

fn note(
    results: &mut SimulationResults,
    namespace: &str,
    collection: &str,
    key: &str,
    metadata: Option<&Metadata>,
) {
    let policy = metadata
        .and_then(|metadata| metadata.get(VALIDATION_PARAMETER))
        .cloned();
    let namespace = results.written.entry(namespace.to_owned()).or_default();
    namespace
        .entry(collection.to_owned())
        .or_default()
        .insert(key.to_owned(), policy);
}

fn advance<'a>(
    entries: Option<&'a BTreeMap<String, StateEntry>>,
    cursor: &mut QueryCursor,
) -> Option<(&'a String, &'a StateEntry)> {
    let start = cursor.next.take()?;
    let (key, entry) = entries?
        .range::<str, _>(range_bounds(&start, &cursor.end)?)
        .next()?;
    cursor.next = Some(format!("{key}\0"));
    Some((key, entry))
}
