//! What each request of a chaincode does to the simulator (Fabric's `handler.go`).

use super::{context::TransactionContext, queries::Source, stream::ChaincodeStream};
use crate::{
    channel::Collection,
    config::Profile,
    ledger::{PrivateWrite, QueryCursor, Simulator},
    peer::qscc::QSCC,
};
use fabric_protos::{
    protos::{
        ChaincodeMessage, ChaincodeSpec, DelState, GetHistoryForKey, GetQueryResult, GetState,
        GetStateByRange, GetStateMetadata, GetStateMultiple, GetStateMultipleResult, PutState,
        PutStateMetadata, QueryMetadata, QueryResponse, QueryStateClose, QueryStateNext, Response,
        StateMetadata, StateMetadataResult, WriteBatchState, WriteRecord, chaincode_message::Type,
        write_record,
    },
    queryresult::KeyModification,
};
use prost::Message;
use std::sync::Arc;

pub(super) const NO_CONTEXT: &str = "no ledger context";

type Answer = Result<Vec<u8>, String>;

/// Whether the peer knows this request; another one ends the stream.
pub(super) fn handles(kind: Type, profile: Profile) -> bool {
    match kind {
        Type::GetState
        | Type::PutState
        | Type::DelState
        | Type::InvokeChaincode
        | Type::GetStateByRange
        | Type::GetQueryResult
        | Type::QueryStateNext
        | Type::QueryStateClose
        | Type::GetHistoryForKey
        | Type::GetStateMetadata
        | Type::PutStateMetadata
        | Type::GetPrivateDataHash
        | Type::PurgePrivateData => true,
        Type::WriteBatchState | Type::GetStateMultiple => profile == Profile::V3,
        _ => false,
    }
}

fn decode<M: Message + Default>(message: &ChaincodeMessage) -> Result<M, String> {
    M::decode(message.payload.as_slice()).map_err(|error| format!("unmarshal failed: {error}"))
}

/// The payload of the answer, or the error's text.
pub(super) async fn answer(
    stream: &ChaincodeStream,
    message: &ChaincodeMessage,
    context: Arc<TransactionContext>,
) -> Answer {
    if message.r#type() == Type::InvokeChaincode {
        return invoke(stream, decode(message)?, &context).await;
    }
    let mut guard = context.simulator.lock();
    let simulator = guard.as_mut().ok_or(NO_CONTEXT)?;
    let mut request = Request {
        limit: stream.settings.total_query_limit,
        channel: &stream.settings.channel,
        context: &context,
        simulator,
    };
    match message.r#type() {
        Type::GetState => request.get_state(decode(message)?),
        Type::GetStateMultiple => request.get_state_multiple(decode(message)?),
        Type::PutState => request.put_state(decode(message)?),
        Type::DelState => request.delete_state(decode(message)?),
        Type::PurgePrivateData => request.purge(decode(message)?),
        Type::GetPrivateDataHash => request.get_private_hash(&decode(message)?),
        Type::GetStateMetadata => request.get_metadata(&decode(message)?),
        Type::PutStateMetadata => request.put_metadata(decode(message)?),
        Type::WriteBatchState => request.write_batch(decode(message)?),
        Type::GetStateByRange => request.range(decode(message)?),
        Type::GetQueryResult => request.rich_query(decode(message)?),
        Type::GetHistoryForKey => request.history(&decode(message)?),
        Type::QueryStateNext => {
            let QueryStateNext { id } = decode(message)?;
            let page = request.context.queries().page(request.simulator, &id)?;
            Ok(page.encode_to_vec())
        }
        Type::QueryStateClose => {
            let QueryStateClose { id } = decode(message)?;
            request.context.queries().close(&id);
            Ok(QueryResponse {
                id,
                ..QueryResponse::default()
            }
            .encode_to_vec())
        }
        other => Err(format!("cannot handle {}", other.as_str_name())),
    }
}

/// Runs another chaincode of this channel in the same transaction.
async fn invoke(stream: &ChaincodeStream, spec: ChaincodeSpec, context: &TransactionContext) -> Answer {
    let name = spec.chaincode_id.unwrap_or_default().name;
    // `name:version/channel`, the last two optional.
    let (name, channel) = name.split_once('/').unwrap_or((&name, ""));
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    if !channel.is_empty() && channel != stream.settings.channel {
        return Err(format!("Failed to get policy manager for channel [{channel}]"));
    }
    if name == QSCC {
        return Ok(refused_by_qscc(&context.namespace).encode_to_vec());
    }
    let invoker = stream.invoker.upgrade().ok_or("the peer is stopping")?;
    let called = context.for_chaincode(name);
    let answer = invoker.invoke(called, spec.input.unwrap_or_default()).await;
    answer
        .map(|message| message.encode_to_vec())
        .map_err(|error| format!("execute failed: {error}"))
}

/// What the system chaincode says to other chaincodes.
fn refused_by_qscc(caller: &str) -> ChaincodeMessage {
    let response = Response {
        status: 500,
        message: format!(
            "Rejecting invoke of QSCC from another chaincode because of potential for deadlocks, original invocation for '{caller}'"
        ),
        payload: Vec::new(),
    };
    ChaincodeMessage {
        r#type: Type::Completed.into(),
        payload: response.encode_to_vec(),
        ..ChaincodeMessage::default()
    }
}

struct Request<'a> {
    limit: usize,
    channel: &'a str,
    context: &'a TransactionContext,
    simulator: &'a mut Simulator,
}

impl Request<'_> {
    fn namespace(&self) -> &str {
        &self.context.namespace
    }

    fn collection(&self, name: &str) -> Result<Arc<Collection>, String> {
        let chaincode = self.simulator.definition(self.namespace());
        chaincode
            .and_then(|chaincode| chaincode.collection(name))
            .cloned()
            .ok_or_else(|| {
                format!(
                    "collection {}/{}/{name} could not be found",
                    self.channel,
                    self.namespace()
                )
            })
    }

    fn may(
        &self,
        what: &str,
        collection: &str,
        member_only: impl Fn(&Collection) -> bool,
    ) -> Result<(), String> {
        self.outside_init()?;
        let found = self.collection(collection)?;
        let member = found.members.iter().any(|member| self.context.creator_is(member));
        if member || !member_only(&found) {
            return Ok(());
        }
        Err(format!(
            "tx creator does not have {what} access permission on privatedata in chaincodeName:{} collectionName: {collection}",
            self.namespace()
        ))
    }

    fn outside_init(&self) -> Result<(), String> {
        if self.context.is_init {
            return Err("private data APIs are not allowed in chaincode Init()".to_owned());
        }
        Ok(())
    }

    fn may_read(&self, collection: &str) -> Result<(), String> {
        self.may("read", collection, |collection| collection.member_only_read)
    }

    fn may_write(&self, collection: &str) -> Result<(), String> {
        self.may("write", collection, |collection| collection.member_only_write)
    }

    fn get_state(&mut self, GetState { key, collection }: GetState) -> Answer {
        let namespace = &self.context.namespace;
        let value = if collection.is_empty() {
            self.simulator.get_state(namespace, &key)
        } else {
            self.may_read(&collection)?;
            self.simulator
                .get_private(namespace, &collection, &key)
                .map_err(|e| e.to_string())?
        };
        Ok(value.unwrap_or_default())
    }

    fn get_state_multiple(&mut self, GetStateMultiple { keys, collection }: GetStateMultiple) -> Answer {
        let namespace = &self.context.namespace;
        let values = if collection.is_empty() {
            keys.iter()
                .map(|key| self.simulator.get_state(namespace, key))
                .collect()
        } else {
            self.may_read(&collection)?;
            let values = self.simulator.get_private_multiple(namespace, &collection, &keys);
            values.map_err(|error| error.to_string())?
        };
        let values = values.into_iter().map(Option::unwrap_or_default).collect();
        Ok(GetStateMultipleResult { values }.encode_to_vec())
    }

    fn put_state(
        &mut self,
        PutState {
            key,
            value,
            collection,
        }: PutState,
    ) -> Answer {
        let namespace = &self.context.namespace;
        let written = if collection.is_empty() {
            self.simulator.set_state(namespace, &key, value)
        } else {
            self.may_write(&collection)?;
            self.simulator
                .set_private(namespace, &collection, &key, PrivateWrite { value, purge: false })
        };
        written.map(|()| Vec::new()).map_err(|error| error.to_string())
    }

    fn delete_state(&mut self, DelState { key, collection }: DelState) -> Answer {
        self.put_state(PutState {
            key,
            value: Vec::new(),
            collection,
        })
    }

    fn purge(&mut self, DelState { key, collection }: DelState) -> Answer {
        if collection.is_empty() {
            return Err("only applicable for private data".to_owned());
        }
        self.may_write(&collection)?;
        let write = PrivateWrite {
            value: Vec::new(),
            purge: true,
        };
        let written = self
            .simulator
            .set_private(&self.context.namespace, &collection, &key, write);
        written.map(|()| Vec::new()).map_err(|error| error.to_string())
    }

    fn get_private_hash(&mut self, GetState { key, collection }: &GetState) -> Answer {
        self.outside_init()?;
        let hash = self
            .simulator
            .get_private_hash(&self.context.namespace, collection, key);
        hash.map(Option::unwrap_or_default)
            .map_err(|error| error.to_string())
    }

    fn get_metadata(&mut self, GetStateMetadata { key, collection }: &GetStateMetadata) -> Answer {
        let namespace = &self.context.namespace;
        let metadata = if collection.is_empty() {
            self.simulator.get_metadata(namespace, key)
        } else {
            self.may_read(collection)?;
            let metadata = self.simulator.get_private_metadata(namespace, collection, key);
            metadata.map_err(|error| error.to_string())?
        };
        let entries = metadata
            .into_iter()
            .map(|(metakey, value)| StateMetadata { metakey, value });
        Ok(StateMetadataResult {
            entries: entries.collect(),
        }
        .encode_to_vec())
    }

    fn put_metadata(&mut self, request: PutStateMetadata) -> Answer {
        let StateMetadata { metakey, value } = request.metadata.ok_or("no metadata given")?;
        let metadata = [(metakey, value)].into();
        let namespace = &self.context.namespace;
        let written = if request.collection.is_empty() {
            self.simulator.set_metadata(namespace, &request.key, metadata)
        } else {
            self.may_write(&request.collection)?;
            self.simulator
                .set_private_metadata(namespace, &request.collection, &request.key, metadata)
        };
        written.map(|()| Vec::new()).map_err(|error| error.to_string())
    }

    fn write_batch(&mut self, batch: WriteBatchState) -> Answer {
        for record in batch.rec {
            let kind = record.r#type();
            let WriteRecord {
                key,
                value,
                collection,
                metadata,
                ..
            } = record;
            match kind {
                write_record::Type::PutState => self.put_state(PutState {
                    key,
                    value,
                    collection,
                }),
                write_record::Type::DelState => self.delete_state(DelState { key, collection }),
                write_record::Type::PurgePrivateData => self.purge(DelState { key, collection }),
                write_record::Type::PutStateMetadata => self.put_metadata(PutStateMetadata {
                    key,
                    collection,
                    metadata,
                }),
                write_record::Type::Undefined => Err("unknown operation type".to_owned()),
            }?;
        }
        Ok(Vec::new())
    }

    /// The metadata of a page that is asked for, and how many results there may be.
    fn page(&self, metadata: &[u8]) -> Result<(QueryMetadata, usize), String> {
        let metadata =
            QueryMetadata::decode(metadata).map_err(|error| format!("unmarshal failed: {error}"))?;
        let size = usize::try_from(metadata.page_size).unwrap_or(0);
        let limit = if size > 0 {
            size.min(self.limit)
        } else {
            self.limit
        };
        Ok((metadata, limit))
    }

    fn rich_query(&mut self, request: GetQueryResult) -> Answer {
        let GetQueryResult {
            query,
            collection,
            metadata,
        } = request;
        let (metadata, limit) = self.page(&metadata)?;
        let namespace = &self.context.namespace;
        let paginated = collection.is_empty() && (metadata.page_size != 0 || !metadata.bookmark.is_empty());
        let opened = if collection.is_empty() {
            let page = paginated.then_some((metadata.page_size, metadata.bookmark.as_str()));
            self.simulator.rich_query(namespace, &query, page)
        } else {
            self.may_read(&collection)?;
            self.simulator.private_rich_query(namespace, &collection, &query)
        };
        let opened = opened.map_err(|error| error.to_string())?;
        self.open(Source::Rich(Box::new(opened)), limit, paginated)
    }

    fn range(&mut self, request: GetStateByRange) -> Answer {
        let GetStateByRange {
            start_key,
            end_key,
            collection,
            metadata,
        } = request;
        let (metadata, limit) = self.page(&metadata)?;
        let namespace = self.context.namespace.clone();
        let (source, paginated) = if collection.is_empty() {
            let paginated = metadata.page_size != 0 || !metadata.bookmark.is_empty();
            let start = if metadata.bookmark.is_empty() {
                start_key
            } else {
                metadata.bookmark
            };
            let query = self.simulator.range(&namespace, &start, &end_key, paginated);
            let query = query.map_err(|error| error.to_string())?;
            let cursor = QueryCursor {
                next: Some(start),
                end: end_key,
            };
            (
                Source::Public {
                    namespace,
                    query,
                    cursor,
                },
                paginated,
            )
        } else {
            self.may_read(&collection)?;
            self.simulator
                .begin_private_range(&namespace, &collection)
                .map_err(|error| error.to_string())?;
            let cursor = QueryCursor {
                next: Some(start_key),
                end: end_key,
            };
            (
                Source::Private {
                    namespace,
                    collection,
                    cursor,
                },
                false,
            )
        };
        self.open(source, limit, paginated)
    }

    fn history(&mut self, GetHistoryForKey { key }: &GetHistoryForKey) -> Answer {
        let changes = self.simulator.history(&self.context.namespace, key);
        let changes: Vec<KeyModification> = changes
            .into_iter()
            .map(|change| KeyModification {
                tx_id: change.tx_id,
                is_delete: change.value.is_none(),
                value: change.value.unwrap_or_default(),
                timestamp: change.timestamp,
            })
            .collect();
        let source = Source::History {
            rest: changes.into_iter(),
        };
        self.open(source, self.limit, false)
    }

    fn open(&mut self, source: Source, limit: usize, paginated: bool) -> Answer {
        let mut queries = self.context.queries();
        let page = queries.open(self.simulator, &self.context.tx_id, source, limit, paginated)?;
        Ok(page.encode_to_vec())
    }
}
