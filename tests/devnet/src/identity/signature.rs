//! ECDSA over P-256 with SHA-256, signatures in DER, `s` in the lower half of the order (Fabric's `bccsp/utils`).

use p256::ecdsa::{
    Signature, SigningKey, VerifyingKey,
    signature::{Signer, Verifier},
};

/// Why a signature is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SignatureError {
    /// Not a DER signature.
    #[error("signature: not in DER")]
    Encoding,
    /// `s` is in the upper half of the order, so the signature could be altered into another valid one.
    #[error("signature: invalid S, must be smaller than half the order")]
    HighS,
    /// The signature is not one of these bytes by this key.
    #[error("The signature is invalid")]
    Invalid,
}

pub(crate) fn sign(key: &SigningKey, message: &[u8]) -> Vec<u8> {
    let signature: Signature = key.sign(message);
    signature.normalize_s().to_der().as_bytes().to_vec()
}

pub(crate) fn verify(key: &VerifyingKey, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    let signature = Signature::from_der(signature).map_err(|_| SignatureError::Encoding)?;
    if signature.normalize_s() != signature {
        return Err(SignatureError::HighS);
    }
    key.verify(message, &signature)
        .map_err(|_| SignatureError::Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::elliptic_curve::Generate;

    #[test]
    fn accepts_its_own_and_refuses_the_mirrored_one() {
        let key = SigningKey::generate();
        let signature = sign(&key, b"message");
        assert_eq!(verify(key.verifying_key(), b"message", &signature), Ok(()));
        assert_eq!(
            verify(key.verifying_key(), b"other", &signature),
            Err(SignatureError::Invalid)
        );

        let low = Signature::from_der(&signature).unwrap();
        let (r, s) = low.split_scalars();
        let high = Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
        assert!(
            key.verifying_key().verify(b"message", &high).is_ok(),
            "valid ECDSA all the same"
        );
        let high = high.to_der();
        assert_eq!(
            verify(key.verifying_key(), b"message", high.as_bytes()),
            Err(SignatureError::HighS)
        );
        assert_eq!(
            verify(key.verifying_key(), b"message", b"junk"),
            Err(SignatureError::Encoding)
        );
    }
}
