//! An identity with its private key: what a client or a peer signs with.

use super::signature;
use fabric_protos::msp::SerializedIdentity;
use p256::{ecdsa::SigningKey, pkcs8::DecodePrivateKey};
use prost::Message;
use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Why an identity could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SigningIdentityError {
    /// A file could not be read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A folder that should hold one file is empty.
    #[error("{path}: expected a file in this folder, found none")]
    Empty {
        /// Which folder.
        path: PathBuf,
    },
    /// The private key is not a P-256 key in PKCS#8 PEM.
    #[error("private key of {msp_id}: expected a P-256 key in PKCS#8 PEM")]
    Key {
        /// The organisation of the identity.
        msp_id: String,
    },
}

/// An identity of an organisation with its P-256 key. Prints without the key.
#[derive(Clone)]
pub struct SigningIdentity {
    inner: Arc<Inner>,
}

struct Inner {
    msp_id: String,
    serialized: Vec<u8>,
    key: SigningKey,
}

impl fmt::Debug for SigningIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningIdentity")
            .field("msp_id", &self.inner.msp_id)
            .finish_non_exhaustive()
    }
}

impl SigningIdentity {
    /// From a certificate and a private key in PEM (PKCS#8).
    ///
    /// # Errors
    /// When the key is not a P-256 key.
    pub fn from_pem(
        msp_id: &str,
        certificate_pem: &str,
        key_pem: &str,
    ) -> Result<Self, SigningIdentityError> {
        let key = SigningKey::from_pkcs8_pem(key_pem).map_err(|_| SigningIdentityError::Key {
            msp_id: msp_id.to_owned(),
        })?;
        Ok(Self::new(msp_id, certificate_pem.as_bytes().to_vec(), key))
    }

    pub(super) fn new(msp_id: &str, id_bytes: Vec<u8>, key: SigningKey) -> Self {
        let serialized = SerializedIdentity {
            mspid: msp_id.to_owned(),
            id_bytes,
        };
        Self {
            inner: Arc::new(Inner {
                msp_id: msp_id.to_owned(),
                serialized: serialized.encode_to_vec(),
                key,
            }),
        }
    }

    /// From an `msp` folder: the certificate in `signcerts`, the key in `keystore`.
    ///
    /// # Errors
    /// When a file is missing or the key is not a P-256 key.
    pub fn from_msp_folder(msp_id: &str, folder: &Path) -> Result<Self, SigningIdentityError> {
        let certificate = only_file(&folder.join("signcerts"))?;
        let key = only_file(&folder.join("keystore"))?;
        Self::from_pem(msp_id, &certificate, &key)
    }

    /// The organisation.
    pub fn msp_id(&self) -> &str {
        &self.inner.msp_id
    }

    /// The encoded `msp.SerializedIdentity`: a transaction's creator.
    pub fn serialized(&self) -> &[u8] {
        &self.inner.serialized
    }

    /// Signs as Fabric does: ECDSA with SHA-256, in DER, low `s`.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        signature::sign(&self.inner.key, message)
    }
}

fn only_file(folder: &Path) -> Result<String, SigningIdentityError> {
    let fail = |path: &Path, source| SigningIdentityError::File {
        path: path.to_owned(),
        source,
    };
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .map_err(|source| fail(folder, source))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(|source| fail(folder, source))?;
    files.sort();
    let file = files.first().ok_or_else(|| SigningIdentityError::Empty {
        path: folder.to_owned(),
    })?;
    fs::read_to_string(file).map_err(|source| fail(file, source))
}
