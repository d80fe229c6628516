//! Transcripts from which the challenges are hashed (Fiat and Shamir, 1986).
//!
//! Everything is preceded by its label and both by their lengths, so that no two transcripts have the same bytes, and
//! a challenge depends on all that came before it.

use hash2curve::{ExpandMsgXmd, hash_to_scalar};
use p256::elliptic_curve::consts::U48;
use p256::{NistP256, Scalar};
use sha2::{Digest as _, Sha256};

/// The domain tag of the challenges (RFC 9380, section 3.1), apart from those of the generators and the blinding.
const CHALLENGE_DOMAIN: &[u8] = b"IPO-CLEARING-V02-CS03-binding-challenge-XMD:SHA-256";

/// A running hash of labelled values.
#[derive(Clone)]
pub(super) struct Transcript(Sha256);

impl Transcript {
    pub(super) fn new(purpose: &str) -> Self {
        let mut transcript = Self(Sha256::new());
        transcript
            .bytes("protocol", b"ipo-clearing binding")
            .bytes("version", &crate::PROTOCOL_VERSION.to_be_bytes())
            .bytes("purpose", purpose.as_bytes());
        transcript
    }

    pub(super) fn bytes(&mut self, label: &str, bytes: &[u8]) -> &mut Self {
        self.part(label.as_bytes());
        self.part(bytes);
        self
    }

    pub(super) fn number(&mut self, label: &str, number: usize) -> &mut Self {
        self.bytes(label, &(number as u64).to_be_bytes())
    }

    pub(super) fn numbers(&mut self, label: &str, numbers: &[usize]) -> &mut Self {
        self.number(label, numbers.len());
        for number in numbers {
            self.number(label, *number);
        }
        self
    }

    fn part(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    /// A scalar that nobody knew before the transcript was what it is.
    pub(super) fn challenge(&mut self, label: &str) -> Scalar {
        self.part(b"challenge");
        self.part(label.as_bytes());
        #[allow(clippy::expect_used)]
        hash_to_scalar::<NistP256, ExpandMsgXmd<Sha256>, U48>(&[&self.digest()], &[CHALLENGE_DOMAIN]).expect(
            "fails only for an empty domain tag or an output above 64 KiB, and both are constants here",
        )
    }

    /// The hash of all so far.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.0.clone().finalize().into()
    }
}
