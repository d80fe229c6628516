//! Open queries of a transaction and their pages (Fabric's `query_response_generator.go`): a hundred results a message, silently
//! no more than the peer's limit in all.

use crate::ledger::{QueryCursor, RichQuery, Simulator};
use fabric_protos::{
    protos::{QueryResponse, QueryResponseMetadata, QueryResultBytes},
    queryresult::{KeyModification, Kv},
};
use prost::Message;
use std::collections::BTreeMap;

/// Results in one message.
const PAGE: usize = 100;

/// Where a query's results come from.
pub(crate) enum Source {
    Public {
        namespace: String,
        query: usize,
        cursor: QueryCursor,
    },
    Private {
        namespace: String,
        collection: String,
        cursor: QueryCursor,
    },
    Rich(Box<RichQuery>),
    History {
        rest: std::vec::IntoIter<KeyModification>,
    },
}

impl Source {
    fn next(&mut self, simulator: &mut Simulator) -> Result<Option<Vec<u8>>, String> {
        let kv = |namespace: &str, (key, value)| {
            Kv {
                namespace: namespace.to_owned(),
                key,
                value,
            }
            .encode_to_vec()
        };
        Ok(match self {
            Self::Public {
                namespace,
                query,
                cursor,
            } => simulator.next(*query, cursor).map(|found| kv(namespace, found)),
            Self::Private {
                namespace,
                collection,
                cursor,
            } => simulator
                .next_private(namespace, collection, cursor)
                .map(|found| kv(namespace, found)),
            Self::Rich(query) => {
                let found = simulator.next_rich(query).map_err(|error| error.to_string())?;
                found.map(|found| kv(query.namespace(), found))
            }
            Self::History { rest } => rest.next().map(|modification| modification.encode_to_vec()),
        })
    }

    /// Where a next page would start; when there is nothing left, what the state database says then.
    fn bookmark(&self, simulator: &Simulator) -> String {
        match self {
            Self::Public { query, cursor, .. } => simulator
                .peek(*query, cursor)
                .unwrap_or_else(|| simulator.bookmark_at_the_end(cursor)),
            Self::Rich(query) => query.bookmark().to_owned(),
            Self::Private { .. } | Self::History { .. } => String::new(),
        }
    }
}

struct Query {
    source: Source,
    /// Read already, not sent yet.
    pending: Vec<QueryResultBytes>,
    returned: usize,
    limit: usize,
    paginated: bool,
}

/// The open queries of one transaction in one chaincode.
#[derive(Default)]
pub(crate) struct Queries {
    open: BTreeMap<String, Query>,
    opened: usize,
}

impl Queries {
    /// Opens a query and gives its first page.
    pub(crate) fn open(
        &mut self,
        simulator: &mut Simulator,
        tx_id: &str,
        source: Source,
        limit: usize,
        paginated: bool,
    ) -> Result<QueryResponse, String> {
        self.opened += 1;
        let id = format!("{tx_id}-{}", self.opened);
        let query = Query {
            source,
            pending: Vec::new(),
            returned: 0,
            limit,
            paginated,
        };
        self.open.insert(id.clone(), query);
        self.page(simulator, &id)
    }

    /// The next page. A query that fails is closed.
    pub(crate) fn page(&mut self, simulator: &mut Simulator, id: &str) -> Result<QueryResponse, String> {
        let mut query = self.open.remove(id).ok_or("query iterator not found")?;
        loop {
            let next = if query.returned >= query.limit {
                None
            } else {
                query.source.next(simulator)?
            };
            let Some(result) = next else {
                let metadata = query.paginated.then(|| {
                    let fetched = i32::try_from(query.returned).unwrap_or(i32::MAX);
                    let bookmark = query.source.bookmark(simulator);
                    QueryResponseMetadata {
                        fetched_records_count: fetched,
                        bookmark,
                    }
                    .encode_to_vec()
                });
                return Ok(QueryResponse {
                    results: query.pending,
                    has_more: false,
                    id: id.to_owned(),
                    metadata: metadata.unwrap_or_default(),
                });
            };
            query.returned += 1;
            let full = !query.paginated && query.pending.len() == PAGE;
            let batch = full.then(|| std::mem::take(&mut query.pending));
            query.pending.push(QueryResultBytes { result_bytes: result });
            if let Some(results) = batch {
                self.open.insert(id.to_owned(), query);
                return Ok(QueryResponse {
                    results,
                    has_more: true,
                    id: id.to_owned(),
                    metadata: Vec::new(),
                });
            }
        }
    }

    pub(crate) fn close(&mut self, id: &str) {
        self.open.remove(id);
    }
}
