//! Answers that only the caller can read.
//!
//! What a chaincode answers is part of the block when the call is submitted instead of evaluated, even if the transaction is
//! invalid. So a function that returns an organisation's own data takes a key of the caller's making in the transient
//! field `responseKey` and answers AES-256-GCM under it: a read that is submitted by mistake publishes nothing readable.
//!
//! The key is 32 random bytes, used for one call. Endorsers must answer the same bytes, so the nonce cannot be random: it is
//! taken from the transaction's id, which is unique (SHA-256 over the client's nonce and identity). Even a key that is used twice
//! by mistake therefore never meets the same nonce twice. The plaintext is padded with spaces, which JSON ignores, so that
//! the length of the answer says little.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::ContractError;

/// The transient field that holds the key.
pub const RESPONSE_KEY: &str = "responseKey";

/// What is authenticated beside the ciphertext: the form's name and version.
pub const ASSOCIATED_DATA: &[u8] = b"ipo-chaincode sealed answer v1";

/// Plaintexts are padded to a multiple of this many bytes.
const BLOCK: usize = 1024;
const NONCE_LENGTH: usize = 12;

/// A key for one answer. Erased when dropped.
pub struct ResponseKey(Zeroizing<[u8; 32]>);

/// What the caller gets: decrypt `ciphertext` with the key, this `nonce` and [`ASSOCIATED_DATA`] to JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sealed {
    /// The version of this form, 1.
    pub version: u16,
    /// 12 bytes as hexadecimal digits.
    pub nonce: String,
    /// Ciphertext and then the 16-byte tag, as hexadecimal digits.
    pub ciphertext: String,
}

impl ResponseKey {
    /// Takes the transient field.
    ///
    /// # Errors
    /// [`ContractError::MissingTransient`] or, for another length than 32 bytes, [`ContractError::BadArgument`].
    pub fn from_transient(field: Option<&[u8]>) -> Result<Self, ContractError> {
        let bytes = field.ok_or(ContractError::MissingTransient {
            field: RESPONSE_KEY,
            allowed: "32 random bytes, used for this call alone, under which the answer is encrypted",
        })?;
        let key = bytes.try_into().map_err(|_| {
            ContractError::argument(
                RESPONSE_KEY,
                format_args!("{} bytes", bytes.len()),
                "32 random bytes",
            )
        })?;
        Ok(Self(Zeroizing::new(key)))
    }

    /// Encrypts an answer to the transaction `tx_id`.
    ///
    /// # Errors
    /// [`ContractError::UnreadableRecord`] when the answer has no JSON form or is beyond what one key may encrypt (64 GiB).
    pub fn seal<T: Serialize>(&self, tx_id: &str, answer: &T) -> Result<Sealed, ContractError> {
        let failed = |reason: &str| ContractError::UnreadableRecord {
            key: "sealed answer".to_owned(),
            reason: reason.to_owned(),
        };
        let mut plaintext =
            Zeroizing::new(serde_json::to_vec(answer).map_err(|_| failed("it has no JSON form"))?);
        let padded = plaintext.len().next_multiple_of(BLOCK);
        plaintext.resize(padded, b' ');
        let mut hash = Sha256::new();
        hash.update(ASSOCIATED_DATA);
        hash.update(tx_id.as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let (nonce, _) = digest
            .split_first_chunk::<NONCE_LENGTH>()
            .ok_or_else(|| failed("no nonce"))?;
        let cipher = Aes256Gcm::new((&*self.0).into());
        let ciphertext = cipher
            .encrypt(
                &Nonce::from(*nonce),
                Payload {
                    msg: &plaintext,
                    aad: ASSOCIATED_DATA,
                },
            )
            .map_err(|_| failed("it is too long"))?;
        Ok(Sealed {
            version: 1,
            nonce: hex::encode(nonce),
            ciphertext: hex::encode(ciphertext),
        })
    }
}

impl Sealed {
    /// Decrypts the answer: what a client does. None when the key is another or anything was altered.
    #[must_use]
    pub fn open(&self, key: &[u8; 32]) -> Option<Zeroizing<Vec<u8>>> {
        let nonce: [u8; NONCE_LENGTH] = hex::decode(&self.nonce).ok()?.try_into().ok()?;
        let ciphertext = hex::decode(&self.ciphertext).ok()?;
        let cipher = Aes256Gcm::new(key.into());
        let payload = Payload {
            msg: &ciphertext,
            aad: ASSOCIATED_DATA,
        };
        (self.version == 1)
            .then(|| cipher.decrypt(&Nonce::from(nonce), payload).ok())
            .flatten()
            .map(Zeroizing::new)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> ResponseKey {
        ResponseKey::from_transient(Some(&[byte; 32])).unwrap()
    }

    #[test]
    fn a_key_is_required_and_is_thirty_two_bytes() {
        assert_eq!(
            ResponseKey::from_transient(None).err().unwrap().code(),
            "MISSING_TRANSIENT"
        );
        for length in [0, 31, 33] {
            let message = ResponseKey::from_transient(Some(&vec![7; length]))
                .err()
                .unwrap()
                .to_string();
            assert!(message.contains(&format!("{length} bytes")), "{message}");
        }
    }

    #[test]
    fn endorsers_agree_and_transactions_never_share_a_nonce() {
        let one = key(1).seal("tx1", &"answer").unwrap();
        assert_eq!(one, key(1).seal("tx1", &"answer").unwrap());
        assert_ne!(one.nonce, key(1).seal("tx2", &"answer").unwrap().nonce);
    }

    #[test]
    fn short_answers_are_equally_long() {
        let short = key(1).seal("tx", &"a").unwrap().ciphertext;
        assert_eq!(
            short.len(),
            key(1).seal("tx", &"a".repeat(900)).unwrap().ciphertext.len()
        );
        assert!(short.len() < key(1).seal("tx", &"a".repeat(1100)).unwrap().ciphertext.len());
    }

    proptest! {
        #[test]
        fn only_the_key_opens_it_and_only_unaltered(text in ".{0,300}", byte: u8, flip in 0usize..200) {
            let sealed = key(byte).seal("tx", &text).unwrap();
            let opened = sealed.open(&[byte; 32]).unwrap();
            prop_assert_eq!(serde_json::from_slice::<String>(&opened).unwrap(), text);
            prop_assert!(sealed.open(&[byte.wrapping_add(1); 32]).is_none());
            let mut bytes = hex::decode(&sealed.ciphertext).unwrap();
            bytes[flip] ^= 1;
            let altered = Sealed { ciphertext: hex::encode(bytes), ..sealed };
            prop_assert!(altered.open(&[byte; 32]).is_none());
        }
    }
}
