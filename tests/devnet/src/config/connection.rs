//! How a peer reaches a chaincode.

use super::ConfigError;
use crate::duration;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

/// How a peer that has a chaincode's package comes to the chaincode.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ConnectionSource {
    /// It dials a server, as a `connection.json` says.
    File(PathBuf),
    /// It dials a server, as said here.
    Inline(Connection),
    /// It starts the chaincode, which dials it.
    Program(Program),
}

/// A chaincode that its peer starts as an external builder starts one: with two folders as arguments, the second of which holds
/// `chaincode.json` with the package id, the peer's address, a client certificate with its key, and the authority of the peer's own
/// (`core/container/externalbuilder/externalbuilder.go`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The builder's `bin/run`.
    pub run: PathBuf,
}

/// How a peer reaches a chaincode server: the fields of Fabric's `connection.json`
/// (`core/container/externalbuilder/instance.go`).
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// `host:port`.
    pub address: String,
    /// The name that the server's certificate must carry, in place of the address's host; only with client authentication.
    #[serde(default)]
    pub domain: String,
    /// How long to try; 3 s if absent.
    #[serde(default, with = "duration::optional")]
    pub dial_timeout: Option<Duration>,
    /// Whether the server speaks TLS.
    #[serde(default)]
    pub tls_required: bool,
    /// Whether the server asks the peer for a certificate.
    #[serde(default)]
    pub client_auth_required: bool,
    /// The peer's key, in PEM.
    #[serde(default)]
    pub client_key: String,
    /// The peer's certificate, in PEM.
    #[serde(default)]
    pub client_cert: String,
    /// The certificate of the authority that issued the server's, in PEM.
    #[serde(default)]
    pub root_cert: String,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("address", &self.address)
            .field("tls_required", &self.tls_required)
            .field("client_auth_required", &self.client_auth_required)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// A server without TLS.
    pub fn plaintext(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            ..Self::default()
        }
    }

    /// Reads a `connection.json`.
    ///
    /// # Errors
    /// When the file cannot be read or is not one.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::File {
            path: path.to_owned(),
            source,
        })?;
        serde_json::from_str(&text).map_err(|source| ConfigError::Connection {
            path: path.to_owned(),
            source,
        })
    }
}
