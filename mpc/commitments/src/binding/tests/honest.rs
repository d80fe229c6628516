use std::sync::Arc;

use proptest::prelude::*;

use super::market::{ATTEMPT, Market, opened, order, rng, toss};
use super::run::{finish_round, prove_book};
use crate::binding::{Peer, verify};

#[test]
fn honest_parties_are_believed() {
    let market = Market::new(12);
    let mut claims = Vec::new();
    for party in 0..3 {
        let rng = &mut rng(party as u64);
        let (mut prover, message) = market.prepared(party).prove_book(ATTEMPT, rng).unwrap();
        let (mut peer, claim) =
            Peer::verify_book(Arc::clone(&market.statement), party, ATTEMPT, &message).unwrap();
        claims.push(claim);
        for (round, probes) in [vec![3, 6, 9], vec![7], vec![10, 12]].into_iter().enumerate() {
            let committed = prover.commit_round(&probes, rng).unwrap();
            let received = peer.receive_round(&probes, committed.message()).unwrap();
            let toss = toss(round as u64);
            assert_eq!(committed.message().len(), Peer::round_length(probes.len()));
            assert_eq!(committed.subsets(&toss), received.subsets(&toss));
            let parities = opened(&committed.subsets(&toss), committed.inputs());
            let length = received.answer_length();
            let (next, answer) = committed.answer(b"masked", &toss, rng);
            assert_eq!(answer.len(), length);
            let (answered, claim) = received.verify_answer(b"masked", &toss, &answer, rng).unwrap();
            claims.push(claim);
            peer = answered.check_parities(&parities).unwrap();
            prover = next;
        }
    }
    verify(&claims, &mut rng(9)).unwrap();
    for claim in claims {
        verify(&[claim], &mut rng(9)).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Any book, and any probes of it, in one round or several.
    #[test]
    fn any_book_at_any_probes(
        orders in prop::collection::vec(prop::collection::btree_map(1_u64..=9, 1_u64..500, 1..=4), 0..4),
        rounds in prop::collection::vec(prop::collection::btree_set(1_usize..=9, 1..=4), 1..=2),
        seed in any::<u64>()
    ) {
        let book = orders
            .iter()
            .enumerate()
            .map(|(index, falls)| {
                let mut left: u64 = falls.values().sum();
                let steps: Vec<_> = falls
                    .iter()
                    .map(|(price, fall)| {
                        let step = (*price, left);
                        left -= fall;
                        step
                    })
                    .collect();
                order(9, 0, &format!("order {index}"), &steps)
            })
            .collect();
        let market = Market::with_books(9, vec![book, Vec::new(), Vec::new()]);
        let demand = market.demand(0);
        let (mut prover, mut received) = prove_book(&market, 0, market.prepared(0));
        for (round, probes) in rounds.iter().enumerate() {
            let probes: Vec<_> = probes.iter().copied().collect();
            let committed = prover.commit_round(&probes, &mut rng(seed)).unwrap();
            for (&level, bits) in probes.iter().zip(committed.inputs().chunks(market.statement.width())) {
                let number = bits.iter().rev().fold(0, |number, &bit| number << 1 | u64::from(bit));
                prop_assert_eq!(number, demand.demand(level));
            }
            let (next, received_round) = finish_round(committed, &probes, toss(round as u64));
            received.rounds.push(received_round);
            prover = next;
        }
        received.verify().unwrap();
    }
}
