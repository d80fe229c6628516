//! Whose key a certificate carries.

use std::{fmt, sync::Arc};

use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer},
    server::ParsedCertificate,
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// This party's certificate chain and private key.
#[derive(Debug)]
pub struct Identity {
    /// The chain, the own certificate first.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

/// How to recognise a peer by the certificate chain that it shows. That it has the key was proven by the handshake.
#[derive(Clone)]
pub enum Trust {
    /// The SHA-256 of the certificate's public key (SubjectPublicKeyInfo, DER). Nothing else in it counts.
    KeyHash([u8; 32]),
    /// The caller decides; an error says why the peer is refused.
    Verifier(Verifier),
}

/// A caller's check of a peer's certificate chain.
pub type Verifier = Arc<dyn Fn(&[CertificateDer<'_>]) -> Result<(), String> + Send + Sync>;

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyHash(hash) => f.debug_tuple("KeyHash").field(hash).finish(),
            Self::Verifier(_) => f.write_str("Verifier(..)"),
        }
    }
}

impl Trust {
    pub(super) fn check(&self, chain: &[CertificateDer<'_>]) -> Result<(), String> {
        let first = chain.first().ok_or("no certificate")?;
        match self {
            Self::KeyHash(expected) => {
                let found = key_hash(first)?;
                if found.ct_eq(expected).into() {
                    Ok(())
                } else {
                    Err("another public key".to_owned())
                }
            }
            Self::Verifier(verify) => verify(chain),
        }
    }
}

/// The SHA-256 of a certificate's public key, as [`Trust::KeyHash`] compares it.
///
/// # Errors
/// The certificate cannot be parsed.
pub fn key_hash(certificate: &CertificateDer<'_>) -> Result<[u8; 32], String> {
    let parsed = ParsedCertificate::try_from(certificate).map_err(|error| error.to_string())?;
    Ok(Sha256::digest(parsed.subject_public_key_info()).into())
}
