//! What a contract function is given.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::{ChaincodeStub, ClientIdentity, Error};

/// A transaction as a contract function sees it: the stub, and who called. Clones share it.
#[derive(Clone)]
pub struct TransactionContext {
    stub: ChaincodeStub,
    function: Arc<str>,
    client: Arc<OnceLock<ClientIdentity>>,
    attached: Arc<Mutex<Attached>>,
}

/// Values by their types.
type Attached = HashMap<TypeId, Arc<dyn Any + Send + Sync>>;

impl TransactionContext {
    pub(super) fn new(stub: ChaincodeStub, function: &str) -> Self {
        Self {
            stub,
            function: function.into(),
            client: Arc::default(),
            attached: Arc::default(),
        }
    }

    /// Attaches a value for whoever runs later in this transaction: what a hook found out, for the function. One of each type; gives
    /// back the one before. It takes the place of the custom contexts of Fabric's other contract libraries.
    pub fn attach<T: Send + Sync + 'static>(&self, value: T) -> Option<Arc<T>> {
        let before = self.attached().insert(TypeId::of::<T>(), Arc::new(value));
        before.and_then(|value| value.downcast().ok())
    }

    /// The attached value of this type.
    pub fn attachment<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let found = self.attached().get(&TypeId::of::<T>()).cloned();
        found.and_then(|value| value.downcast().ok())
    }

    fn attached(&self) -> MutexGuard<'_, Attached> {
        // Only ever used for single insertions and look-ups: a panic elsewhere cannot leave it half-changed.
        self.attached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The transaction.
    pub fn stub(&self) -> &ChaincodeStub {
        &self.stub
    }

    /// Name of the function that was called, as it was registered; in the hook for unknown ones, as it was called.
    pub fn function(&self) -> &str {
        &self.function
    }

    /// The caller; its certificate is read once.
    ///
    /// # Errors
    /// As [`ClientIdentity::new`].
    pub fn client_identity(&self) -> Result<&ClientIdentity, Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = ClientIdentity::new(&self.stub)?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Refuses callers of other organisations than the peer's own. Without it, any member of the channel can have this peer run a function
    /// that answers out of its organisation's private data. The peer's organisation is the server's `CORE_PEER_LOCALMSPID`.
    ///
    /// # Errors
    /// [`Error::NotOwnOrg`], [`Error::LocalMspIdUnset`], and as [`client_identity`](Self::client_identity).
    pub fn require_own_org(&self) -> Result<(), Error> {
        let own = self.stub.get_mspid()?;
        let caller = self.client_identity()?.msp_id();
        if caller == own {
            return Ok(());
        }
        Err(Error::NotOwnOrg {
            caller: caller.to_owned(),
            own: own.to_owned(),
        })
    }
}

impl fmt::Debug for TransactionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactionContext")
            .field("stub", &self.stub)
            .field("function", &self.function)
            .finish_non_exhaustive()
    }
}
