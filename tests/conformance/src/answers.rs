//! What methods gave, in JSON that both languages write alike.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chaincode_shim::{Error, Kv, Page, StateIterator};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(crate) type Answer = Result<Value, Error>;

pub(crate) fn bytes(bytes: impl AsRef<[u8]>) -> Value {
    Value::String(STANDARD.encode(bytes))
}

pub(crate) fn hash(content: impl AsRef<[u8]>) -> Value {
    bytes(Sha256::digest(content))
}

/// A value, or null where there is none.
pub(crate) fn value(found: Option<Vec<u8>>) -> Value {
    found.map_or(Value::Null, bytes)
}

pub(crate) fn values(found: Vec<Option<Vec<u8>>>) -> Value {
    found.into_iter().map(value).collect()
}

pub(crate) fn done(_: ()) -> Value {
    json!("ok")
}

fn key_values(found: Vec<Kv>) -> Value {
    found
        .into_iter()
        .map(|found| json!([found.namespace, found.key, bytes(found.value)]))
        .collect()
}

/// Reads so many results, all without a limit, and closes the query.
pub(crate) async fn results(query: Result<StateIterator, Error>, limit: &str) -> Answer {
    let (mut query, limit) = (query?, limit.parse().unwrap_or(usize::MAX));
    let mut found = Vec::new();
    while query.has_next() && found.len() < limit {
        found.extend(query.next().await?);
    }
    let more = query.has_next();
    query.close().await?;
    Ok(json!({"results": key_values(found), "more": more}))
}

pub(crate) fn page(page: Page) -> Value {
    json!({"results": key_values(page.results), "fetched": page.fetched, "bookmark": page.bookmark})
}

pub(crate) fn timestamp(seconds: i64, nanos: i32) -> Value {
    Value::String(format!("{seconds}.{nanos:09}"))
}
