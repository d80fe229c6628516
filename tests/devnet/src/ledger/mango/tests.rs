//! Queries over documents: what CouchDB 3.5.0 answered to the same, and properties that hold for all selectors.

mod operators;
mod properties;
mod recorded;
mod refusals;

use super::{Page, Query, Refusal};
use crate::ledger::{StateEntry, Version};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Entries = BTreeMap<String, StateEntry>;

fn entry(value: &str) -> StateEntry {
    StateEntry {
        value: value.as_bytes().to_vec(),
        version: Version {
            block: 1,
            transaction: 0,
        },
        metadata: BTreeMap::new(),
    }
}

fn entries(values: &[(&str, Value)]) -> Entries {
    let values = values
        .iter()
        .map(|(key, value)| ((*key).to_owned(), entry(&value.to_string())));
    values.collect()
}

fn some() -> Entries {
    let mut some = entries(&[
        ("B", json!({"s": "Straße"})),
        ("C", json!({"s": "a\0"})),
        ("Z", json!({})),
        (
            "a",
            json!({"n": 1, "list": [1, 2, {"m": 3}], "deep": {"a.b": {"c": true}}}),
        ),
        ("b\0x", json!({"n": 7})),
        ("z\u{10FFFF}", json!({"n": 7.5, "s": "line\nfeed"})),
        ("\0t\0x\0", json!({"n": -3, "list": []})),
    ]);
    some.insert("at".to_owned(), entry("hello"));
    some
}

/// All that a query gives at once.
fn ask(query: &Value, entries: &Entries) -> Result<Page, Refusal> {
    Query::parse(&query.to_string(), "")?.page(entries, "", 1000)
}

fn keys(page: Page) -> Vec<String> {
    page.found.into_iter().map(|found| found.key).collect()
}

fn select(selector: &Value) -> Vec<String> {
    keys(ask(&json!({ "selector": selector }), &some()).unwrap())
}

fn refused(query: &Value) -> String {
    ask(query, &some()).unwrap_err().to_string()
}

/// JSON of all kinds.
pub(super) fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..4).prop_map(Value::from),
        (-3_i64..4).prop_map(|number| Value::from(number as f64 / 2.0)),
        "[aAbB\u{0}é1 ]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[abc]{1,2}", inner, 0..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}
