//! Rich queries in a simulation (Fabric's `query_executor.go`, and the scanner of `statecouchdb.go`): each result is a read of its
//! key, and nothing guards against what would have been found besides.

use super::{Result, SimulationError, Simulator};
use crate::{
    config::StateDatabase,
    ledger::{
        mango::{Found, Query},
        state::{Entries, collection_key},
    },
};

/// How many documents the peer asks CouchDB for at once (`ledger.state.couchDBConfig.internalQueryLimit`).
const INTERNAL_QUERY_LIMIT: usize = 1000;

/// A rich query that is being read.
#[derive(Debug)]
pub(crate) struct RichQuery {
    namespace: String,
    /// Empty: public.
    collection: String,
    query: Query,
    /// Results of a page, asked for by the caller; none: all.
    requested: Option<usize>,
    returned: usize,
    fetched: std::vec::IntoIter<Found>,
    /// Whether CouchDB was asked for, and gave, all that it may be asked for at once: then there may be more.
    full: bool,
    bookmark: String,
}

impl RichQuery {
    /// Where the next page starts.
    pub(crate) fn bookmark(&self) -> &str {
        &self.bookmark
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    fn fetch(&mut self, entries: Option<&Entries>) -> Result<()> {
        let requested = self.requested.map_or(INTERNAL_QUERY_LIMIT, |requested| {
            requested.saturating_sub(self.returned)
        });
        let limit = requested.min(INTERNAL_QUERY_LIMIT);
        let none = Entries::new();
        let page = self.query.page(entries.unwrap_or(&none), &self.bookmark, limit)?;
        self.full = page.found.len() == INTERNAL_QUERY_LIMIT;
        self.fetched = page.found.into_iter();
        self.bookmark = page.bookmark;
        Ok(())
    }
}

impl Simulator {
    /// Starts a public rich query. Pages are asked for by their size (0 or less: as many as there are) and a bookmark; results come from
    /// [`Self::next_rich`].
    pub(crate) fn rich_query(
        &mut self,
        namespace: &str,
        query: &str,
        page: Option<(i32, &str)>,
    ) -> Result<RichQuery> {
        let (method, (page_size, bookmark)) = match page {
            Some(page) => {
                self.begin_pagination()?;
                ("ExecuteQueryWithMetadata", page)
            }
            None => ("ExecuteQuery", (0, "")),
        };
        let requested = usize::try_from(page_size).ok().filter(|size| *size > 0);
        self.open_rich(method, (namespace, ""), query, bookmark, requested)
    }

    /// Starts a rich query on private values: from here on the transaction may not write.
    pub(crate) fn private_rich_query(
        &mut self,
        namespace: &str,
        collection: &str,
        query: &str,
    ) -> Result<RichQuery> {
        self.begin_private_range(namespace, collection)?;
        self.open_rich("ExecuteQuery", (namespace, collection), query, "", None)
    }

    fn open_rich(
        &self,
        method: &'static str,
        (namespace, collection): (&str, &str),
        query: &str,
        bookmark: &str,
        requested: Option<usize>,
    ) -> Result<RichQuery> {
        if self.database == StateDatabase::GoLevelDb {
            return Err(SimulationError::NoRichQueries(method));
        }
        let query = Query::parse(query, bookmark)?;
        let mut opened = RichQuery {
            namespace: namespace.to_owned(),
            collection: collection.to_owned(),
            requested,
            returned: 0,
            fetched: Vec::new().into_iter(),
            full: false,
            bookmark: query.bookmark().to_owned(),
            query,
        };
        let entries = self.rich_entries(&opened);
        opened.fetch(entries)?;
        Ok(opened)
    }

    /// The next result of a rich query.
    pub(crate) fn next_rich(&mut self, query: &mut RichQuery) -> Result<Option<(String, Vec<u8>)>> {
        if query.fetched.len() == 0 && query.full {
            query.fetch(self.rich_entries(query))?;
        }
        let Some(found) = query.fetched.next() else {
            return Ok(None);
        };
        query.returned += 1;
        if query.collection.is_empty() {
            self.builder
                .read(&query.namespace, &found.key, Some(found.version));
        }
        Ok(Some((found.key, found.value)))
    }

    fn rich_entries(&self, query: &RichQuery) -> Option<&Entries> {
        if query.collection.is_empty() {
            return self.state.public.get(&query.namespace);
        }
        self.state
            .private
            .get(&collection_key(&query.namespace, &query.collection))
    }
}
