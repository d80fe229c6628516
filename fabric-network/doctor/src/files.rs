//! The files of one organisation's deployment, as far as a peer's view needs them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, fs, io};

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
    #[error("{path}: client certificate and key do not fit together: {source}")]
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
    /// The organisation's MSP id: the directory's name.
    pub msp: String,
    /// How a peer dials the chaincode server.
    pub connection: Connection,
    /// TLS as the peer would use it; nothing if it would not.
    pub tls: Option<Arc<ClientConfig>>,
    /// The id under which the peer knows the package.
    pub package_id: String,
    /// The chaincode server's environment, `chaincode.env`; empty if there is none.
    pub environment: BTreeMap<String, String>,
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
            Some(connection.client(&path)?)
        } else {
            None
        };
        let package_id = text(&directory.join("package-id"))?.trim().to_owned();
        let path = directory.join("chaincode.env");
        let environment = if path.exists() {
            variables(&text(&path)?)
        } else {
            BTreeMap::new()
        };
        let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
        let msp = directory
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Ok(Self {
            msp,
            connection,
            tls,
            package_id,
            environment,
        })
    }
}

impl Connection {
    /// The certificate with which the peer dials, PEM; nothing if it shows none.
    #[must_use]
    pub fn client_cert(&self) -> &str {
        &self.client_cert
    }

    fn client(&self, path: &Path) -> Result<Arc<ClientConfig>, FileError> {
        let root = Pem {
            path,
            field: "root_cert",
            text: &self.root_cert,
        };
        let identity = self.client_auth_required.then_some((
            Pem {
                path,
                field: "client_cert",
                text: &self.client_cert,
            },
            Pem {
                path,
                field: "client_key",
                text: &self.client_key,
            },
        ));
        client(&root, identity)
    }
}

/// PEM and where it comes from.
struct Pem<'a> {
    path: &'a Path,
    field: &'static str,
    text: &'a str,
}

impl Pem<'_> {
    fn error(&self, reason: impl fmt::Display) -> FileError {
        FileError::Pem {
            path: self.path.to_owned(),
            field: self.field,
            reason: reason.to_string(),
        }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, FileError> {
        let found = CertificateDer::pem_slice_iter(self.text.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| self.error(error))?;
        if found.is_empty() {
            return Err(self.error("no certificate"));
        }
        Ok(found)
    }
}

/// TLS as the holder of three files does it: the server's authority, the own certificate and key.
///
/// # Errors
///
/// [`FileError`], naming the file.
pub(crate) fn client_of(root: &Path, certificate: &Path, key: &Path) -> Result<Arc<ClientConfig>, FileError> {
    let texts = (text(root)?, text(certificate)?, text(key)?);
    let identity = (
        Pem {
            path: certificate,
            field: "the file",
            text: &texts.1,
        },
        Pem {
            path: key,
            field: "the file",
            text: &texts.2,
        },
    );
    client(
        &Pem {
            path: root,
            field: "the file",
            text: &texts.0,
        },
        Some(identity),
    )
}

fn client(root: &Pem<'_>, identity: Option<(Pem<'_>, Pem<'_>)>) -> Result<Arc<ClientConfig>, FileError> {
    let mut roots = RootCertStore::empty();
    for certificate in root.certificates()? {
        roots.add(certificate).map_err(|error| root.error(error))?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots);
    let mut config = match identity {
        Some((certificate, key)) => {
            let chain = certificate.certificates()?;
            let der = PrivateKeyDer::from_pem_slice(key.text.as_bytes()).map_err(|error| key.error(error))?;
            config
                .with_client_auth_cert(chain, der)
                .map_err(|source| FileError::ClientPair {
                    path: key.path.to_owned(),
                    source,
                })?
        }
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn text(path: &Path) -> Result<String, FileError> {
    fs::read_to_string(path).map_err(|source| FileError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

fn variables(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
