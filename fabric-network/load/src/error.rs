//! What can go wrong with a measurement.

use std::{io, path::PathBuf};

use devnet::client::ClientError;
use devnet::identity::SigningIdentityError;

/// Why a measurement ended without a figure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file is not readable, or a program does not start.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or an answer is not the JSON that it should be.
    #[error("{what}: {source}")]
    Json {
        /// What was read.
        what: String,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// The network has too few organisations, or one lacks a user.
    #[error("{0}")]
    Network(String),
    /// A user's identity is not readable.
    #[error(transparent)]
    Identity(#[from] SigningIdentityError),
    /// The Gateway refused.
    #[error("{function}: {source}")]
    Call {
        /// What was called.
        function: &'static str,
        /// What was answered.
        source: Box<ClientError>,
    },
    /// The sidecars found no outcome.
    #[error("the clearing of {listing}: {state}")]
    Clearing {
        /// Which listing.
        listing: String,
        /// What `ClearingStatus` says.
        state: String,
    },
    /// The system gives no random numbers.
    #[error("no random numbers: {0}")]
    Randomness(getrandom::Error),
    /// A task of the load ended otherwise than by an answer.
    #[error("the load was interrupted: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// The chaincode server that is measured ended or did not come up.
    #[error("{name}: {reason}")]
    Server {
        /// Which.
        name: String,
        /// What became of it.
        reason: String,
    },
}
