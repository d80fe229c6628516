//! Why a rich query is refused: by Fabric before it is sent, or by CouchDB. Texts are theirs, since applications match on them.

use super::term::Term;
use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// Go's JSON decoder.
    #[error("{0}")]
    Json(String),
    #[error("fields definition must be an array")]
    Fields,
    #[error("error handling CouchDB request. Error:{error},  Status Code:{status},  Reason:{reason}")]
    CouchDb {
        status: u16,
        error: &'static str,
        reason: String,
    },
}

impl Refusal {
    pub(super) fn new(error: &'static str, reason: impl Into<String>) -> Self {
        Self::CouchDb {
            status: 400,
            error,
            reason: reason.into(),
        }
    }

    /// What CouchDB did not foresee.
    pub(super) fn unknown(reason: impl Into<String>) -> Self {
        Self::CouchDb {
            status: 500,
            error: "unknown_error",
            reason: reason.into(),
        }
    }

    pub(super) fn argument(operator: &str, argument: &Value) -> Self {
        let reason = format!("Bad argument for operator {operator}: {}", Term(argument));
        Self::new("bad_arg", reason)
    }

    pub(super) fn operator(operator: &str) -> Self {
        Self::new("invalid_operator", format!("Invalid operator: {operator}"))
    }

    pub(super) fn field_name(name: &str) -> Self {
        Self::new("invalid_field_name", format!("Invalid field name: {name}"))
    }
}
