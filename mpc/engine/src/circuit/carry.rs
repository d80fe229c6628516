//! The carries of an addition of two numbers: comparison, and sums in binary.
//!
//! A position of the addition passes its carry on if its bits differ, and else makes one that equals either bit.
//! Such a pair `(propagate, value)` needs no conjunction, and two neighbouring spans join with two: the carry out of a
//! span is `propagate ? carry in : value`. (A parallel prefix computation: Ladner and Fischer, "Parallel prefix
//! computation", J. ACM 27, 1980, without conjunctions at its leaves.)

use super::netlist::{Circuit, Wire, Word};

/// How carries are computed. For `w` bits:
///
/// | | comparison | rounds | sum | rounds |
/// |---|---|---|---|---|
/// | `Ripple` | w | w | w | w |
/// | `FewGates` | 2w - log w | log w | 3w | 2 log w |
/// | `FewRounds` | 2w - log w | log w | w log w | log w |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carry {
    /// From bit to bit.
    Ripple,
    /// A tree; for a sum also its way down (Brent and Kung).
    FewGates,
    /// A tree; for a sum all prefixes at once (Sklansky).
    FewRounds,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    propagate: Wire,
    value: Wire,
}

impl Circuit {
    /// The carry out of `left + right + carry`, two numbers of one width.
    pub fn carry_out(&mut self, left: &[Wire], right: &[Wire], carry: Wire, form: Carry) -> Wire {
        let spans = self.spans(left, right);
        match form {
            Carry::Ripple => spans.iter().fold(carry, |carry, span| self.pass(*span, carry)),
            Carry::FewGates | Carry::FewRounds => self.carry_through(&spans, carry),
        }
    }

    /// `left >= right`, two numbers of one width.
    pub fn at_least(&mut self, left: &[Wire], right: &[Wire], form: Carry) -> Wire {
        let complement: Word = right.iter().map(|&wire| !wire).collect();
        self.carry_out(left, &complement, Wire::ONE, form)
    }

    /// `left >= right` for a public number; about three quarters of the conjunctions of [`Self::at_least`].
    pub fn at_least_public(&mut self, left: &[Wire], right: u128, form: Carry) -> Wire {
        if left.len() < 128 && right >> left.len() != 0 {
            return Wire::ZERO;
        }
        let right: Word = super::bits_of(right, left.len())
            .into_iter()
            .map(Wire::constant)
            .collect();
        self.at_least(left, &right, form)
    }

    /// `left + right`, two numbers of one width, modulo `2^width`.
    pub fn sum(&mut self, left: &[Wire], right: &[Wire], form: Carry) -> Word {
        let spans = self.spans(left, right);
        // The carry out of the highest position is not wanted.
        let (carries, wanted) = (Wire::ZERO, spans.len().saturating_sub(1));
        let carries = match form {
            Carry::Ripple => {
                let mut carry = carries;
                spans[..wanted]
                    .iter()
                    .map(|span| {
                        carry = self.pass(*span, carry);
                        carry
                    })
                    .collect()
            }
            Carry::FewGates => self.carries_down(&spans[..wanted], carries),
            Carry::FewRounds => self.carries_at_once(&spans[..wanted], carries),
        };
        std::iter::once(Wire::ZERO)
            .chain(carries)
            .zip(&spans)
            .map(|(carry, span)| self.xor(carry, span.propagate))
            .collect()
    }

    fn spans(&mut self, left: &[Wire], right: &[Wire]) -> Vec<Span> {
        debug_assert_eq!(left.len(), right.len());
        left.iter()
            .zip(right)
            .map(|(&left, &right)| Span {
                propagate: self.xor(left, right),
                // A public value saves conjunctions further up.
                value: if right.as_constant().is_some() {
                    right
                } else {
                    left
                },
            })
            .collect()
    }

    /// The carry out of a span.
    fn pass(&mut self, span: Span, carry: Wire) -> Wire {
        self.choose(span.propagate, carry, span.value)
    }

    fn join(&mut self, high: Span, low: Span) -> Span {
        Span {
            propagate: self.and(high.propagate, low.propagate),
            value: self.choose(high.propagate, low.value, high.value),
        }
    }

    fn joined(&mut self, spans: &[Span]) -> Option<Span> {
        match spans {
            [] => None,
            [only] => Some(*only),
            _ => {
                let (low, high) = spans.split_at(spans.len() / 2);
                let (low, high) = (self.joined(low)?, self.joined(high)?);
                Some(self.join(high, low))
            }
        }
    }

    /// The carry out of all spans: below, the known carry goes as far as it can within the depth, because a span
    /// costs one conjunction there instead of two.
    fn carry_through(&mut self, spans: &[Span], carry: Wire) -> Wire {
        if spans.len() < 2 {
            return spans.iter().fold(carry, |carry, span| self.pass(*span, carry));
        }
        let (low, high) = spans.split_at(below(spans.len()));
        let carry = self.carry_through(low, carry);
        match self.joined(high) {
            Some(span) => self.pass(span, carry),
            None => carry,
        }
    }

    /// The carries out of every prefix: the tree up over pairs, and one conjunction a position on the way down.
    fn carries_down(&mut self, spans: &[Span], carry: Wire) -> Vec<Wire> {
        if spans.len() < 2 {
            return spans.iter().map(|&span| self.pass(span, carry)).collect();
        }
        let pairs: Vec<Span> = spans
            .chunks_exact(2)
            .map(|pair| self.join(pair[1], pair[0]))
            .collect();
        let of_pairs = self.carries_down(&pairs, carry);
        let mut carries = Vec::with_capacity(spans.len());
        let mut before = carry;
        for (index, &span) in spans.iter().enumerate() {
            let out = if index % 2 == 1 {
                of_pairs[index / 2]
            } else {
                self.pass(span, before)
            };
            carries.push(out);
            before = out;
        }
        carries
    }

    /// The carries out of every prefix, in logarithmic depth.
    fn carries_at_once(&mut self, spans: &[Span], carry: Wire) -> Vec<Wire> {
        if spans.len() < 2 {
            return spans.iter().map(|&span| self.pass(span, carry)).collect();
        }
        let (low, high) = spans.split_at(below(spans.len()));
        let mut carries = self.carries_at_once(low, carry);
        let into_high = carries.last().copied().unwrap_or(carry);
        let prefixes = self.prefixes(high);
        carries.extend(prefixes.into_iter().map(|span| self.pass(span, into_high)));
        carries
    }

    fn prefixes(&mut self, spans: &[Span]) -> Vec<Span> {
        if spans.len() < 2 {
            return spans.to_vec();
        }
        let (low, high) = spans.split_at(spans.len().next_power_of_two() / 2);
        let mut prefixes = self.prefixes(low);
        let high = self.prefixes(high);
        if let Some(&below) = prefixes.last() {
            prefixes.extend(high.into_iter().map(|span| self.join(span, below)));
        }
        prefixes
    }
}

/// In t rounds a known carry passes `2^t - 1` positions: `2^(t-1) - 1`, and then a tree of `2^(t-1)`. How many lie
/// below the tree, of two positions or more.
fn below(positions: usize) -> usize {
    (positions + 1).next_power_of_two() / 2 - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{bits_of, number_of, plain::evaluate};
    use super::*;

    const FORMS: [Carry; 3] = [Carry::Ripple, Carry::FewGates, Carry::FewRounds];

    proptest! {
        #[test]
        fn compares_and_adds(left: u128, right: u128, width in 1_usize..=100, near in -2_i128..=2) {
            let mask = (1_u128 << width) - 1;
            let left = left & mask;
            for right in [right & mask, left.wrapping_add_signed(near) & mask] {
                for form in FORMS {
                    let mut circuit = Circuit::new();
                    let (a, b) = (circuit.inputs(width), circuit.inputs(width));
                    let mut outputs = circuit.sum(&a, &b, form);
                    outputs.push(circuit.at_least(&a, &b, form));
                    outputs.push(circuit.at_least_public(&a, right, form));
                    let inputs = [bits_of(left, width), bits_of(right, width)].concat();
                    let (values, _) = evaluate(&circuit, &outputs, &inputs);
                    prop_assert_eq!(number_of(&values[..width]), (left + right) & mask);
                    prop_assert_eq!(values[width], left >= right);
                    prop_assert_eq!(values[width + 1], left >= right);
                }
            }
        }
    }

    #[test]
    fn nothing_reaches_a_wider_public_number() {
        let mut circuit = Circuit::new();
        let word = circuit.inputs(5);
        assert_eq!(circuit.at_least_public(&word, 32, Carry::FewGates), Wire::ZERO);
        assert_eq!(circuit.at_least_public(&word, 0, Carry::FewGates), Wire::ONE);
    }

    #[test]
    fn costs_are_those_of_the_table() {
        for width in [31, 34, 63] {
            for form in FORMS {
                let mut circuit = Circuit::new();
                let (a, b) = (circuit.inputs(width), circuit.inputs(width));
                let compared = circuit.at_least(&a, &b, form);
                let sum = circuit.sum(&a, &b, form);
                let (compared, sum) = (circuit.compile(&[compared]).cost(), circuit.compile(&sum).cost());
                let log = (width + 1).next_power_of_two().ilog2() as usize;
                let (most, rounds) = match form {
                    Carry::Ripple => ((width, width), (width, width)),
                    Carry::FewGates => ((2 * width - log, 3 * width), (log, 2 * log)),
                    Carry::FewRounds => ((2 * width - log, width * log), (log, log)),
                };
                assert!(
                    compared.triples <= most.0 && sum.triples <= most.1,
                    "{form:?} {width} {compared:?} {sum:?}"
                );
                assert!(
                    compared.rounds <= rounds.0 && sum.rounds <= rounds.1,
                    "{form:?} {width} {compared:?} {sum:?}"
                );
            }
        }
        let mut circuit = Circuit::new();
        let word = circuit.inputs(32);
        let public = circuit.at_least_public(&word, 0x5a5a_1234, Carry::FewRounds);
        assert!(circuit.compile(&[public]).cost().triples < 50);
    }
}
