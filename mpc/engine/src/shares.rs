//! Authenticated shares, many at a time: bits, and with each peer a MAC on the own bit and a key on the peer's.
//!
//! For every two parties `i` and `k` and every bit, `mac_i[k] = key_k[i] ^ bit_i Delta_k`. Nothing here is public.

use zeroize::Zeroize;

use crate::{Error, PartyId, block::Block, links::check_length, step::Step};

/// One party's shares of a vector of secret bits.
#[derive(Clone)]
pub(crate) struct Shares {
    /// The own shares.
    pub(crate) bits: Vec<bool>,
    /// `macs[peer]`: the MACs on the own shares under the peer's Delta; empty at the own place.
    pub(crate) macs: Vec<Vec<Block>>,
    /// `keys[peer]`: the keys on the peer's shares under the own Delta; empty at the own place.
    pub(crate) keys: Vec<Vec<Block>>,
}

impl Shares {
    /// No shares yet, among `parties`, with room for `capacity`.
    pub(crate) fn with_capacity(parties: usize, me: PartyId, capacity: usize) -> Self {
        let empty = || {
            (0..parties)
                .map(|k| Vec::with_capacity(if k == me { 0 } else { capacity }))
                .collect()
        };
        Self {
            bits: Vec::with_capacity(capacity),
            macs: empty(),
            keys: empty(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.bits.len()
    }

    /// Adds others after these. The room for them must have been there from the start, or what is copied to a larger place
    /// stays behind in memory.
    pub(crate) fn append(&mut self, others: &Self) {
        debug_assert!(self.bits.capacity() >= self.len() + others.len());
        self.bits.extend_from_slice(&others.bits);
        let blocks = self.macs.iter_mut().chain(&mut self.keys);
        for (blocks, others) in blocks.zip(others.macs.iter().chain(&others.keys)) {
            blocks.extend_from_slice(others);
        }
    }

    /// The shares from `at` on; those before stay. What is cut off is erased with the rest of the vector's memory.
    pub(crate) fn split_off(&mut self, at: usize) -> Self {
        let split = |blocks: &mut Vec<Block>| {
            let rest = blocks.get(at..).map(<[Block]>::to_vec).unwrap_or_default();
            blocks.truncate(at);
            rest
        };
        Self {
            bits: self.bits.split_off(at),
            macs: self.macs.iter_mut().map(split).collect(),
            keys: self.keys.iter_mut().map(split).collect(),
        }
    }
}

impl Drop for Shares {
    fn drop(&mut self) {
        self.bits.zeroize();
        for blocks in self.macs.iter_mut().chain(&mut self.keys) {
            blocks.zeroize();
        }
    }
}

/// Packs bits into bytes, the first into the lowest bit.
pub(crate) fn pack(bits: &[bool]) -> Vec<u8> {
    let byte = |bits: &[bool]| {
        bits.iter()
            .rev()
            .fold(0, |byte, bit| (byte << 1) | u8::from(*bit))
    };
    bits.chunks(8).map(byte).collect()
}

/// How many bytes `count` packed bits take.
pub(crate) const fn packed_len(count: usize) -> usize {
    count.div_ceil(8)
}

/// The `count` bits that `peer` packed at `step`. The length must be right and the padding zero, so that a vector of
/// bits has one encoding.
pub(crate) fn unpack(peer: PartyId, step: Step, bytes: &[u8], count: usize) -> Result<Vec<bool>, Error> {
    check_length(peer, step, bytes, packed_len(count))?;
    let mut bits: Vec<bool> = bytes
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| (byte >> bit) & 1 == 1))
        .collect();
    if bits.drain(count..).any(|padding| padding) {
        let reason = format!("padding after {count} bits that is not zero");
        return Err(Error::Malformed {
            peer,
            step: step.name(),
            reason,
        });
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
            #[test]
            fn unpacking_reverses_packing(bits: Vec<bool>) {
                let bytes = pack(&bits);
                prop_assert_eq!(bytes.len(), packed_len(bits.len()));
                prop_assert_eq!(unpack(1, Step::INPUT, &bytes, bits.len()), Ok(bits));
            }

            #[test]
            fn every_vector_has_one_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..4), count in 0_usize..40) {
                match unpack(1, Step::INPUT, &bytes, count) {
                    Ok(bits) => prop_assert_eq!(pack(&bits), bytes),
                    Err(error) => {
     let malformed = matches!(error, Error::Malformed { peer: 1, .. });
     prop_assert!(malformed, "{}", error);
    }
                }
            }
        }
}
