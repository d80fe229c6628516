//! Public state, and what public state and private data have in common.

use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::write_record::Type as Write;
use fabric_protos::protos::{
    GetState, GetStateMetadata, MetaDataKeys, StateMetadata, StateMetadataResult, WriteRecord,
};
use prost::Message;

use super::ChaincodeStub;
use crate::Error;
use crate::line::decode;

/// Collection name that means public state on the wire.
pub(super) const PUBLIC: &str = "";

/// Value of a key. `None` is a key that is not there: the peer answers it with an empty value, and takes an empty value written
/// for a deletion (`IsKVWriteDelete` in Fabric's `rwset_proto_util.go`), so that no key has an empty one.
pub(super) fn found(value: Vec<u8>) -> Option<Vec<u8>> {
    (!value.is_empty()).then_some(value)
}

impl ChaincodeStub {
    /// Value of a key as of the last block, not of this transaction's own writes. `None` if it is not there: a peer
    /// cannot hold an empty value, so that the two are one.
    ///
    /// # Errors
    /// Those of a call to the peer: [`Error::Peer`], [`Error::Disconnected`], [`Error::TransactionOver`], [`Error::TooLarge`]
    /// and [`Error::UnexpectedReply`]. Every method that asks the peer has them.
    pub async fn get_state(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.get(PUBLIC, key, Type::GetState).await
    }

    /// Values of several keys, in the order of the keys: in few messages from Fabric 3.1 on, in one a key before.
    ///
    /// # Errors
    /// As [`get_state`](Self::get_state), and [`Error::WrongNumberOfValues`].
    pub async fn get_multiple_states(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        Ok(self
            .line()
            .get_many(PUBLIC, keys)
            .await?
            .into_iter()
            .map(found)
            .collect())
    }

    /// Writes a key if the transaction becomes valid. An empty value deletes the key.
    ///
    /// # Errors
    /// [`Error::EmptyKey`], and as [`get_state`](Self::get_state).
    pub async fn put_state(&self, key: &str, value: Vec<u8>) -> Result<(), Error> {
        self.put(PUBLIC, key, value).await
    }

    /// Deletes a key if the transaction becomes valid.
    ///
    /// # Errors
    /// As [`get_state`](Self::get_state).
    pub async fn del_state(&self, key: &str) -> Result<(), Error> {
        self.write(PUBLIC, key, Write::DelState).await
    }

    /// Sets a key's endorsement policy, which replaces the chaincode's for this key from the next transaction on.
    /// [`KeyEndorsementPolicy`](crate::KeyEndorsementPolicy) makes the policy's bytes.
    ///
    /// # Errors
    /// As [`get_state`](Self::get_state).
    pub async fn set_state_validation_parameter(&self, key: &str, policy: Vec<u8>) -> Result<(), Error> {
        self.put_policy(PUBLIC, key, policy).await
    }

    /// A key's endorsement policy, if it has one.
    ///
    /// # Errors
    /// As [`get_state`](Self::get_state), and [`Error::Malformed`].
    pub async fn get_state_validation_parameter(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.get_policy(PUBLIC, key).await
    }

    /// Gathers the writes that follow and sends them in few messages. Nothing happens before Fabric 3.1. Reads are not affected: they
    /// never see this transaction's writes.
    pub fn start_write_batch(&self) {
        self.line().start_batch();
    }

    /// Sends the writes gathered since [`start_write_batch`](Self::start_write_batch), in their order. What is left over when the
    /// contract function returns is sent then.
    ///
    /// # Errors
    /// As [`get_state`](Self::get_state); the first write that the peer refuses is the error.
    pub async fn finish_write_batch(&self) -> Result<(), Error> {
        self.line().finish_batch().await
    }

    pub(super) async fn get(
        &self,
        collection: &str,
        key: &str,
        request: Type,
    ) -> Result<Option<Vec<u8>>, Error> {
        let payload = GetState {
            key: key.to_owned(),
            collection: collection.to_owned(),
        };
        self.line()
            .call(request, payload.encode_to_vec())
            .await
            .map(found)
    }

    pub(super) async fn put(&self, collection: &str, key: &str, value: Vec<u8>) -> Result<(), Error> {
        if key.is_empty() {
            return Err(Error::EmptyKey);
        }
        let record = WriteRecord {
            key: key.to_owned(),
            value,
            collection: collection.to_owned(),
            metadata: None,
            r#type: Write::PutState.into(),
        };
        self.line().write(record).await
    }

    pub(super) async fn write(&self, collection: &str, key: &str, write: Write) -> Result<(), Error> {
        let record = WriteRecord {
            key: key.to_owned(),
            collection: collection.to_owned(),
            r#type: write.into(),
            ..WriteRecord::default()
        };
        self.line().write(record).await
    }

    pub(super) async fn put_policy(&self, collection: &str, key: &str, policy: Vec<u8>) -> Result<(), Error> {
        let metakey = MetaDataKeys::ValidationParameter.as_str_name().to_owned();
        let record = WriteRecord {
            key: key.to_owned(),
            collection: collection.to_owned(),
            metadata: Some(StateMetadata {
                metakey,
                value: policy,
            }),
            r#type: Write::PutStateMetadata.into(),
            ..WriteRecord::default()
        };
        self.line().write(record).await
    }

    pub(super) async fn get_policy(&self, collection: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let request = GetStateMetadata {
            key: key.to_owned(),
            collection: collection.to_owned(),
        };
        let reply = self
            .line()
            .call(Type::GetStateMetadata, request.encode_to_vec())
            .await?;
        let metadata: StateMetadataResult = decode("StateMetadataResult", &reply)?;
        let name = MetaDataKeys::ValidationParameter.as_str_name();
        Ok(metadata
            .entries
            .into_iter()
            .find(|entry| entry.metakey == name)
            .map(|entry| entry.value))
    }
}
