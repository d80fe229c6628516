//! What a run takes at most, known before it.

use std::collections::BTreeMap;

use mpc_engine::circuit::Cost;
use order_commitments::{Level, binding::Expected};

use crate::{ClearingTerms, TermsError, protocol::cost_after_search, schedule::Interval, search::Shape};

/// An upper bound of what a run takes, whatever its outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// Conjunctions, each of which uses up one triple.
    pub triples: usize,
    /// Bits that each party inputs.
    pub input_bits: usize,
    /// Rounds of messages, inputs and openings included.
    pub rounds: usize,
}

/// The budget of a run: the greatest cost over all clearing levels. What a run takes is a function of its terms and of its clearing
/// level alone.
///
/// # Errors
/// Terms that cannot be cleared.
pub fn budget(terms: &ClearingTerms) -> Result<Budget, TermsError> {
    terms.check()?;
    let mut costs = Costs::default();
    Ok((0..=terms.levels)
        .map(|level| costs.of(terms, level))
        .fold(Budget::default(), |most, cost| Budget {
            triples: most.triples.max(cost.triples),
            input_bits: most.input_bits.max(cost.input_bits),
            rounds: most.rounds.max(cost.rounds),
        }))
}

/// The most rounds and probes that a search takes, for whoever prepares their proofs.
pub(crate) fn expected(terms: &ClearingTerms) -> Expected {
    let mut most = Expected::default();
    for clearing in 0..=terms.levels {
        let (mut rounds, mut probed) = (0, 0);
        let mut interval = Interval::all(terms.levels);
        loop {
            let probes = interval.probes(terms.fan_out);
            if probes.is_empty() {
                break;
            }
            rounds += 1;
            probed += probes.len();
            let reached = probes.iter().filter(|&&level| level <= clearing).count();
            interval = interval.narrowed(&probes, reached);
        }
        most.rounds = most.rounds.max(rounds);
        most.probes = most.probes.max(probed);
    }
    most
}

/// The cost of circuits that were compiled already.
#[derive(Default)]
struct Costs {
    rounds: BTreeMap<Shape, Cost>,
    after: BTreeMap<usize, Cost>,
}

impl Costs {
    fn of(&mut self, terms: &ClearingTerms, clearing: Level) -> Budget {
        // Levels between the lowest and the highest are alike.
        let alike = match clearing {
            0 => 0,
            level if level == terms.levels => 2,
            _ => 1,
        };
        let after = *self
            .after
            .entry(alike)
            .or_insert_with(|| cost_after_search(terms, clearing));
        let mut budget = Budget {
            triples: after.triples,
            input_bits: 0,
            // The books are published, and echoed.
            rounds: after.rounds + 2,
        };
        let mut interval = Interval::all(terms.levels);
        loop {
            let probes = interval.probes(terms.fan_out);
            if probes.is_empty() {
                return budget;
            }
            let shape = Shape::of(terms, interval);
            let cost = *self.rounds.entry(shape).or_insert_with(|| shape.cost(terms));
            budget.triples += cost.triples;
            budget.input_bits += shape.input_bits(terms);
            budget.rounds += cost.rounds;
            let reached = probes.iter().filter(|&&level| level <= clearing).count();
            interval = interval.narrowed(&probes, reached);
        }
    }
}
