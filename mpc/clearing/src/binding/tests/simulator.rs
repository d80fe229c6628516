//! Whoever knows the outcome could make everything that a run opens: nothing else is told.

use std::sync::{Arc, Mutex};

use mpc_engine::{
    Step,
    interceptor::{Fate, Interceptor},
    transport::MemoryTransport,
};
use order_commitments::{AllocationRule, binding::REPETITIONS};

use super::deviant::{Cheat, SUM, run_over};
use crate::{market::Market, protocol::tests::simulated, transcript::Opening};

const PARTIES: usize = 3;

/// The masked sums of an answer, each a number of at most 129 bits.
type Sums = Vec<[u8; SUM]>;

/// Runs a session; what was opened, the same for all, and each party's masked sums, round by round.
async fn observed(market: &Market) -> (Vec<Opening>, Vec<Vec<Sums>>) {
    let lengths = Arc::new(Mutex::new(Vec::new()));
    let answers: Vec<Arc<Mutex<Vec<Vec<u8>>>>> = (0..PARTIES).map(|_| Arc::default()).collect();
    let network = MemoryTransport::network(PARTIES).into_iter().enumerate();
    let network = network.map(|(party, transport)| {
        let answers = Arc::clone(&answers[party]);
        Interceptor::new(transport, move |intercepted| {
            if intercepted.is(Step::ANSWER, (party + 1) % PARTIES) {
                answers.lock().unwrap().push(intercepted.frame.message.clone());
            }
            Fate::Deliver
        })
    });
    let told = Arc::clone(&lengths);
    let honest = Cheat {
        payload: Some(Box::new(move |step, message| {
            if step == Step::ANSWER {
                told.lock().unwrap().push(message.len());
            }
        })),
        ..Cheat::default()
    };
    let mut opened: Vec<Vec<Opening>> = Vec::new();
    for (result, transcript) in run_over(market, network.collect(), honest).await {
        assert_eq!(result.as_ref(), Ok(&market.expected()));
        opened.push(transcript);
    }
    assert!(opened.iter().all(|transcript| *transcript == opened[0]));

    // Before an answer come the shares of the parities and their MACs.
    let lengths = lengths.lock().unwrap();
    let sums = answers.iter().map(|answers| {
        let answers = answers.lock().unwrap();
        assert_eq!(answers.len(), lengths.len());
        let sums = answers.iter().zip(lengths.iter()).map(|(message, length)| {
            let answer = &message[message.len() - length..];
            let sums = answer.chunks_exact(SUM).take(REPETITIONS);
            sums.map(|sum| sum.try_into().unwrap()).collect()
        });
        sums.collect()
    });
    (opened.remove(0), sums.collect())
}

/// A round begins with its parities.
fn begins_a_round(before: Option<&Opening>, opening: &Opening) -> bool {
    match (before, opening) {
        (None, _) => true,
        (Some(Opening::Reached { .. }), opening) => matches!(opening, Opening::Violations { .. }),
        _ => false,
    }
}

/// All that is opened equals what is computed from the outcome and from masked sums, which are uniform: a simulator draws them. The parity
/// is that of the masked sum.
#[tokio::test(flavor = "multi_thread")]
async fn everything_opened_follows_from_the_outcome() {
    // Ones in each of the 128 bits that a mask covers, and how many sums there were.
    let (mut ones, mut all) = ([0_usize; 128], 0_usize);
    let market = |lots, fan_out| Market::new(lots, fan_out, &[&[50, 40, 7], &[40, 40, 20], &[30, 0, 0]]);
    let markets = [
        market(60, 1),
        market(60, 3),
        market(60, 1).with_terms(|terms| terms.rule = AllocationRule::ProRata),
        market(120, 2),
        // Undersubscribed: sold, and failed.
        market(200, 1),
        market(200, 1).with_terms(|terms| terms.min_subscription = 121),
    ];
    for (number, market) in markets.iter().enumerate() {
        let (opened, sums) = observed(market).await;

        let mut expected = Vec::new();
        let mut round = 0;
        let outcome = simulated(&market.terms, &market.expected());
        for (index, opening) in outcome.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|index| outcome.get(index));
            if begins_a_round(before, opening) {
                for (party, sums) in sums.iter().enumerate() {
                    let bits = sums[round].iter().map(|sum| sum[SUM - 1] & 1 == 1).collect();
                    expected.push(Opening::Parities { party, bits });
                }
                round += 1;
            }
            expected.push(opening.clone());
        }
        assert_eq!(opened, expected, "market {number}");
        assert!(sums.iter().all(|sums| sums.len() == round));

        for sum in sums.iter().flatten().flatten() {
            all += 1;
            for (bit, ones) in ones.iter_mut().enumerate() {
                *ones += usize::from(sum[SUM - 1 - bit / 8] >> (bit % 8) & 1);
            }
        }
    }
    assert!(all >= 4 * PARTIES * REPETITIONS);
    for (bit, ones) in ones.into_iter().enumerate() {
        // Seven standard deviations.
        let off = (2 * ones).abs_diff(all);
        assert!(
            off * off < 49 * all,
            "bit {bit}: {ones} ones in {all} masked sums"
        );
    }
}
