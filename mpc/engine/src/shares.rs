//! Authenticated shares, many at a time: bits, and with each peer a MAC on the own bit and a key on the peer's.
//!
//! For every two parties `i` and `k` and every bit, `mac_i[k] = key_k[i] ^ bit_i Delta_k`. Nothing here is public.

use zeroize::Zeroize;

use crate::{PartyId, block::Block};

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

    /// The shares from `at` on; those before stay.
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

/// The first `count` bits of `bytes`, which has `packed_len(count)`. Padding is ignored.
pub(crate) fn unpack(bytes: &[u8], count: usize) -> Vec<bool> {
    let bits = bytes
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| (byte >> bit) & 1 == 1));
    bits.take(count).collect()
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
            prop_assert_eq!(unpack(&bytes, bits.len()), bits);
        }
    }
}
