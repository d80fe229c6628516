//! TLS towards the other sidecars and the chaincode servers.
//!
//! A certificate of an organisation's TLS authority alone would admit any of its users, so a peer sidecar is held to
//! three things: its chain leads to its own organisation's authority, its certificate names the host of its endpoint on
//! the ledger, and the SHA-256 of its public key is the one on the ledger (the one now, or the one announced next).

use std::collections::BTreeMap;
use std::sync::Arc;

use order_commitments::Participant;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::config::{ConfigError, PeersConfig};
use crate::tls_files::{ChaincodeFiles, PeerFiles};

/// This sidecar's key and certificate, and the authorities of the other organisations.
#[derive(Debug)]
pub struct Credentials {
    provider: Arc<CryptoProvider>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    key_hash: [u8; 32],
    roots: BTreeMap<String, Arc<RootCertStore>>,
}

/// Why a peer is not the sidecar on the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PeerError {
    /// No authority of this organisation is configured.
    #[error("peers.ca has no certificate authority of {msp}")]
    NoAuthority {
        /// The organisation.
        msp: String,
    },
    /// The endpoint on the ledger is not `host:port`.
    #[error("the endpoint of {msp} on the ledger is {endpoint:?}, allowed is host:port")]
    Endpoint {
        /// The organisation.
        msp: String,
        /// The endpoint.
        endpoint: String,
    },
    /// The peer sent no certificate.
    #[error("{msp} sent no certificate")]
    NoCertificate {
        /// The organisation.
        msp: String,
    },
    /// The chain, its dates or its host name do not hold.
    #[error("the certificate of {msp} is refused: {reason}")]
    Certificate {
        /// The organisation.
        msp: String,
        /// What the TLS library says.
        reason: String,
    },
    /// The certificate is valid, but its key is not the one on the ledger.
    #[error("the certificate of {msp} has public key hash {found}, which is not on the ledger")]
    Key {
        /// The organisation.
        msp: String,
        /// SHA-256 of the certificate's public key.
        found: String,
    },
}

impl Credentials {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    /// A file that cannot be read or does not hold what it should, with the field that names it.
    pub fn read(config: &PeersConfig) -> Result<Self, ConfigError> {
        Self::from_files(&PeerFiles::read(config)?)
    }

    /// What the files say.
    ///
    /// # Errors
    /// One that does not hold what it should.
    pub(crate) fn from_files(files: &PeerFiles) -> Result<Self, ConfigError> {
        let chain = files.cert.certificates()?;
        let key = files.key.private_key()?;
        let leaf = chain.first().and_then(|leaf| key_hash(leaf));
        let key_hash = leaf.ok_or_else(|| files.cert.refuse("does not start with an X.509 certificate"))?;
        let mut roots = BTreeMap::new();
        for (msp, file) in &files.ca {
            roots.insert(msp.clone(), Arc::new(file.roots()?));
        }
        let credentials = Self {
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            chain,
            key,
            key_hash,
            roots,
        };
        credentials
            .server()
            .map_err(|error| files.key.refuse(&format!("does not go with peers.cert: {error}")))?;
        Ok(credentials)
    }

    /// When the own certificate expires, in seconds since 1970.
    pub(crate) fn not_after(&self) -> Option<i64> {
        let (_, leaf) = x509_parser::parse_x509_certificate(self.chain.first()?).ok()?;
        Some(leaf.validity().not_after.timestamp())
    }

    /// SHA-256 of the own public key, as it must stand on the ledger.
    #[must_use]
    pub fn key_hash(&self) -> &[u8; 32] {
        &self.key_hash
    }

    /// Whether an authority of this organisation is configured.
    #[must_use]
    pub fn knows(&self, msp: &str) -> bool {
        self.roots.contains_key(msp)
    }

    /// What the listener for sidecars does: admits any certificate of any configured authority. Which sidecar it is
    /// and whether it is the one on the ledger is checked by [`Credentials::check_client`], once it says for whom it
    /// speaks in which session.
    ///
    /// # Errors
    /// A key that does not go with the certificate.
    pub fn server(&self) -> Result<ServerConfig, rustls::Error> {
        let mut all = RootCertStore::empty();
        for roots in self.roots.values() {
            all.extend(roots.roots.iter().cloned());
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(all), self.provider.clone())
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.chain.clone(), self.key.clone_key())?;
        Ok(with_http2(config))
    }

    /// How to dial a participant: only the sidecar on the ledger is accepted.
    ///
    /// # Errors
    /// No authority of that organisation is configured.
    pub fn client(&self, participant: &Participant) -> Result<ClientConfig, PeerError> {
        let roots = self.roots_of(&participant.msp)?;
        let refuse = |reason: String| PeerError::Certificate {
            msp: participant.msp.clone(),
            reason,
        };
        let chain = WebPkiServerVerifier::builder_with_provider(roots, self.provider.clone())
            .build()
            .map_err(|error| refuse(error.to_string()))?;
        let verifier = LedgerVerifier {
            chain,
            participant: participant.clone(),
        };
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| refuse(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_auth_cert(self.chain.clone(), self.key.clone_key())
            .map_err(|error| refuse(error.to_string()))?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }

    /// Whether a certificate with which somebody dialled is that of the participant's sidecar.
    ///
    /// # Errors
    /// What it fails: chain, host name or key.
    pub fn check_client(
        &self,
        participant: &Participant,
        chain: &[CertificateDer<'_>],
    ) -> Result<(), PeerError> {
        let msp = || participant.msp.clone();
        let Some((leaf, intermediates)) = chain.split_first() else {
            return Err(PeerError::NoCertificate { msp: msp() });
        };
        let refuse = |reason: String| PeerError::Certificate { msp: msp(), reason };
        WebPkiClientVerifier::builder_with_provider(self.roots_of(&participant.msp)?, self.provider.clone())
            .build()
            .map_err(|error| refuse(error.to_string()))?
            .verify_client_cert(leaf, intermediates, UnixTime::now())
            .map_err(|error| refuse(error.to_string()))?;
        let parsed = ParsedCertificate::try_from(leaf).map_err(|error| refuse(error.to_string()))?;
        rustls::client::verify_server_name(&parsed, &server_name(participant)?)
            .map_err(|error| refuse(error.to_string()))?;
        check_key(participant, leaf)
    }

    fn roots_of(&self, msp: &str) -> Result<Arc<RootCertStore>, PeerError> {
        self.roots
            .get(msp)
            .cloned()
            .ok_or_else(|| PeerError::NoAuthority { msp: msp.to_owned() })
    }
}

/// The listener for the own organisation's chaincode servers.
///
/// # Errors
/// A file that does not hold what it should.
pub(crate) fn chaincode_server(files: &ChaincodeFiles) -> Result<ServerConfig, ConfigError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = files.cert.certificates()?;
    let key = files.key.private_key()?;
    let roots = files.client_ca.roots()?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| files.client_ca.refuse(&error.to_string()))?;
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_client_cert_verifier(verifier)
                .with_single_cert(chain, key)
        })
        .map(with_http2)
        .map_err(|error| {
            files
                .key
                .refuse(&format!("does not go with chaincode.tls.cert: {error}"))
        })
}

/// SHA-256 of a certificate's public key (DER `SubjectPublicKeyInfo`), if it is a certificate.
#[must_use]
pub fn key_hash(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(Sha256::digest(parsed.tbs_certificate.subject_pki.raw).into())
}

/// The host of a participant's endpoint, as its certificate must name it.
pub(crate) fn server_name(participant: &Participant) -> Result<ServerName<'static>, PeerError> {
    let refuse = || PeerError::Endpoint {
        msp: participant.msp.clone(),
        endpoint: participant.endpoint.clone(),
    };
    let (host, port) = participant.endpoint.rsplit_once(':').ok_or_else(refuse)?;
    port.parse::<u16>().map_err(|_| refuse())?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    ServerName::try_from(host.to_owned()).map_err(|_| refuse())
}

fn check_key(participant: &Participant, leaf: &CertificateDer<'_>) -> Result<(), PeerError> {
    let msp = participant.msp.clone();
    let Some(found) = key_hash(leaf) else {
        return Err(PeerError::Certificate {
            msp,
            reason: "it is not X.509".to_owned(),
        });
    };
    if found == participant.key_hash || Some(found) == participant.next_key_hash {
        Ok(())
    } else {
        Err(PeerError::Key {
            msp,
            found: hex::encode(found),
        })
    }
}

fn with_http2(mut config: ServerConfig) -> ServerConfig {
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// Accepts one sidecar: chain and host name as usual, and then the key on the ledger.
#[derive(Debug)]
struct LedgerVerifier {
    chain: Arc<WebPkiServerVerifier>,
    participant: Participant,
}

impl ServerCertVerifier for LedgerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified =
            self.chain
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        check_key(&self.participant, end_entity)
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
