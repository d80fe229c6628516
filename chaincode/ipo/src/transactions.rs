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
    serde_json::from_str(text).map_err(|error| ContractError::BadJson {
        argument: argument.to_owned(),
        reason: error.to_string(),
        allowed,
    })
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
