//! What a chaincode that dials shows of itself over TLS, and which peers it trusts.

use std::sync::Arc;

use followed_certificates::{Followed, Source};
use rustls::RootCertStore;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};
use x509_parser::prelude::Pem as PemBlock;

use crate::metrics::Metrics;
use crate::server::{ConfigError, Pem, certificates, fail, not_after, private_key};

pub(super) const TLS_ROOT: &str = "CORE_PEER_TLS_ROOTCERT_FILE";
/// Where the client's key and certificate are: a file in PEM, or else one with the Base64 of the PEM.
pub(super) const TLS_KEY: [&str; 2] = ["CORE_TLS_CLIENT_KEY_FILE", "CORE_TLS_CLIENT_KEY_PATH"];
pub(super) const TLS_CERT: [&str; 2] = ["CORE_TLS_CLIENT_CERT_FILE", "CORE_TLS_CLIENT_CERT_PATH"];

/// A chaincode's TLS towards the peer that it dials. Files are read again at every dial.
#[derive(Clone, Debug)]
pub struct ClientTls {
    /// Who issued the peer's certificate.
    pub root: Pem,
    /// The chaincode's own certificate.
    pub certificate: Pem,
    /// Its private key.
    pub key: Pem,
}

/// What the files say at one moment, with the variables that complaints name.
pub(super) struct Material {
    root: Vec<u8>,
    certificate: (&'static str, Vec<u8>),
    key: (&'static str, Vec<u8>),
}

/// Ready for a connection, and until when the certificate is valid.
#[derive(Clone)]
pub(super) struct Usable {
    pub(super) tls: ClientTlsConfig,
    /// Seconds since 1970.
    not_after: i64,
}

impl ClientTls {
    pub(super) fn read(&self) -> Result<Material, ConfigError> {
        let read = |[file, encoded]: [&'static str; 2], pem: &Pem| {
            let name = if matches!(pem, Pem::Base64File(_)) {
                encoded
            } else {
                file
            };
            Ok((name, pem.read(name)?))
        };
        Ok(Material {
            root: self.root.read(TLS_ROOT)?,
            certificate: read(TLS_CERT, &self.certificate)?,
            key: read(TLS_KEY, &self.key)?,
        })
    }
}

impl Material {
    pub(super) fn contents(&self) -> Vec<&[u8]> {
        vec![&self.root, &self.certificate.1, &self.key.1]
    }

    /// What a connection needs, unless something of it is missing or does not fit.
    pub(super) fn usable(&self) -> Result<Usable, ConfigError> {
        let (name, key) = &self.key;
        let key = labelled_as_it_is(key);
        let chain = certificates(self.certificate.0, &self.certificate.1)?;
        let not_after = not_after(self.certificate.0, &chain)?;
        let mut roots = RootCertStore::empty();
        for root in certificates(TLS_ROOT, &self.root)? {
            roots
                .add(root)
                .map_err(|error| fail(TLS_ROOT, error.to_string()))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| fail(name, error.to_string()))?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, private_key(name, &key)?)
            .map_err(|error| {
                fail(
                    name,
                    format!("it does not go with {}: {error}", self.certificate.0),
                )
            })?;
        Ok(Usable {
            tls: ClientTlsConfig::new()
                .ca_certificate(Certificate::from_pem(&self.root))
                .identity(Identity::from_pem(&self.certificate.1, key)),
            not_after,
        })
    }
}

/// The certificates of a chaincode that dials, as its files have them.
pub(super) type Certificates = Followed<Files>;

/// Where they are, and who counts how often they are read.
pub(super) struct Files {
    pub(super) tls: ClientTls,
    pub(super) metrics: Arc<Metrics>,
}

impl Source for Files {
    type Material = Material;
    type Usable = Usable;
    type Error = ConfigError;

    fn read(&self) -> Result<Material, ConfigError> {
        self.tls.read()
    }

    fn contents(material: &Material) -> Vec<&[u8]> {
        material.contents()
    }

    fn usable(&self, material: Material) -> Result<Usable, ConfigError> {
        material.usable()
    }

    fn loaded(&self, usable: &Usable) {
        self.metrics.certificate_loaded(usable.not_after);
    }

    fn refused(&self) {
        self.metrics.certificate_refused();
    }
}

/// The keys that peers hand to the programs their builders start are PKCS #8 under the label of SEC 1 (`tlsgen` of Fabric's `common/crypto`). Go
/// looks at the content alone; rustls believes the label.
fn labelled_as_it_is(key: &[u8]) -> Vec<u8> {
    let is_pkcs8 = PemBlock::iter_from_buffer(key)
        .flatten()
        .any(|block| block.label == SEC1_LABEL && is_pkcs8(&block.contents));
    match std::str::from_utf8(key) {
        Ok(text) if is_pkcs8 => text.replace(SEC1_LABEL, "PRIVATE KEY").into_bytes(),
        _ => key.to_vec(),
    }
}

/// Label of a key as SEC 1 has it.
const SEC1_LABEL: &str = "EC PRIVATE KEY";

/// Both are a DER sequence that starts with a version, 0 in PKCS #8 (RFC 5208, 5), 1 in SEC 1 (RFC 5915, 3).
fn is_pkcs8(der: &[u8]) -> bool {
    let ([0x30, 0x81, _, content @ ..] | [0x30, 0x82, _, _, content @ ..] | [0x30, 0..=0x7f, content @ ..]) =
        der
    else {
        return false;
    };
    content.starts_with(&[0x02, 0x01, 0x00])
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn pem(label: &str, der: &[u8]) -> Vec<u8> {
        let content = STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{content}\n-----END {label}-----\n").into_bytes()
    }

    #[test]
    fn keys_are_labelled_as_what_they_are() {
        let sec1 = [0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20];
        assert!(!is_pkcs8(&sec1) && !is_pkcs8(&[]) && !is_pkcs8(&[0x30]));
        let kept = pem(SEC1_LABEL, &sec1);
        assert_eq!(labelled_as_it_is(&kept), kept);
        // As a peer hands it over: PKCS #8 under another label.
        let pkcs8 = [0x30, 0x05, 0x02, 0x01, 0x00, 0x30, 0x00];
        assert_eq!(
            labelled_as_it_is(&pem(SEC1_LABEL, &pkcs8)),
            pem("PRIVATE KEY", &pkcs8)
        );
    }

    #[test]
    fn a_key_of_another_certificate_is_named_and_not_shown() {
        let made = |_| {
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
            (certificate.pem(), key.serialize_pem())
        };
        let [(certificate, own), (_, other)] = [(); 2].map(made);
        let tls = |key: String| ClientTls {
            root: certificate.clone().into(),
            certificate: certificate.clone().into(),
            key: key.into(),
        };
        assert!(tls(own).read().unwrap().usable().is_ok());
        let wrong = tls(other);
        assert!(!format!("{wrong:?}").contains("PRIVATE"));
        let error = wrong.read().unwrap().usable().err().unwrap().to_string();
        assert!(
            error.starts_with("CORE_TLS_CLIENT_KEY_FILE: it does not go with CORE_TLS_CLIENT_CERT_FILE"),
            "{error}"
        );
    }
}
