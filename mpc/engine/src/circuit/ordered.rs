//! Comparison of two numbers that one party knows.
//!
//! Whoever knows both numbers also knows every carry of their subtraction, and gives the carries as inputs. The circuit then only
//! checks each of them, all side by side: one conjunction a bit as in a ripple, but one round as in no tree. Nobody
//! else's secrets enter the checks, so opening them tells nothing of an honest party: its are all zero.

use super::netlist::{Circuit, Wire, Word};

/// A claim `high >= low` about two numbers of one width.
#[derive(Debug, Clone)]
pub struct Ordered {
    /// All zero if and only if the claim holds and the carries are right.
    pub violations: Word,
    /// `high - low`, if there is no violation.
    pub difference: Word,
}

/// The carries that the owner of `high` and `low` has to give for [`Circuit::ordered`]: those of `high + ~low + 1`
/// into the bits 1 to `width - 1`.
///
/// The numbers are the owner's secret: nothing branches on them, and the carries are not stored here.
pub fn borrow_free_carries(high: u64, low: u64, width: usize) -> impl Iterator<Item = bool> {
    // What a sum differs by from its addends' exclusive or are the carries into its bits.
    let carries = high.wrapping_sub(low) ^ high ^ !low;
    (1..width).map(move |bit| carries >> bit & 1 == 1)
}

impl Circuit {
    /// Checks `high >= low` by the carries of the subtraction, of which the highest must be one: there is no borrow.
    pub fn ordered(&mut self, high: &[Wire], low: &[Wire], carries: &[Wire]) -> Ordered {
        debug_assert!(high.len() == low.len() && carries.len() + 1 == high.len());
        let mut violations = Vec::with_capacity(high.len());
        let mut difference = Vec::with_capacity(high.len());
        let mut carry = Wire::ONE;
        let claimed = carries.iter().copied().chain([Wire::ONE]);
        for ((&high, &low), claimed) in high.iter().zip(low).zip(claimed) {
            let right = self.majority(high, !low, carry);
            violations.push(self.xor(right, claimed));
            let differ = self.xor(high, !low);
            difference.push(self.xor(differ, carry));
            carry = claimed;
        }
        Ordered {
            violations,
            difference,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{bits_of, number_of, plain::evaluate};
    use super::*;

    fn check(high: u64, low: u64, carries: &[bool], width: usize) -> (bool, u128) {
        let mut circuit = Circuit::new();
        let (a, b, c) = (
            circuit.inputs(width),
            circuit.inputs(width),
            circuit.inputs(width - 1),
        );
        let ordered = circuit.ordered(&a, &b, &c);
        let outputs = [ordered.violations, ordered.difference].concat();
        let inputs = [
            bits_of(high.into(), width),
            bits_of(low.into(), width),
            carries.to_vec(),
        ]
        .concat();
        let (values, cost) = evaluate(&circuit, &outputs, &inputs);
        assert_eq!((cost.triples, cost.rounds), (width, 1));
        let (violations, difference) = values.split_at(width);
        (!violations.contains(&true), number_of(difference))
    }

    proptest! {
        #[test]
        fn holds_exactly_if_the_order_does(high: u64, low: u64, width in 1_usize..=49, same: bool, lie: u64) {
            let mask = (1 << width) - 1;
            let high = high & mask;
            let low = if same { high } else { low & mask };
            let carries: Vec<_> = borrow_free_carries(high, low, width).collect();
            let (holds, difference) = check(high, low, &carries, width);
            prop_assert_eq!(holds, high >= low);
            if holds {
                prop_assert_eq!(difference, u128::from(high - low));
            }
            let others: Vec<_> = bits_of(lie.into(), width - 1);
            let (lied, _) = check(high, low, &others, width);
            prop_assert_eq!(lied, high >= low && others == carries);
        }
    }
}
