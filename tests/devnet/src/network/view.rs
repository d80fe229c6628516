//! A look into the peers of a network.

use crate::{
    ledger::{CommittedBlock, StateEntry},
    peer::Peer,
};
use std::{collections::BTreeMap, sync::Arc};

/// A look into one peer, and a hand on its switch.
#[derive(Clone, Copy)]
pub struct PeerView<'a> {
    pub(super) peer: &'a Arc<Peer>,
}

impl PeerView<'_> {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.peer.name
    }

    /// How many blocks it has committed, state included.
    pub fn height(&self) -> u64 {
        self.peer.height()
    }

    /// Waits until it has committed that many blocks.
    pub async fn wait_for_height(&self, height: u64) {
        // The peer outlives the view, so its watch does not end.
        let _ = self
            .peer
            .watch_height()
            .wait_for(|reached| *reached >= height)
            .await;
    }

    /// Its blocks, with what became of their transactions. A block is here a moment before its state is committed.
    pub fn blocks(&self) -> Vec<Arc<CommittedBlock>> {
        self.peer.blocks()
    }

    /// Waits until a chaincode has registered with this peer, by dialling it or by being dialled. False when no chaincode of that name is
    /// defined.
    pub async fn registered(&self, chaincode: &str) -> bool {
        self.peer.registered(chaincode).await
    }

    /// Waits for the next KEEPALIVE from the chaincode that runs for this peer; see [`crate::config::Limits::keepalive`]. False when none runs, or when its
    /// stream ends first.
    pub async fn keepalive_echoed(&self, chaincode: &str) -> bool {
        self.peer.echoed(chaincode).await
    }

    /// A public key's value with its version and metadata. Waits for the commit lock, as a query does.
    pub async fn state(&self, namespace: &str, key: &str) -> Option<StateEntry> {
        self.peer.state().await.public(namespace, key).cloned()
    }

    /// All public keys of a namespace.
    pub async fn all_state(&self, namespace: &str) -> BTreeMap<String, StateEntry> {
        self.peer
            .state()
            .await
            .public
            .get(namespace)
            .cloned()
            .unwrap_or_default()
    }

    /// A private value, if this peer holds it.
    pub async fn private_state(&self, namespace: &str, collection: &str, key: &str) -> Option<StateEntry> {
        self.peer
            .state()
            .await
            .private(namespace, collection, key)
            .cloned()
    }

    /// The hash of a private value, which every peer holds.
    pub async fn private_hash(&self, namespace: &str, collection: &str, key: &str) -> Option<StateEntry> {
        let key_hash = crate::ledger::hash(key.as_bytes());
        self.peer
            .state()
            .await
            .hashed(namespace, collection, &key_hash)
            .cloned()
    }

    /// Forgets every private value, as a peer does whose disk was lost and that nobody can refill. Hashes and public state stay.
    pub async fn lose_private_data(&self) {
        self.peer.lose_private_data().await;
    }

    /// As right after a start, before gossip has made the peers known to each other (some 8 s on a real network; here until
    /// [`PeerView::meet_others`]): private data is neither sent to others nor asked of them.
    pub fn forget_others(&self) {
        self.peer.set_acquainted(false);
    }

    /// Gossip has found the other peers.
    pub fn meet_others(&self) {
        self.peer.set_acquainted(true);
    }

    /// Replaces its disk by an empty one: blocks, state, private data and installed chaincodes are gone. It fetches the blocks anew
    /// and what private data others can give it; chaincodes want [`crate::Network::connect_chaincode`].
    pub async fn lose_disk(&self) {
        self.peer.replace_disk().await;
    }

    /// Stops it: it answers nothing and commits nothing, and its streams to chaincodes end.
    pub async fn stop(&self) {
        self.peer.set_running(false);
        self.peer.disconnect();
    }

    /// Starts it again; it catches up.
    pub fn start(&self) {
        self.peer.set_running(true);
    }
}
