//! Transposition of 128 x 128 bit matrices.

use crate::block::Block;

/// The masks of the six exchanges inside 64-bit words, for distances 1, 2, 4 to 32: the lower one of each pair of
/// bits.
const MASKS: [u64; 6] = [
    0x5555_5555_5555_5555,
    0x3333_3333_3333_3333,
    0x0f0f_0f0f_0f0f_0f0f,
    0x00ff_00ff_00ff_00ff,
    0x0000_ffff_0000_ffff,
    0x0000_0000_ffff_ffff,
];

/// Transposes a bit matrix: bit `j` of row `i` changes place with bit `i` of row `j`. Neither branches nor
/// addresses depend on the bits.
///
/// For each power of two `d`, every 2 x 2 matrix of `d` x `d` matrices is transposed by one exchange
/// (Warren, Hacker's Delight, 2nd edition, section 7-3).
pub fn transpose128(rows: &mut [Block; 128]) {
    let mut words = [[0_u64; 2]; 128];
    for (word, row) in words.iter_mut().zip(rows.iter()) {
        *word = [row.0 as u64, (row.0 >> 64) as u64];
    }
    let (top, bottom) = words.split_at_mut(64);
    for (upper, lower) in top.iter_mut().zip(bottom) {
        std::mem::swap(&mut upper[1], &mut lower[0]);
    }
    exchange::<32>(&mut words, MASKS[5]);
    exchange::<16>(&mut words, MASKS[4]);
    exchange::<8>(&mut words, MASKS[3]);
    exchange::<4>(&mut words, MASKS[2]);
    exchange::<2>(&mut words, MASKS[1]);
    exchange::<1>(&mut words, MASKS[0]);
    for (row, word) in rows.iter_mut().zip(words) {
        *row = Block(u128::from(word[0]) | (u128::from(word[1]) << 64));
    }
}

/// Exchanges the upper right with the lower left `D` x `D` quarter of each `2 D` x `2 D` matrix.
fn exchange<const D: usize>(words: &mut [[u64; 2]; 128], mask: u64) {
    for pair in words.chunks_exact_mut(2 * D) {
        let (upper, lower) = pair.split_at_mut(D);
        for (upper, lower) in upper.iter_mut().zip(lower) {
            for (upper, lower) in upper.iter_mut().zip(lower) {
                let difference = ((*upper >> D) ^ *lower) & mask;
                *lower ^= difference;
                *upper ^= difference << D;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::prg::Prg;

    proptest! {
        #[test]
        fn every_bit_changes_place(seed: u128) {
            let mut rows = [Block::ZERO; 128];
            Prg::new(Block(seed), 0).fill_blocks(&mut rows);
            let mut columns = rows;
            transpose128(&mut columns);
            for (i, row) in rows.iter().enumerate() {
                for (j, column) in columns.iter().enumerate() {
                    prop_assert_eq!(row.bit(j as u32), column.bit(i as u32), "row {}, column {}", i, j);
                }
            }
        }
    }
}
