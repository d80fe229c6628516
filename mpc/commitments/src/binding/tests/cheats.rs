use std::sync::Arc;

use super::market::{Market, order_of, rng, toss};
use super::run::{finish_round, prove_book};
use crate::binding::{Mask, Prepared, Prover, UseError};
use crate::{DemandCurve, Level};

const PROBES: [Level; 2] = [2, 4];

/// What party 0 has at the probes, bit by bit.
fn bits(market: &Market, demands: &[u64]) -> Vec<u64> {
    let width = market.statement.width();
    demands
        .iter()
        .flat_map(|demand| (0..width).map(move |bit| demand >> bit & 1))
        .collect()
}

fn refused(
    market: &Market,
    bits: &[u64],
    prover: Prover,
    mut received: super::run::Received,
) -> &'static str {
    let masks: Vec<Mask> = (0..40).map(|index| Mask::Number(1 << index)).collect();
    let committed = prover.commit_other_round(&PROBES, bits, &masks, &mut rng(3));
    received.rounds.push(finish_round(committed, &PROBES, toss(0)).1);
    assert_eq!(received.statement, market.statement);
    received.verify().err().map_or("nothing", |error| error.check())
}

#[test]
fn a_demand_changed_at_one_probe() {
    let market = Market::new(6);
    // Orders of 5000 at level 1 to 1 at level 6, and of 40, 30 and 20 at levels 2, 3 and 5.
    for (demands, expected) in [
        ([41, 21], "nothing"),
        ([42, 21], "level sum"),
        ([41, 20], "level sum"),
        ([21, 41], "level sum"),
    ] {
        let (prover, received) = prove_book(&market, 0, market.prepared(0));
        let found = refused(&market, &bits(&market, &demands), prover, received);
        assert_eq!(found, expected, "{demands:?}");
    }
}

#[test]
fn something_else_than_bits_of_the_right_sum() {
    let market = Market::new(6);
    // 41 = 1 + 8 + 32 as 1 + 2 * 4 + 32 and as 41 * 1.
    let right = bits(&market, &[41, 21]);
    let mut doubled = right.clone();
    (doubled[2], doubled[3]) = (2, 0);
    let mut heaped = right.clone();
    heaped[..6].copy_from_slice(&[41, 0, 0, 0, 0, 0]);
    for (bits, expected) in [(right, "nothing"), (doubled, "bits"), (heaped, "bits")] {
        let (prover, received) = prove_book(&market, 0, market.prepared(0));
        assert_eq!(refused(&market, &bits, prover, received), expected);
    }
}

#[test]
fn a_curve_that_is_not_the_sum_of_the_orders() {
    let market = Market::new(6);
    let mut curve = market.demand(0).as_slice().to_vec();
    for level in 0..6 {
        curve[level] += 1;
        let other = DemandCurve::new(curve.clone());
        curve[level] -= 1;
        let Ok(other) = other else { continue };
        let prepared = market.prepared(0).with_other_demand(other, &mut rng(1));
        let (_, received) = prove_book(&market, 0, prepared);
        assert_eq!(received.refused_by(), "tie", "level {}", level + 1);
    }
}

/// The ledger holds commitments that nobody but their owner has looked into.
#[test]
fn a_demand_wider_than_the_session_allows() {
    let wide = order_of(1 << 20, 6, 0, "wide", &[(4, (1 << 13) + 41)]);
    let market = Market::with_books(6, vec![vec![wide], Vec::new(), Vec::new()]);
    let width = market.statement.width();
    assert_eq!(width, 13);
    let refusal = Prepared::new(
        Arc::clone(&market.statement),
        0,
        &market.books[0],
        Default::default(),
        &mut rng(1),
    )
    .unwrap_err();
    assert_eq!(refusal, UseError::TooWide { width });

    let demand = (1 << 13) + 41;
    let mut overfull = bits(&market, &[demand, demand]);
    overfull[width - 1] = 2;
    overfull[2 * width - 1] = 2;
    for (bits, expected) in [
        (bits(&market, &[demand, demand]), "level sum"),
        (overfull, "bits"),
    ] {
        let prepared =
            Prepared::of_any_width(Arc::clone(&market.statement), 0, &market.books[0], &mut rng(1)).unwrap();
        let (prover, received) = prove_book(&market, 0, prepared);
        received.verify().expect("the book itself is as the ledger says");
        assert_eq!(refused(&market, &bits, prover, received), expected);
    }
}

/// Other bits in the computation than those committed to, and the same of the masks.
#[test]
fn other_inputs_than_those_committed_to() {
    let market = Market::new(6);
    let inputs = 2 * market.statement.width() + market.statement.repetitions();
    for changed in 0..inputs {
        let (prover, mut received) = prove_book(&market, 0, market.prepared(0));
        let committed = prover.commit_round(&PROBES, &mut rng(changed as u64)).unwrap();
        let (_, mut round) = finish_round(committed, &PROBES, toss(changed as u64));
        round.inputs[changed] ^= true;
        received.rounds.push(round);
        assert_eq!(received.refused_by(), "parity", "input {changed}");
    }
}

/// With 4 repetitions instead of 40 a changed input passes one time in 16. The seeds are fixed, and so is the count.
#[test]
fn a_toy_number_of_repetitions_lets_a_cheat_pass_one_time_in_16() {
    let mut market = Market::new(6);
    market.statement = market.statement.weakened(4);
    let runs = 480_u64;
    let passed = (0..runs)
        .filter(|&run| {
            let (prover, mut received) = prove_book(&market, 0, market.prepared(0));
            let committed = prover.commit_round(&[3], &mut rng(run)).unwrap();
            let (_, mut round) = finish_round(committed, &[3], toss(run));
            round.inputs[0] ^= true;
            received.rounds.push(round);
            match received.verify() {
                Ok(()) => true,
                Err(error) => {
                    assert_eq!(error.check(), "parity");
                    false
                }
            }
        })
        .count();
    // 30 expected, with a standard deviation of 5.3.
    assert!((14..=46).contains(&passed), "{passed} of {runs}");
}
