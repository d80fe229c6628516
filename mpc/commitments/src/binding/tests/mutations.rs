//! Every field of every message, altered, is refused; and no bytes make a verifier panic.

use p256::elliptic_curve::PrimeField;
use p256::elliptic_curve::point::AffineCoordinates;
use p256::{AffinePoint, FieldBytes, ProjectivePoint, Scalar};
use proptest::prelude::*;

use super::market::{Market, rng, toss};
use super::run::{Received, finish_round, prove_book};
use crate::binding::BindingError;

#[derive(Debug, Clone, Copy)]
enum Kind {
    Bytes(usize),
    Point,
    Scalar,
    MaskedSum,
}

impl Kind {
    fn length(self) -> usize {
        match self {
            Self::Bytes(length) => length,
            Self::Point => 64,
            Self::Scalar => 32,
            Self::MaskedSum => 17,
        }
    }
}

/// Every field of a message with its place, from runs of fields; they must make up the whole message.
fn fields(message: &[u8], runs: &[(Kind, usize)]) -> Vec<(Kind, usize)> {
    let mut at = 0;
    let mut fields = Vec::new();
    for &(kind, count) in runs {
        for _ in 0..count {
            fields.push((kind, at));
            at += kind.length();
        }
    }
    assert_eq!(at, message.len());
    fields
}

/// Everything of its kind that a field can become with little effort: another value, and no value at all.
fn mutations(message: &[u8], kind: Kind, at: usize) -> Vec<Vec<u8>> {
    let field = &message[at..at + kind.length()];
    let with = |bytes: &[u8]| {
        let mut message = message.to_vec();
        message[at..at + bytes.len()].copy_from_slice(bytes);
        message
    };
    let flipped = |index: usize| {
        let mut bytes = field.to_vec();
        bytes[index] ^= 1;
        with(&bytes)
    };
    let mut mutations = vec![flipped(0), flipped(kind.length() - 1)];
    match kind {
        Kind::Bytes(_) => {}
        Kind::MaskedSum => mutations.push(flipped(1)),
        Kind::Scalar => {
            let scalar = Scalar::from_repr(FieldBytes::try_from(field).unwrap()).unwrap();
            mutations.push(with(&(scalar + Scalar::ONE).to_bytes()));
            mutations.push(with(&(-scalar).to_bytes()));
            mutations.push(with(&Scalar::ZERO.to_bytes()));
            // The group's order, and the greatest number.
            let mut order = (-Scalar::ONE).to_bytes();
            order[31] += 1;
            mutations.push(with(&order));
            mutations.push(with(&[255; 32]));
        }
        Kind::Point => {
            let coordinate = |range: std::ops::Range<usize>| FieldBytes::try_from(&field[range]).unwrap();
            let point = AffinePoint::from_coordinates(&coordinate(0..32), &coordinate(32..64)).unwrap();
            let other = (ProjectivePoint::from(point) + ProjectivePoint::GENERATOR).to_affine();
            for point in [-point, other, AffinePoint::GENERATOR] {
                mutations.push(with(&[point.x(), point.y()].concat()));
            }
            mutations.push(with(&[0; 64]));
            mutations.push(with(&[255; 64]));
        }
    }
    mutations
}

fn honest() -> Received {
    let market = Market::new(5);
    let (prover, mut received) = prove_book(&market, 0, market.prepared(0));
    let committed = prover.commit_round(&[1, 3], &mut rng(1)).unwrap();
    received.rounds.push(finish_round(committed, &[1, 3], toss(1)).1);
    received.verify().unwrap();
    received
}

fn all_refused(message: &[u8], runs: &[(Kind, usize)], refused: impl Fn(Vec<u8>) -> Option<BindingError>) {
    for (index, (kind, at)) in fields(message, runs).into_iter().enumerate() {
        for mutation in mutations(message, kind, at) {
            if mutation != message {
                let refusal = refused(mutation);
                assert!(
                    refusal.is_some_and(|error| error.party() == 0),
                    "field {index}, {kind:?}"
                );
            }
        }
    }
    for length in [0, 1, message.len() / 2, message.len() - 1] {
        let cut = refused(message[..length].to_vec()).expect("must be refused");
        assert!(matches!(cut.check(), "encoding" | "mask range"), "{cut}");
    }
    let longer = [message, &[0]].concat();
    assert_eq!(refused(longer).expect("must be refused").check(), "encoding");
}

#[test]
fn every_field_of_a_book() {
    let honest = honest();
    let levels = honest.statement.levels();
    let order = [(Kind::Bytes(2), 1), (Kind::Bytes(2), 1), (Kind::Point, 1)];
    let mut runs = vec![(Kind::Bytes(4), 1)];
    runs.extend(order);
    runs.extend(order);
    runs.extend([(Kind::Point, levels + 3), (Kind::Scalar, 2 * levels + 3)]);
    all_refused(&honest.book, &runs, |book| {
        let mut received = honest.clone();
        received.book = book;
        received.rounds.clear();
        received.verify().err()
    });
}

#[test]
fn every_field_of_a_rounds_commitments() {
    let honest = honest();
    all_refused(
        &honest.rounds[0].commitments,
        &[(Kind::Point, 2 * 3)],
        |commitments| {
            let mut received = honest.clone();
            received.rounds[0].commitments = commitments;
            received.verify().err()
        },
    );
}

#[test]
fn every_field_of_an_answer() {
    let honest = honest();
    let (width, repetitions) = (honest.statement.width(), honest.statement.repetitions());
    let runs = [
        (Kind::MaskedSum, repetitions),
        (Kind::Point, 3),
        (Kind::Scalar, 1 + 2 * (width + 1) + repetitions + 1 + 2),
    ];
    all_refused(&honest.rounds[0].answer, &runs, |answer| {
        let mut received = honest.clone();
        received.rounds[0].answer = answer;
        received.verify().err()
    });
}

/// What is hashed into the challenges without being part of a message of the round.
#[test]
fn everything_else_that_a_challenge_depends_on() {
    let honest = honest();
    let refused = |change: &dyn Fn(&mut Received)| {
        let mut received = honest.clone();
        change(&mut received);
        received.refused_by()
    };
    assert_eq!(
        refused(&|received| received.rounds[0].masked_inputs[0] ^= 1),
        "mask opening"
    );
    assert_eq!(
        refused(&|received| received.rounds[0].masked_inputs.push(0)),
        "mask opening"
    );
    assert_eq!(
        refused(&|received| received.rounds[0].toss.coin[0] ^= 1),
        "mask opening"
    );
    assert_eq!(
        refused(&|received| received.rounds[0].toss.echoed[31] ^= 1),
        "mask opening"
    );
    assert_eq!(
        refused(&|received| received.rounds[0].probes = vec![1, 4]),
        "mask opening"
    );
    assert_eq!(
        refused(&|received| received.rounds[0].inputs[0] ^= true),
        "parity"
    );
    // Another proof of the same book, by the same party, in the same attempt.
    let market = Market::new(5);
    let (_, other) = market
        .prepared(0)
        .prove_book(honest.attempt, &mut rng(99))
        .unwrap();
    assert_ne!(other, honest.book);
    assert_eq!(refused(&|received| received.book = other.clone()), "mask opening");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_a_verifier_panic(
        which in 0_usize..3, at in any::<prop::sample::Index>(), with in prop::collection::vec(any::<u8>(), 0..80),
        cut in any::<bool>()
    ) {
        let mut received = honest();
        let message = match which {
            0 => &mut received.book,
            1 => &mut received.rounds[0].commitments,
            _ => &mut received.rounds[0].answer,
        };
        let before = message.clone();
        let at = at.index(message.len());
        let end = if cut { message.len() } else { (at + with.len()).min(message.len()) };
        message.splice(at..end, with);
        let same = *message == before;
        prop_assert_eq!(received.verify().is_ok(), same);
    }
}
