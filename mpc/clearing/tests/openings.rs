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
    ledger::{Frozen, orders_of},
    party::demand,
    transcript::Opening,
};
use mpc_engine::{
    Setup, Step, Terms,
    interceptor::{Fate, Interceptor},
    transport::MemoryTransport,
};
use order_commitments::{AllocationRule, DemandCurve, Lots, OrderRules, PriceGrid, SessionTerms};
use tokio::task::JoinSet;

/// The bits that one party sent in its openings, opening by opening, packed.
type Sent = Vec<Vec<u8>>;

/// Runs a clearing; what came of it, what was opened and what each party sent for that.
async fn run(frozen: &Frozen) -> (Outcome, Vec<Opening>, Vec<Sent>) {
    let mut parties = JoinSet::new();
    let mut recorders = Vec::new();
    for (party, transport) in MemoryTransport::network(frozen.openings.len())
        .into_iter()
        .enumerate()
    {
        let recorder = Arc::new(Mutex::new(Sent::new()));
        recorders.push(Arc::clone(&recorder));
        let watched = usize::from(party == 0);
        let transport = Interceptor::new(transport, move |intercepted| {
            if intercepted.is(Step::OPEN, watched) || intercepted.is(Step::ANSWER, watched) {
                recorder.lock().unwrap().push(intercepted.frame.message.clone());
            }
            Fate::Deliver
        });
        let own = frozen.own_book(party);
        parties.spawn(async move {
            let terms = ClearingTerms::of(own.session()).unwrap();
            let purpose = Terms {
                purpose: [1; 32],
                patience: Duration::from_secs(120),
            };
            let ready = own.prepare();
            let setup = Setup::run(transport, &purpose).await.unwrap();
            let preprocessed = setup.preprocess(&demand(&terms).unwrap()).await.unwrap();
            let mut gates = preprocessed.start(&own.session().id().0, 0).await.unwrap();
            let attempt = *gates.attempt();
            let mut transcript = Vec::new();
            let ready = ready.done().await.unwrap();
            let cleared = clear_recorded(&mut gates, ready, attempt, &mut transcript).await;
            (cleared.unwrap().0, transcript)
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

/// The most lots that an order may want.
const MAX_ORDER: Lots = 4_000_000_000;

/// A session of 4,000,000,000 lots whose organisations have these demands.
fn frozen(curves: &[DemandCurve]) -> Frozen {
    let grid = PriceGrid::new(1, curves[0].levels() as u64, 1).unwrap();
    let rules = OrderRules::new(grid, 1, MAX_ORDER).unwrap();
    let terms = SessionTerms {
        channel: "market".to_owned(),
        chaincode: "ipo".to_owned(),
        listing: "Estatia".to_owned(),
        grid,
        shares: 4_000_000_000,
        lot_size: 1,
        rule: AllocationRule::PricePriority,
        min_subscription: 0,
        max_order: MAX_ORDER,
        fan_out: 15,
    };
    let orders = |curve| orders_of(curve, &rules).unwrap();
    let books = ["A", "B", "C"]
        .map(String::from)
        .into_iter()
        .zip(curves.iter().map(orders));
    Frozen::new(terms, books.collect()).unwrap()
}

/// The width of a demand where all are undersubscribed: one order of `MAX_ORDER` lots.
const WIDTH: usize = 32;

/// The opened bits as the protocol opened them together, each with what it belongs to.
fn groups(transcript: &[Opening], parties: usize) -> Vec<Vec<(String, bool)>> {
    let mut groups: Vec<Vec<(String, bool)>> = Vec::new();
    let mut last = "";
    let mut quotients = 0;
    for opening in transcript {
        let (kind, bits): (&str, Vec<(String, bool)>) = match opening {
            Opening::Parities { party, bits } => (
                "parities",
                bits.iter()
                    .map(|&bit| (format!("parities of {party}"), bit))
                    .collect(),
            ),
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
                (0..WIDTH)
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

/// Every party's shares in what belongs together and has one value are fair coins, over all runs.
fn check_shares(runs: &[(Vec<Opening>, Vec<Sent>)]) -> usize {
    let mut counts = std::collections::BTreeMap::<(usize, String, bool), (usize, usize)>::new();
    for (transcript, sent) in runs {
        let groups = groups(transcript, sent.len());
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
    }
    let mut checked = 0;
    for ((party, label, value), (ones, all)) in counts {
        // Seven standard deviations: an honest run misses it once in 10^11. Fewer coins are never that far off.
        if all < 60 {
            continue;
        }
        checked += 1;
        let off = (2.0 * ones as f64 - all as f64).abs();
        assert!(
            off < 7.0 * (all as f64).sqrt(),
            "party {party} sent {ones} ones in {all} shares of {label}, all {value}"
        );
    }
    checked
}

/// What binds the inputs opens parities that are fair coins, whatever the demands are.
fn check_parities(transcript: &[Opening], parties: usize) {
    let mut counts = vec![(0, 0); parties];
    for opening in transcript {
        if let Opening::Parities { party, bits } = opening {
            counts[*party].0 += bits.iter().filter(|&&bit| bit).count();
            counts[*party].1 += bits.len();
        }
    }
    for (party, (ones, all)) in counts.into_iter().enumerate() {
        assert!(all >= 80);
        let off = (2.0 * ones as f64 - all as f64).abs();
        assert!(
            off < 6.9 * (all as f64).sqrt(),
            "{ones} of {all} parities of party {party} are one"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shares_of_a_sale_are_fair_coins() {
    let curves = [30_000_000_000, 3 << 30, 5 << 20]
        .map(|most| DemandCurve::new((0..20).map(|level| most - level * 1000).collect()).unwrap());
    let (outcome, transcript, sent) = run(&frozen(&curves)).await;
    assert_eq!(outcome.sold(), 4_000_000_000);
    check_parities(&transcript, 3);
    assert!(check_shares(&[(transcript, sent)]) >= 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn shares_of_an_undersubscribed_sale_are_fair_coins() {
    let curves = [(1_u64 << 31) - 1, 0, 0].map(|lots| DemandCurve::new(vec![lots]).unwrap());
    let frozen = frozen(&curves);
    let mut runs = Vec::new();
    for _ in 0..3 {
        let (outcome, transcript, sent) = run(&frozen).await;
        assert_eq!(outcome.sold(), (1 << 31) - 1);
        runs.push((transcript, sent));
    }
    assert!(check_shares(&runs) >= 9);
}
