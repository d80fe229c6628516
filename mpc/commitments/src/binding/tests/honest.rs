use std::sync::Arc;

use super::market::{ATTEMPT, Market, opened, rng, toss};
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
