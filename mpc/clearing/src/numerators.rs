//! The numbers that the allocation divides.
//!
//! With x_j the demand of organisation j above the clearing level (0 under `pro-rata`), y_j its marginal demand, X and M their
//! sums and R = S - X the lots left for the margin, the first i organisations are allotted T_i lots in all, the highest t with
//! t M <= N_i, where N_i = sum over j <= i of (R y_j + x_j M). That is T_i = x_1 + ... + x_i + floor(R (y_1 + ... + y_i) / M).

use mpc_engine::circuit::{Carry, Circuit, Columns, Plan, Wire, Word};

use crate::ClearingTerms;

/// What the circuit knows of the demand above the clearing level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Above {
    /// None: the rule does not count it, or the clearing level is the highest. All lots go to the margin.
    Nothing,
    /// Each organisation's, secret.
    Shared,
}

/// Inputs: organisation by organisation, its marginal demand; then, if it is shared, its demand above, of which only the bits that lots for
/// sale can have, because the total of those demands is less. Outputs: the multiples M, 2M, ... of the divisor that one step of the
/// division compares with, each [`multiple_bits`] wide; then N_i of all organisations but the last, each [`numerator_bits`] wide.
pub(crate) fn plan(terms: &ClearingTerms, above: Above) -> Plan {
    let form = form(terms);
    let mut circuit = Circuit::new();
    let marginal: Vec<Word> = inputs(&mut circuit, terms.parties(), terms.demand_bits);
    let divisor = {
        let mut columns = Columns::new(terms.total_bits());
        for marginal in &marginal {
            columns.add(marginal, 0);
        }
        resolve(&mut circuit, columns, form)
    };
    let outputs: Vec<Word> = multiples(&mut circuit, terms, &divisor, form);
    let terms_of_numerators: Vec<Columns> = match above {
        Above::Nothing => marginal
            .iter()
            .map(|marginal| {
                let mut columns = Columns::new(numerator_bits(terms));
                columns.add_multiple(marginal, terms.lots);
                columns
            })
            .collect(),
        Above::Shared => {
            let above = inputs(&mut circuit, terms.parties(), above_bits(terms));
            let mut columns = Columns::new(terms.lots_bits());
            columns.add_constant(terms.lots.into());
            for above in &above {
                columns.subtract(above, 0);
            }
            let left = resolve(&mut circuit, columns, form);
            marginal
                .iter()
                .zip(&above)
                .map(|(marginal, above)| {
                    let mut columns = Columns::new(numerator_bits(terms));
                    columns.add_product(&mut circuit, marginal, &left);
                    columns.add_product(&mut circuit, above, &divisor);
                    columns
                })
                .collect()
        }
    };
    let mut outputs = outputs.concat();
    // Each numerator adds to the one before, which is kept as two addends.
    let mut before: Option<(Word, Word)> = None;
    for columns in terms_of_numerators.into_iter().take(terms.parties() - 1) {
        let mut addends = columns.compress(&mut circuit);
        if let Some((left, right)) = before {
            let mut columns = Columns::new(numerator_bits(terms));
            for addend in [&addends.0, &addends.1, &left, &right] {
                columns.add(addend, 0);
            }
            addends = columns.compress(&mut circuit);
        }
        outputs.extend(circuit.sum(&addends.0, &addends.1, form));
        before = Some(addends);
    }
    circuit.compile(&outputs)
}

/// The width of a numerator, which is at most S M.
pub(crate) fn numerator_bits(terms: &ClearingTerms) -> usize {
    terms.lots_bits() + terms.total_bits()
}

/// The width of a multiple of the divisor.
pub(crate) fn multiple_bits(terms: &ClearingTerms) -> usize {
    terms.total_bits() + terms.digits_a_step()
}

/// The width of an organisation's demand above the clearing level.
pub(crate) fn above_bits(terms: &ClearingTerms) -> usize {
    terms.demand_bits.min(terms.lots_bits())
}

/// Bisection asks for few gates, anything else for few rounds.
fn form(terms: &ClearingTerms) -> Carry {
    if terms.digits_a_step() == 1 {
        Carry::FewGates
    } else {
        Carry::FewRounds
    }
}

fn inputs(circuit: &mut Circuit, count: usize, width: usize) -> Vec<Word> {
    (0..count).map(|_| circuit.inputs(width)).collect()
}

fn resolve(circuit: &mut Circuit, columns: Columns, form: Carry) -> Word {
    let (left, right) = columns.compress(circuit);
    circuit.sum(&left, &right, form)
}

fn multiples(circuit: &mut Circuit, terms: &ClearingTerms, divisor: &[Wire], form: Carry) -> Vec<Word> {
    let width = multiple_bits(terms);
    (1..1_u64 << terms.digits_a_step())
        .map(|factor| {
            let mut columns = Columns::new(width);
            columns.add_multiple(divisor, factor);
            resolve(circuit, columns, form)
        })
        .collect()
}
