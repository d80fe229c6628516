//! Domain separation: what every hash, key and stream of an ordered pair is bound to.

use sha2::{Digest, Sha256};

use crate::PartyId;

/// The ordered pair and phase that an oblivious transfer belongs to. Nothing derived under one context has a
/// meaning under another; one context serves one setup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    attempt: [u8; 32],
    sender: PartyId,
    receiver: PartyId,
    phase: &'static str,
}

impl Context {
    /// The oblivious transfers in which `sender` (who holds Delta) serves `receiver`, in the phase `phase` of the
    /// attempt with the id `attempt`.
    pub const fn new(attempt: [u8; 32], sender: PartyId, receiver: PartyId, phase: &'static str) -> Self {
        Self {
            attempt,
            sender,
            receiver,
            phase,
        }
    }

    /// Who holds Delta.
    pub const fn sender(&self) -> PartyId {
        self.sender
    }

    /// Who has the choice bits.
    pub const fn receiver(&self) -> PartyId {
        self.receiver
    }

    /// A digest of the protocol's version, of all that the context says and of `label`.
    pub fn digest(&self, label: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in [
            b"mpc-engine v1 OT".as_slice(),
            &self.attempt,
            self.phase.as_bytes(),
            label.as_bytes(),
        ] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        for party in [self.sender, self.receiver] {
            hash.update((party as u64).to_be_bytes());
        }
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts() {
        let all = [
            Context::new([0; 32], 0, 1, "bits").digest("a"),
            Context::new([1; 32], 0, 1, "bits").digest("a"),
            Context::new([0; 32], 1, 0, "bits").digest("a"),
            Context::new([0; 32], 0, 2, "bits").digest("a"),
            Context::new([0; 32], 0, 1, "bit").digest("a"),
            Context::new([0; 32], 0, 1, "bit").digest("sa"),
            Context::new([0; 32], 0, 1, "bits").digest("b"),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all.iter().skip(i + 1).all(|b| a != b), "{i}");
        }
    }
}
