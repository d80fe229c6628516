//! What a server shows of itself over TLS, and whom it lets in.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, fs};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::error::ConfigError;

/// PEM text, or where it is. `Debug` does not show the text.
#[derive(Clone)]
#[non_exhaustive]
pub enum Pem {
    /// The text itself; it never changes.
    Text(String),
    /// A file, which is read again when it has changed.
    File(PathBuf),
    /// A file whose content is the text in base64, as `CORE_TLS_CLIENT_KEY_PATH` and `CORE_TLS_CLIENT_CERT_PATH` name them.
    Base64File(PathBuf),
}

/// A server's TLS: its certificate and key, and whose clients it lets in. TLS 1.2 and 1.3 are spoken.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    certificate: Source,
    key: Source,
    client_ca: Option<Source>,
}

/// PEM, and the variable that complaints about it name.
#[derive(Clone, Debug)]
struct Source {
    name: &'static str,
    pem: Pem,
}

/// What the sources say at one moment.
pub(super) struct Material {
    certificate: (&'static str, Vec<u8>),
    key: (&'static str, Vec<u8>),
    client_ca: Option<(&'static str, Vec<u8>)>,
}

/// Ready for connections, and until when the certificate is valid.
#[derive(Clone)]
pub(super) struct Usable {
    pub(super) server: Arc<ServerConfig>,
    /// Seconds since 1970.
    pub(super) not_after: i64,
}

pub(super) const KEY: &str = "CHAINCODE_TLS_KEY";
pub(super) const CERTIFICATE: &str = "CHAINCODE_TLS_CERT";
pub(super) const CLIENT_CA: &str = "CHAINCODE_CLIENT_CA_CERT";

impl TlsConfig {
    /// A server that lets any client in.
    pub fn new(certificate: impl Into<Pem>, key: impl Into<Pem>) -> Self {
        Self::named((CERTIFICATE, certificate.into()), (KEY, key.into()), None)
    }

    /// Lets in only clients with a certificate that these authorities have issued.
    #[must_use]
    pub fn with_client_ca(mut self, client_ca: impl Into<Pem>) -> Self {
        let pem = client_ca.into();
        self.client_ca = Some(Source { name: CLIENT_CA, pem });
        self
    }

    /// Whether clients must show a certificate.
    pub fn authenticates_clients(&self) -> bool {
        self.client_ca.is_some()
    }

    /// With the variables that the sources came from.
    pub(super) fn named(
        certificate: (&'static str, Pem),
        key: (&'static str, Pem),
        client_ca: Option<(&'static str, Pem)>,
    ) -> Self {
        let source = |(name, pem)| Source { name, pem };
        Self {
            certificate: source(certificate),
            key: source(key),
            client_ca: client_ca.map(source),
        }
    }

    /// Reads the sources as they are now.
    pub(super) fn read(&self) -> Result<Material, ConfigError> {
        let read = |source: &Source| Ok((source.name, source.pem.read(source.name)?));
        Ok(Material {
            certificate: read(&self.certificate)?,
            key: read(&self.key)?,
            client_ca: self.client_ca.as_ref().map(read).transpose()?,
        })
    }
}

impl Pem {
    /// What it says now; `name` is what complaints name.
    pub(crate) fn read(&self, name: &'static str) -> Result<Vec<u8>, ConfigError> {
        let file = |path: &Path| {
            fs::read(path).map_err(|source| ConfigError::File {
                name,
                path: path.to_owned(),
                source,
            })
        };
        match self {
            Self::Text(text) => Ok(text.clone().into_bytes()),
            Self::File(path) => file(path),
            Self::Base64File(path) => {
                STANDARD
                    .decode(file(path)?.trim_ascii())
                    .map_err(|error| ConfigError::Pem {
                        name,
                        reason: format!("{} is not base64: {error}", path.display()),
                    })
            }
        }
    }
}

impl Material {
    /// Its parts, for telling whether they have changed.
    pub(super) fn contents(&self) -> Vec<&[u8]> {
        let parts = [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()];
        parts
            .into_iter()
            .flatten()
            .map(|(_, bytes)| bytes.as_slice())
            .collect()
    }

    /// What connections need, unless something of it is missing or does not fit.
    pub(super) fn usable(&self) -> Result<Usable, ConfigError> {
        let chain = certificates(self.certificate.0, &self.certificate.1)?;
        let (name, key) = &self.key;
        let key = private_key(name, key)?;
        let not_after = not_after(self.certificate.0, &chain)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| fail(name, error.to_string()))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some((of, authorities)) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(of, authorities)? {
                    roots
                        .add(authority)
                        .map_err(|error| fail(of, error.to_string()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .map_err(|error| fail(of, error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut server = builder.with_single_cert(chain, key).map_err(|error| {
            fail(
                name,
                format!("it does not go with {}: {error}", self.certificate.0),
            )
        })?;
        server.alpn_protocols = vec![b"h2".to_vec()];
        // As Fabric's Go shim: every connection shows its certificate anew.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(Usable {
            server: Arc::new(server),
            not_after,
        })
    }
}

/// What is wrong with a key is not said in more words than these: they would be about the key.
pub(crate) fn private_key(name: &'static str, pem: &[u8]) -> Result<PrivateKeyDer<'static>, ConfigError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| fail(name, "there is no private key in PEM"))
}

/// When a chain's own certificate expires, in seconds since 1970.
pub(crate) fn not_after(name: &'static str, chain: &[CertificateDer<'_>]) -> Result<i64, ConfigError> {
    match chain.first().map(|leaf| X509Certificate::from_der(leaf)) {
        Some(Ok((_, leaf))) => Ok(leaf.validity().not_after.timestamp()),
        _ => Err(fail(name, "the first block is not an X.509 certificate")),
    }
}

/// A file without a certificate would be taken for an empty chain, or for an authority that nobody has.
pub(crate) fn certificates(
    name: &'static str,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let found = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| fail(name, format!("it is not PEM: {error}")))?;
    if found.is_empty() {
        return Err(fail(name, "there is no CERTIFICATE block"));
    }
    Ok(found)
}

pub(crate) fn fail(name: &'static str, reason: impl Into<String>) -> ConfigError {
    let reason = reason.into();
    ConfigError::Pem { name, reason }
}

impl From<String> for Pem {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&Path> for Pem {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<PathBuf> for Pem {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(..)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Base64File(path) => f.debug_tuple("Base64File").field(path).finish(),
        }
    }
}
