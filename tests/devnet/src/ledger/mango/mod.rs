//! Rich queries as a peer on CouchDB answers them: what Fabric makes of a query (`statecouchdb.go`), and CouchDB's Mango, in which it is
//! written. Read there, compared with a running CouchDB 3.5.0; the README says what is not here.

mod bookmark;
mod collation;
mod condition;
mod document;
mod go_json;
mod id_range;
mod matching;
mod options;
mod path;
mod refusal;
mod selector;
mod term;

use super::{StateEntry, Version};
use options::Options;
pub(crate) use refusal::Refusal;
use serde_json::Value;
use std::{collections::BTreeMap, ops::Bound};

/// A query, read and checked.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    options: Options,
    /// Ids to look at; none: the selector cannot hold.
    ids: Option<id_range::Ids>,
}

/// A document that a query found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) key: String,
    pub(crate) value: Vec<u8>,
    pub(crate) version: Version,
}

/// One answer of CouchDB.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) found: Vec<Found>,
    /// Where the next page starts, even when there is none.
    pub(crate) bookmark: String,
}

impl Query {
    /// Reads a query. Fabric's own bookmark goes before the query's; empty: none.
    pub(crate) fn parse(text: &str, bookmark: &str) -> Result<Self, Refusal> {
        let mut query = go_json::object(text)?;
        match query.get_mut("fields") {
            Some(Value::Array(fields)) => fields.extend(document::REQUIRED.map(Value::from)),
            Some(_) => return Err(Refusal::Fields),
            None => {}
        }
        if !bookmark.is_empty() {
            query.insert("bookmark".to_owned(), bookmark.into());
        }
        query.insert("limit".to_owned(), 0.into());
        let options = Options::parse(query)?;
        let ids = id_range::ids(&options.selector)?;
        Ok(Self { options, ids })
    }

    /// The bookmark that came with the query.
    pub(crate) fn bookmark(&self) -> &str {
        &self.options.bookmark
    }

    /// The first `limit` documents from a bookmark on (empty: from the start), in the order of their ids' bytes.
    pub(crate) fn page(
        &self,
        entries: &BTreeMap<String, StateEntry>,
        bookmark: &str,
        limit: usize,
    ) -> Result<Page, Refusal> {
        let mut page = Page {
            found: Vec::new(),
            bookmark: String::new(),
        };
        let Some((low, high)) = self.ids.clone() else {
            return Ok(page);
        };
        let last = (!bookmark.is_empty())
            .then(|| bookmark::decode(bookmark))
            .transpose()?;
        page.bookmark = if last.is_some() { bookmark } else { bookmark::NONE }.to_owned();
        // A bookmark takes the place of the bound at which the search starts; the document there has been had. What the query skips is
        // skipped on every page, since Fabric sends the same query again.
        let mut had = last.is_some();
        let mut skipped = self.options.skip;
        let (low, high) = match last {
            Some(last) if self.options.descending => (low, Bound::Included(last)),
            Some(last) => (Bound::Included(last), high),
            None => (low, high),
        };
        let within = within(entries, low, high);
        let ordered: Box<dyn Iterator<Item = _>> = if self.options.descending {
            Box::new(within.rev())
        } else {
            Box::new(within)
        };
        let mut at = None;
        for (key, entry) in ordered {
            let document = document::of_entry(key, entry);
            if !self.options.selector.matches(&document)? {
                continue;
            }
            if std::mem::take(&mut had) {
                continue;
            }
            if page.found.len() == limit {
                break;
            }
            at = Some(key);
            if skipped > 0 {
                skipped -= 1;
                continue;
            }
            page.found.push(Found {
                key: key.clone(),
                value: document::value(&document, self.options.fields.as_deref(), entry)?,
                version: entry.version,
            });
        }
        if let Some(key) = at {
            page.bookmark = bookmark::encode(key);
        }
        Ok(page)
    }
}

fn within(
    entries: &BTreeMap<String, StateEntry>,
    low: Bound<String>,
    high: Bound<String>,
) -> impl DoubleEndedIterator<Item = (&String, &StateEntry)> {
    let empty = match (&low, &high) {
        (Bound::Included(low), Bound::Included(high)) => low > high,
        (Bound::Included(_), Bound::Excluded(_)) => true,
        _ => false,
    };
    let range = (!empty).then(|| entries.range((low, high)));
    range.into_iter().flatten()
}

#[cfg(test)]
mod tests;
