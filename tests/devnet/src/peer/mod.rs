//! A peer: endorses proposals by running chaincode, and commits blocks.

pub(crate) mod chaincode_support;
mod commit;
mod endorse;
mod interest;
mod private_data;
pub(crate) mod qscc;

use crate::{
    chaincode::{Access, ChaincodeRuntime, Invoker, Listener, Package, Settings},
    channel::{Chaincode, Definitions},
    config::{Limits, Profile, StateDatabase},
    identity::{MspRegistry, SigningIdentity},
    ledger::{CommittedBlock, LedgerState, PrivateStore, blocks::BlockStore},
};
pub(crate) use commit::OrderedBlock;
pub(crate) use endorse::EndorserError;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// What a peer is made of.
pub(crate) struct PeerSetup {
    /// `peer0.org1.example.com`.
    pub(crate) name: String,
    pub(crate) identity: SigningIdentity,
    pub(crate) channel: String,
    pub(crate) msps: MspRegistry,
    pub(crate) profile: Profile,
    pub(crate) state_database: StateDatabase,
    pub(crate) limits: Limits,
    /// Who may dial it; None: everybody, in development mode.
    pub(crate) access: Option<Access>,
    pub(crate) stop: CancellationToken,
}

pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) msp_id: String,
    pub(crate) channel: String,
    pub(crate) msps: MspRegistry,
    pub(crate) limits: Limits,
    profile: Profile,
    state_database: StateDatabase,
    stop: CancellationToken,
    identity: SigningIdentity,
    me: Weak<Peer>,
    /// Where its Gateway listens: how errors name it.
    address: OnceLock<String>,
    /// All peers of the channel, this one among them.
    peers: OnceLock<Vec<Weak<Peer>>>,
    /// The commit lock: read by every simulation to its end, written by every commit.
    state: Arc<tokio::sync::RwLock<LedgerState>>,
    definitions: RwLock<Arc<Definitions>>,
    blocks: BlockStore,
    /// Blocks whose state is committed, too.
    committed: watch::Sender<u64>,
    running: watch::Sender<bool>,
    /// How many disks it has been given.
    disks: watch::Sender<u64>,
    /// On which of them it works.
    disk_in_use: watch::Sender<u64>,
    /// Whether gossip has made it and the other peers known to each other.
    acquainted: AtomicBool,
    /// By package id.
    chaincodes: Mutex<BTreeMap<String, Arc<ChaincodeRuntime>>>,
    /// By chaincode name.
    packages: Mutex<BTreeMap<String, Package>>,
    /// Where chaincodes dial it.
    listener: Arc<Listener>,
    transient: PrivateStore,
    private: PrivateStore,
    /// Woken when private data may have become available somewhere.
    private_arrived: Arc<Notify>,
    missing: Mutex<Vec<private_data::Missing>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change under these locks is a single insertion or removal.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Peer {
    pub(crate) fn new(setup: PeerSetup, private_arrived: Arc<Notify>) -> Arc<Self> {
        let msp_id = setup.identity.msp_id().to_owned();
        let listener = Listener {
            msp_id: msp_id.clone(),
            address: OnceLock::new(),
            access: setup.access,
        };
        Arc::new_cyclic(|me| Self {
            msp_id,
            name: setup.name,
            channel: setup.channel,
            msps: setup.msps,
            limits: setup.limits,
            profile: setup.profile,
            state_database: setup.state_database,
            stop: setup.stop,
            identity: setup.identity,
            me: me.clone(),
            address: OnceLock::new(),
            peers: OnceLock::new(),
            state: Arc::default(),
            definitions: RwLock::default(),
            blocks: BlockStore::default(),
            committed: watch::Sender::new(0),
            running: watch::Sender::new(true),
            disks: watch::Sender::new(0),
            disk_in_use: watch::Sender::new(0),
            acquainted: AtomicBool::new(true),
            chaincodes: Mutex::default(),
            packages: Mutex::default(),
            listener: Arc::new(listener),
            transient: PrivateStore::default(),
            private: PrivateStore::default(),
            private_arrived,
            missing: Mutex::default(),
        })
    }

    pub(crate) fn set_address(&self, address: String) {
        // Set once, when the network starts.
        let _ = self.address.set(address);
    }

    pub(crate) fn address(&self) -> &str {
        self.address.get().map_or("", String::as_str)
    }

    pub(crate) fn meet(&self, peers: Vec<Weak<Peer>>) {
        let _ = self.peers.set(peers);
    }

    /// All peers of the channel.
    pub(crate) fn peers(&self) -> Vec<Arc<Peer>> {
        self.peers
            .get()
            .into_iter()
            .flatten()
            .filter_map(Weak::upgrade)
            .collect()
    }

    pub(crate) fn is_running(&self) -> bool {
        *self.running.borrow()
    }

    /// Stops or starts the peer: stopped it answers nothing and commits nothing; started again it catches up.
    pub(crate) fn set_running(&self, running: bool) {
        self.running.send_replace(running);
        self.private_arrived.notify_waiters();
    }

    /// Whether gossip knows this peer, and this peer the others.
    pub(crate) fn is_acquainted(&self) -> bool {
        self.acquainted.load(Ordering::SeqCst)
    }

    pub(crate) fn set_acquainted(&self, acquainted: bool) {
        self.acquainted.store(acquainted, Ordering::SeqCst);
        self.private_arrived.notify_waiters();
    }

    /// Takes the disk away, installed chaincodes included. The peer fetches its blocks anew while it runs.
    pub(crate) async fn replace_disk(&self) {
        self.disconnect();
        lock(&self.packages).clear();
        lock(&self.chaincodes).clear();
        let mut in_use = self.disk_in_use.subscribe();
        let mut disk = 0;
        self.disks.send_modify(|disks| {
            *disks += 1;
            disk = *disks;
        });
        // Ends when the network has stopped, too.
        tokio::select! {
            () = self.stop.cancelled() => {}
            _ = in_use.wait_for(|in_use| *in_use >= disk) => {}
        }
    }

    pub(crate) fn definitions(&self) -> Arc<Definitions> {
        Arc::clone(&self.definitions.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Blocks committed, their state included.
    pub(crate) fn height(&self) -> u64 {
        *self.committed.borrow()
    }

    pub(crate) fn watch_height(&self) -> watch::Receiver<u64> {
        self.committed.subscribe()
    }

    pub(crate) fn block(&self, number: u64) -> Option<Arc<CommittedBlock>> {
        self.blocks.block(number)
    }

    pub(crate) fn blocks(&self) -> Vec<Arc<CommittedBlock>> {
        self.blocks.blocks()
    }

    pub(crate) fn transaction(&self, tx_id: &str) -> Option<(u64, fabric_protos::protos::TxValidationCode)> {
        self.blocks.transaction(tx_id)
    }

    pub(crate) async fn state(&self) -> tokio::sync::RwLockReadGuard<'_, LedgerState> {
        self.state.read().await
    }

    /// Installs a chaincode's package.
    pub(crate) fn install(&self, chaincode: &str, package: Package) {
        lock(&self.packages).insert(chaincode.to_owned(), package);
        // A definition that is there already takes the new one at its next launch.
        if let Some(definition) = self.definitions().get(chaincode) {
            self.runtime(definition);
        }
    }

    /// Whether the chaincode is installed on this peer: then Gateways ask it.
    pub(crate) fn has_installed(&self, chaincode: &str) -> bool {
        chaincode == qscc::QSCC || lock(&self.packages).contains_key(chaincode)
    }

    /// Whether the chaincode is installed, or need not be.
    fn may_run(&self, chaincode: &str) -> bool {
        self.listener.access.is_none() || self.has_installed(chaincode)
    }

    fn runtime(&self, chaincode: &Chaincode) -> Arc<ChaincodeRuntime> {
        let Some(package) = lock(&self.packages).get(&chaincode.name).cloned() else {
            // In development mode, where nothing is installed, this is what a chaincode calls itself.
            return self.runtime_named(&format!("{}:{}", chaincode.name, chaincode.version));
        };
        let runtime = self.runtime_named(&chaincode.package_id);
        runtime.install(package);
        runtime
    }

    fn runtime_named(&self, package_id: &str) -> Arc<ChaincodeRuntime> {
        let mut runtimes = lock(&self.chaincodes);
        let runtime = runtimes.entry(package_id.to_owned()).or_insert_with(|| {
            let settings = Settings {
                channel: self.channel.clone(),
                profile: self.profile,
                total_query_limit: self.limits.total_query_limit,
                execute_timeout: self.limits.execute_timeout,
                startup_timeout: self.limits.startup_timeout,
                keepalive: self.limits.keepalive,
                stop: self.stop.clone(),
            };
            let invoker: Weak<dyn Invoker> = self.me.clone();
            let listener = Arc::clone(&self.listener);
            Arc::new(ChaincodeRuntime::new(
                package_id.to_owned(),
                settings,
                invoker,
                listener,
            ))
        });
        Arc::clone(runtime)
    }

    /// Waits until a chaincode of this name is registered; false when no such chaincode is defined.
    pub(crate) async fn registered(&self, chaincode: &str) -> bool {
        let definition = self.definitions().get(chaincode).cloned();
        match definition {
            Some(definition) => {
                self.runtime(&definition).registered().await;
                true
            }
            None => false,
        }
    }

    /// Whether a chaincode sends a KEEPALIVE before its stream ends.
    pub(crate) async fn echoed(&self, chaincode: &str) -> bool {
        match self.definitions().get(chaincode) {
            Some(definition) => self.runtime(definition).echoed().await,
            None => false,
        }
    }

    /// Ends the streams to chaincodes, and those that it has started.
    pub(crate) fn disconnect(&self) {
        for runtime in lock(&self.chaincodes).values() {
            runtime.stop();
        }
    }
}
