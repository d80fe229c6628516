//! The tweakable correlation-robust hash: TMMO (Guo, Katz, Wang, Yu, ePrint 2019/074, section 7.4).
//!
//! `TMMO(x, i) = p(p(x) ^ i) ^ p(x)` for a public permutation `p`. With `p` an ideal permutation it is tweakable
//! circular correlation robust: for a secret Delta of high min-entropy, `TMMO(x ^ b Delta, i)` looks random for all
//! `x`, `b` and tweaks `i` that an adversary may choose, as long as no tweak serves twice. Here `p` is AES-128
//! under a public key that is drawn from the attempt's id, so that attempts share no permutation.

use aes::Aes128Enc;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use sha2::{Digest, Sha256};

use crate::PartyId;
use crate::block::{BLOCK_BYTES, Block};
use crate::prg::BATCH;

/// What makes one use of the hash differ from every other in an attempt. A tweak must serve once for each Delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tweak(u128);

impl Tweak {
    /// The tweak of the value number `index` that `sender` makes for `receiver` in `phase`. Parties are below
    /// `2^16`.
    pub const fn new(phase: u16, sender: PartyId, receiver: PartyId, index: u64) -> Self {
        let parties = ((sender as u128 & 0xffff) << 16) | (receiver as u128 & 0xffff);
        Self(((phase as u128) << 112) | (parties << 80) | index as u128)
    }

    /// The tweak `count` indices further on.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0 + count as u128)
    }
}

/// TMMO under the key of one attempt.
pub struct TweakableHash {
    permutation: Aes128Enc,
}

impl TweakableHash {
    /// The hash of the attempt with this id.
    pub fn new(attempt: &[u8; 32]) -> Self {
        let digest = Sha256::new()
            .chain_update(b"mpc-engine v1 TMMO key")
            .chain_update(attempt)
            .finalize();
        let mut key = [0; BLOCK_BYTES];
        key.copy_from_slice(&digest[..BLOCK_BYTES]);
        Self {
            permutation: Aes128Enc::new(&key.into()),
        }
    }

    /// The hash of one block.
    pub fn hash(&self, block: Block, tweak: Tweak) -> Block {
        let mut blocks = [block];
        self.hash_all(&mut blocks, tweak);
        blocks[0]
    }

    /// Replaces each block by its hash, block `j` under the tweak `first.plus(j)`.
    pub fn hash_all(&self, blocks: &mut [Block], first: Tweak) {
        let mut inner = [aes::Block::default(); BATCH];
        let mut outer = [aes::Block::default(); BATCH];
        let mut tweak = first.0;
        for chunk in blocks.chunks_mut(BATCH) {
            let (inner, outer) = (&mut inner[..chunk.len()], &mut outer[..chunk.len()]);
            for (input, block) in inner.iter_mut().zip(chunk.iter()) {
                *input = block.to_bytes().into();
            }
            self.permutation.encrypt_blocks(inner);
            for ((input, permuted), tweak) in outer.iter_mut().zip(inner.iter()).zip(tweak..) {
                *input = (u128::from_le_bytes(permuted.0) ^ tweak).to_le_bytes().into();
            }
            tweak += chunk.len() as u128;
            self.permutation.encrypt_blocks(outer);
            for ((block, permuted), output) in chunk.iter_mut().zip(inner.iter()).zip(outer.iter()) {
                *block = Block::from_bytes(output.0) ^ Block::from_bytes(permuted.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(attempt: &[u8; 32], x: Block, tweak: u128) -> Block {
        let digest = Sha256::digest([b"mpc-engine v1 TMMO key".as_slice(), attempt].concat());
        let key: [u8; 16] = digest[..16].try_into().unwrap();
        let permute = |x: Block| {
            let mut block = aes::Block::from(x.to_bytes());
            aes::Aes128::new(&key.into()).encrypt_block(&mut block);
            Block::from_bytes(block.0)
        };
        permute(permute(x) ^ Block(tweak)) ^ permute(x)
    }

    #[test]
    fn batches_equal_the_definition() {
        let attempt = [9; 32];
        let hash = TweakableHash::new(&attempt);
        let first = Tweak::new(5, 2, 1, u64::MAX - 100);
        let mut blocks: Vec<_> = (0..150).map(|i| Block(i * 0x1234_5678_9abc_def1)).collect();
        let expected: Vec<_> = blocks
            .iter()
            .zip(first.0..)
            .map(|(x, tweak)| reference(&attempt, *x, tweak))
            .collect();
        assert_eq!(hash.hash(blocks[3], first.plus(3)), expected[3]);
        hash.hash_all(&mut blocks, first);
        assert_eq!(blocks, expected);
    }

    #[test]
    fn every_part_of_the_tweak_and_the_attempt_counts() {
        let hash = TweakableHash::new(&[1; 32]);
        let x = Block(42);
        let all = [
            hash.hash(x, Tweak::new(0, 0, 0, 0)),
            hash.hash(x, Tweak::new(1, 0, 0, 0)),
            hash.hash(x, Tweak::new(0, 1, 0, 0)),
            hash.hash(x, Tweak::new(0, 0, 1, 0)),
            hash.hash(x, Tweak::new(0, 0, 0, 1)),
            TweakableHash::new(&[2; 32]).hash(x, Tweak::new(0, 0, 0, 0)),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all.iter().skip(i + 1).all(|b| a != b), "{i}");
        }
    }
}
