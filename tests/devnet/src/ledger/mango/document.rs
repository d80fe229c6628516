//! A value of the state as a CouchDB document, and back (Fabric's `couchdoc_conv.go`): the key is its `_id`, the version stands in
//! `~version`, and a value that is no JSON object hangs on an otherwise empty document. There are no revisions (`_rev`).

use super::{path, refusal::Refusal};
use crate::ledger::{StateEntry, couchdb};
use serde_json::{Map, Value, json};

const ID: &str = "_id";
const VERSION: &str = "~version";
const ATTACHMENTS: &str = "_attachments";

/// What Fabric needs of every document, whatever fields are asked for.
pub(super) const REQUIRED: [&str; 2] = [ID, VERSION];

pub(super) fn of_entry(key: &str, entry: &StateEntry) -> Value {
    let mut fields = couchdb::document(&entry.value).unwrap_or_else(|| {
        let length = entry.value.len();
        let attachment = json!({ "valueBytes": { "content_type": "application/octet-stream", "length": length, "stub": true } });
        Map::from_iter([(ATTACHMENTS.to_owned(), attachment)])
    });
    fields.insert(ID.to_owned(), key.into());
    fields.insert(VERSION.to_owned(), entry.version.to_string().into());
    Value::Object(fields)
}

/// The value that Fabric makes of a document in an answer, reduced to some fields perhaps.
pub(super) fn value(
    document: &Value,
    fields: Option<&[String]>,
    entry: &StateEntry,
) -> Result<Vec<u8>, Refusal> {
    let mut answered = match fields {
        Some(fields) => path::project(document, fields)?,
        None => document.clone(),
    };
    let Some(fields) = answered.as_object_mut() else {
        return Ok(entry.value.clone());
    };
    // A document with an attachment is fetched again with it.
    if fields.contains_key(ATTACHMENTS) {
        return Ok(entry.value.clone());
    }
    fields.remove(ID);
    fields.remove(VERSION);
    Ok(couchdb::marshalled(&answered).into_bytes())
}
