//! 128-bit blocks: MACs, keys, OT strings, elements of GF(2^128).

use std::fmt;
use std::ops::{BitAnd, BitXor, BitXorAssign};

use rand_core::CryptoRng;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroize;

/// Bytes in a block.
pub const BLOCK_BYTES: usize = 16;

/// 128 bits, most often secret: comparison takes constant time and `Debug` shows nothing.
///
/// Bit `i` is bit `i % 8` of byte `i / 8` of the encoding. A block is `Copy`, so whoever keeps secret blocks
/// erases them (`Zeroizing<Vec<Block>>`).
#[derive(Clone, Copy, Default)]
pub struct Block(pub(crate) u128);

impl Block {
    /// The zero of the group.
    pub const ZERO: Self = Self(0);

    /// A uniform block.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; BLOCK_BYTES];
        rng.fill_bytes(&mut bytes);
        let block = Self::from_bytes(bytes);
        bytes.zeroize();
        block
    }

    /// The block with this encoding (little-endian).
    pub const fn from_bytes(bytes: [u8; BLOCK_BYTES]) -> Self {
        Self(u128::from_le_bytes(bytes))
    }

    /// The encoding.
    pub const fn to_bytes(self) -> [u8; BLOCK_BYTES] {
        self.0.to_le_bytes()
    }

    /// This block if `bit`, else zero; without a branch.
    #[must_use]
    pub const fn times(self, bit: bool) -> Self {
        Self(self.0 & (bit as u128).wrapping_neg())
    }

    /// Bit `index`, `0..128`.
    pub const fn bit(self, index: u32) -> bool {
        (self.0 >> (index & 127)) & 1 == 1
    }

    /// Bit 0.
    pub const fn lsb(self) -> bool {
        self.0 & 1 == 1
    }

    /// The encodings of `blocks`, one after another.
    pub fn write(blocks: &[Self]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(blocks.len() * BLOCK_BYTES);
        Self::append(blocks, &mut bytes);
        bytes
    }

    /// Appends the encodings of `blocks` to `bytes`.
    pub fn append(blocks: &[Self], bytes: &mut Vec<u8>) {
        bytes.reserve(blocks.len() * BLOCK_BYTES);
        for block in blocks {
            bytes.extend_from_slice(&block.to_bytes());
        }
    }

    /// The blocks that `bytes` encode; `None` if their number is no multiple of 16.
    pub fn read(bytes: &[u8]) -> Option<Vec<Self>> {
        let (blocks, rest) = bytes.as_chunks();
        rest.is_empty()
            .then(|| blocks.iter().map(|block| Self::from_bytes(*block)).collect())
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Block(..)")
    }
}

impl BitXor for Block {
    type Output = Self;

    fn bitxor(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }
}

impl BitXorAssign for Block {
    fn bitxor_assign(&mut self, other: Self) {
        self.0 ^= other.0;
    }
}

impl BitAnd for Block {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl ConstantTimeEq for Block {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl ConditionallySelectable for Block {
    fn conditional_select(a: &Self, b: &Self, choice: Choice) -> Self {
        Self(u128::conditional_select(&a.0, &b.0, choice))
    }
}

/// Takes constant time.
impl PartialEq for Block {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for Block {}

impl Zeroize for Block {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_is_little_endian_and_reversible() {
        let mut bytes = [0; BLOCK_BYTES];
        bytes[0] = 1;
        bytes[15] = 0x80;
        let block = Block::from_bytes(bytes);
        assert!(block.lsb() && block.bit(0) && block.bit(127) && !block.bit(64));
        assert_eq!(block.to_bytes(), bytes);
        let two = Block::write(&[block, Block::ZERO]);
        assert_eq!(two.len(), 32);
        assert_eq!(Block::read(&two), Some(vec![block, Block::ZERO]));
        assert_eq!(Block::read(&two[1..]), None);
    }

    #[test]
    fn arithmetic_is_bitwise() {
        let (a, b) = (Block(0b1100), Block(0b1010));
        assert_eq!(a ^ b, Block(0b0110));
        assert_eq!(a & b, Block(0b1000));
        assert_eq!(a.times(true), a);
        assert_eq!(a.times(false), Block::ZERO);
        assert_ne!(a, b);
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Block(0x1234_5678)), "Block(..)");
    }
}
