//! The files that TLS is made of, read again whenever a connection begins.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use followed_certificates::{Followed, Source};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};

use crate::config::{ChaincodeTlsConfig, ConfigError, PeersConfig};
use crate::metrics::Metrics;
use crate::tls::{self, Credentials};

/// A file's content, and the field of the configuration that names it.
pub(crate) struct Pem {
    field: String,
    path: PathBuf,
    bytes: Vec<u8>,
}

/// What `[peers]` names.
pub(crate) struct PeerFiles {
    pub(crate) cert: Pem,
    pub(crate) key: Pem,
    pub(crate) ca: BTreeMap<String, Pem>,
}

/// What `[chaincode.tls]` names.
pub(crate) struct ChaincodeFiles {
    pub(crate) cert: Pem,
    pub(crate) key: Pem,
    pub(crate) client_ca: Pem,
}

/// The credentials towards other sidecars, as the files have them.
pub(crate) type FollowedCredentials = Followed<PeersSource>;

/// The listener for chaincode servers, as its files have it.
pub(crate) type FollowedChaincode = Followed<ChaincodeSource>;

/// Where the files of `[peers]` are.
pub(crate) struct PeersSource {
    pub(crate) config: PeersConfig,
    pub(crate) metrics: Arc<Metrics>,
}

/// Where those of `[chaincode.tls]` are.
pub(crate) struct ChaincodeSource {
    pub(crate) config: ChaincodeTlsConfig,
    pub(crate) metrics: Arc<Metrics>,
}

impl Pem {
    fn read(field: impl Into<String>, path: &Path) -> Result<Self, ConfigError> {
        let field = field.into();
        match fs::read(path) {
            Ok(bytes) => Ok(Self {
                field,
                path: path.to_owned(),
                bytes,
            }),
            Err(source) => Err(ConfigError::Unreadable {
                field,
                path: path.to_owned(),
                source,
            }),
        }
    }

    pub(crate) fn refuse(&self, reason: &str) -> ConfigError {
        ConfigError::Credentials {
            field: self.field.clone(),
            path: self.path.clone(),
            reason: reason.to_owned(),
        }
    }

    pub(crate) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
        let certificates = CertificateDer::pem_slice_iter(&self.bytes)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| self.refuse(&format!("is not PEM: {error}")))?;
        if certificates.is_empty() {
            return Err(self.refuse("holds no certificate"));
        }
        Ok(certificates)
    }

    pub(crate) fn private_key(&self) -> Result<PrivateKeyDer<'static>, ConfigError> {
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|_| self.refuse("holds no private key in PEM"))
    }

    pub(crate) fn roots(&self) -> Result<RootCertStore, ConfigError> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            roots.add(certificate).map_err(|error| {
                self.refuse(&format!(
                    "holds a certificate that cannot be an authority: {error}"
                ))
            })?;
        }
        Ok(roots)
    }
}

impl PeerFiles {
    pub(crate) fn read(config: &PeersConfig) -> Result<Self, ConfigError> {
        let mut ca = BTreeMap::new();
        for (msp, path) in &config.ca {
            ca.insert(msp.clone(), Pem::read(format!("peers.ca.{msp}"), path)?);
        }
        Ok(Self {
            cert: Pem::read("peers.cert", &config.cert)?,
            key: Pem::read("peers.key", &config.key)?,
            ca,
        })
    }
}

impl Source for PeersSource {
    type Material = PeerFiles;
    type Usable = Arc<Credentials>;
    type Error = ConfigError;

    fn read(&self) -> Result<PeerFiles, ConfigError> {
        PeerFiles::read(&self.config)
    }

    fn contents(files: &PeerFiles) -> Vec<&[u8]> {
        let own = [&files.cert, &files.key].into_iter();
        own.chain(files.ca.values())
            .map(|file| file.bytes.as_slice())
            .collect()
    }

    fn usable(&self, files: PeerFiles) -> Result<Arc<Credentials>, ConfigError> {
        Ok(Arc::new(Credentials::from_files(&files)?))
    }

    fn loaded(&self, credentials: &Arc<Credentials>) {
        self.metrics.certificate_loaded(credentials.not_after());
    }

    fn refused(&self) {
        self.metrics.certificate_refused();
    }
}

impl Source for ChaincodeSource {
    type Material = ChaincodeFiles;
    type Usable = Arc<ServerConfig>;
    type Error = ConfigError;

    fn read(&self) -> Result<ChaincodeFiles, ConfigError> {
        Ok(ChaincodeFiles {
            cert: Pem::read("chaincode.tls.cert", &self.config.cert)?,
            key: Pem::read("chaincode.tls.key", &self.config.key)?,
            client_ca: Pem::read("chaincode.tls.client_ca", &self.config.client_ca)?,
        })
    }

    fn contents(files: &ChaincodeFiles) -> Vec<&[u8]> {
        let all = [&files.cert, &files.key, &files.client_ca];
        all.map(|file| file.bytes.as_slice()).into()
    }

    fn usable(&self, files: ChaincodeFiles) -> Result<Arc<ServerConfig>, ConfigError> {
        Ok(Arc::new(tls::chaincode_server(&files)?))
    }

    fn loaded(&self, _: &Arc<ServerConfig>) {
        self.metrics.certificate_loaded(None);
    }

    fn refused(&self) {
        self.metrics.certificate_refused();
    }
}
