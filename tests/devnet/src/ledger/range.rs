//! Range queries: what the simulator records of one so that a phantom is found at validation
//! (Fabric's `rwsetutil/query_results_helper.go`).

use super::state::{Version, hash};
use fabric_protos::kvrwset::{
    KvRead, QueryReads, QueryReadsMerkleSummary, RangeQueryInfo, range_query_info::ReadsInfo,
};
use prost::Message;

/// More results than this are recorded as a Merkle tree's hashes.
const MAX_DEGREE: usize = 50;

/// A position in the results of a query over a fixed snapshot: the state cannot change while a simulation holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueryCursor {
    /// Where the next result starts; none when the end was reached.
    pub(crate) next: Option<String>,
    /// Where the range ends, exclusive; empty: no end.
    pub(crate) end: String,
}

/// What a simulation saw of one range.
#[derive(Clone, Debug)]
pub(crate) struct RangeQuery {
    start: String,
    end: String,
    last: Option<String>,
    exhausted: bool,
    results: Vec<KvRead>,
}

impl RangeQuery {
    pub(crate) fn new(start: &str, end: &str) -> Self {
        Self {
            start: start.to_owned(),
            end: end.to_owned(),
            last: None,
            exhausted: false,
            results: Vec::new(),
        }
    }

    pub(crate) fn saw(&mut self, key: &str, version: Version) {
        self.results.push(read(key, Some(version)));
        self.last = Some(key.to_owned());
    }

    /// The caller asked for more than there was.
    pub(crate) fn exhaust(&mut self) {
        self.exhausted = true;
    }

    /// The range's end is the query's own when it was exhausted, else the last key seen.
    pub(crate) fn info(&self) -> RangeQueryInfo {
        let end_key = if self.exhausted {
            self.end.clone()
        } else {
            self.last.clone().unwrap_or_default()
        };
        RangeQueryInfo {
            start_key: self.start.clone(),
            end_key,
            itr_exhausted: self.exhausted,
            reads_info: reads_info(&self.results),
        }
    }
}

pub(crate) fn read(key: &str, version: Option<Version>) -> KvRead {
    KvRead {
        key: key.to_owned(),
        version: version.map(Into::into),
    }
}

fn reads_info(results: &[KvRead]) -> Option<ReadsInfo> {
    if results.is_empty() {
        return None;
    }
    Some(match merkle_summary(results, MAX_DEGREE) {
        Some(summary) => ReadsInfo::ReadsMerkleHashes(summary),
        None => ReadsInfo::RawReads(QueryReads {
            kv_reads: results.to_vec(),
        }),
    })
}

/// The top level of the tree over the results: leaves hash up to `degree + 1` results, nodes as many hashes. None when the
/// results are few enough to be recorded as they are.
pub(crate) fn merkle_summary(results: &[KvRead], degree: usize) -> Option<QueryReadsMerkleSummary> {
    if results.len() <= degree {
        return None;
    }
    let mut tree = Tree {
        degree,
        levels: vec![Vec::new()],
    };
    for group in results.chunks(degree + 1) {
        tree.add(hash(
            &QueryReads {
                kv_reads: group.to_vec(),
            }
            .encode_to_vec(),
        ));
    }
    Some(tree.finish())
}

struct Tree {
    degree: usize,
    /// Hashes that have no parent yet, by level, leaves first.
    levels: Vec<Vec<Vec<u8>>>,
}

impl Tree {
    fn add(&mut self, leaf: Vec<u8>) {
        let mut carry = leaf;
        for level in 0.. {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let Some(hashes) = self.levels.get_mut(level) else {
                return;
            };
            hashes.push(carry);
            if hashes.len() <= self.degree {
                return;
            }
            carry = combined(&std::mem::take(hashes));
        }
    }

    fn finish(mut self) -> QueryReadsMerkleSummary {
        let mut carry: Option<Vec<u8>> = None;
        let top = self.levels.len() - 1;
        for hashes in self.levels.iter_mut().take(top) {
            hashes.extend(carry.take());
            carry = match hashes.as_slice() {
                [] => None,
                [only] => Some(only.clone()),
                several => Some(combined(several)),
            };
        }
        let mut hashes = self.levels.pop().unwrap_or_default();
        hashes.extend(carry);
        let mut max_level = top + 1;
        if hashes.len() > self.degree {
            hashes = vec![combined(&hashes)];
            max_level += 1;
        }
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        QueryReadsMerkleSummary {
            max_degree: count(self.degree),
            max_level: count(max_level),
            max_level_hashes: hashes,
        }
    }
}

fn combined(hashes: &[Vec<u8>]) -> Vec<u8> {
    hash(&hashes.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reads(count: usize) -> Vec<KvRead> {
        (0..count)
            .map(|n| {
                read(
                    &format!("key{n:05}"),
                    Some(Version {
                        block: 7,
                        transaction: n as u64,
                    }),
                )
            })
            .collect()
    }

    #[test]
    fn few_results_are_recorded_as_they_are() {
        assert_eq!(merkle_summary(&reads(3), 3), None);
        assert!(matches!(reads_info(&reads(50)), Some(ReadsInfo::RawReads(_))));
        assert!(matches!(
            reads_info(&reads(51)),
            Some(ReadsInfo::ReadsMerkleHashes(_))
        ));
        assert_eq!(reads_info(&[]), None);
    }

    /// Levels and hashes worked out by hand from the description of the tree.
    #[test]
    fn the_tree_is_fabrics() {
        let leaf = |group: &[KvRead]| {
            hash(
                &QueryReads {
                    kv_reads: group.to_vec(),
                }
                .encode_to_vec(),
            )
        };
        let all = reads(12);

        // Degree 2: leaves of three. Four results: two leaves, one level.
        let summary = merkle_summary(&all[..4], 2).unwrap();
        assert_eq!((summary.max_level, summary.max_degree), (1, 2));
        assert_eq!(summary.max_level_hashes, [leaf(&all[..3]), leaf(&all[3..4])]);

        // Nine results: three leaves make one node of level two.
        let node = combined(&[leaf(&all[..3]), leaf(&all[3..6]), leaf(&all[6..9])]);
        let summary = merkle_summary(&all[..9], 2).unwrap();
        assert_eq!(
            (summary.max_level, summary.max_level_hashes),
            (2, vec![node.clone()])
        );

        // Ten: the lone leaf is lifted to level two as it is.
        let summary = merkle_summary(&all[..10], 2).unwrap();
        assert_eq!(
            (summary.max_level, summary.max_level_hashes),
            (2, vec![node, leaf(&all[9..10])])
        );
    }

    proptest! {
        #[test]
        fn any_other_results_give_another_summary(count in 4_usize..60, at in 0_usize..60) {
            let honest = reads(count);
            let mut altered = honest.clone();
            altered[at % count].version = Some(Version { block: 8, transaction: 0 }.into());
            prop_assert_ne!(merkle_summary(&honest, 3), merkle_summary(&altered, 3));
            prop_assert_ne!(merkle_summary(&honest, 3), merkle_summary(&honest[..count - 1], 3));
        }
    }
}
