//! Masks that would make other inputs pass if a masked sum were not checked to be small.

use p256::Scalar;
use zeroize::Zeroizing;

use super::market::{Market, opened, order, rng, toss};
use super::run::{Received, finish_round, prove_book};
use crate::binding::{BindingError, Prover};

const REPETITIONS: usize = 40;

/// A round in which party `party` commits to its demand at level 1 and to these masks.
fn with_masks(market: &Market, party: usize, masks: Vec<Scalar>) -> Received {
    let (prover, mut received): (Prover, _) = prove_book(market, party, market.prepared(party));
    let demand = market.demand(party).demand(1);
    let bits: Vec<_> = (0..market.statement.width())
        .map(|bit| Scalar::from(demand >> bit & 1))
        .collect();
    let committed = prover.commit(&[1], &bits, Zeroizing::new(masks), [1, 256], &mut rng(4));
    received.rounds.push(finish_round(committed, &[1], toss(4)).1);
    received
}

fn two_to_the_128() -> Scalar {
    Scalar::from(u128::MAX) + Scalar::ONE
}

/// With R = q - 1 and a single bit that is set, the masked sum of a subset with the bit is 0 and of one without it
/// q - 1: both even, whatever the bit in the computation is.
#[test]
fn a_mask_of_minus_one_with_a_bit_of_weight_one() {
    let book = vec![order(6, 0, "a", &[(3, 64)])];
    let market = Market::with_books(6, vec![book, Vec::new(), Vec::new()]);
    let mut received = with_masks(&market, 0, vec![-Scalar::ONE; REPETITIONS]);
    // What is put in instead: no demand at all.
    received.rounds[0].inputs.fill(false);
    let refusal = received.verify().unwrap_err();
    assert_eq!(refusal.check(), "mask range");
    // The first subset without the bit gives it away.
    let (peer, _) =
        crate::binding::Peer::verify_book(received.statement.clone(), 0, received.attempt, &received.book)
            .unwrap();
    let round = peer.receive_round(&[1], &received.rounds[0].commitments).unwrap();
    let subsets = round.subsets(&received.rounds[0].toss);
    let without = subsets.iter().position(|subset| !subset[6]).unwrap();
    assert_eq!(
        refusal,
        BindingError::MaskRange {
            party: 0,
            round: 0,
            repetition: without
        }
    );
}

/// Party C has no demand, so that its masked sums are its masks.
#[test]
fn a_masked_sum_just_below_at_and_above_its_bound() {
    let market = Market::new(6);
    let bound = two_to_the_128() + Scalar::from(market.statement.width() as u64);
    let one = Scalar::ONE;
    for (mask, expected) in [
        (Scalar::ZERO, None),
        (two_to_the_128() - one, None),
        (two_to_the_128(), None),
        (bound - one, None),
        (bound, Some("mask range")),
        (bound + one, Some("mask range")),
        (two_to_the_128().double(), Some("mask range")),
        (-one, Some("mask range")),
    ] {
        let mut masks = vec![Scalar::from(5_u64); REPETITIONS];
        masks[17] = mask;
        let found = with_masks(&market, 2, masks).verify().err();
        assert_eq!(found.map(|error| error.check()), expected, "{mask:?}");
    }
}

/// The masked sum plus the group's order would be the same scalar; it has no place in the message.
#[test]
fn a_masked_sum_plus_the_groups_order() {
    let market = Market::new(6);
    let received = with_masks(&market, 2, vec![Scalar::from(5_u64); REPETITIONS]);
    received.verify().unwrap();
    // q + 5 in 33 bytes, in place of the first sum's 17.
    let mut order = [0; 33];
    order[1..].copy_from_slice(&(-Scalar::ONE).to_bytes());
    order[32] += 6;
    let mut longer = received.clone();
    longer.rounds[0].answer.splice(..17, order);
    assert!(matches!(
        longer.verify(),
        Err(BindingError::MaskRange { .. } | BindingError::Encoding { .. })
    ));
    // Its lowest 17 bytes are another scalar.
    let mut lowest = received;
    lowest.rounds[0].answer.splice(..17, order[16..].iter().copied());
    assert!(matches!(
        lowest.verify(),
        Err(BindingError::MaskRange { .. } | BindingError::MaskOpening { .. })
    ));
}

/// Other inputs than those committed to, with masked sums of the parities that the computation opens: by one more or less, proven as
/// well as can be.
#[test]
fn masked_sums_made_to_match_other_inputs() {
    let market = Market::new(6);
    let (prover, mut received) = prove_book(&market, 0, market.prepared(0));
    let committed = prover.commit_round(&[2, 4], &mut rng(5)).unwrap();
    let mut inputs = committed.inputs().to_vec();
    let subsets = committed.subsets(&toss(5));
    let honest = opened(&subsets, &inputs);
    inputs[3] ^= true;
    assert_ne!(honest, opened(&subsets, &inputs));
    let committed = committed.with_other_sums(|subset, sum| sum[16] ^= u8::from(subset[3]));
    let (_, mut round) = finish_round(committed, &[2, 4], toss(5));
    round.inputs = inputs;
    received.rounds.push(round);
    assert_eq!(received.refused_by(), "mask opening");
}
