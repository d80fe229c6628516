//! What can go wrong on the way.

use std::io;

use thiserror::Error;

/// Why the demonstration stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DemoError {
    /// A program could not be run.
    #[error(transparent)]
    Program(#[from] crate::program::ProgramError),
    /// The network could not be started.
    #[error(transparent)]
    Network(#[from] devnet::NetworkError),
    /// A key or certificate could not be made.
    #[error(transparent)]
    Material(#[from] devnet::identity::MaterialError),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] io::Error),
    /// A certificate could not be read back.
    #[error("a certificate that was just issued could not be read")]
    Certificate,
    /// A configuration could not be written.
    #[error("sidecar configuration: {0}")]
    Config(toml::ser::Error),
    /// A call was refused.
    #[error("{organisation} called {function}: {source}")]
    Call {
        /// Who called.
        organisation: &'static str,
        /// What.
        function: String,
        /// The network's answer.
        source: Box<devnet::client::ClientError>,
    },
    /// An answer is not what it should be.
    #[error("an answer that cannot be read: {0}")]
    Answer(serde_json::Error),
    /// An encrypted answer does not open.
    #[error("an encrypted answer does not open under its key")]
    Sealed,
    /// The clearing has failed.
    #[error("the clearing of {listing} has failed at {organisation}: {status}")]
    Clearing {
        /// The listing.
        listing: String,
        /// Whose sidecar says so.
        organisation: &'static str,
        /// What it says.
        status: String,
    },
    /// There is no such organisation or program.
    #[error("no '{name}' in this network")]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The operating system has no randomness.
    #[error("no randomness for salts: {0}")]
    Randomness(getrandom::Error),
}

impl DemoError {
    pub(crate) fn unknown(name: &str) -> Self {
        Self::Unknown {
            name: name.to_owned(),
        }
    }
}
