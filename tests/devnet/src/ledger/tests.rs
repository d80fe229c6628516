//! Simulation, validation and application together, against a model of what they mean.

use super::{
    CommittedTransaction, LedgerState, PrivateWrite, ReadWriteSet, SimulationResults, Simulator,
    VALIDATION_PARAMETER, Validator, hash,
};
use crate::{
    channel::{Chaincode, Definitions},
    config::{ChaincodeDefinition, StateDatabase},
    identity::MspRegistry,
    ledger::QueryCursor,
};
use fabric_protos::protos::TxValidationCode::{self, MvccReadConflict, PhantomReadConflict, Valid};
use proptest::prelude::*;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::RwLock;

const CC: &str = "cc";
const COLLECTION: &str = "shared";

struct Ledger {
    state: Arc<RwLock<LedgerState>>,
    definitions: Arc<Definitions>,
    next_block: u64,
}

impl Ledger {
    fn new() -> Self {
        let mut definition = ChaincodeDefinition::new(CC, "'A.peer'");
        let collection = serde_json::json!({ "name": COLLECTION, "policy": "OR('A.member')" });
        definition
            .collections
            .push(serde_json::from_value(collection).unwrap());
        let chaincode = Chaincode::compile(&definition, 1, &MspRegistry::default()).unwrap();
        Self {
            state: Arc::default(),
            definitions: Arc::new(BTreeMap::from([(CC.to_owned(), Arc::new(chaincode))])),
            next_block: 0,
        }
    }

    fn simulate(&self, run: impl FnOnce(&mut Simulator)) -> SimulationResults {
        let guard = Arc::clone(&self.state).try_read_owned().unwrap();
        let mut simulator = Simulator::new(
            "tx",
            guard,
            Arc::clone(&self.definitions),
            StateDatabase::GoLevelDb,
        );
        run(&mut simulator);
        simulator.finish()
    }

    /// Commits a block of simulations, and gives their codes.
    fn commit(&mut self, simulations: &[SimulationResults]) -> Vec<TxValidationCode> {
        let sets: Vec<Arc<ReadWriteSet>> = simulations
            .iter()
            .map(|s| Arc::new(ReadWriteSet::decode(&s.public).unwrap()))
            .collect();
        let mut state = self.state.try_write().unwrap();
        let mut validator = Validator::new(&state, self.next_block);
        let codes: Vec<TxValidationCode> = sets
            .iter()
            .zip(0..)
            .map(|(set, place)| validator.transaction(place, set))
            .collect();
        let updates = validator.finish();
        let valid = codes.iter().zip(sets).zip(simulations).zip(0..);
        let transactions: Vec<CommittedTransaction> = valid
            .filter(|(((code, _), _), _)| **code == Valid)
            .map(|(((_, set), simulation), place)| CommittedTransaction {
                place,
                tx_id: format!("tx{place}"),
                timestamp: None,
                set,
                private: simulation.private.clone(),
            })
            .collect();
        state.apply(updates, &transactions, &self.definitions);
        self.next_block += 1;
        codes
    }

    fn value(&self, key: &str) -> Option<Vec<u8>> {
        self.state
            .try_read()
            .unwrap()
            .public(CC, key)
            .map(|entry| entry.value.clone())
    }
}

fn write(key: &str, value: &[u8]) -> impl FnOnce(&mut Simulator) {
    move |simulator| simulator.set_state(CC, key, value.to_vec()).unwrap()
}

fn policy(value: &[u8]) -> BTreeMap<String, Vec<u8>> {
    BTreeMap::from([(VALIDATION_PARAMETER.to_owned(), value.to_vec())])
}

#[test]
fn metadata_stays_with_a_key_that_is_rewritten_and_goes_with_one_that_is_deleted() {
    let mut ledger = Ledger::new();
    let metadata = |ledger: &Ledger| {
        ledger
            .state
            .try_read()
            .unwrap()
            .public(CC, "key")
            .map(|e| e.metadata.clone())
    };
    let create = ledger.simulate(|simulator| {
        simulator.set_state(CC, "key", b"1".to_vec()).unwrap();
        simulator.set_metadata(CC, "key", policy(b"p")).unwrap();
    });
    ledger.commit(&[create]);
    let rewrite = ledger.simulate(write("key", b"2"));
    assert_eq!(
        rewrite.written[CC][""]["key"].as_deref(),
        Some(&b"p"[..]),
        "the policy that must be asked"
    );
    ledger.commit(&[rewrite]);
    assert_eq!(metadata(&ledger), Some(policy(b"p")));
    let delete = ledger.simulate(write("key", b""));
    ledger.commit(&[delete]);
    assert_eq!(metadata(&ledger), None);
    // Metadata of a key that does not exist is nothing.
    let nothing = ledger.simulate(|simulator| simulator.set_metadata(CC, "key", policy(b"p")).unwrap());
    assert_eq!(ledger.commit(&[nothing]), [Valid]);
    assert_eq!(metadata(&ledger), None);
}

#[test]
fn metadata_alone_changes_the_version_and_not_the_value() {
    let mut ledger = Ledger::new();
    let create = ledger.simulate(|simulator| {
        simulator.set_state(CC, "key", b"1".to_vec()).unwrap();
        let value = PrivateWrite {
            value: b"1".to_vec(),
            purge: false,
        };
        simulator.set_private(CC, COLLECTION, "key", value).unwrap();
    });
    ledger.commit(&[create]);
    let change = ledger.simulate(|simulator| {
        simulator.set_metadata(CC, "key", policy(b"p")).unwrap();
        simulator
            .set_private_metadata(CC, COLLECTION, "key", policy(b"p"))
            .unwrap();
    });
    ledger.commit(&[change]);
    let state = ledger.state.try_read().unwrap();
    let public = state.public(CC, "key").unwrap();
    assert_eq!((public.version.block, public.value.as_slice()), (1, &b"1"[..]));
    // Private value and hash go on matching.
    let private = state.private(CC, COLLECTION, "key").unwrap().version;
    assert_eq!(
        state.hashed(CC, COLLECTION, &hash(b"key")).unwrap().version,
        private
    );
}

#[test]
fn a_range_that_was_left_early_guards_what_was_seen_alone() {
    let mut ledger = Ledger::new();
    let setup = ["a", "b", "c"].map(|key| ledger.simulate(write(key, b"1")));
    ledger.commit(&setup);
    let first_only = |simulator: &mut Simulator| {
        let query = simulator.range(CC, "", "", false).unwrap();
        let mut cursor = QueryCursor {
            next: Some(String::new()),
            end: String::new(),
        };
        assert_eq!(simulator.next(query, &mut cursor).unwrap().0, "a");
        simulator.set_state(CC, "seen", b"1".to_vec()).unwrap();
    };
    let (outside, reader) = (ledger.simulate(write("b", b"2")), ledger.simulate(first_only));
    assert_eq!(ledger.commit(&[outside, reader]), [Valid, Valid]);
    let (inside, reader) = (ledger.simulate(write("a", b"2")), ledger.simulate(first_only));
    assert_eq!(ledger.commit(&[inside, reader]), [Valid, PhantomReadConflict]);
}

#[derive(Clone, Debug)]
struct Transaction {
    reads: Vec<u8>,
    range: Option<(u8, u8)>,
    /// None deletes.
    writes: BTreeMap<u8, Option<u8>>,
}

fn key(n: u8) -> String {
    format!("key{n}")
}

fn transactions() -> impl Strategy<Value = Vec<Transaction>> {
    let keys = || 0_u8..8;
    let transaction = (
        prop::collection::vec(keys(), 0..3),
        prop::option::of((keys(), keys())),
        prop::collection::btree_map(keys(), prop::option::of(any::<u8>()), 0..3),
    );
    let transaction = transaction.prop_map(|(reads, range, writes)| Transaction { reads, range, writes });
    prop::collection::vec(transaction, 1..8)
}

fn perform(simulator: &mut Simulator, transaction: &Transaction) {
    for read in &transaction.reads {
        simulator.get_state(CC, &key(*read));
    }
    if let Some((start, end)) = transaction.range {
        let (start, end) = (key(start), key(end));
        let query = simulator.range(CC, &start, &end, false).unwrap();
        let mut cursor = QueryCursor {
            next: Some(start),
            end,
        };
        while simulator.next(query, &mut cursor).is_some() {}
    }
    for (written, value) in &transaction.writes {
        let value = value.map_or(Vec::new(), |value| vec![value]);
        simulator.set_state(CC, &key(*written), value).unwrap();
    }
}

/// What a block means: a transaction is valid when nothing that it read has been touched by a valid one before it, and a range's
/// results are what they were.
fn model(state: &mut BTreeMap<u8, u8>, block: &[Transaction]) -> Vec<TxValidationCode> {
    let before = state.clone();
    let mut touched: BTreeMap<u8, Option<u8>> = BTreeMap::new();
    let mut codes = Vec::new();
    for transaction in block {
        let conflict = transaction.reads.iter().any(|read| touched.contains_key(read));
        let in_range = |n: u8| {
            transaction
                .range
                .is_some_and(|(start, end)| start <= n && n < end)
        };
        let phantom = touched.iter().any(|(n, value)| {
            // A key that was deleted and was not there to begin with changes no range.
            in_range(*n) && (value.is_some() || before.contains_key(n))
        });
        let code = match (conflict, phantom) {
            (true, _) => MvccReadConflict,
            (_, true) => PhantomReadConflict,
            _ => Valid,
        };
        if code == Valid {
            for (n, value) in &transaction.writes {
                touched.insert(*n, *value);
                match value {
                    Some(value) => state.insert(*n, *value),
                    None => state.remove(n),
                };
            }
        }
        codes.push(code);
    }
    codes
}

proptest! {
    #[test]
    fn blocks_are_judged_and_applied_as_the_model_says(blocks in prop::collection::vec(transactions(), 1..4)) {
        let mut ledger = Ledger::new();
        let mut state = BTreeMap::new();
        for block in &blocks {
            // All of a block's transactions are simulated before it, on the same state.
            let simulations: Vec<SimulationResults> =
                block.iter().map(|transaction| ledger.simulate(|simulator| perform(simulator, transaction))).collect();
            prop_assert_eq!(ledger.commit(&simulations), model(&mut state, block));
            for n in 0..8 {
                prop_assert_eq!(ledger.value(&key(n)), state.get(&n).map(|value| vec![*value]));
            }
        }
    }

    /// What was endorsed a block too early is refused when its reads have moved on since.
    #[test]
    fn a_stale_simulation_is_refused_exactly_when_what_it_read_has_changed(
        first in transactions(), stale in transactions(), between in transactions(),
    ) {
        let mut ledger = Ledger::new();
        let simulate = |ledger: &Ledger, block: &[Transaction]| -> Vec<SimulationResults> {
            block.iter().map(|transaction| ledger.simulate(|simulator| perform(simulator, transaction))).collect()
        };
        let setup = simulate(&ledger, &first);
        ledger.commit(&setup);
        let early = simulate(&ledger, &stale[..1]);
        let versions = |ledger: &Ledger| {
            let state = ledger.state.try_read().unwrap();
            (0..8).map(|n| state.public(CC, &key(n)).map(|entry| entry.version)).collect::<Vec<_>>()
        };
        let then = versions(&ledger);
        let meanwhile = simulate(&ledger, &between);
        ledger.commit(&meanwhile);
        let now = versions(&ledger);
        let changed = |n: u8| then.get(usize::from(n)) != now.get(usize::from(n));
        let transaction = &stale[0];
        let read_changed = transaction.reads.iter().any(|n| changed(*n));
        let range_changed = transaction.range.is_some_and(|(start, end)| (start..end).any(changed));
        let expected = if read_changed { MvccReadConflict } else if range_changed { PhantomReadConflict } else { Valid };
        prop_assert_eq!(ledger.commit(&early), [expected]);
    }
}
