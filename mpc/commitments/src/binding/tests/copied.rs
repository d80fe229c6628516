//! Books made from another's commitments, and messages of another place.

use std::sync::Arc;

use p256::ProjectivePoint;

use super::market::{ATTEMPT, Market, order, rng, toss};
use super::run::{Received, finish_round, prove_book};
use crate::{Commitment, Opening};

/// B's one order is committed to as `combine(V_A, Y)`, where Y is an order that B knows.
fn built_from_another(combine: impl Fn(ProjectivePoint, ProjectivePoint) -> ProjectivePoint) -> Received {
    let victims = order(6, 0, "a", &[(3, 400)]);
    let mut copied: Opening = order(6, 1, "b", &[(2, 50)]);
    copied.commitment = Commitment::from_point(combine(
        ProjectivePoint::from(*victims.commitment.as_affine()),
        ProjectivePoint::from(*copied.commitment.as_affine()),
    ))
    .unwrap();
    let market = Market::with_books(6, vec![vec![victims], vec![copied], Vec::new()]);
    let (_, received) = prove_book(&market, 1, market.prepared(1));
    received
}

#[test]
fn anothers_order_with_something_added() {
    assert_eq!(
        built_from_another(|victims, own| victims + own).refused_by(),
        "opening"
    );
}

#[test]
fn anothers_order_taken_away() {
    assert_eq!(
        built_from_another(|victims, own| own - victims).refused_by(),
        "opening"
    );
}

#[test]
fn anothers_order_as_it_is() {
    assert_eq!(built_from_another(|victims, _| victims).refused_by(), "opening");
}

/// Two orders whose sum the party can open, but neither of them.
#[test]
fn two_orders_that_cancel_anothers() {
    let victims = order(6, 0, "a", &[(3, 400)]);
    let point = |opening: &Opening| ProjectivePoint::from(*opening.commitment.as_affine());
    let (mut first, mut second) = (order(6, 1, "b1", &[(2, 50)]), order(6, 1, "b2", &[(3, 60)]));
    first.commitment = Commitment::from_point(point(&first) + point(&victims)).unwrap();
    second.commitment = Commitment::from_point(point(&second) - point(&victims)).unwrap();
    let market = Market::with_books(6, vec![vec![victims], vec![first, second], Vec::new()]);
    let (_, received) = prove_book(&market, 1, market.prepared(1));
    assert_eq!(received.refused_by(), "opening");
}

/// B copies A's orders, ids, commitments and all, and A's messages.
#[test]
fn anothers_book_with_its_messages() {
    let book = || vec![order(6, 0, "a", &[(3, 400)])];
    let market = Market::with_books(6, vec![book(), book(), Vec::new()]);
    let (_, mut received) = prove_book(&market, 0, market.prepared(0));
    received.verify().unwrap();
    received.party = 1;
    assert_eq!(received.refused_by(), "opening");
}

#[test]
fn messages_of_another_session_attempt_party_round_or_probe() {
    let market = Market::new(6);
    let (prover, mut received) = prove_book(&market, 0, market.prepared(0));
    let committed = prover.commit_round(&[2, 4], &mut rng(1)).unwrap();
    let (prover, first) = finish_round(committed, &[2, 4], toss(1));
    let committed = prover.commit_round(&[3], &mut rng(2)).unwrap();
    let (_, second) = finish_round(committed, &[3], toss(2));
    received.rounds = vec![first, second];
    received.verify().unwrap();

    let changed = |change: &dyn Fn(&mut Received)| {
        let mut received = received.clone();
        change(&mut received);
        received.refused_by()
    };
    let other = Market::with_fan_out(6, 4);
    assert_ne!(other.session.id(), market.session.id());
    // Without rounds, or their first check would speak first.
    let book_changed = |change: &dyn Fn(&mut Received)| {
        changed(&|received| {
            received.rounds.clear();
            change(received);
        })
    };
    assert_eq!(
        book_changed(&|received| received.statement = Arc::clone(&other.statement)),
        "opening"
    );
    assert_eq!(book_changed(&|received| received.attempt[0] ^= 1), "opening");
    assert_eq!(changed(&|received| received.attempt[0] ^= 1), "mask opening");
    assert_eq!(
        changed(&|received| {
            let first = received.rounds[0].clone();
            received.rounds = vec![first.clone(), first];
        }),
        "mask opening"
    );
    assert_eq!(changed(&|received| received.rounds.swap(0, 1)), "mask opening");
    for probes in [[1, 4], [2, 5], [3, 4]] {
        assert_eq!(
            changed(&|received| received.rounds[0].probes = probes.to_vec()),
            "mask opening"
        );
    }

    // The same book and probes in another attempt.
    let (prover, book) = market.prepared(0).prove_book([8; 32], &mut rng(50)).unwrap();
    let committed = prover.commit_round(&[2, 4], &mut rng(1)).unwrap();
    let (_, replayed) = finish_round(committed, &[2, 4], toss(1));
    assert_eq!(
        changed(&|received| received.rounds = vec![replayed.clone()]),
        "mask opening"
    );
    assert_eq!(
        book_changed(&|received| received.book.clone_from(&book)),
        "opening"
    );
    assert_ne!(ATTEMPT, [8; 32]);
}

/// The ledger's digest fixes every id and commitment, and its sum is compared for itself.
#[test]
fn orders_that_are_not_those_of_the_frozen_book() {
    let market = Market::new(6);
    let (_, received) = prove_book(&market, 0, market.prepared(0));
    let mut renamed = received.clone();
    // The second byte of the first order's id, "a1".
    renamed.book[7] = b'0';
    assert_eq!(renamed.refused_by(), "book digest");

    let participants = |change: &dyn Fn(&mut crate::Book)| {
        let mut participants = market.session.participants().to_vec();
        change(&mut participants[0].book);
        let session = crate::Session::new(market.session.terms().clone(), participants).unwrap();
        let mut received = received.clone();
        received.statement = crate::binding::Statement::new(&session);
        received.refused_by()
    };
    assert_eq!(participants(&|book| book.count += 1), "book count");
    assert_eq!(participants(&|book| book.digest.0[0] ^= 1), "book digest");
    assert_eq!(
        participants(&|book| book.commitment = crate::BookCommitment::IDENTITY),
        "book sum"
    );
}
