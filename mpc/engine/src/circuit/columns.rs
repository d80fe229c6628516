//! Carry-save addition: any number of addends become two, in a depth that is logarithmic in their number.
//!
//! A sum is kept as columns of bits of equal weight. Full adders (one conjunction each: the sum of a full adder is
//! linear) take three bits of a column to one, and one more in the next column, layer by layer towards the heights
//! 2, 3, 4, 6, 9, 13, ... (Dadda, "Some schemes for parallel multipliers", Alta Frequenza 34, 1965), with half adders only
//! where a height would be missed.

use super::netlist::{Circuit, Wire, Word};

/// A sum under construction, modulo `2^width`.
#[derive(Debug, Clone)]
pub struct Columns {
    columns: Vec<Vec<Wire>>,
    constant: u128,
}

impl Columns {
    /// The empty sum modulo `2^width`, `width <= 128`.
    #[must_use]
    pub fn new(width: usize) -> Self {
        debug_assert!(width <= 128);
        Self {
            columns: vec![Vec::new(); width],
            constant: 0,
        }
    }

    /// Adds `2^shift` times a number.
    pub fn add(&mut self, word: &[Wire], shift: usize) {
        for (bit, &wire) in word.iter().enumerate() {
            self.add_bit(wire, bit + shift);
        }
    }

    /// Subtracts `2^shift` times a number: with `w` bits, `-x = ~x + 1 - 2^w`.
    pub fn subtract(&mut self, word: &[Wire], shift: usize) {
        for (bit, &wire) in word.iter().enumerate() {
            self.add_bit(!wire, bit + shift);
        }
        self.add_constant(power(shift));
        self.subtract_constant(power(shift + word.len()));
    }

    /// Adds a public number.
    pub fn add_constant(&mut self, number: u128) {
        self.constant = self.constant.wrapping_add(number);
    }

    /// Subtracts a public number.
    pub fn subtract_constant(&mut self, number: u128) {
        self.constant = self.constant.wrapping_sub(number);
    }

    /// Adds a public number times a secret one: an addition or subtraction for each digit of the number's
    /// non-adjacent form, the signed form with the fewest digits.
    pub fn add_multiple(&mut self, word: &[Wire], mut factor: u64) {
        let mut shift = 0;
        while factor != 0 {
            if factor & 1 == 1 {
                if factor & 3 == 3 && factor != 3 {
                    self.subtract(word, shift);
                    // The carry may need a 65th bit, which the halving below takes away again.
                    factor = (factor >> 1) + 1;
                } else {
                    self.add(word, shift);
                    factor >>= 1;
                }
            } else {
                factor >>= 1;
            }
            shift += 1;
        }
    }

    /// Adds the product of two secret numbers without a conjunction for its partial products.
    ///
    /// With `m` bits `x_j` written as signs, `2x = 2^m - 1 + sum_j s_j 2^j` for `s_j = 2 x_j - 1`, and a number times a sign is
    /// linear in both: `s_j y = (y ^ !x_j) + !x_j (1 - 2^n)`, where `n` is the width of `y`. Collecting terms,
    ///
    /// `2xy = sum_j 2^j (y ^ !x_j) + (~x + 2^m y) + (~y + 2^n x) + 1 - 2^(m+n)`,
    ///
    /// so `m` rows and two more, where partial products by conjunction would cost `m n` more. The lowest column
    /// adds up to 0, 2 or 4 and leaves by a full adder.
    pub fn add_product(&mut self, circuit: &mut Circuit, left: &[Wire], right: &[Wire]) {
        let (m, n) = (left.len(), right.len());
        let (Some(&left_low), Some(&right_low)) = (left.first(), right.first()) else {
            return;
        };
        for (j, &sign) in left.iter().enumerate() {
            for (k, &bit) in right.iter().enumerate() {
                if j + k > 0 {
                    let wire = circuit.xor(bit, !sign);
                    self.add_bit(wire, j + k - 1);
                }
            }
        }
        for (word, other) in [(left, n), (right, m)] {
            for (bit, &wire) in word.iter().enumerate() {
                if bit > 0 {
                    self.add_bit(!wire, bit - 1);
                }
                self.add_bit(wire, other + bit - 1);
            }
        }
        let lowest = circuit.xor(right_low, !left_low);
        let carry = circuit.majority(lowest, !left_low, !right_low);
        self.add_bit(carry, 0);
        self.add_constant(1);
        self.subtract_constant(power(m + n - 1));
    }

    /// Two numbers with this sum, modulo `2^width`.
    pub fn compress(mut self, circuit: &mut Circuit) -> (Word, Word) {
        let width = self.columns.len();
        for bit in 0..width {
            if self.constant >> bit & 1 == 1 {
                self.columns[bit].push(Wire::ONE);
            }
        }
        let tallest = self.columns.iter().map(Vec::len).max().unwrap_or(0);
        for height in heights_below(tallest) {
            let mut carries = Vec::new();
            for column in &mut self.columns {
                carries = lower(circuit, column, carries, height);
            }
        }
        // A third bit would be left out of the sum.
        let tallest = self.columns.iter().map(Vec::len).max().unwrap_or(0);
        assert!(tallest <= 2, "a column of {tallest} bits after the last layer");
        let row = |index: usize| {
            self.columns
                .iter()
                .map(|column| column.get(index).copied().unwrap_or(Wire::ZERO))
                .collect()
        };
        (row(0), row(1))
    }

    fn add_bit(&mut self, wire: Wire, column: usize) {
        if let Some(value) = wire.as_constant() {
            self.add_constant(if value { power(column) } else { 0 });
        } else if let Some(column) = self.columns.get_mut(column) {
            column.push(wire);
        }
    }
}

/// `2^exponent` modulo `2^128`.
fn power(exponent: usize) -> u128 {
    u32::try_from(exponent)
        .ok()
        .and_then(|shift| 1_u128.checked_shl(shift))
        .unwrap_or(0)
}

/// Dadda's heights below `tallest`, tallest first.
fn heights_below(tallest: usize) -> Vec<usize> {
    let mut heights: Vec<_> = std::iter::successors(Some(2), |height| Some(height * 3 / 2))
        .take_while(|&height| height < tallest)
        .collect();
    heights.reverse();
    heights
}

/// Lowers one column, with the carries that come into it, to `height`; returns the carries that go out. The
/// carries that come in arrive too late to be added in the same layer.
fn lower(circuit: &mut Circuit, column: &mut Vec<Wire>, incoming: Vec<Wire>, height: usize) -> Vec<Wire> {
    // Half adders take constants first, which makes them free; full adders take them last.
    column.sort_by_key(|wire| wire.as_constant().is_none());
    let mut bits = std::mem::take(column);
    let mut done = incoming;
    let mut outgoing = Vec::new();
    while bits.len() + done.len() > height {
        let excess = bits.len() + done.len() - height;
        if excess >= 2 && bits.len() >= 3 {
            let top = bits.split_off(bits.len() - 3);
            let (sum, carry) = circuit.full_adder(top[0], top[1], top[2]);
            done.push(sum);
            outgoing.push(carry);
        } else {
            // At most half as many carries come in as the height before the last layer. Were it otherwise, the result would
            // be wrong and all parties would agree on it.
            assert!(
                bits.len() >= 2,
                "a column's carries alone exceed the height {height}"
            );
            let rest = bits.split_off(2);
            done.push(circuit.xor(bits[0], bits[1]));
            outgoing.push(circuit.and(bits[0], bits[1]));
            bits = rest;
        }
    }
    bits.append(&mut done);
    *column = bits;
    outgoing
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::plain::evaluate;
    use super::*;

    fn sum_of(circuit: &mut Circuit, columns: Columns) -> Vec<Wire> {
        let (mut outputs, carries) = columns.compress(circuit);
        outputs.extend(carries);
        outputs
    }

    fn total(rows: &[bool], width: usize) -> u128 {
        let (sums, carries) = rows.split_at(width);
        let mask = if width == 128 { u128::MAX } else { (1 << width) - 1 };
        super::super::number_of(sums).wrapping_add(super::super::number_of(carries)) & mask
    }

    proptest! {
        #[test]
        fn adds_and_subtracts(
            terms in prop::collection::vec((any::<u64>(), 0_usize..65, 0_usize..40, any::<bool>()), 0..20),
            constant: u128, factor: u64, width in 1_usize..=128
        ) {
            let mut circuit = Circuit::new();
            let mut columns = Columns::new(width);
            let mut expected = constant;
            let mut inputs = Vec::new();
            columns.add_constant(constant);
            for (number, bits, shift, negative) in terms {
                let number = u128::from(number) & ((1 << bits) - 1);
                let word = circuit.inputs(bits);
                inputs.extend(super::super::bits_of(number, bits));
                if negative {
                    columns.subtract(&word, shift);
                    expected = expected.wrapping_sub(number << shift);
                } else {
                    columns.add(&word, shift);
                    expected = expected.wrapping_add(number << shift);
                }
                columns.add_multiple(&word, factor);
                expected = expected.wrapping_add(number.wrapping_mul(u128::from(factor)));
            }
            let outputs = sum_of(&mut circuit, columns);
            let (values, _) = evaluate(&circuit, &outputs, &inputs);
            let mask = if width == 128 { u128::MAX } else { (1 << width) - 1 };
            prop_assert_eq!(total(&values, width), expected & mask);
        }

        #[test]
        fn multiplies(
            left: u64, right: u64, m in 0_usize..48, n in 0_usize..48, more: u32, known: bool
        ) {
            let left = u128::from(left) & ((1 << m) - 1);
            let right = u128::from(right) & ((1 << n) - 1);
            let mut circuit = Circuit::new();
            let x = if known {
                super::super::bits_of(left, m).iter().map(|&bit| Wire::constant(bit)).collect()
            } else {
                circuit.inputs(m)
            };
            let y = circuit.inputs(n);
            let mut columns = Columns::new(m + n + 33);
            columns.add_product(&mut circuit, &x, &y);
            columns.add_constant(more.into());
            let outputs = sum_of(&mut circuit, columns);
            let mut inputs = if known { vec![] } else { super::super::bits_of(left, m) };
            inputs.extend(super::super::bits_of(right, n));
            let (values, cost) = evaluate(&circuit, &outputs, &inputs);
            prop_assert_eq!(total(&values, m + n + 33), left * right + u128::from(more));
            if more == 0 {
                prop_assert!(cost.triples <= m * n + 2 * (m + n));
            }
        }
    }

    #[test]
    #[should_panic(expected = "carries alone exceed the height 2")]
    fn a_column_that_cannot_be_lowered_is_not_cut() {
        let mut circuit = Circuit::new();
        let (mut column, carries) = (circuit.inputs(1), circuit.inputs(3));
        lower(&mut circuit, &mut column, carries, 2);
    }

    #[test]
    fn a_product_costs_about_one_conjunction_for_each_pair_of_bits() {
        let mut circuit = Circuit::new();
        let (x, y) = (circuit.inputs(32), circuit.inputs(34));
        let mut columns = Columns::new(66);
        columns.add_product(&mut circuit, &x, &y);
        let outputs = sum_of(&mut circuit, columns);
        let cost = circuit.compile(&outputs).cost();
        assert!(cost.triples <= 32 * 34 + 32, "{cost:?}");
        assert_eq!(cost.rounds, 8);
    }

    #[test]
    fn a_carry_into_two_full_rows_takes_one_layer() {
        let mut circuit = Circuit::new();
        let (x, y) = (circuit.inputs(40), circuit.inputs(40));
        let mut columns = Columns::new(40);
        columns.add(&x, 0);
        columns.subtract(&y, 0);
        let outputs = sum_of(&mut circuit, columns);
        assert_eq!(circuit.compile(&outputs).cost().rounds, 1);
    }
}
