//! Why an audit could not be made. What an audit finds is no error: see [`crate::Finding`].

use std::{io, path::PathBuf};

use thiserror::Error;

/// Why an audit could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuditError {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not of the form that it should have. Neither its content nor the parser's quote of it is told: it may be secret.
    #[error("{path}: not {allowed}: line {line}, column {column}")]
    Form {
        /// Which.
        path: PathBuf,
        /// What it should be.
        allowed: &'static str,
        /// Where the form breaks.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// Records of another version.
    #[error("{what} is of version {found}, allowed is {allowed}")]
    Version {
        /// What.
        what: &'static str,
        /// Its version.
        found: u16,
        /// The version that this program reads.
        allowed: u16,
    },
    /// A book of an organisation that has none in the listing.
    #[error("a book of {msp} is disclosed, the listing's participants are {participants}")]
    NoParticipant {
        /// Whose book it says it is.
        msp: String,
        /// Whose it could be.
        participants: String,
    },
    /// Two books of one organisation.
    #[error("two books of {msp} are disclosed, allowed is one an organisation")]
    TwoBooks {
        /// The organisation.
        msp: String,
    },
    /// Pages that do not make one book.
    #[error("the pages of the book do not belong together: {reason}")]
    Pages {
        /// Why.
        reason: &'static str,
    },
    /// An option that reading from a peer needs.
    #[error("{option} is missing: it is needed to read from a peer (see --help)")]
    Option {
        /// Which.
        option: &'static str,
    },
    /// The identity to sign with could not be loaded.
    #[error(transparent)]
    Identity(#[from] devnet::identity::SigningIdentityError),
    /// The Gateway or the contract refused.
    #[error(transparent)]
    Client(#[from] devnet::client::ClientError),
    /// The contract's answer cannot be read.
    #[error("the answer of {function} cannot be read (line {line}, column {column})")]
    Answer {
        /// Which function's.
        function: &'static str,
        /// Where it breaks.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// An encrypted answer does not open.
    #[error("the answer of {function} does not open under the key that was made for it")]
    Sealed {
        /// Which function's.
        function: &'static str,
    },
    /// The operating system has no randomness.
    #[error("no randomness for a response key: {0}")]
    Randomness(getrandom::Error),
}
