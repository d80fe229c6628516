//! The matrix of a batch: 128 bit columns, one for each bit of Delta, with a row for each correlated OT.

use zeroize::Zeroizing;

use super::{K, TREES};
use crate::block::Block;
use crate::gf128::PowerHash;
use crate::transpose::transpose128;

/// The columns, cut into blocks of 128 rows. At `128 * position + bit` is the block number `position` of the column
/// `bit`, so that the rows take the place of the columns. The last block of each column masks its hash.
pub(super) struct Columns {
    data: Zeroizing<Vec<Block>>,
}

impl Columns {
    pub(super) fn zero(blocks: usize) -> Self {
        Self {
            data: Zeroizing::new(vec![Block::ZERO; 128 * blocks]),
        }
    }

    /// The `K` columns of `tree` from the block number `start` on: their next blocks, then those after.
    pub(super) fn of_tree(&mut self, tree: usize, start: usize) -> impl Iterator<Item = &mut [Block]> {
        self.data
            .chunks_exact_mut(128)
            .skip(start)
            .map(move |square| &mut square[K * tree..][..K])
    }

    /// The check's hash of each column.
    pub(super) fn hashes(&self, point: Block) -> Vec<Block> {
        const PIECE: usize = 64;
        let hash = PowerHash::new(point);
        let (used, masks) = self.data.split_at(self.data.len() - 128);
        let mut hashes = Vec::with_capacity(128);
        let mut pieces = Zeroizing::new([[Block::ZERO; PIECE]; K]);
        // The columns of a tree lie side by side in memory.
        for tree in 0..TREES {
            let mut sums: [_; K] = std::array::from_fn(|_| hash.start());
            for squares in used.chunks(128 * PIECE) {
                for (position, square) in squares.chunks_exact(128).enumerate() {
                    for (piece, block) in pieces.iter_mut().zip(&square[K * tree..]) {
                        piece[position] = *block;
                    }
                }
                for (sum, piece) in sums.iter_mut().zip(pieces.iter()) {
                    sum.add(&piece[..squares.len() / 128]);
                }
            }
            hashes.extend(
                sums.into_iter()
                    .zip(&masks[K * tree..])
                    .map(|(sum, mask)| sum.finish() ^ *mask),
            );
        }
        hashes
    }

    /// The first `count` rows.
    pub(super) fn into_rows(self, count: usize) -> Zeroizing<Vec<Block>> {
        let mut data = self.data;
        let (squares, _) = data.as_chunks_mut();
        squares.iter_mut().for_each(transpose128);
        data.truncate(count);
        data
    }
}

/// The universal hash of all blocks of a column but the last, which masks it.
pub(super) fn masked_hash(hash: &PowerHash, column: &[Block]) -> Block {
    column
        .split_last()
        .map_or(Block::ZERO, |(mask, used)| hash.hash(used) ^ *mask)
}
