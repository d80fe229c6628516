//! On the engine: what a party sends when something is opened tells no more than the opened value.
//!
//! The opened values themselves are compared with a simulation from the outcome in the crate's own tests. Here it is the shares
//! of which each value is made: given the value, every party's share must be a fair coin, or the way the value came
//! about would show.
#![allow(clippy::unwrap_used)] // a test fails by it

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use ipo_clearing::{
    ClearingTerms, Outcome, clear_recorded,
    party::{Attempt, demand},
    transcript::Opening,
};
use mpc_engine::{
    Setup, Step, Terms,
    interceptor::{Fate, Interceptor},
    transport::MemoryTransport,
};
use order_commitments::{AllocationRule, DemandCurve, Lots};
use tokio::task::JoinSet;

/// The bits that one party sent in its openings, opening by opening, packed.
type Sent = Vec<Vec<u8>>;

/// Runs a clearing; what came of it, what was opened and what each party sent for that.
async fn run(terms: &ClearingTerms, curves: &[DemandCurve]) -> (Outcome, Vec<Opening>, Vec<Sent>) {
    let mut parties = JoinSet::new();
    let mut recorders = Vec::new();
    for (party, transport) in MemoryTransport::network(curves.len()).into_iter().enumerate() {
        let recorder = Arc::new(Mutex::new(Sent::new()));
        recorders.push(Arc::clone(&recorder));
        let watched = usize::from(party == 0);
        let transport = Interceptor::new(transport, move |intercepted| {
            if intercepted.is(Step::OPEN, watched) {
                recorder.lock().unwrap().push(intercepted.frame.message.clone());
            }
            Fate::Deliver
        });
        let (terms, curve) = (terms.clone(), curves[party].clone());
        parties.spawn(async move {
            let attempt = Attempt {
                session: [1; 32],
                counter: 0,
                patience: Duration::from_secs(120),
            };
            let purpose = Terms {
                purpose: attempt.session,
                patience: attempt.patience,
            };
            let setup = Setup::run(transport, &purpose).await.unwrap();
            let preprocessed = setup.preprocess(&demand(&terms).unwrap()).await.unwrap();
            let mut gates = preprocessed.start(&attempt.session, 0).await.unwrap();
            let mut transcript = Vec::new();
            let outcome = clear_recorded(&mut gates, &terms, &curve, &mut transcript).await;
            (outcome.unwrap(), transcript)
        });
    }
    let mut results = parties.join_all().await;
    let (outcome, transcript) = results.pop().unwrap();
    for (other, same) in results {
        assert_eq!((&other, &same), (&outcome, &transcript));
    }
    let sent = recorders
        .into_iter()
        .map(|recorder| recorder.lock().unwrap().clone())
        .collect();
    (outcome, transcript, sent)
}

fn terms(levels: usize, lots: Lots) -> ClearingTerms {
    ClearingTerms {
        participants: ["A", "B", "C"].map(String::from).to_vec(),
        levels,
        lots,
        min_lots: 0,
        rule: AllocationRule::PricePriority,
        demand_bits: 49,
        fan_out: 15,
    }
}

/// The opened bits as the protocol opened them together, each with what it belongs to.
fn groups(transcript: &[Opening], parties: usize) -> Vec<Vec<(String, bool)>> {
    let mut groups: Vec<Vec<(String, bool)>> = Vec::new();
    let mut last = "";
    let mut quotients = 0;
    for opening in transcript {
        let (kind, bits): (&str, Vec<(String, bool)>) = match opening {
            Opening::Violations { party, bits, .. } => (
                "violations",
                bits.iter()
                    .map(|&bit| (format!("violations of {party}"), bit))
                    .collect(),
            ),
            Opening::Reached { reached, .. } => ("reached", vec![("comparisons".into(), *reached)]),
            Opening::LeastSale(sells) => ("least sale", vec![("comparisons".into(), *sells)]),
            Opening::Demand { party, lots } => (
                "demand",
                (0..49)
                    .map(|bit| (format!("demand of {party}"), lots >> bit & 1 == 1))
                    .collect(),
            ),
            Opening::Quotient { at_least, .. } => (
                "quotient",
                at_least
                    .iter()
                    .map(|&(_, bit)| ("comparisons".into(), bit))
                    .collect(),
            ),
        };
        let mut new = kind != last;
        if kind == "quotient" {
            new |= quotients % (parties - 1) == 0;
            quotients += 1;
        }
        if new {
            groups.push(Vec::new());
        }
        groups.last_mut().unwrap().extend(bits);
        last = kind;
    }
    groups
}

/// Every party's shares in what belongs together and has one value are fair coins.
fn check_shares(transcript: &[Opening], sent: &[Sent]) -> usize {
    let groups = groups(transcript, sent.len());
    let mut counts = std::collections::BTreeMap::<(usize, String, bool), (usize, usize)>::new();
    for (party, sent) in sent.iter().enumerate() {
        assert_eq!(sent.len(), groups.len());
        for (message, group) in sent.iter().zip(&groups) {
            for (index, (label, value)) in group.iter().enumerate() {
                let share = message[index / 8] >> (index % 8) & 1;
                let count = counts.entry((party, label.clone(), *value)).or_default();
                count.0 += usize::from(share == 1);
                count.1 += 1;
            }
        }
    }
    let mut checked = 0;
    for ((party, label, value), (ones, all)) in counts {
        if all < 40 {
            continue;
        }
        checked += 1;
        // Seven standard deviations: an honest run misses it once in 10^11.
        let off = (2.0 * ones as f64 - all as f64).abs();
        assert!(
            off < 7.0 * (all as f64).sqrt(),
            "party {party} sent {ones} ones in {all} shares of {label}, all {value}"
        );
    }
    checked
}

#[tokio::test(flavor = "multi_thread")]
async fn shares_of_a_sale_are_fair_coins() {
    let curves = [1_u64 << 40, 3 << 30, 5 << 20]
        .map(|most| DemandCurve::new((0..20).map(|level| most - level * 1000).collect()).unwrap());
    let (outcome, transcript, sent) = run(&terms(20, 4_000_000_000), &curves).await;
    assert_eq!(outcome.sold(), 4_000_000_000);
    assert!(check_shares(&transcript, &sent) >= 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn shares_of_an_undersubscribed_sale_are_fair_coins() {
    let curves = [(1_u64 << 31) - 1, 0, 0].map(|lots| DemandCurve::new(vec![lots]).unwrap());
    let (outcome, transcript, sent) = run(&terms(1, 4_000_000_000), &curves).await;
    assert_eq!(outcome.sold(), (1 << 31) - 1);
    assert!(check_shares(&transcript, &sent) >= 6);
}
