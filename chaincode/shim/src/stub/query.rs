//! Queries: ranges, rich queries and history, streamed page by page.

use std::collections::VecDeque;

use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::{
    GetHistoryForKey, GetQueryResult, GetStateByRange, QueryMetadata, QueryResponse, QueryResponseMetadata,
    QueryStateClose, QueryStateNext,
};
use fabric_protos::queryresult::{KeyModification, Kv};
use prost::Message;

use super::ChaincodeStub;
use super::private_data::named;
use super::state::PUBLIC;
use crate::line::decode;
use crate::{Error, composite_key};

/// One page of a query with pagination.
#[derive(Debug)]
pub struct Page {
    /// The page's keys and values.
    pub results: Vec<Kv>,
    /// How many there are, by the peer's count.
    pub fetched: i32,
    /// Where the next page begins. After the last it is empty, but not on CouchDB: there it is the range's end, if the range has one, and
    /// for a query in CouchDB's language some bookmark, in either case of an empty page. Fewer results than asked for are the last everywhere.
    pub bookmark: String,
}

impl ChaincodeStub {
    /// Simple keys from `start` until before `end`, in the order of their UTF-8 bytes. An empty `start` is the first simple key, so that
    /// composite keys do not appear; an empty `end` is the last. The peer notes the range and invalidates the transaction if it has changed
    /// by its commit. A peer stops silently at its `totalQueryLimit`; [`range_all`](Self::range_all) does not.
    ///
    /// # Errors
    /// [`Error::SimpleKeyExpected`], and as [`get_state`](Self::get_state).
    pub async fn get_state_by_range(&self, start: &str, end: &str) -> Result<StateIterator, Error> {
        self.simple_range(PUBLIC, start, end).await
    }

    /// A page of [`get_state_by_range`](Self::get_state_by_range), from the bookmark of the page before or from the start with an empty one.
    /// For queries alone: the peer refuses writes in the same transaction. A size of 0 is none to a peer, which then gives the whole range.
    ///
    /// # Errors
    /// As [`get_state_by_range`](Self::get_state_by_range), and [`Error::Malformed`].
    pub async fn get_state_by_range_with_pagination(
        &self,
        start: &str,
        end: &str,
        page_size: i32,
        bookmark: &str,
    ) -> Result<Page, Error> {
        let (start, end) = composite_key::simple_range(start, end)?;
        self.page(range_request(PUBLIC, start, end), page_size, bookmark)
            .await
    }

    /// Composite keys of this object type whose first attributes are these, in the order of their attributes; all of the type with none (`&[""; 0]`).
    ///
    /// # Errors
    /// [`Error::CompositeKeyPart`], and as [`get_state`](Self::get_state).
    pub async fn get_state_by_partial_composite_key<S: AsRef<str>>(
        &self,
        object_type: &str,
        attributes: &[S],
    ) -> Result<StateIterator, Error> {
        self.partial_composite(PUBLIC, object_type, attributes).await
    }

    /// A page of [`get_state_by_partial_composite_key`](Self::get_state_by_partial_composite_key). For queries alone.
    ///
    /// # Errors
    /// As [`get_state_by_partial_composite_key`](Self::get_state_by_partial_composite_key), and [`Error::Malformed`].
    pub async fn get_state_by_partial_composite_key_with_pagination<S: AsRef<str>>(
        &self,
        object_type: &str,
        attributes: &[S],
        page_size: i32,
        bookmark: &str,
    ) -> Result<Page, Error> {
        let (start, end) = composite_key::partial_range(object_type, attributes)?;
        self.page(range_request(PUBLIC, &start, &end), page_size, bookmark)
            .await
    }

    /// A page of all composite keys there are. For queries alone.
    ///
    /// # Errors
    /// As [`get_state`](Self::get_state), and [`Error::Malformed`].
    pub async fn get_all_states_composite_key_with_pagination(
        &self,
        page_size: i32,
        bookmark: &str,
    ) -> Result<Page, Error> {
        let (start, end) = composite_key::all_range();
        self.page(range_request(PUBLIC, &start, &end), page_size, bookmark)
            .await
    }

    /// Results of a query in the state database's own language (CouchDB). For queries: the result is not checked again
    /// at commit.
    ///
    /// # Errors
    /// As [`get_state`](Self::get_state). LevelDB peers answer [`Error::Peer`].
    pub async fn get_query_result(&self, query: &str) -> Result<StateIterator, Error> {
        self.rich_query(PUBLIC, query).await
    }

    /// A page of [`get_query_result`](Self::get_query_result).
    ///
    /// # Errors
    /// As [`get_query_result`](Self::get_query_result), and [`Error::Malformed`].
    pub async fn get_query_result_with_pagination(
        &self,
        query: &str,
        page_size: i32,
        bookmark: &str,
    ) -> Result<Page, Error> {
        let metadata = page_request(page_size, bookmark);
        let request = GetQueryResult {
            query: query.to_owned(),
            collection: PUBLIC.to_owned(),
            metadata,
        };
        let first = self.first(Type::GetQueryResult, request.encode_to_vec()).await?;
        self.read_page(first).await
    }

    /// Every change of a key, the latest first. For queries: not checked again at commit, and a peer that joined by snapshot lacks
    /// what came before.
    ///
    /// # Errors
    /// As [`get_state`](Self::get_state). A peer without a history database answers [`Error::Peer`].
    pub async fn get_history_for_key(&self, key: &str) -> Result<HistoryIterator, Error> {
        let request = GetHistoryForKey { key: key.to_owned() };
        let first = self
            .first(Type::GetHistoryForKey, request.encode_to_vec())
            .await?;
        Ok(HistoryIterator {
            pages: Pages::new(self.clone(), first),
        })
    }

    /// All simple keys from `start` until before `end`, past the peer's `totalQueryLimit`: asks again from the last key
    /// until nothing comes, and at the latest after [`RangeAll::KEYS_A_QUERY`] keys. What queries a transaction made is part of what its
    /// endorsers have to agree on, so peers whose limits differ, but lie above that, endorse alike. `start` and `end` as in [`get_state_by_range`](Self::get_state_by_range).
    ///
    /// # Errors
    /// [`Error::SimpleKeyExpected`].
    pub fn range_all(&self, start: &str, end: &str) -> Result<RangeAll, Error> {
        let (start, end) = composite_key::simple_range(start, end)?;
        Ok(RangeAll::new(self.clone(), PUBLIC, start, end))
    }

    /// [`range_all`](Self::range_all) over the composite keys that begin with these parts.
    ///
    /// # Errors
    /// [`Error::CompositeKeyPart`].
    pub fn range_all_by_partial_composite_key<S: AsRef<str>>(
        &self,
        object_type: &str,
        attributes: &[S],
    ) -> Result<RangeAll, Error> {
        let (start, end) = composite_key::partial_range(object_type, attributes)?;
        Ok(RangeAll::new(self.clone(), PUBLIC, &start, &end))
    }

    /// [`range_all`](Self::range_all) over private data. For queries alone.
    ///
    /// # Errors
    /// [`Error::EmptyCollection`], [`Error::SimpleKeyExpected`].
    pub fn private_range_all(&self, collection: &str, start: &str, end: &str) -> Result<RangeAll, Error> {
        let (start, end) = composite_key::simple_range(start, end)?;
        Ok(RangeAll::new(self.clone(), named(collection)?, start, end))
    }

    /// [`range_all`](Self::range_all) over the private composite keys that begin with these parts. For queries alone.
    ///
    /// # Errors
    /// [`Error::EmptyCollection`], [`Error::CompositeKeyPart`].
    pub fn private_range_all_by_partial_composite_key<S: AsRef<str>>(
        &self,
        collection: &str,
        object_type: &str,
        attributes: &[S],
    ) -> Result<RangeAll, Error> {
        let (start, end) = composite_key::partial_range(object_type, attributes)?;
        Ok(RangeAll::new(self.clone(), named(collection)?, &start, &end))
    }

    pub(super) async fn simple_range(
        &self,
        collection: &str,
        start: &str,
        end: &str,
    ) -> Result<StateIterator, Error> {
        let (start, end) = composite_key::simple_range(start, end)?;
        self.range(collection, start, end).await
    }

    pub(super) async fn partial_composite<S: AsRef<str>>(
        &self,
        collection: &str,
        object_type: &str,
        attributes: &[S],
    ) -> Result<StateIterator, Error> {
        let (start, end) = composite_key::partial_range(object_type, attributes)?;
        self.range(collection, &start, &end).await
    }

    pub(super) async fn rich_query(&self, collection: &str, query: &str) -> Result<StateIterator, Error> {
        let request = GetQueryResult {
            query: query.to_owned(),
            collection: collection.to_owned(),
            metadata: Vec::new(),
        };
        let first = self.first(Type::GetQueryResult, request.encode_to_vec()).await?;
        Ok(StateIterator {
            pages: Pages::new(self.clone(), first),
        })
    }

    async fn range(&self, collection: &str, start: &str, end: &str) -> Result<StateIterator, Error> {
        let request = range_request(collection, start, end);
        let first = self.first(Type::GetStateByRange, request.encode_to_vec()).await?;
        Ok(StateIterator {
            pages: Pages::new(self.clone(), first),
        })
    }

    async fn page(
        &self,
        mut request: GetStateByRange,
        page_size: i32,
        bookmark: &str,
    ) -> Result<Page, Error> {
        request.metadata = page_request(page_size, bookmark);
        let first = self.first(Type::GetStateByRange, request.encode_to_vec()).await?;
        self.read_page(first).await
    }

    async fn read_page(&self, first: QueryResponse) -> Result<Page, Error> {
        let QueryResponseMetadata {
            fetched_records_count,
            bookmark,
        } = decode("QueryResponseMetadata", &first.metadata)?;
        let results = StateIterator {
            pages: Pages::new(self.clone(), first),
        }
        .collect()
        .await?;
        Ok(Page {
            results,
            fetched: fetched_records_count,
            bookmark,
        })
    }

    async fn first(&self, request: Type, payload: Vec<u8>) -> Result<QueryResponse, Error> {
        decode("QueryResponse", &self.line().call(request, payload).await?)
    }
}

fn range_request(collection: &str, start: &str, end: &str) -> GetStateByRange {
    GetStateByRange {
        start_key: start.to_owned(),
        end_key: end.to_owned(),
        collection: collection.to_owned(),
        metadata: Vec::new(),
    }
}

fn page_request(page_size: i32, bookmark: &str) -> Vec<u8> {
    QueryMetadata {
        page_size,
        bookmark: bookmark.to_owned(),
    }
    .encode_to_vec()
}

/// Results of one query, fetched from the peer a page at a time.
struct Pages {
    stub: ChaincodeStub,
    id: String,
    results: VecDeque<Vec<u8>>,
    has_more: bool,
    /// A page was asked for and did not arrive; going on would leave a hole.
    interrupted: bool,
}

impl Pages {
    fn new(stub: ChaincodeStub, first: QueryResponse) -> Self {
        let mut pages = Self {
            stub,
            id: String::new(),
            results: VecDeque::new(),
            has_more: false,
            interrupted: false,
        };
        pages.turn(first);
        pages
    }

    fn turn(&mut self, page: QueryResponse) {
        self.id = page.id;
        self.has_more = page.has_more;
        self.results
            .extend(page.results.into_iter().map(|result| result.result_bytes));
    }

    fn has_next(&self) -> bool {
        !self.results.is_empty() || self.has_more
    }

    /// As in Fabric's Go shim, the last result of a page comes only once the next page is there: whoever stops reading at a page's end has
    /// then read as far as the same code in Go, and the read sets are the same.
    async fn next<M: Message + Default>(&mut self, what: &'static str) -> Result<Option<M>, Error> {
        if self.interrupted {
            return Err(Error::QueryInterrupted);
        }
        while self.has_more && self.results.len() <= 1 {
            let request = QueryStateNext { id: self.id.clone() };
            self.interrupted = true;
            let reply = self
                .stub
                .line()
                .call(Type::QueryStateNext, request.encode_to_vec())
                .await?;
            self.turn(decode("QueryResponse", &reply)?);
            self.interrupted = false;
        }
        self.results
            .pop_front()
            .map(|result| decode(what, &result))
            .transpose()
    }

    async fn collect<M: Message + Default>(mut self, what: &'static str) -> Result<Vec<M>, Error> {
        let mut all = Vec::with_capacity(self.results.len());
        while let Some(result) = self.next(what).await? {
            all.push(result);
        }
        Ok(all)
    }

    /// The peer has closed a query by itself once it said that there is no more.
    async fn close(self) -> Result<(), Error> {
        if !self.has_more {
            return Ok(());
        }
        let request = QueryStateClose { id: self.id };
        self.stub
            .line()
            .call(Type::QueryStateClose, request.encode_to_vec())
            .await
            .map(drop)
    }
}

/// Keys and values of a range or a rich query. The peer closes what was not read to its end when the transaction is over;
/// [`close`](Self::close) frees it earlier.
pub struct StateIterator {
    pages: Pages,
}

impl StateIterator {
    /// Whether [`next`](Self::next) has more to give.
    pub fn has_next(&self) -> bool {
        self.pages.has_next()
    }

    /// The next key and value; `None` after the last.
    ///
    /// # Errors
    /// As [`ChaincodeStub::get_state`], [`Error::Malformed`], and [`Error::QueryInterrupted`] after a failed or dropped call.
    pub async fn next(&mut self) -> Result<Option<Kv>, Error> {
        self.pages.next("KV").await
    }

    /// All that are left.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn collect(self) -> Result<Vec<Kv>, Error> {
        self.pages.collect("KV").await
    }

    /// Tells the peer that the rest is not wanted.
    ///
    /// # Errors
    /// As [`ChaincodeStub::get_state`].
    pub async fn close(self) -> Result<(), Error> {
        self.pages.close().await
    }
}

/// Changes of a key, the latest first.
pub struct HistoryIterator {
    pages: Pages,
}

impl HistoryIterator {
    /// Whether [`next`](Self::next) has more to give.
    pub fn has_next(&self) -> bool {
        self.pages.has_next()
    }

    /// The next change; `None` after the last.
    ///
    /// # Errors
    /// As [`ChaincodeStub::get_state`], [`Error::Malformed`], and [`Error::QueryInterrupted`] after a failed or dropped call.
    pub async fn next(&mut self) -> Result<Option<KeyModification>, Error> {
        self.pages.next("KeyModification").await
    }

    /// All that are left.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn collect(self) -> Result<Vec<KeyModification>, Error> {
        self.pages.collect("KeyModification").await
    }

    /// Tells the peer that the rest is not wanted.
    ///
    /// # Errors
    /// As [`ChaincodeStub::get_state`].
    pub async fn close(self) -> Result<(), Error> {
        self.pages.close().await
    }
}

/// A range read to its true end: see [`ChaincodeStub::range_all`].
pub struct RangeAll {
    stub: ChaincodeStub,
    collection: String,
    /// Where the next query starts.
    start: String,
    end: String,
    query: Option<StateIterator>,
    /// How many keys the query that is open has returned.
    returned: usize,
    done: bool,
}

impl RangeAll {
    /// How many keys one query gives: one less than five of the peer's pages of 100, because the last of a page comes with the next page.
    /// The peer, which looks one key ahead, has then read 501, whatever its limit is above that.
    pub const KEYS_A_QUERY: usize = 499;

    fn new(stub: ChaincodeStub, collection: &str, start: &str, end: &str) -> Self {
        Self {
            stub,
            collection: collection.to_owned(),
            start: start.to_owned(),
            end: end.to_owned(),
            query: None,
            returned: 0,
            done: false,
        }
    }

    /// The next key and value; `None` after the last.
    ///
    /// # Errors
    /// As [`StateIterator::next`].
    pub async fn next(&mut self) -> Result<Option<Kv>, Error> {
        while !self.done {
            if self.returned == Self::KEYS_A_QUERY
                && let Some(full) = self.query.take()
            {
                full.close().await?;
            }
            if self.query.is_none() {
                self.returned = 0;
                self.query = Some(self.stub.range(&self.collection, &self.start, &self.end).await?);
            }
            let Some(query) = self.query.as_mut() else {
                continue;
            };
            if let Some(found) = query.next().await? {
                self.returned += 1;
                // The lowest key above this one.
                self.start = format!("{}\0", found.key);
                return Ok(Some(found));
            }
            self.query = None;
            self.done = self.returned == 0 || (!self.end.is_empty() && self.start >= self.end);
        }
        Ok(None)
    }

    /// All that are left.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn collect(mut self) -> Result<Vec<Kv>, Error> {
        let mut all = Vec::new();
        while let Some(found) = self.next().await? {
            all.push(found);
        }
        Ok(all)
    }
}

macro_rules! opaque_debug {
    ($($iterator:ident),*) => {
        $(impl std::fmt::Debug for $iterator {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($iterator)).finish_non_exhaustive()
            }
        })*
    };
}

opaque_debug!(StateIterator, HistoryIterator, RangeAll);
