//! What stands on the ledger. Every public record is JSON with the version of its form first, written field by field
//! in the order of its declaration, so that every endorser writes the same bytes.

pub mod allocation;
pub mod book;
pub mod listing;
pub mod order;
pub mod private_order;
pub mod roster;
pub mod settlement;
pub mod status;
pub mod terms;
pub mod token;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::ContractError;

/// The version of the records' form, in every one of them.
pub const RECORD_VERSION: u16 = 1;

#[derive(Serialize)]
struct Write<'a, T> {
    version: u16,
    #[serde(flatten)]
    record: &'a T,
}

#[derive(Deserialize)]
struct Version {
    version: u16,
}

/// The bytes to be stored for a record.
///
/// # Errors
/// [`ContractError::UnreadableRecord`] when the record has no JSON form, which none of this crate lacks.
pub fn encode<T: Serialize>(key: &str, record: &T) -> Result<Vec<u8>, ContractError> {
    serde_json::to_vec(&Write {
        version: RECORD_VERSION,
        record,
    })
    .map_err(|error| unreadable(key, error.to_string()))
}

/// Reads a stored record. A state database may have reordered its fields.
///
/// # Errors
/// [`ContractError::UnreadableRecord`] for another version, or bytes that are not such a record.
pub fn decode<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, ContractError> {
    let Version { version } =
        serde_json::from_slice(bytes).map_err(|error| unreadable(key, error.to_string()))?;
    if version != RECORD_VERSION {
        return Err(unreadable(
            key,
            format!("found version {version}, this contract reads {RECORD_VERSION}"),
        ));
    }
    serde_json::from_slice(bytes).map_err(|error| unreadable(key, error.to_string()))
}

fn unreadable(key: &str, reason: String) -> ContractError {
    ContractError::UnreadableRecord {
        key: key.to_owned(),
        reason,
    }
}
