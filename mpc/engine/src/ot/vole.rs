//! From seeds to correlated columns: the small-field VOLE of SoftSpokenOT (Roy, ePrint 2022/192, section 3.1 and
//! figure 7).
//!
//! With `r_y` the stream of the leaf `y` of a tree, the grower has `u = sum_y r_y` and `v = sum_y y r_y`; the
//! puncturer, who misses the leaf at its secret `d`, has `w = sum_y (y ^ d) r_y`, in which that leaf has weight 0. So
//! `w = v ^ d u` over GF(2^K), one such equation for each bit of the streams. As `u` is a bit and `y` is written in
//! bits, the columns of `v` and `w` are bit columns, and no multiplication in GF(2^K) is left.

use zeroize::Zeroizing;

use super::{K, LEAVES};
use crate::block::Block;
use crate::prg::{BATCH, Prg};

/// A part of what a tree's seeds expand to.
pub(super) struct Part<'a> {
    /// The number of its first block.
    pub(super) start: usize,
    /// Its blocks of the columns `0..K`: in column `b` the sum of the streams of all leaves whose number has the
    /// bit `b` set.
    pub(super) columns: [&'a [Block]; K],
    /// Its blocks of the sum of all streams.
    pub(super) sum: &'a [Block],
}

/// Expands the seeds of one tree to `blocks` blocks of each column, in order, part by part. The leaf number 0 counts
/// in the sum alone.
pub(super) fn expand(seeds: &[Block], stream: u64, blocks: usize, mut take: impl FnMut(Part<'_>)) {
    let mut generators: Vec<Prg> = seeds.iter().map(|seed| Prg::new(*seed, stream)).collect();
    let mut streams = Zeroizing::new(vec![[Block::ZERO; BATCH]; LEAVES]);
    let mut columns = Zeroizing::new([[Block::ZERO; BATCH]; K]);
    for start in (0..blocks).step_by(BATCH) {
        let width = BATCH.min(blocks - start);
        for (generator, stream) in generators.iter_mut().zip(streams.iter_mut()) {
            generator.fill_blocks(&mut stream[..width]);
        }
        // Bit by bit the streams whose numbers differ in that bit are added up: the odd ones are what its column
        // consists of, the sums go on with the next bit.
        let mut left = &mut streams[..];
        for column in columns.iter_mut() {
            column.fill(Block::ZERO);
            let half = left.len() / 2;
            for pair in 0..half {
                let (sums, rest) = left.split_at_mut(2 * pair + 1);
                let odd = &rest[0];
                for (column, odd) in column.iter_mut().zip(odd) {
                    *column ^= *odd;
                }
                let even = sums[2 * pair];
                for ((sum, even), odd) in sums[pair].iter_mut().zip(even).zip(odd) {
                    *sum = even ^ *odd;
                }
            }
            left = &mut left[..half];
        }
        take(Part {
            start,
            columns: std::array::from_fn(|bit| &columns[bit][..width]),
            sum: &left[0][..width],
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_the_weighted_sums_of_the_streams() {
        for blocks in [1, 127, 128, 129, 300] {
            let seeds: Vec<_> = (0..LEAVES as u128).map(Block).collect();
            let mut columns = vec![Block::ZERO; K * blocks];
            let mut sum = Vec::new();
            expand(&seeds, 9, blocks, |part| {
                assert_eq!(part.start, sum.len());
                sum.extend_from_slice(part.sum);
                for (bit, column) in part.columns.iter().enumerate() {
                    columns[bit * blocks + part.start..][..column.len()].copy_from_slice(column);
                }
            });
            let mut expected = vec![Block::ZERO; K * blocks];
            let mut expected_sum = vec![Block::ZERO; blocks];
            for (leaf, seed) in seeds.iter().enumerate() {
                let mut stream = vec![Block::ZERO; blocks];
                Prg::new(*seed, 9).fill_blocks(&mut stream);
                for (position, value) in stream.into_iter().enumerate() {
                    expected_sum[position] ^= value;
                    for bit in 0..K {
                        expected[bit * blocks + position] ^= value.times((leaf >> bit) & 1 == 1);
                    }
                }
            }
            assert_eq!(columns, expected);
            assert_eq!(sum, expected_sum);
        }
    }
}
