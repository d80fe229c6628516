//! The clearing level, by probes of the total demand.
//!
//! A round is: every organisation inputs its demand at the round's levels, bound to its frozen book ([`crate::binding`]); checks
//! that no demand rises are evaluated and, behind them, the comparisons of the totals with what is for sale; the checks are
//! opened; only when all hold, and all proofs that bind the inputs, are the comparisons opened.

use mpc_engine::{
    Gates,
    circuit::{Carry, Circuit, Columns, Cost, Ordered, Plan, Wire, Word, borrow_free_carries},
};
use order_commitments::{Level, Lots, binding::REPETITIONS};
use zeroize::Zeroizing;

use crate::{
    ClearingError, ClearingTerms, binding::Entrance, schedule::Interval, terms::width_of, transcript::Opening,
};

/// One number of each organisation, as shared bits.
pub(crate) type Shared<B> = Vec<Vec<B>>;

/// The end of a search.
pub(crate) struct Found<B> {
    /// The clearing level; 0 if the demand reaches the lots for sale nowhere.
    pub(crate) level: Level,
    /// The demands at the clearing level, if there is one.
    pub(crate) at: Option<Shared<B>>,
    /// The demands at the level above it, if there is one.
    pub(crate) above: Option<Shared<B>>,
    /// Their differences, if there are both.
    pub(crate) marginal: Option<Shared<B>>,
}

/// What a round's circuit depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shape {
    pub(crate) probes: usize,
    /// Whether the next lower level has been probed; if not, its demand counts as infinite.
    pub(crate) low: bool,
    /// Whether the next higher level has been probed; if not, its demand counts as zero.
    pub(crate) high: bool,
}

impl Shape {
    pub(crate) fn of(terms: &ClearingTerms, interval: Interval) -> Self {
        Self {
            probes: interval.probes(terms.fan_out).len(),
            low: interval.low > 0,
            high: interval.high <= terms.levels,
        }
    }

    /// How many levels have a known demand: neighbours among them are compared.
    fn known(self) -> usize {
        self.probes + usize::from(self.low) + usize::from(self.high)
    }

    pub(crate) fn pairs(self) -> usize {
        self.known().saturating_sub(1)
    }

    /// How many bits each organisation inputs: its demands, the masks' parities, and the carries.
    pub(crate) fn input_bits(self, terms: &ClearingTerms) -> usize {
        self.probes * terms.demand_bits + REPETITIONS + self.pairs() * (terms.demand_bits - 1)
    }

    /// What the round takes, openings included.
    pub(crate) fn cost(self, terms: &ClearingTerms) -> Cost {
        let circuit = self.plan(terms).cost();
        Cost {
            triples: circuit.triples,
            // An input is echoed, a coin judges it, and the coin is answered.
            rounds: 4 + circuit.rounds + usize::from(self.pairs() > 0) + 1,
        }
    }

    /// Inputs: organisation by organisation, its demand at each known level, ascending, then the carries of
    /// each two neighbours. Outputs: the violations and then the differences, both organisation by organisation and pair by
    /// pair; then whether each probe is reached.
    fn plan(self, terms: &ClearingTerms) -> Plan {
        let mut circuit = Circuit::new();
        let width = terms.demand_bits;
        let mut demands: Vec<Vec<Word>> = Vec::new();
        let (mut violations, mut differences) = (Word::new(), Word::new());
        for _ in 0..terms.parties() {
            let known: Vec<Word> = (0..self.known()).map(|_| circuit.inputs(width)).collect();
            for (low, high) in known.iter().zip(known.iter().skip(1)) {
                let carries = circuit.inputs(width - 1);
                // The demand at the lower level is the greater number.
                let Ordered {
                    violations: wrong,
                    difference,
                } = circuit.ordered(low, high, &carries);
                violations.extend(wrong);
                differences.extend(difference);
            }
            demands.push(known);
        }
        let mut outputs = [violations, differences].concat();
        for probe in (0..self.probes).map(|probe| probe + usize::from(self.low)) {
            let demands: Vec<&[Wire]> = demands.iter().map(|known| known[probe].as_slice()).collect();
            outputs.push(total_at_least(&mut circuit, terms, &demands, terms.lots));
        }
        circuit.compile(&outputs)
    }
}

/// Whether the demands add up to at least `lots`: the sign of the difference.
pub(crate) fn total_at_least(
    circuit: &mut Circuit,
    terms: &ClearingTerms,
    demands: &[&[Wire]],
    lots: Lots,
) -> Wire {
    let sign = terms.total_bits().max(width_of(lots.into()));
    let mut columns = Columns::new(sign + 1);
    for demand in demands {
        columns.add(demand, 0);
    }
    columns.subtract_constant(lots.into());
    let (left, right) = columns.compress(circuit);
    let carry = circuit.carry_out(&left[..sign], &right[..sign], Wire::ZERO, Carry::FewRounds);
    let sum = circuit.xor(left[sign], right[sign]);
    !circuit.xor(sum, carry)
}

/// Searches the clearing level. `own` is this party's demand at a level, which comes in by `entrance`.
pub(crate) async fn search<G: Gates, E: Entrance<G>>(
    gates: &mut G,
    terms: &ClearingTerms,
    entrance: &mut E,
    own: &(dyn Fn(Level) -> Lots + Sync),
    transcript: &mut Vec<Opening>,
) -> Result<Found<G::Bit>, ClearingError> {
    let mut interval = Interval::all(terms.levels);
    let mut found = Found {
        level: 0,
        at: None,
        above: None,
        marginal: None,
    };
    loop {
        let probes = interval.probes(terms.fan_out);
        if probes.is_empty() {
            found.level = interval.low;
            return Ok(found);
        }
        let shape = Shape::of(terms, interval);
        let mut levels = probes.clone();
        levels.splice(..0, shape.low.then_some(interval.low));
        levels.extend(shape.high.then_some(interval.high));

        let carries = carries(terms, &levels, own);
        let given = entrance.enter(gates, &probes, &carries, transcript).await?;
        let round = Round::new(terms, given, (&probes, &levels), &found);
        let mut outputs = shape.plan(terms).run(gates, round.inputs).await?;
        let reached = outputs.split_off(outputs.len() - probes.len());
        let differences = outputs.split_off(outputs.len() / 2);
        check_order(gates, terms, &levels, &outputs, transcript).await?;
        // From here on, what is opened depends on the inputs.
        entrance.settle().await?;
        let reached = open_reached(gates, &probes, &reached, transcript).await?;

        interval = interval.narrowed(&probes, reached);
        let at = |level: Level| levels.iter().position(|&known| known == level);
        let demands = |index: usize| -> Shared<G::Bit> {
            round.demands.iter().map(|known| known[index].clone()).collect()
        };
        found.at = at(interval.low).map(demands);
        found.above = at(interval.high).map(demands);
        found.marginal = match (at(interval.low), at(interval.high)) {
            (Some(pair), Some(_)) => Some(
                differences
                    .chunks_exact(terms.demand_bits)
                    .skip(pair)
                    .step_by(shape.pairs())
                    .map(<[G::Bit]>::to_vec)
                    .collect(),
            ),
            _ => None,
        };
    }
}

/// A round's inputs, in the order in which its circuit takes them, and the demands among them: organisation by
/// organisation, at each known level.
struct Round<B> {
    inputs: Vec<B>,
    demands: Vec<Vec<Vec<B>>>,
}

/// What shows that the own demand does not rise from each of `levels` to the next.
fn carries(
    terms: &ClearingTerms,
    levels: &[Level],
    own: &(dyn Fn(Level) -> Lots + Sync),
) -> Zeroizing<Vec<bool>> {
    let width = terms.demand_bits;
    // With room for all, or a copy would stay behind in memory whenever it grows.
    let count = levels.len().saturating_sub(1) * (width - 1);
    let mut carries = Zeroizing::new(Vec::with_capacity(count));
    for (&low, &high) in levels.iter().zip(levels.iter().skip(1)) {
        carries.extend(borrow_free_carries(own(low), own(high), width));
    }
    carries
}

impl<B: Clone> Round<B> {
    /// Sorts what everybody gave: demands at `probes`, then carries for neighbours among `levels`, of which the outer ones may
    /// have been probed before.
    fn new(
        terms: &ClearingTerms,
        given: Shared<B>,
        (probes, levels): (&[Level], &[Level]),
        found: &Found<B>,
    ) -> Self {
        let width = terms.demand_bits;
        let mut round = Self {
            inputs: Vec::new(),
            demands: Vec::new(),
        };
        for (party, bits) in given.into_iter().enumerate() {
            let (demands, carries) = bits.split_at(probes.len() * width);
            let of = |shared: &Option<Shared<B>>, wanted: bool| {
                shared
                    .as_ref()
                    .filter(|_| wanted)
                    .map(|shared| shared[party].clone())
            };
            let mut known: Vec<Vec<B>> = Vec::new();
            known.extend(of(&found.at, levels.first() != probes.first()));
            known.extend(demands.chunks_exact(width).map(<[B]>::to_vec));
            known.extend(of(&found.above, levels.last() != probes.last()));
            round.inputs.extend(known.iter().flatten().cloned());
            round.inputs.extend_from_slice(carries);
            round.demands.push(known);
        }
        round
    }
}

/// Opens the checks that no demand rises. An organisation whose demand does is named.
async fn check_order<G: Gates>(
    gates: &mut G,
    terms: &ClearingTerms,
    levels: &[Level],
    violations: &[G::Bit],
    transcript: &mut Vec<Opening>,
) -> Result<(), ClearingError> {
    if violations.is_empty() {
        return Ok(());
    }
    let opened = gates.open(violations).await?;
    let mut bits = opened.chunks_exact(terms.demand_bits);
    let mut risen = None;
    for (party, participant) in terms.participants.iter().enumerate() {
        for (&low, &high) in levels.iter().zip(levels.iter().skip(1)) {
            let bits = bits.next().unwrap_or_default().to_vec();
            if risen.is_none() && bits.contains(&true) {
                risen = Some(ClearingError::DemandRises {
                    party,
                    participant: participant.clone(),
                    low,
                    high,
                });
            }
            transcript.push(Opening::Violations {
                party,
                low,
                high,
                bits,
            });
        }
    }
    risen.map_or(Ok(()), Err)
}

/// Opens which probes are reached: the lower ones, as the total does not rise. Returns how many.
async fn open_reached<G: Gates>(
    gates: &mut G,
    probes: &[Level],
    reached: &[G::Bit],
    transcript: &mut Vec<Opening>,
) -> Result<usize, ClearingError> {
    let opened = gates.open(reached).await?;
    for (&level, &reached) in probes.iter().zip(&opened) {
        transcript.push(Opening::Reached { level, reached });
    }
    if !opened.is_sorted_by(|lower, higher| lower >= higher) {
        return Err(ClearingError::Contradiction {
            what: "the total demand rises with the price",
        });
    }
    Ok(opened.iter().filter(|&&reached| reached).count())
}
