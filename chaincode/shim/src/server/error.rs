//! What keeps a server from being configured, or from serving.

use std::io;
use std::path::PathBuf;

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A variable is not set, or empty.
    #[error("{name} is not set")]
    Missing {
        /// The variable.
        name: &'static str,
    },
    /// A variable is not set that another one asks for.
    #[error("{name} is not set, and {setting}=true asks for it; without TLS, say {instead}")]
    MissingForTls {
        /// The variable.
        name: &'static str,
        /// The one that asks for it.
        setting: &'static str,
        /// What would do without it.
        instead: &'static str,
    },
    /// A variable's value is not one of those allowed.
    #[error("{name} is {found:?}; {allowed} is allowed")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// A file that a variable names cannot be read.
    #[error("{name}: cannot read {}: {source}", path.display())]
    File {
        /// The variable.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// PEM that holds no usable certificate or key.
    #[error("{name}: {reason}")]
    Pem {
        /// The variable.
        name: &'static str,
        /// What is wrong.
        reason: String,
    },
}

/// What keeps a server from serving.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The configuration is not usable.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The configured address.
        address: String,
        /// The system's reason.
        source: io::Error,
    },
    /// Signals cannot be received.
    #[error("cannot wait for signals: {0}")]
    Signals(#[source] io::Error),
    /// gRPC failed.
    #[error("gRPC server: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// The descriptors that reflection tells of are broken.
    #[error("gRPC reflection: {0}")]
    Reflection(String),
}
