//! Restoring division whose quotient is public: the comparisons are opened, and the subtractions decided in the open.
//!
//! A step finds a few binary digits of every quotient at once, all organisations and all digit values side by side. The
//! remainder stays in carry-save form, two addends, because only comparisons ask for its carries.

use mpc_engine::{
    Gates,
    circuit::{Carry, Circuit, Columns, Cost, Plan, Wire},
};
use order_commitments::Lots;

use crate::{ClearingError, ClearingTerms, numerators::multiple_bits, transcript::Opening};

/// The digits of each step, highest first: a short step first if the width of the lots for sale is no multiple.
pub(crate) fn steps(terms: &ClearingTerms) -> Vec<usize> {
    let (width, digits) = (terms.lots_bits(), terms.digits_a_step());
    let short = width % digits;
    let mut steps = vec![digits; width / digits];
    steps.splice(..0, (short > 0).then_some(short));
    steps
}

/// What all divisions take.
pub(crate) fn cost(terms: &ClearingTerms) -> Cost {
    let mut cost = Cost::default();
    for digits in steps(terms) {
        let step = step_plan(terms, digits).cost();
        cost.triples += step.triples;
        cost.rounds += step.rounds + 1;
    }
    cost
}

/// The width of each addend of a remainder: less than the divisor, and a bit more, so that what is lost above does not
/// matter.
fn remainder_bits(terms: &ClearingTerms) -> usize {
    terms.total_bits() + 1
}

/// One step of all divisions. Inputs: the multiples of the divisor, 1 to `2^digits - 1`, each `total_bits + digits` wide; then for
/// each quotient the remainder's addends and the next `digits` bits of the numerator. Outputs, for each quotient and each multiple: whether the
/// remainder, moved up by the new bits, is at least the multiple; then the addends of their difference.
fn step_plan(terms: &ClearingTerms, digits: usize) -> Plan {
    let sign = terms.total_bits() + digits;
    let mut circuit = Circuit::new();
    let multiples: Vec<_> = (1..1 << digits).map(|_: usize| circuit.inputs(sign)).collect();
    let mut outputs = Vec::new();
    for _ in 1..terms.parties() {
        let addends = [(); 2].map(|()| circuit.inputs(remainder_bits(terms)));
        let next = circuit.inputs(digits);
        for multiple in &multiples {
            let mut columns = Columns::new(sign + 1);
            columns.add(&next, 0);
            for addend in &addends {
                columns.add(addend, digits);
            }
            columns.subtract(multiple, 0);
            let (left, right) = columns.compress(&mut circuit);
            let carry = circuit.carry_out(&left[..sign], &right[..sign], Wire::ZERO, Carry::FewRounds);
            let sum = circuit.xor(left[sign], right[sign]);
            outputs.push(!circuit.xor(sum, carry));
            outputs.extend_from_slice(&left[..remainder_bits(terms)]);
            outputs.extend_from_slice(&right[..remainder_bits(terms)]);
        }
    }
    circuit.compile(&outputs)
}

struct Quotient<B> {
    value: Lots,
    /// The bits of the numerator that are still to come, lowest first.
    rest: Vec<B>,
    addends: [Vec<B>; 2],
}

/// The quotients of the numerators by a divisor, given its multiples; each less than `2^lots_bits`.
pub(crate) async fn divide<G: Gates>(
    gates: &mut G,
    terms: &ClearingTerms,
    multiples: &[&[G::Bit]],
    numerators: &[&[G::Bit]],
    transcript: &mut Vec<Opening>,
) -> Result<Vec<Lots>, ClearingError> {
    debug_assert!(
        multiples
            .iter()
            .all(|multiple| multiple.len() == multiple_bits(terms))
    );
    let zero = gates.constant(false);
    let width = remainder_bits(terms);
    let mut quotients: Vec<_> = numerators
        .iter()
        .map(|numerator| {
            let (rest, high) = numerator.split_at(terms.lots_bits());
            let mut high = high.to_vec();
            high.resize(width, zero.clone());
            Quotient {
                value: 0,
                rest: rest.to_vec(),
                addends: [high, vec![zero.clone(); width]],
            }
        })
        .collect();
    let mut plan: Option<(usize, Plan)> = None;
    for digits in steps(terms) {
        let plan = match plan.take() {
            Some((same, kept)) if same == digits => &plan.insert((same, kept)).1,
            _ => &plan.insert((digits, step_plan(terms, digits))).1,
        };
        step(gates, terms, plan, digits, multiples, &mut quotients, transcript).await?;
    }
    Ok(quotients.iter().map(|quotient| quotient.value).collect())
}

async fn step<G: Gates>(
    gates: &mut G,
    terms: &ClearingTerms,
    plan: &Plan,
    digits: usize,
    multiples: &[&[G::Bit]],
    quotients: &mut [Quotient<G::Bit>],
    transcript: &mut Vec<Opening>,
) -> Result<(), ClearingError> {
    let count = (1 << digits) - 1;
    let mut inputs: Vec<G::Bit> = Vec::new();
    for multiple in &multiples[..count] {
        inputs.extend_from_slice(&multiple[..terms.total_bits() + digits]);
    }
    let mut shifts = 0;
    let mut nexts = Vec::new();
    for quotient in quotients.iter_mut() {
        let next = quotient.rest.split_off(quotient.rest.len() - digits);
        shifts = quotient.rest.len();
        inputs.extend(quotient.addends.iter().flatten().cloned());
        inputs.extend_from_slice(&next);
        nexts.push(next);
    }
    let outputs = plan.run(gates, inputs).await?;
    let width = remainder_bits(terms);
    let trials: Vec<&[G::Bit]> = outputs.chunks_exact(1 + 2 * width).collect();
    let comparisons: Vec<G::Bit> = trials.iter().map(|trial| trial[0].clone()).collect();
    let opened = gates.open(&comparisons).await?;

    let zero = gates.constant(false);
    for (party, quotient) in quotients.iter_mut().enumerate() {
        let opened = &opened[party * count..][..count];
        let digit = opened.iter().filter(|&&at_least| at_least).count();
        let value = |digit: usize| quotient.value | (digit as Lots) << shifts;
        transcript.push(Opening::Quotient {
            party,
            at_least: opened
                .iter()
                .zip(1..)
                .map(|(&at_least, digit)| (value(digit), at_least))
                .collect(),
        });
        if !opened.is_sorted_by(|smaller, greater| smaller >= greater) {
            return Err(ClearingError::Contradiction {
                what: "a remainder reaches a multiple of the divisor and not a smaller one",
            });
        }
        quotient.value = value(digit);
        quotient.addends = if let Some(taken) = digit.checked_sub(1) {
            let (left, right) = trials[party * count + taken][1..].split_at(width);
            [left.to_vec(), right.to_vec()]
        } else {
            let [mut left, mut right] = std::mem::take(&mut quotient.addends);
            left.splice(..0, nexts[party].iter().cloned());
            right.splice(..0, vec![zero.clone(); digits]);
            left.truncate(width);
            right.truncate(width);
            [left, right]
        };
    }
    Ok(())
}
