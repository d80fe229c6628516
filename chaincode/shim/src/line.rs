//! One transaction's line to its peer: requests and their replies, one at a time.
//!
//! A peer allows one request in flight per transaction and silently drops a second (`registerTxid` in Fabric's
//! `core/chaincode/handler.go`), so calls queue here. A call whose future was dropped half-way leaves its reply behind; the next
//! call waits for that reply and throws it away before it sends. What a peer of Fabric 3.1 or later can do in batches is decided here and nowhere else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as SyncMutex};
use std::time::Instant;

use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::write_record::Type as Write;
use fabric_protos::protos::{
    ChaincodeAdditionalParams, ChaincodeMessage, DelState, GetState, GetStateMultiple,
    GetStateMultipleResult, PurgePrivateState, PutState, PutStateMetadata, WriteBatchState, WriteRecord,
};
use prost::Message;
use tokio::sync::{Mutex, mpsc};

use crate::Error;
use crate::metrics::Metrics;

/// Room that a message's envelope takes beside its payload: type, ids and event name.
const ENVELOPE: usize = 4 * 1024;

/// What the peer's READY offered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Batches {
    /// Most records in a WRITE_BATCH_STATE, if the peer takes them.
    pub(crate) write: Option<usize>,
    /// Most keys in a GET_STATE_MULTIPLE, if the peer takes them.
    pub(crate) get: Option<usize>,
}

impl Batches {
    /// As Fabric's Go shim reads it: nothing, or nothing that decodes, means neither; 100 is the least limit.
    pub(crate) fn from_ready(payload: &[u8]) -> Self {
        let Ok(offered) = ChaincodeAdditionalParams::decode(payload) else {
            return Self::default();
        };
        let limit = |on: bool, most: u32| on.then(|| usize::try_from(most).unwrap_or(usize::MAX).max(100));
        Self {
            write: limit(offered.use_write_batch, offered.max_size_write_batch),
            get: limit(offered.use_get_multiple_keys, offered.max_size_get_multiple_keys),
        }
    }
}

/// See the module.
pub(crate) struct Line {
    pub(crate) channel_id: String,
    pub(crate) tx_id: String,
    outgoing: mpsc::Sender<ChaincodeMessage>,
    replies: Mutex<Replies>,
    over: AtomicBool,
    batches: Batches,
    batch: SyncMutex<Option<Vec<WriteRecord>>>,
    max_message: usize,
    metrics: Arc<Metrics>,
}

struct Replies {
    /// Boxed, since the channel sets room for several aside, and a transaction seldom needs more than one.
    receiver: mpsc::Receiver<Box<ChaincodeMessage>>,
    /// A request was sent whose reply has not been taken.
    outstanding: bool,
}

impl Replies {
    async fn take(&mut self) -> Result<Box<ChaincodeMessage>, Error> {
        let reply = self.receiver.recv().await.ok_or(Error::Disconnected)?;
        self.outstanding = false;
        Ok(reply)
    }

    /// Leaves no reply behind that the next request could take for its own.
    async fn settle(&mut self) -> Result<(), Error> {
        if self.outstanding {
            self.take().await?;
        }
        while self.receiver.try_recv().is_ok() {}
        Ok(())
    }
}

impl Line {
    /// A line for one transaction, and where its replies go in.
    pub(crate) fn new(
        channel_id: String,
        tx_id: String,
        outgoing: mpsc::Sender<ChaincodeMessage>,
        batches: Batches,
        max_message: usize,
        metrics: Arc<Metrics>,
    ) -> (Self, mpsc::Sender<Box<ChaincodeMessage>>) {
        let (sender, receiver) = mpsc::channel(1);
        let line = Self {
            channel_id,
            tx_id,
            outgoing,
            replies: Mutex::new(Replies {
                receiver,
                outstanding: false,
            }),
            over: AtomicBool::new(false),
            batches,
            batch: SyncMutex::new(None),
            max_message,
            metrics,
        };
        (line, sender)
    }

    /// Sends a request and waits for what the peer says to it.
    pub(crate) async fn call(&self, request: Type, payload: Vec<u8>) -> Result<Vec<u8>, Error> {
        self.check_size(request.as_str_name(), payload.len())?;
        let mut replies = self.replies.lock().await;
        if self.over.load(Ordering::Acquire) {
            return Err(Error::TransactionOver {
                tx_id: self.tx_id.clone(),
            });
        }
        replies.settle().await?;
        let message = ChaincodeMessage {
            r#type: request.into(),
            payload,
            txid: self.tx_id.clone(),
            channel_id: self.channel_id.clone(),
            ..ChaincodeMessage::default()
        };
        let asked = Instant::now();
        let reply = self.ask(&mut replies, message).await;
        let answered = reply.as_ref().is_ok_and(|reply| reply.r#type() == Type::Response);
        self.metrics.asked(request, asked.elapsed(), answered);
        let reply = reply?;
        match reply.r#type() {
            Type::Response => Ok(reply.payload),
            Type::Error => Err(Error::Peer {
                request: request.as_str_name(),
                message: String::from_utf8_lossy(&reply.payload).into_owned(),
            }),
            other => Err(Error::unexpected(request, other)),
        }
    }

    async fn ask(
        &self,
        replies: &mut Replies,
        message: ChaincodeMessage,
    ) -> Result<Box<ChaincodeMessage>, Error> {
        self.outgoing
            .send(message)
            .await
            .map_err(|_| Error::Disconnected)?;
        replies.outstanding = true;
        replies.take().await
    }

    /// Values of several keys in their order; an empty one is a key that is not there.
    pub(crate) async fn get_many(&self, collection: &str, keys: &[String]) -> Result<Vec<Vec<u8>>, Error> {
        let mut values = Vec::with_capacity(keys.len());
        let Some(most) = self.batches.get else {
            for key in keys {
                let request = GetState {
                    key: key.clone(),
                    collection: collection.to_owned(),
                };
                values.push(self.call(Type::GetState, request.encode_to_vec()).await?);
            }
            return Ok(values);
        };
        for keys in keys.chunks(most) {
            let request = GetStateMultiple {
                keys: keys.to_vec(),
                collection: collection.to_owned(),
            };
            let reply = self.call(Type::GetStateMultiple, request.encode_to_vec()).await?;
            let found = decode::<GetStateMultipleResult>("GetStateMultipleResult", &reply)?.values;
            if found.len() != keys.len() {
                return Err(Error::WrongNumberOfValues {
                    expected: keys.len(),
                    got: found.len(),
                });
            }
            values.extend(found);
        }
        Ok(values)
    }

    /// Writes now, or with the batch if one is open.
    pub(crate) async fn write(&self, record: WriteRecord) -> Result<(), Error> {
        if let Some(batch) = self.batch().as_mut() {
            self.check_size("write record", record_size(&record))?;
            batch.push(record);
            return Ok(());
        }
        let WriteRecord {
            key,
            value,
            collection,
            metadata,
            r#type,
        } = record;
        let (request, payload) = match Write::try_from(r#type).unwrap_or(Write::Undefined) {
            Write::PutState => (
                Type::PutState,
                PutState {
                    key,
                    value,
                    collection,
                }
                .encode_to_vec(),
            ),
            Write::DelState => (Type::DelState, DelState { key, collection }.encode_to_vec()),
            Write::PutStateMetadata => (
                Type::PutStateMetadata,
                PutStateMetadata {
                    key,
                    collection,
                    metadata,
                }
                .encode_to_vec(),
            ),
            Write::PurgePrivateData => (
                Type::PurgePrivateData,
                PurgePrivateState { key, collection }.encode_to_vec(),
            ),
            Write::Undefined => return Err(Error::malformed("WriteRecord", &"it has no type")),
        };
        self.call(request, payload).await.map(drop)
    }

    /// Gathers writes from now on, if the peer takes batches.
    pub(crate) fn start_batch(&self) {
        if self.batches.write.is_some() {
            self.batch().get_or_insert_with(Vec::new);
        }
    }

    /// Sends what was gathered, in its order: in messages of as many records, and as many bytes, as the peer takes.
    pub(crate) async fn finish_batch(&self) -> Result<(), Error> {
        let mut gathered = self.batch().take().unwrap_or_default().into_iter().peekable();
        let most = self.batches.write.unwrap_or(usize::MAX);
        let limit = self.payload_limit();
        while gathered.peek().is_some() {
            let (mut batch, mut size) = (WriteBatchState::default(), 0);
            while let Some(record) = gathered.next_if(|record| {
                size += record_size(record);
                batch.rec.is_empty() || (batch.rec.len() < most && size <= limit)
            }) {
                batch.rec.push(record);
            }
            self.call(Type::WriteBatchState, batch.encode_to_vec()).await?;
        }
        Ok(())
    }

    /// Most bytes of a message's payload.
    fn payload_limit(&self) -> usize {
        self.max_message.saturating_sub(ENVELOPE)
    }

    fn check_size(&self, what: &'static str, size: usize) -> Result<(), Error> {
        let limit = self.payload_limit();
        if size > limit {
            return Err(Error::TooLarge { what, size, limit });
        }
        Ok(())
    }

    /// Ends the line once a call in flight has its reply. Whoever still holds the stub gets [`Error::TransactionOver`].
    pub(crate) async fn end(&self) -> Result<(), Error> {
        self.over.store(true, Ordering::Release);
        self.replies.lock().await.settle().await
    }

    /// Sends the transaction's last message. From here on no reply is taken, by which the session knows that the name is free.
    pub(crate) async fn send_last(&self, message: ChaincodeMessage) -> Result<(), Error> {
        self.replies.lock().await.receiver.close();
        self.outgoing.send(message).await.map_err(|_| Error::Disconnected)
    }

    fn batch(&self) -> std::sync::MutexGuard<'_, Option<Vec<WriteRecord>>> {
        // A panic while it was held cannot have left it half-written: pushing and taking are its only uses.
        self.batch
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What a record takes in a batch.
fn record_size(record: &WriteRecord) -> usize {
    let size = record.encoded_len();
    1 + prost::length_delimiter_len(size) + size
}

/// Decodes a message, or names it in the error.
pub(crate) fn decode<M: Message + Default>(what: &'static str, bytes: &[u8]) -> Result<M, Error> {
    M::decode(bytes).map_err(|error| Error::malformed(what, &error))
}
