//! Private data: collections of which the ledger holds hashes alone.

use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::write_record::Type as Write;

use super::state::found;
use super::{ChaincodeStub, StateIterator};
use crate::Error;

/// A collection's name on the wire: not empty, which would be public state.
pub(super) fn named(collection: &str) -> Result<&str, Error> {
    if collection.is_empty() {
        Err(Error::EmptyCollection)
    } else {
        Ok(collection)
    }
}

/// All methods here refuse an empty collection name with [`Error::EmptyCollection`]; `_implicit_org_MSPID` names the implicit
/// collection of an organisation. Peers refuse private data methods during Init.
impl ChaincodeStub {
    /// Value of a private key as of the last block; `None` if it is not there. The read enters the read set by its hash.
    ///
    /// # Errors
    /// As [`get_state`](Self::get_state). A peer that is no member, or has lost the data, answers [`Error::Peer`].
    pub async fn get_private_data(&self, collection: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.get(named(collection)?, key, Type::GetState).await
    }

    /// Values of several private keys, in the order of the keys.
    ///
    /// # Errors
    /// As [`get_multiple_states`](Self::get_multiple_states).
    pub async fn get_multiple_private_data(
        &self,
        collection: &str,
        keys: &[String],
    ) -> Result<Vec<Option<Vec<u8>>>, Error> {
        Ok(self
            .line()
            .get_many(named(collection)?, keys)
            .await?
            .into_iter()
            .map(found)
            .collect())
    }

    /// SHA-256 of a private key's value, on any peer of the channel; `None` if the key is not there.
    ///
    /// # Errors
    /// As [`get_state`](Self::get_state).
    pub async fn get_private_data_hash(&self, collection: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.get(named(collection)?, key, Type::GetPrivateDataHash).await
    }

    /// Writes a private key if the transaction becomes valid: the value to the members' peers, its hash to everybody.
    ///
    /// # Errors
    /// As [`put_state`](Self::put_state).
    pub async fn put_private_data(&self, collection: &str, key: &str, value: Vec<u8>) -> Result<(), Error> {
        self.put(named(collection)?, key, value).await
    }

    /// Deletes a private key from the state; earlier values stay in the peers' history until they are purged.
    ///
    /// # Errors
    /// As [`get_state`](Self::get_state).
    pub async fn del_private_data(&self, collection: &str, key: &str) -> Result<(), Error> {
        self.write(named(collection)?, key, Write::DelState).await
    }

    /// Deletes a private key with all its history from the members' peers; its hashes stay on the ledger.
    ///
    /// # Errors
    /// As [`get_state`](Self::get_state). Needs the channel capability `V2_5`.
    pub async fn purge_private_data(&self, collection: &str, key: &str) -> Result<(), Error> {
        self.write(named(collection)?, key, Write::PurgePrivateData).await
    }

    /// Sets a private key's endorsement policy: see
    /// [`set_state_validation_parameter`](Self::set_state_validation_parameter).
    ///
    /// # Errors
    /// As [`get_state`](Self::get_state).
    pub async fn set_private_data_validation_parameter(
        &self,
        collection: &str,
        key: &str,
        policy: Vec<u8>,
    ) -> Result<(), Error> {
        self.put_policy(named(collection)?, key, policy).await
    }

    /// A private key's endorsement policy, if it has one.
    ///
    /// # Errors
    /// As [`get_state_validation_parameter`](Self::get_state_validation_parameter).
    pub async fn get_private_data_validation_parameter(
        &self,
        collection: &str,
        key: &str,
    ) -> Result<Option<Vec<u8>>, Error> {
        self.get_policy(named(collection)?, key).await
    }

    /// Private keys from `start` until before `end`, in their order: see
    /// [`get_state_by_range`](Self::get_state_by_range). For queries alone: the peer refuses writes in the same
    /// transaction, and the range is not checked again at commit.
    ///
    /// # Errors
    /// As [`get_state_by_range`](Self::get_state_by_range).
    pub async fn get_private_data_by_range(
        &self,
        collection: &str,
        start: &str,
        end: &str,
    ) -> Result<StateIterator, Error> {
        self.simple_range(named(collection)?, start, end).await
    }

    /// Private composite keys that begin with these parts: see
    /// [`get_state_by_partial_composite_key`](Self::get_state_by_partial_composite_key). For queries alone.
    ///
    /// # Errors
    /// As [`get_state_by_partial_composite_key`](Self::get_state_by_partial_composite_key).
    pub async fn get_private_data_by_partial_composite_key<S: AsRef<str>>(
        &self,
        collection: &str,
        object_type: &str,
        attributes: &[S],
    ) -> Result<StateIterator, Error> {
        self.partial_composite(named(collection)?, object_type, attributes)
            .await
    }

    /// Results of a rich query over private data: see [`get_query_result`](Self::get_query_result). For queries alone.
    ///
    /// # Errors
    /// As [`get_query_result`](Self::get_query_result).
    pub async fn get_private_data_query_result(
        &self,
        collection: &str,
        query: &str,
    ) -> Result<StateIterator, Error> {
        self.rich_query(named(collection)?, query).await
    }
}
