//! Random queries, all operators in them, and what CouchDB 3.5.0 answered.

use super::{Entries, entries, entry};
use crate::ledger::mango::Query;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Recorded {
    documents: BTreeMap<String, Value>,
    /// Values that are no documents.
    texts: BTreeMap<String, String>,
    queries: Vec<Asked>,
}

#[derive(Deserialize)]
struct Asked {
    query: Map<String, Value>,
    /// Keys in their order.
    #[serde(default)]
    found: Vec<String>,
    /// Where the query asks for fields.
    values: Option<Vec<Value>>,
    refused: Option<String>,
}

fn recorded() -> Recorded {
    serde_json::from_str(include_str!("../../../../vectors/mango-couchdb-3.5.0.json")).unwrap()
}

fn state(recorded: &Recorded) -> Entries {
    let documents = recorded
        .documents
        .iter()
        .map(|(key, value)| (key.as_str(), value.clone()));
    let mut state = entries(&documents.collect::<Vec<_>>());
    state.extend(
        recorded
            .texts
            .iter()
            .map(|(key, text)| (key.clone(), entry(text))),
    );
    state
}

#[test]
fn queries_are_answered_as_couchdb_answered_them() {
    let recorded = recorded();
    let state = state(&recorded);
    assert_eq!(recorded.queries.len(), 354);
    for mut asked in recorded.queries {
        let limit = asked
            .query
            .remove("limit")
            .and_then(|limit| limit.as_u64())
            .unwrap();
        let text = Value::from(asked.query).to_string();
        let page =
            Query::parse(&text, "").and_then(|query| query.page(&state, "", usize::try_from(limit).unwrap()));
        if let Some(refused) = asked.refused {
            let error = page.unwrap_err().to_string();
            assert_eq!(
                error,
                format!("error handling CouchDB request. {refused}"),
                "{text}"
            );
            continue;
        }
        let found = page.unwrap_or_else(|error| panic!("{text}: {error}")).found;
        let keys: Vec<_> = found.iter().map(|found| found.key.as_str()).collect();
        assert_eq!(keys, asked.found, "{text}");
        for (found, expected) in found.iter().zip(asked.values.into_iter().flatten()) {
            let value = String::from_utf8(found.value.clone()).unwrap();
            // What is no document comes back as text.
            let value = expected.as_str().map_or_else(
                || serde_json::from_str(&value).unwrap(),
                |_| Value::from(value.as_str()),
            );
            assert_eq!(value, expected, "{text}");
        }
    }
}
