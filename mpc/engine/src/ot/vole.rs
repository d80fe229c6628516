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

/// Expands the seeds of one tree. Column `b` of `columns` (its `K` parts, all as long as `sum`) becomes the sum of
/// the streams of all leaves whose number has bit `b` set, `sum` the sum of all streams. The leaf number 0 counts
/// in `sum` alone. `columns` must be zero.
pub(super) fn expand(seeds: &[Block], stream: u64, columns: &mut [Block], sum: &mut [Block]) {
    debug_assert_eq!(seeds.len(), LEAVES);
    debug_assert_eq!(columns.len(), K * sum.len());
    let blocks = sum.len();
    let mut generators: Vec<Prg> = seeds.iter().map(|seed| Prg::new(*seed, stream)).collect();
    let mut streams = Zeroizing::new(vec![Block::ZERO; LEAVES * BATCH]);
    for start in (0..blocks).step_by(BATCH) {
        let width = BATCH.min(blocks - start);
        for (generator, stream) in generators.iter_mut().zip(streams.chunks_exact_mut(BATCH)) {
            generator.fill_blocks(&mut stream[..width]);
        }
        // Level by level the streams whose numbers differ in the lowest bit are added up: the odd ones are what
        // that bit's column consists of, the sums go on with the next bit.
        for bit in 0..K {
            let column = &mut columns[bit * blocks + start..][..width];
            for pair in 0..LEAVES >> (bit + 1) {
                let (done, rest) = streams.split_at_mut(2 * pair * BATCH);
                let (even, rest) = rest.split_at_mut(BATCH);
                let odd = &rest[..width];
                for (target, odd) in column.iter_mut().zip(odd) {
                    *target ^= *odd;
                }
                for (even, odd) in even.iter_mut().zip(odd) {
                    *even ^= *odd;
                }
                if pair > 0 {
                    done[pair * BATCH..][..width].copy_from_slice(&even[..width]);
                }
            }
        }
        sum[start..][..width].copy_from_slice(&streams[..width]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_the_weighted_sums_of_the_streams() {
        for blocks in [1, 63, 64, 65, 200] {
            let seeds: Vec<_> = (0..LEAVES as u128).map(Block).collect();
            let mut columns = vec![Block::ZERO; K * blocks];
            let mut sum = vec![Block::ZERO; blocks];
            expand(&seeds, 9, &mut columns, &mut sum);
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
