//! What the handler of a chaincode's messages needs to know about the transaction they belong to.

use super::queries::Queries;
use crate::{
    config::Profile,
    ledger::Simulator,
    policy::{Principal, Role},
};
use fabric_protos::protos::{ChaincodeInput, ChaincodeMessage, SignedProposal};
use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// How the peer treats chaincodes.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) channel: String,
    pub(crate) profile: Profile,
    pub(crate) total_query_limit: usize,
    pub(crate) execute_timeout: Duration,
    pub(crate) startup_timeout: Duration,
    /// Zero: no KEEPALIVE is sent.
    pub(crate) keepalive: Duration,
    /// Ends every stream when the network stops.
    pub(crate) stop: CancellationToken,
}

/// A simulator that a transaction's chaincodes share. None once the simulation is over.
#[derive(Clone)]
pub(crate) struct SharedSimulator {
    simulator: Arc<Mutex<Option<Simulator>>>,
}

impl SharedSimulator {
    pub(crate) fn new(simulator: Simulator) -> Self {
        Self {
            simulator: Arc::new(Mutex::new(Some(simulator))),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Option<Simulator>> {
        self.simulator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the simulator; what comes later finds no ledger context.
    pub(crate) fn take(&self) -> Option<Simulator> {
        self.lock().take()
    }
}

/// A transaction as one chaincode of it runs.
pub(crate) struct TransactionContext {
    pub(crate) tx_id: String,
    /// The chaincode whose state this is.
    pub(crate) namespace: String,
    pub(crate) simulator: SharedSimulator,
    /// Whether this is the chaincode's initialisation.
    pub(crate) is_init: bool,
    /// The organisation of the proposal's creator.
    pub(crate) creator_msp_id: String,
    pub(crate) creator_role: Role,
    pub(crate) signed_proposal: SignedProposal,
    pub(crate) queries: Mutex<Queries>,
    pub(crate) response: Mutex<Option<oneshot::Sender<ChaincodeMessage>>>,
}

impl TransactionContext {
    pub(crate) fn queries(&self) -> MutexGuard<'_, Queries> {
        self.queries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same transaction, for another of its chaincodes.
    pub(crate) fn for_chaincode(&self, namespace: &str) -> Self {
        Self {
            tx_id: self.tx_id.clone(),
            namespace: namespace.to_owned(),
            simulator: self.simulator.clone(),
            is_init: false,
            creator_msp_id: self.creator_msp_id.clone(),
            creator_role: self.creator_role,
            signed_proposal: self.signed_proposal.clone(),
            queries: Mutex::default(),
            response: Mutex::default(),
        }
    }

    pub(crate) fn creator_is(&self, principal: &Principal) -> bool {
        principal.msp_id == self.creator_msp_id
            && (principal.role == Role::Member || principal.role == self.creator_role)
    }
}

/// Runs a chaincode on this peer: for calls from one chaincode to another.
pub(crate) trait Invoker: Send + Sync {
    /// Runs `chaincode` within the transaction of `context`.
    fn invoke(
        self: Arc<Self>,
        context: TransactionContext,
        input: ChaincodeInput,
    ) -> Pin<Box<dyn Future<Output = Result<ChaincodeMessage, String>> + Send>>;
}
