//! Whether what a transaction read is still so when it is committed (Fabric's `txmgmt/validation/validator.go`): versions of
//! keys read, results of ranges, hashed versions of private keys; against the state before the block and what earlier valid
//! transactions of the block wrote.

use super::{
    apply::BlockUpdates,
    range::{merkle_summary, read},
    rwset::ReadWriteSet,
    state::{LedgerState, Version, collection_key},
};
use fabric_protos::{
    kvrwset::{KvRead, RangeQueryInfo, range_query_info::ReadsInfo},
    protos::TxValidationCode,
};
use std::{collections::BTreeMap, ops::Bound};

/// Validates the transactions of one block, in order, and collects what the valid ones write.
pub(crate) struct Validator<'a> {
    state: &'a LedgerState,
    updates: BlockUpdates,
}

impl<'a> Validator<'a> {
    pub(crate) fn new(state: &'a LedgerState, block: u64) -> Self {
        Self {
            state,
            updates: BlockUpdates::new(block),
        }
    }

    /// Judges a transaction, and takes its writes when it is valid.
    pub(crate) fn transaction(&mut self, place: u64, set: &ReadWriteSet) -> TxValidationCode {
        let code = self.judge(set);
        if code == TxValidationCode::Valid {
            self.updates.take(self.state, place, set);
        }
        code
    }

    pub(crate) fn finish(self) -> BlockUpdates {
        self.updates
    }

    fn judge(&self, set: &ReadWriteSet) -> TxValidationCode {
        for writes in &set.namespaces {
            let namespace = &writes.namespace;
            if !writes
                .public
                .reads
                .iter()
                .all(|read| self.read_holds(namespace, read))
            {
                return TxValidationCode::MvccReadConflict;
            }
            if !writes
                .public
                .range_queries_info
                .iter()
                .all(|query| self.range_holds(namespace, query))
            {
                return TxValidationCode::PhantomReadConflict;
            }
            for collection in &writes.collections {
                let key = collection_key(namespace, &collection.name);
                let holds = collection.set.hashed_reads.iter().all(|read| {
                    let updated = self
                        .updates
                        .hashed
                        .get(&key)
                        .is_some_and(|u| u.contains_key(&read.key_hash));
                    let committed = self.state.hashed(namespace, &collection.name, &read.key_hash);
                    !updated && committed.map(|entry| entry.version) == version(read.version.as_ref())
                });
                if !holds {
                    return TxValidationCode::MvccReadConflict;
                }
            }
        }
        TxValidationCode::Valid
    }

    fn read_holds(&self, namespace: &str, read: &KvRead) -> bool {
        let updated = self
            .updates
            .public
            .get(namespace)
            .is_some_and(|keys| keys.contains_key(&read.key));
        let committed = self.state.public(namespace, &read.key).map(|entry| entry.version);
        !updated && committed == version(read.version.as_ref())
    }

    /// Runs the query again. When the reader did not reach the end, its last key belongs to the range.
    fn range_holds(&self, namespace: &str, query: &RangeQueryInfo) -> bool {
        let (start, end) = (query.start_key.as_str(), query.end_key.as_str());
        let end = match (query.itr_exhausted, end) {
            (_, "") => Bound::Unbounded,
            (true, end) => Bound::Excluded(end),
            (false, end) => Bound::Included(end),
        };
        let empty = matches!(end, Bound::Excluded(end) if start >= end)
            || matches!(end, Bound::Included(end) if start > end);
        let mut results: BTreeMap<&str, Version> = BTreeMap::new();
        if !empty {
            let bounds = (Bound::Included(start), end);
            let committed = self.state.public.get(namespace).into_iter();
            for (key, entry) in committed.flat_map(|keys| keys.range::<str, _>(bounds)) {
                results.insert(key, entry.version);
            }
            let updated = self.updates.public.get(namespace).into_iter();
            for (key, update) in updated.flat_map(|keys| keys.range::<str, _>(bounds)) {
                match update {
                    Some(entry) => results.insert(key, entry.version),
                    None => results.remove(key.as_str()),
                };
            }
        }
        let results: Vec<KvRead> = results
            .into_iter()
            .map(|(key, version)| read(key, Some(version)))
            .collect();
        match &query.reads_info {
            None => results.is_empty(),
            Some(ReadsInfo::RawReads(reads)) => reads.kv_reads == results,
            Some(ReadsInfo::ReadsMerkleHashes(summary)) => {
                let degree = usize::try_from(summary.max_degree).unwrap_or(usize::MAX);
                degree >= 2 && merkle_summary(&results, degree).as_ref() == Some(summary)
            }
        }
    }
}

fn version(version: Option<&fabric_protos::kvrwset::Version>) -> Option<Version> {
    version.map(Into::into)
}
