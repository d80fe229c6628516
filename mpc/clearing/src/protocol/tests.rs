//! The protocol on the plaintext evaluator: outcomes, costs, openings and violations.

use futures_util::future::join_all;
use mpc_engine::circuit::Plain;
use order_commitments::{DemandCurve, binding::REPETITIONS};
use proptest::prelude::*;

use super::*;
use crate::{Budget, budget, reference, schedule::Interval};

type Demand<'a> = &'a (dyn Fn(Level) -> Lots + Sync);
type Run = (Result<Outcome, ClearingError>, Vec<Opening>);

/// Demands that nothing binds to anything: here it is what is computed of them that is tested. What comes in and goes over the
/// wire is as much as with proofs.
struct Unbound<'a> {
    demand: Demand<'a>,
    width: usize,
    /// A bit, of those that the circuits take, that is put in wrong.
    flip: Option<usize>,
    seen: usize,
}

impl<'a> Unbound<'a> {
    fn new(terms: &ClearingTerms, demand: Demand<'a>) -> Self {
        Self {
            demand,
            width: terms.demand_bits,
            flip: None,
            seen: 0,
        }
    }
}

impl<G: Gates> Entrance<G> for Unbound<'_> {
    async fn enter(
        &mut self,
        gates: &mut G,
        probes: &[Level],
        carries: &[bool],
        _: &mut Vec<Opening>,
    ) -> Result<Vec<Vec<G::Bit>>, ClearingError> {
        let mut mine = Vec::new();
        for &level in probes {
            let demand = (self.demand)(level);
            mine.extend((0..self.width).map(|bit| demand >> bit & 1 == 1));
        }
        mine.extend_from_slice(carries);
        if let Some(bit) = self
            .flip
            .and_then(|flip| mine.get_mut(flip.wrapping_sub(self.seen)))
        {
            *bit = !*bit;
        }
        self.seen += mine.len();
        let demands = probes.len() * self.width;
        mine.splice(demands..demands, [false; REPETITIONS]);
        let mut given = gates.input(&mine, &vec![mine.len(); gates.parties()]).await?;
        for bits in &mut given {
            bits.drain(demands..demands + REPETITIONS);
        }
        gates.coin().await?;
        gates.answer(&[], Vec::new()).await?;
        Ok(given)
    }

    async fn settle(&mut self) -> Result<(), ClearingError> {
        Ok(())
    }
}

/// What each party says and saw, and what the run took.
fn run(terms: &ClearingTerms, demands: &[Demand]) -> (Vec<Run>, Budget) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut parties = Plain::parties_of(terms.parties());
    let runs = runtime.block_on(join_all(parties.iter_mut().zip(demands).map(
        |(gates, demand)| async move {
            let mut transcript = Vec::new();
            gates.publish(Vec::new()).await.unwrap();
            let mut unbound = Unbound::new(terms, demand);
            let outcome = clear_demand(gates, terms, &mut unbound, demand, &mut transcript).await;
            (outcome, transcript)
        },
    )));
    let took = Budget {
        triples: parties[0].cost().triples,
        input_bits: parties[0].inputs()[0],
        rounds: parties[0].cost().rounds,
    };
    (runs, took)
}

fn run_curves(terms: &ClearingTerms, curves: &[DemandCurve]) -> (Vec<Run>, Budget) {
    let demands: Vec<_> = curves.iter().map(|curve| |level| curve.demand(level)).collect();
    let demands: Vec<Demand> = demands.iter().map(|demand| demand as Demand).collect();
    run(terms, &demands)
}

fn terms(parties: usize, levels: usize, lots: Lots, rule: AllocationRule) -> ClearingTerms {
    ClearingTerms {
        participants: (0..parties).map(|party| format!("Org{party:02}MSP")).collect(),
        levels,
        lots,
        min_lots: 0,
        rule,
        demand_bits: 32,
        fan_out: 1,
    }
}

/// Everything that a run opens, computed from its terms and its outcome alone.
pub(crate) fn simulated(terms: &ClearingTerms, outcome: &Outcome) -> Vec<Opening> {
    let mut transcript = Vec::new();
    let clearing = match outcome {
        Outcome::Sold { level, .. } if outcome.sold() == terms.lots => *level,
        Outcome::Sold { .. } | Outcome::Failed => 0,
    };
    let mut interval = Interval::all(terms.levels);
    loop {
        let probes = interval.probes(terms.fan_out);
        if probes.is_empty() {
            break;
        }
        let known: Vec<_> = [interval.low]
            .into_iter()
            .chain(probes.iter().copied())
            .chain([interval.high])
            .filter(|level| (1..=terms.levels).contains(level))
            .collect();
        for party in 0..terms.parties() {
            for pair in known.windows(2) {
                transcript.push(Opening::Violations {
                    party,
                    low: pair[0],
                    high: pair[1],
                    bits: vec![false; terms.demand_bits],
                });
            }
        }
        for &level in &probes {
            let reached = level <= clearing;
            transcript.push(Opening::Reached { level, reached });
        }
        let reached = probes.iter().filter(|&&level| level <= clearing).count();
        interval = interval.narrowed(&probes, reached);
    }
    if clearing > 0 {
        let Outcome::Sold { allocations, .. } = outcome else {
            unreachable!()
        };
        let mut shift = terms.lots_bits();
        for digits in crate::division::steps(terms) {
            let mut cumulative = 0;
            shift -= digits;
            for (party, lots) in allocations[1..]
                .iter()
                .zip(allocations)
                .map(|(_, lots)| lots)
                .enumerate()
            {
                cumulative += lots;
                let before = cumulative >> (shift + digits) << (shift + digits);
                transcript.push(Opening::Quotient {
                    party,
                    at_least: (1..1 << digits)
                        .map(|digit| before | digit << shift)
                        .map(|number| (number, cumulative >= number))
                        .collect(),
                });
            }
        }
    } else {
        transcript.push(Opening::LeastSale(*outcome != Outcome::Failed));
        if let Outcome::Sold { allocations, .. } = outcome {
            for (party, &lots) in allocations.iter().enumerate() {
                transcript.push(Opening::Demand { party, lots });
            }
        }
    }
    transcript
}

/// Runs the protocol and checks everything that can be: every party's outcome against the reference, what was opened against
/// what the outcome tells, what it took against the budget.
fn check(terms: &ClearingTerms, curves: &[DemandCurve]) -> Outcome {
    let expected = reference::outcome(terms.lots, terms.min_lots, terms.rule, terms.levels, curves);
    let (runs, took) = run_curves(terms, curves);
    let opened = simulated(terms, &expected);
    for (outcome, transcript) in runs {
        assert_eq!(outcome.as_ref(), Ok(&expected));
        assert_eq!(transcript, opened);
    }
    let most = budget(terms).unwrap();
    assert!(took.triples <= most.triples, "{took:?} {most:?}");
    assert!(took.input_bits <= most.input_bits, "{took:?} {most:?}");
    assert!(took.rounds <= most.rounds, "{took:?} {most:?}");
    expected
}

prop_compose! {
    /// Curves of up to ten steps or anything that falls, from nothing at all to the widest.
    fn books()(
        parties in prop_oneof![3 => 2_usize..=3, 1 => 4_usize..=6],
        levels in prop_oneof![1_usize..=8, 100_usize..=140],
        bits in prop_oneof![2 => 1_usize..=12, 1 => 1_usize..=49],
    )(
        curves in prop::collection::vec(
            (prop::collection::vec((1..=levels, 0..1_u64 << bits), 0..=10), any::<bool>()), parties
        ),
        levels in Just(levels), bits in Just(bits),
    ) -> (usize, usize, Vec<DemandCurve>) {
        let curves = curves
            .into_iter()
            .map(|(steps, empty)| {
                let mut demand = vec![0; levels];
                for (level, lots) in steps.into_iter().filter(|_| !empty) {
                    for at in &mut demand[..level] {
                        *at = lots.max(*at);
                    }
                }
                DemandCurve::new(demand).unwrap()
            })
            .collect();
        (levels, bits, curves)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn equals_the_reference_and_opens_nothing_more(
        (levels, demand_bits, curves) in books(),
        lots: u32, small: bool, share in 0..=4_u64, near in any::<bool>(), pick: prop::sample::Index,
        pro_rata: bool, fan_out in prop_oneof![Just(1), Just(2), Just(3), Just(7), Just(15), 1_usize..=200],
    ) {
        let rule = if pro_rata { AllocationRule::ProRata } else { AllocationRule::PricePriority };
        let total: u128 = curves.iter().map(|curve| u128::from(curve.demand(pick.index(levels) + 1))).sum();
        let lots = match Lots::try_from(total) {
            Ok(total) if near && (1..=u64::from(u32::MAX)).contains(&total) => total,
            _ if small => Lots::from(lots % 1000),
            _ => lots.into(),
        };
        let lots = lots.max(1);
        let terms = ClearingTerms {
            demand_bits,
            fan_out,
            min_lots: lots * share / 4,
            ..terms(curves.len(), levels, lots, rule)
        };
        check(&terms, &curves);
    }
}

#[test]
fn corners() {
    let flat = |lots: &[Lots]| -> Vec<DemandCurve> {
        lots.iter()
            .map(|&lots| DemandCurve::new(vec![lots]).unwrap())
            .collect()
    };
    let widest = (1 << 49) - 1;
    for rule in [AllocationRule::PricePriority, AllocationRule::ProRata] {
        for fan_out in [1, 3, 7, 15] {
            let check = |lots, min_lots, curves: &[DemandCurve]| {
                let terms = terms(curves.len(), curves[0].levels(), lots, rule);
                check(
                    &ClearingTerms {
                        fan_out,
                        min_lots,
                        demand_bits: 49,
                        ..terms
                    },
                    curves,
                )
            };
            let sold = |level, allocations: &[Lots]| Outcome::Sold {
                level,
                allocations: allocations.to_vec(),
            };
            assert_eq!(check(10, 0, &flat(&[7, 7, 7])), sold(1, &[3, 3, 4]));
            assert_eq!(check(21, 0, &flat(&[7, 7, 7])), sold(1, &[7, 7, 7]));
            assert_eq!(check(22, 0, &flat(&[7, 7, 7])), sold(1, &[7, 7, 7]));
            assert_eq!(check(22, 22, &flat(&[7, 7, 7])), Outcome::Failed);
            assert_eq!(check(22, 0, &flat(&[0, 0])), Outcome::Failed);
            assert_eq!(check(1, 0, &flat(&[0, 1])), sold(1, &[0, 1]));
            assert_eq!(check(9, 0, &flat(&[0, 30, 0])), sold(1, &[0, 9, 0]));
            let most = u32::MAX.into();
            let sixteen = check(most, most, &flat(&[widest; 16]));
            assert_eq!(sixteen.sold(), most);
            let ends = [vec![most; 1024], vec![1; 1024]].map(|demand| DemandCurve::new(demand).unwrap());
            assert_eq!(check(most, 0, &ends), sold(1024, &[most - 1, 1]));
        }
    }
}

/// The budget is not only a bound: some clearing level takes it.
#[test]
fn the_budget_is_reached() {
    for (fan_out, levels) in [(1, 128), (3, 128), (7, 1024)] {
        for rule in [AllocationRule::PricePriority, AllocationRule::ProRata] {
            let terms = ClearingTerms {
                fan_out,
                ..terms(3, levels, 1_000_000, rule)
            };
            let most = budget(&terms).unwrap();
            let mut seen = Budget::default();
            for clearing in [
                0,
                1,
                2,
                3,
                levels / 2,
                levels / 2 + 1,
                levels - 2,
                levels - 1,
                levels,
            ] {
                let demand = |level| if level <= clearing { 1_000_000 } else { 7 };
                let (_, took) = run(&terms, &[&demand, &|_| 0, &|_| 0]);
                seen.triples = seen.triples.max(took.triples);
                seen.input_bits = seen.input_bits.max(took.input_bits);
                seen.rounds = seen.rounds.max(took.rounds);
            }
            assert_eq!(seen, most);
        }
    }
}

fn rises(runs: &[Run], party: usize, low: Level, high: Level) {
    for (outcome, transcript) in runs {
        let expected = ClearingError::DemandRises {
            party,
            participant: format!("Org{party:02}MSP"),
            low,
            high,
        };
        assert_eq!(outcome.as_ref(), Err(&expected));
        // Nothing of the round in which it was found is opened beyond the checks.
        let last = transcript.last().unwrap();
        assert!(matches!(last, Opening::Violations { .. }), "{last:?}");
    }
}

#[test]
fn a_demand_that_rises_is_caught_and_named() {
    let rule = AllocationRule::PricePriority;
    let honest = |level: Level| 200 - level as Lots;
    // Between probes of different rounds: 8, then 12, at the lower bound 8.
    let rising = |level: Level| if level > 8 { 50 } else { 40 };
    let (runs, _) = run(&terms(3, 15, 100, rule), &[&honest, &honest, &rising]);
    rises(&runs, 2, 8, 12);
    // Between probes of one round: 4, 8, 12 with fan-out 3.
    let wide = ClearingTerms {
        fan_out: 3,
        ..terms(3, 15, 100, rule)
    };
    let bump = |level: Level| if level == 8 { 60 } else { 50 };
    let (runs, _) = run(&wide, &[&bump, &honest, &honest]);
    rises(&runs, 0, 4, 8);
    // Towards the upper bound: nothing is reached at 8, then 4 is less than that.
    let dip = |level: Level| if level == 4 { 1 } else { 2 };
    let (runs, _) = run(&terms(2, 15, 1000, rule), &[&|_| 3, &dip]);
    rises(&runs, 1, 4, 8);
}

/// The same on the engine: every honest party names the organisation, and no outcome was opened in that round.
#[tokio::test(flavor = "multi_thread")]
async fn the_engine_names_it_too() {
    let terms = ClearingTerms {
        demand_bits: 8,
        fan_out: 3,
        ..terms(3, 15, 100, AllocationRule::PricePriority)
    };
    let mut parties = tokio::task::JoinSet::new();
    for transport in mpc_engine::transport::MemoryTransport::network(3) {
        let terms = terms.clone();
        parties.spawn(async move {
            let me = mpc_engine::Transport::me(&transport);
            let engine = mpc_engine::Terms {
                purpose: [0; 32],
                patience: std::time::Duration::from_secs(120),
            };
            let setup = mpc_engine::Setup::run(transport, &engine).await.unwrap();
            let material = crate::party::demand(&terms).unwrap();
            let preprocessed = setup.preprocess(&material).await.unwrap();
            let mut gates = preprocessed.start(&[0; 32], 0).await.unwrap();
            let demand = |level: Level| if me == 1 && level == 8 { 60 } else { 50 };
            let mut transcript = Vec::new();
            let mut unbound = Unbound::new(&terms, &demand);
            let outcome = clear_demand(&mut gates, &terms, &mut unbound, &demand, &mut transcript).await;
            (outcome, transcript)
        });
    }
    rises(&parties.join_all().await, 1, 4, 8);
}

/// Whichever input bit a party flips, the run either catches it or has the outcome of the demand with that bit flipped: the carries
/// leave no other room.
#[test]
fn no_flipped_input_makes_another_outcome() {
    let width = 6;
    let terms = ClearingTerms {
        demand_bits: width,
        ..terms(2, 4, 40, AllocationRule::PricePriority)
    };
    let curves = [vec![30, 25, 20, 9], vec![33, 22, 21, 8]].map(|demand| DemandCurve::new(demand).unwrap());
    // Probes 2, 3 and 4; the second and third with one neighbour each. D = 63, 47, 41, 17.
    let probed = [2, 3, 4];
    let total = width + (width + width - 1) + (width + width - 1);
    let mut caught = 0;
    for from in 0..total {
        let mut parties = Plain::parties_of(2);
        let (mut second, mut first) = (parties.remove(1), parties.remove(0));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let demands = [0, 1].map(|party: usize| {
            let curve = &curves[party];
            move |level| curve.demand(level)
        });
        let mut honest = Unbound::new(&terms, &demands[0]);
        let mut flipping = Unbound {
            flip: Some(from),
            ..Unbound::new(&terms, &demands[1])
        };
        let (mut opened, mut also_opened) = (Vec::new(), Vec::new());
        let (outcome, _) = runtime.block_on(async {
            tokio::join!(
                clear_demand(&mut first, &terms, &mut honest, &demands[0], &mut opened),
                clear_demand(&mut second, &terms, &mut flipping, &demands[1], &mut also_opened)
            )
        });
        match outcome {
            Err(ClearingError::DemandRises { party, .. }) => {
                assert_eq!(party, 1);
                caught += 1;
            }
            other => {
                let starts = [0, width, 3 * width - 1];
                let probe = starts.iter().rposition(|&start| start <= from).unwrap();
                let bit = from - starts[probe];
                assert!(bit < width, "a flipped carry went unnoticed");
                let flipped: Vec<_> = (1..=4)
                    .map(|level| curves[1].demand(level) ^ if level == probed[probe] { 1 << bit } else { 0 })
                    .collect();
                let at =
                    |level: Level| flipped[level - 1].min(flipped[..level].iter().copied().min().unwrap());
                let flipped = DemandCurve::new((1..=4).map(at).collect()).unwrap();
                let expected = reference::outcome(40, 0, terms.rule, 4, &[curves[0].clone(), flipped]);
                assert_eq!(other, Ok(expected));
            }
        }
    }
    assert!(caught >= 2 * (width - 1));
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_sent() {
    let fine = terms(2, 3, 10, AllocationRule::ProRata);
    let refused = |terms: &ClearingTerms, most: Lots, parties| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut gates = Plain::parties_of(parties).remove(0);
        let demand = |_| most;
        let mut unbound = Unbound::new(terms, &demand);
        let mut opened = Vec::new();
        let running = clear_demand(&mut gates, terms, &mut unbound, &demand, &mut opened);
        let refused = runtime.block_on(running).unwrap_err();
        assert_eq!(gates.cost().rounds, 0);
        refused
    };
    assert_eq!(refused(&fine, 1 << 32, 2), ClearingError::TooWide { width: 32 });
    assert_eq!(
        refused(&fine, 1, 3),
        ClearingError::Parties {
            expected: 2,
            found: 3
        }
    );
    let none = ClearingTerms { lots: 0, ..fine };
    assert!(matches!(refused(&none, 1, 2), ClearingError::Terms(_)));
}
