//! The contract's functions, a file for each group, written against [`crate::ledger::Ledger`].

pub mod allocations;
pub mod clearing;
pub mod export;
pub mod listings;
pub mod orders;
pub mod own_orders;
pub mod receipts;
pub mod roster;
pub mod settlement;
pub mod tokens;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::ContractError;

/// The most orders that one call may name.
pub const MAX_BATCH: usize = 1_000;

/// Reads an argument that is JSON and no secret.
///
/// # Errors
/// [`ContractError::BadJson`], with the field that is unknown, missing, given twice or of another type.
pub fn parse<T: DeserializeOwned>(
    argument: &str,
    text: &str,
    allowed: &'static str,
) -> Result<T, ContractError> {
    json(text.as_bytes()).map_err(|(path, error)| ContractError::BadJson {
        argument: format!("{argument}{path}"),
        reason: error.to_string(),
        allowed,
    })
}

/// Reads JSON whole. A refusal comes with the path to the field where it broke, such as `.price.min`.
pub(crate) fn json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, (String, serde_json::Error)> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = match error.path().to_string() {
            path if path == "." => String::new(),
            path if path.starts_with('[') => path,
            path => format!(".{path}"),
        };
        (path, error.into_inner())
    })?;
    reader.end().map_err(|error| (String::new(), error))?;
    Ok(read)
}

/// Checks the length of a batch.
///
/// # Errors
/// [`ContractError::BadArgument`] for none or too many.
pub fn check_batch(argument: &str, length: usize) -> Result<(), ContractError> {
    if (1..=MAX_BATCH).contains(&length) {
        Ok(())
    } else {
        Err(ContractError::argument(
            argument,
            format_args!("{length} orders"),
            format!("1 to {MAX_BATCH} orders"),
        ))
    }
}

/// The answer to a call that names one order.
///
/// # Errors
/// [`ContractError::UnreadableRecord`] when there is none, which no call with one order leads to.
pub fn only<T>(answers: Vec<T>) -> Result<T, ContractError> {
    answers
        .into_iter()
        .next()
        .ok_or_else(|| ContractError::UnreadableRecord {
            key: "order".to_owned(),
            reason: "there is no answer".to_owned(),
        })
}
