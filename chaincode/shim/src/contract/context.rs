//! What a contract function is given.

use std::sync::{Arc, OnceLock};

use crate::{ChaincodeStub, ClientIdentity, Error};

/// A transaction as a contract function sees it: the stub, and who called. Clones share it.
#[derive(Debug, Clone)]
pub struct TransactionContext {
    stub: ChaincodeStub,
    function: Arc<str>,
    client: Arc<OnceLock<ClientIdentity>>,
}

impl TransactionContext {
    pub(super) fn new(stub: ChaincodeStub, function: &str) -> Self {
        Self {
            stub,
            function: function.into(),
            client: Arc::default(),
        }
    }

    /// The transaction.
    pub fn stub(&self) -> &ChaincodeStub {
        &self.stub
    }

    /// Name of the function that was called, as it was registered.
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
