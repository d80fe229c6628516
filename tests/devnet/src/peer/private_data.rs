//! Private values on their way: from the endorser to entitled peers, and asked for by those that miss them
//! (Fabric's `gossip/privdata`).

use super::{Peer, lock};
use crate::{
    channel::{Chaincode, Collection},
    ledger::{CollectionKey, PrivateWriteSets, ReadWriteSet, SimulationResults},
};
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

/// Private data of a committed transaction that this peer is entitled to and has not got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(super) tx_id: String,
    pub(super) collection: CollectionKey,
    pub(super) hash: Vec<u8>,
    /// Whether its values become state (they do not when the transaction is invalid).
    pub(super) valid: bool,
}

impl Peer {
    /// Keeps a simulation's private values until its transaction commits, and sends them to other entitled peers.
    pub(super) fn distribute(
        &self,
        tx_id: &str,
        chaincode: &Arc<Chaincode>,
        results: &SimulationResults,
    ) -> Result<(), String> {
        let definitions = self.definitions();
        for (key, set) in &results.private {
            let chaincode = definitions.get(&key.0).unwrap_or(chaincode);
            let Some(collection) = chaincode.collection(&key.1) else {
                continue;
            };
            let others = self.other_members(collection);
            // Another organisation's implicit collection is not this peer's to send.
            let own = !collection.implicit || collection.is_member(&self.msp_id);
            let (required, maximum) = if collection.implicit {
                let limits = &self.limits;
                (
                    limits.implicit_required_peer_count,
                    limits.implicit_max_peer_count,
                )
            } else {
                (collection.required_peer_count, collection.max_peer_count)
            };
            if own && required > 0 && others.len() < required {
                return Err(format!(
                    "error distributing private data: required to disseminate to at least {required} peers, but know of only {} eligible peers",
                    others.len()
                ));
            }
            let sent = PrivateWriteSets::from([(key.clone(), set.clone())]);
            let maximum = if own { maximum.max(required) } else { 0 };
            for peer in others.into_iter().take(maximum) {
                peer.transient.put(tx_id, &sent);
            }
        }
        self.transient.put(tx_id, &results.private);
        self.private_arrived.notify_waiters();
        Ok(())
    }

    /// Other running peers that are entitled to a collection and known to gossip, in order of their names.
    fn other_members(&self, collection: &Collection) -> Vec<Arc<Peer>> {
        if !self.is_acquainted() {
            return Vec::new();
        }
        let reachable = |peer: &Peer| peer.name != self.name && peer.is_running() && peer.is_acquainted();
        let mut others: Vec<Arc<Peer>> = self
            .peers()
            .into_iter()
            .filter(|peer| reachable(peer) && collection.is_member(&peer.msp_id))
            .collect();
        others.sort_by(|a, b| a.name.cmp(&b.name));
        others
    }

    /// What a transaction writes to collections that this peer is entitled to.
    pub(super) fn entitled(&self, tx_id: &str, set: &ReadWriteSet, valid: bool) -> Vec<Missing> {
        let definitions = self.definitions();
        let mut entitled = Vec::new();
        for writes in &set.namespaces {
            let Some(chaincode) = definitions.get(&writes.namespace) else {
                continue;
            };
            for hashed in writes
                .collections
                .iter()
                .filter(|collection| collection.has_writes())
            {
                let collection = chaincode.collection(&hashed.name);
                if collection.is_some_and(|collection| collection.is_member(&self.msp_id)) {
                    entitled.push(Missing {
                        tx_id: tx_id.to_owned(),
                        collection: (writes.namespace.clone(), hashed.name.clone()),
                        hash: hashed.private_hash.clone(),
                        valid,
                    });
                }
            }
        }
        entitled
    }

    /// Looks here.
    pub(super) fn find_private(&self, wanted: &Missing) -> Option<Vec<u8>> {
        let find =
            |store: &crate::ledger::PrivateStore| store.find(&wanted.tx_id, &wanted.collection, &wanted.hash);
        find(&self.transient).or_else(|| find(&self.private))
    }

    /// Asks the other entitled peers.
    fn ask_for_private(&self, wanted: &Missing) -> Option<Vec<u8>> {
        let (namespace, collection) = &wanted.collection;
        let definitions = self.definitions();
        let collection = definitions.get(namespace)?.collection(collection)?;
        self.other_members(collection)
            .iter()
            .find_map(|peer| peer.find_private(wanted))
    }

    /// Gets private data from other peers, waiting for it up to the pull threshold. None: it is not to be had.
    pub(super) async fn pull(&self, wanted: &Missing) -> Option<Vec<u8>> {
        let deadline = Instant::now() + self.limits.pull_retry_threshold;
        loop {
            let arrived = self.private_arrived.notified();
            tokio::pin!(arrived);
            // Listening begins before looking, so that nothing arrives in between unheard.
            arrived.as_mut().enable();
            if let Some(set) = self.find_private(wanted).or_else(|| self.ask_for_private(wanted)) {
                return Some(set);
            }
            if timeout_at(deadline, arrived).await.is_err() {
                tracing::warn!(
                    peer = self.name,
                    tx_id = wanted.tx_id,
                    "commits without private data"
                );
                return None;
            }
        }
    }

    pub(crate) async fn lose_private_data(&self) {
        self.state.write().await.private.clear();
        self.private.clear();
    }

    /// Gets what is missing of earlier blocks, as far as somebody has it by now.
    pub(super) async fn reconcile(&self) {
        let missing = std::mem::take(&mut *lock(&self.missing));
        for wanted in missing {
            let Some(set) = self.ask_for_private(&wanted) else {
                self.note_missing(wanted);
                continue;
            };
            self.private
                .put(&wanted.tx_id, &[(wanted.collection.clone(), set.clone())].into());
            if wanted.valid {
                self.state
                    .write()
                    .await
                    .apply_late_private(&wanted.collection, &set);
            }
        }
    }
}
