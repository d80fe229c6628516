//! The matrix of a batch: 128 bit columns, one for each bit of Delta, with a row for each correlated OT.

use zeroize::Zeroizing;

use super::K;
use crate::block::Block;
use crate::gf128::PowerHash;
use crate::transpose::transpose128;

/// The columns, each a whole number of blocks; the last block of each is a mask of the consistency check.
pub(super) struct Columns {
    blocks: usize,
    data: Zeroizing<Vec<Block>>,
}

impl Columns {
    pub(super) fn zero(blocks: usize) -> Self {
        Self {
            blocks,
            data: Zeroizing::new(vec![Block::ZERO; 128 * blocks]),
        }
    }

    /// The columns of each tree in turn, `K` together.
    pub(super) fn trees(&mut self) -> impl Iterator<Item = &mut [Block]> {
        self.data.chunks_exact_mut(K * self.blocks)
    }

    /// The check's hash of each column.
    pub(super) fn hashes(&self, point: Block) -> impl Iterator<Item = Block> {
        let hash = PowerHash::new(point);
        self.data
            .chunks_exact(self.blocks)
            .map(move |column| masked_hash(&hash, column))
    }

    /// The first `count` rows.
    pub(super) fn rows(&self, count: usize) -> Zeroizing<Vec<Block>> {
        debug_assert!(count <= (self.blocks - 1) * 128);
        let mut rows = Zeroizing::new(Vec::with_capacity(self.blocks * 128));
        let mut square = Zeroizing::new([Block::ZERO; 128]);
        for position in 0..count.div_ceil(128) {
            for (block, column) in square.iter_mut().zip(self.data.chunks_exact(self.blocks)) {
                *block = column[position];
            }
            transpose128(&mut square);
            rows.extend_from_slice(&square[..(count - position * 128).min(128)]);
        }
        rows
    }
}

/// The universal hash of all blocks of a column but the last, which masks it.
pub(super) fn masked_hash(hash: &PowerHash, column: &[Block]) -> Block {
    column
        .split_last()
        .map_or(Block::ZERO, |(mask, used)| hash.hash(used) ^ *mask)
}
