//! Committing blocks: endorsements, private data, reads, then the state under the commit lock
//! (Fabric's `gossip/privdata/coordinator.go`, `kvledger`).

use super::{Peer, lock, private_data::Missing};
use crate::{
    channel::{Chaincode, LIFECYCLE, definition_keys},
    ledger::{
        BlockUpdates, CommittedBlock, CommittedTransaction, LedgerState, PrivateWriteSets, StateEntry,
        TransactionRecord, Validator, Version,
    },
    transaction::{BlockPolicies, EndorserTransaction, InvalidTransaction, evaluate},
};
use fabric_protos::{
    common::{Block, BlockMetadataIndex},
    protos::TxValidationCode,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A block from the ordering service.
pub(crate) struct OrderedBlock {
    pub(crate) block: Block,
    /// A chaincode definition that takes effect with it: what the lifecycle's commit transaction does on a real network.
    pub(crate) definition: Option<Arc<Chaincode>>,
}

type Judged = Result<EndorserTransaction, InvalidTransaction>;

impl Peer {
    /// Commits blocks as they come, while the peer runs.
    pub(crate) async fn commit_blocks(
        self: Arc<Self>,
        mut blocks: mpsc::UnboundedReceiver<Arc<OrderedBlock>>,
        stop: CancellationToken,
    ) {
        let mut running = self.running.subscribe();
        let mut disks = self.disks.subscribe();
        // What the ordering service still has, for a peer that has to begin anew.
        let mut chain: Vec<Arc<OrderedBlock>> = Vec::new();
        let mut next = 0;
        loop {
            if disks.has_changed().unwrap_or(false) {
                let disk = *disks.borrow_and_update();
                self.wipe().await;
                next = 0;
                self.disk_in_use.send_replace(disk);
            }
            let work = async {
                running.wait_for(|running| *running).await.ok()?;
                if let Some(block) = chain.get(next) {
                    return Some(Some(Arc::clone(block)));
                }
                let reconcile = !lock(&self.missing).is_empty();
                if reconcile {
                    let arrived = self.private_arrived.notified();
                    tokio::pin!(arrived);
                    arrived.as_mut().enable();
                    self.reconcile().await;
                    tokio::select! {
                        block = blocks.recv() => return block.map(Some),
                        () = arrived => return Some(None),
                    }
                }
                blocks.recv().await.map(Some)
            };
            let ordered = tokio::select! {
                () = stop.cancelled() => break,
                _ = disks.changed() => {
                    disks.mark_changed();
                    continue;
                }
                ordered = work => ordered,
            };
            match ordered {
                None => break,
                Some(None) => {}
                Some(Some(ordered)) => {
                    if next == chain.len() {
                        chain.push(Arc::clone(&ordered));
                    }
                    if running.wait_for(|running| *running).await.is_err() {
                        break;
                    }
                    tokio::select! {
                        () = stop.cancelled() => break,
                        _ = disks.changed() => disks.mark_changed(),
                        () = self.commit(&ordered) => next += 1,
                    }
                }
            }
        }
    }

    /// Forgets what was on the disk.
    async fn wipe(&self) {
        let mut state = self.state.write().await;
        *state = LedgerState::default();
        *self.definitions.write().unwrap_or_else(PoisonError::into_inner) = Arc::default();
        self.blocks.clear();
        self.private.clear();
        self.transient.clear();
        lock(&self.missing).clear();
        self.committed.send_replace(0);
    }

    async fn commit(&self, ordered: &OrderedBlock) {
        let number = ordered.block.header.as_ref().map_or(0, |header| header.number);
        if let Some(definition) = &ordered.definition {
            self.commit_definition(ordered.block.clone(), Arc::clone(definition))
                .await;
            return;
        }
        let envelopes = ordered
            .block
            .data
            .as_ref()
            .map(|data| data.data.as_slice())
            .unwrap_or_default();
        let transactions: Vec<Judged> = envelopes
            .iter()
            .map(|bytes| EndorserTransaction::unpack(bytes, &self.msps))
            .collect();
        let mut codes = self.judge_endorsements(&transactions).await;
        let private = self.collect_private(&transactions, &codes).await;

        let committed = {
            let state = self.state.read().await;
            let mut validator = Validator::new(&state, number);
            for (place, (transaction, code)) in transactions.iter().zip(codes.iter_mut()).enumerate() {
                if let (Ok(transaction), TxValidationCode::Valid) = (transaction, *code) {
                    *code = validator.transaction(place as u64, &transaction.set);
                }
            }
            validator.finish()
        };
        self.append(ordered.block.clone(), &transactions, &codes);
        self.store_private(&transactions, &codes, &private);
        self.apply(committed, transactions, &codes, private).await;
    }

    /// Form, duplicates and endorsements, under the state before the block.
    async fn judge_endorsements(&self, transactions: &[Judged]) -> Vec<TxValidationCode> {
        let state = self.state.read().await;
        let definitions = self.definitions();
        let mut policies = BlockPolicies::default();
        let mut seen = BTreeSet::new();
        let mut codes = Vec::with_capacity(transactions.len());
        for transaction in transactions {
            let code = match transaction {
                Err(invalid) => invalid.code,
                Ok(transaction) if transaction.channel != self.channel => {
                    TxValidationCode::TargetChainNotFound
                }
                Ok(transaction) if self.transaction(&transaction.tx_id).is_some() => {
                    TxValidationCode::DuplicateTxid
                }
                Ok(transaction) => evaluate(transaction, &state, &definitions, &self.msps, &mut policies),
            };
            // Of equal transactions in one block the first valid one stands.
            let duplicate = code == TxValidationCode::Valid
                && transaction
                    .as_ref()
                    .is_ok_and(|transaction| !seen.insert(&transaction.tx_id));
            codes.push(if duplicate {
                TxValidationCode::DuplicateTxid
            } else {
                code
            });
        }
        codes
    }

    /// The private values of the block that this peer is entitled to. Waits for those it has to ask for.
    async fn collect_private(
        &self,
        transactions: &[Judged],
        codes: &[TxValidationCode],
    ) -> BTreeMap<usize, PrivateWriteSets> {
        let mut collected: BTreeMap<usize, PrivateWriteSets> = BTreeMap::new();
        for (place, (transaction, code)) in transactions.iter().zip(codes).enumerate() {
            let Ok(transaction) = transaction else { continue };
            let valid = *code == TxValidationCode::Valid;
            for wanted in self.entitled(&transaction.tx_id, &transaction.set, valid) {
                let skip = !valid && self.limits.skip_pulling_invalid_transactions;
                let here = self.find_private(&wanted);
                let found = match here {
                    Some(set) => Some(set),
                    None if skip => None,
                    None => self.pull(&wanted).await,
                };
                if let Some(set) = found {
                    collected.entry(place).or_default().insert(wanted.collection, set);
                }
            }
        }
        collected
    }

    fn append(&self, mut block: Block, transactions: &[Judged], codes: &[TxValidationCode]) {
        let filter = codes
            .iter()
            .map(|code| u8::try_from(*code as i32).unwrap_or(u8::MAX))
            .collect();
        let slot = block.metadata.as_mut().and_then(|metadata| {
            metadata
                .metadata
                .get_mut(BlockMetadataIndex::TransactionsFilter as usize)
        });
        if let Some(slot) = slot {
            *slot = filter;
        }
        let records = transactions
            .iter()
            .zip(codes)
            .map(|(transaction, code)| match transaction {
                Ok(transaction) => TransactionRecord {
                    tx_id: transaction.tx_id.clone(),
                    code: *code,
                    event: transaction.event.clone(),
                },
                Err(invalid) => TransactionRecord {
                    tx_id: invalid.tx_id.clone(),
                    code: *code,
                    event: None,
                },
            })
            .collect();
        self.blocks.append(CommittedBlock {
            block,
            transactions: records,
        });
    }

    /// Keeps the block's private values for peers that will ask, and notes what is missing.
    fn store_private(
        &self,
        transactions: &[Judged],
        codes: &[TxValidationCode],
        private: &BTreeMap<usize, PrivateWriteSets>,
    ) {
        for (place, (transaction, code)) in transactions.iter().zip(codes).enumerate() {
            let Ok(transaction) = transaction else { continue };
            let found = private.get(&place).cloned().unwrap_or_default();
            if !found.is_empty() {
                self.private.put(&transaction.tx_id, &found);
            }
            let valid = *code == TxValidationCode::Valid;
            let wanted = self.entitled(&transaction.tx_id, &transaction.set, valid);
            let missing = |wanted: &Missing| !found.contains_key(&wanted.collection);
            for wanted in wanted.into_iter().filter(missing) {
                self.note_missing(wanted);
            }
            self.transient.remove(&transaction.tx_id);
        }
    }

    /// The state, under the commit lock.
    async fn apply(
        &self,
        updates: BlockUpdates,
        transactions: Vec<Judged>,
        codes: &[TxValidationCode],
        mut private: BTreeMap<usize, PrivateWriteSets>,
    ) {
        let number = updates.block;
        let committed: Vec<CommittedTransaction> = transactions
            .into_iter()
            .enumerate()
            .filter(|(place, _)| codes.get(*place) == Some(&TxValidationCode::Valid))
            .filter_map(|(place, transaction)| {
                let transaction = transaction.ok()?;
                Some(CommittedTransaction {
                    place: place as u64,
                    tx_id: transaction.tx_id,
                    timestamp: transaction.timestamp,
                    set: Arc::new(transaction.set),
                    private: private.remove(&place).unwrap_or_default(),
                })
            })
            .collect();
        for (collection, hashes) in &updates.purged {
            let hashes: BTreeSet<Vec<u8>> = hashes.keys().cloned().collect();
            self.private.purge(collection, &hashes);
        }
        let definitions = self.definitions();
        // From here until it is granted, no new simulation starts on this peer.
        self.state.write().await.apply(updates, &committed, &definitions);
        self.committed.send_replace(number + 1);
        self.private_arrived.notify_waiters();
    }

    /// A block that changes nothing but a chaincode's definition.
    async fn commit_definition(&self, block: Block, definition: Arc<Chaincode>) {
        let number = block.header.as_ref().map_or(0, |header| header.number);
        let mut definitions = self.definitions().as_ref().clone();
        let version = Version {
            block: number,
            transaction: 0,
        };
        let entry = StateEntry {
            value: definition.sequence.to_be_bytes().to_vec(),
            version,
            metadata: BTreeMap::new(),
        };
        let keys = definition_keys(&definition.name).map(|key| (key, Some(entry.clone())));
        definitions.insert(definition.name.clone(), definition);
        let definitions = Arc::new(definitions);
        let mut updates = BlockUpdates::new(number);
        updates.public.insert(LIFECYCLE.to_owned(), BTreeMap::from(keys));
        self.append(block, &[], &[]);
        {
            let mut state = self.state.write().await;
            state.apply(updates, &[], &definitions);
            *self.definitions.write().unwrap_or_else(PoisonError::into_inner) = definitions;
        }
        self.committed.send_replace(number + 1);
    }
}
