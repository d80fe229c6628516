//! The files of one organisation's deployment, as far as a peer's view needs them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;

/// A file that is missing or is not what it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// `connection.json` is not what the peer expects there.
    #[error("{path}: {source}")]
    Connection {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A field of `connection.json` that holds PEM does not.
    #[error("{path}: {field} holds no PEM of the kind it should: {reason}")]
    Pem {
        /// Which file.
        path: PathBuf,
        /// Which of its fields.
        field: &'static str,
        /// What the parser says.
        reason: String,
    },
    /// The client certificate and its key do not fit.
    #[error("{path}: client_cert and client_key do not fit together: {source}")]
    ClientPair {
        /// Which file.
        path: PathBuf,
        /// What the TLS library says.
        source: rustls::Error,
    },
}

/// `connection.json`, as a peer reads it (Fabric's `cc_service.md`).
#[derive(Deserialize)]
#[non_exhaustive]
pub struct Connection {
    /// Where the peer dials: host:port.
    pub address: String,
    /// Whether it speaks TLS.
    #[serde(default)]
    pub tls_required: bool,
    #[serde(default)]
    client_auth_required: bool,
    #[serde(default)]
    client_key: String,
    #[serde(default)]
    client_cert: String,
    #[serde(default)]
    root_cert: String,
}

/// What an organisation's directory says.
#[non_exhaustive]
pub struct Files {
    /// Where they are.
    pub directory: PathBuf,
    /// How a peer dials the chaincode server.
    pub connection: Connection,
    /// TLS as the peer would use it; nothing if it would not.
    pub tls: Option<Arc<ClientConfig>>,
    /// The id under which the peer knows the package.
    pub package_id: String,
}

impl Files {
    /// Reads and checks an organisation's files.
    ///
    /// # Errors
    ///
    /// [`FileError`], naming the file and the field.
    pub fn read(directory: &Path) -> Result<Self, FileError> {
        let path = directory.join("connection.json");
        let connection: Connection =
            serde_json::from_str(&text(&path)?).map_err(|source| FileError::Connection {
                path: path.clone(),
                source,
            })?;
        let tls = if connection.tls_required {
            Some(Arc::new(client(&connection, &path)?))
        } else {
            None
        };
        let package_id = text(&directory.join("package-id"))?.trim().to_owned();
        Ok(Self {
            directory: directory.to_owned(),
            connection,
            tls,
            package_id,
        })
    }
}

fn text(path: &Path) -> Result<String, FileError> {
    fs::read_to_string(path).map_err(|source| FileError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

fn client(connection: &Connection, path: &Path) -> Result<ClientConfig, FileError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&connection.root_cert, "root_cert", path)? {
        roots
            .add(certificate)
            .map_err(|error| pem_error(path, "root_cert", &error))?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots);
    let mut config = if connection.client_auth_required {
        let chain = certificates(&connection.client_cert, "client_cert", path)?;
        let key = PrivateKeyDer::from_pem_slice(connection.client_key.as_bytes())
            .map_err(|error| pem_error(path, "client_key", &error))?;
        config
            .with_client_auth_cert(chain, key)
            .map_err(|source| FileError::ClientPair {
                path: path.to_owned(),
                source,
            })?
    } else {
        config.with_no_client_auth()
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn certificates(
    pem: &str,
    field: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let found = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| pem_error(path, field, &error))?;
    if found.is_empty() {
        return Err(pem_error(path, field, &"no certificate"));
    }
    Ok(found)
}

fn pem_error(path: &Path, field: &'static str, reason: &dyn std::fmt::Display) -> FileError {
    FileError::Pem {
        path: path.to_owned(),
        field,
        reason: reason.to_string(),
    }
}
