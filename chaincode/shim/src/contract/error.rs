//! A refusal by a contract.

use crate::Error;

/// Why a function refuses: a status and a message for the caller. A contract's own error type gets here by
/// `impl From<MyError> for ContractError`. Peers endorse nothing from status 400 on; what the function wrote before is dropped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ContractError {
    status: i32,
    message: String,
}

impl ContractError {
    /// A refusal with a status of its own, at least 400: below that it would be endorsed.
    pub fn new(status: i32, message: impl Into<String>) -> Self {
        Self {
            status: status.max(400),
            message: message.into(),
        }
    }

    /// The arguments are wrong: 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// The caller may not: 403.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, message)
    }

    /// There is no such thing: 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, message)
    }

    /// It exists already, or is not in a state for this: 409.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(409, message)
    }

    /// Not the caller's fault: 500.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, message)
    }

    /// Something that is needed does not answer, and may do so later: 503.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, message)
    }

    /// The status.
    pub fn status(&self) -> i32 {
        self.status
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl From<Error> for ContractError {
    fn from(error: Error) -> Self {
        let status = match error {
            Error::EmptyKey
            | Error::EmptyCollection
            | Error::SimpleKeyExpected { .. }
            | Error::CompositeKeyPart { .. }
            | Error::NotCompositeKey { .. }
            | Error::EmptyEventName
            | Error::ArgumentNotUtf8 { .. }
            | Error::PolicyThreshold { .. }
            | Error::PolicyNotAllOf => 400,
            Error::Attribute { .. } | Error::NotOwnOrg { .. } | Error::NotX509 { .. } => 403,
            _ => 500,
        };
        Self::new(status, error.to_string())
    }
}
