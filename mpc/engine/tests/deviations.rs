//! Every check catches its deviation, and says whom this party suspects.
//!
//! Party 1 of three cheats; its engine is honest, what it sends to party 2 is altered under way. In messages to one
//! peer only, that is also an equivocation.

#![allow(clippy::unwrap_used)] // as in every test; the lint does not see that some helpers are ones

mod world;

use std::time::Duration;

use mpc_engine::{
    Error, PartyId, Step,
    interceptor::{Fate, Intercepted, Interceptor},
    transport::{MemoryTransport, Transport},
};
use world::{Circuit, Outcome, World, copycat::Copycat};

const CHEATER: PartyId = 1;
const VICTIM: PartyId = 2;

fn circuit(parties: usize) -> Circuit {
    Circuit::conjunction(&vec![true; parties])
}

/// No honest party may have anything but the right outputs; the victim's error is returned.
fn caught(circuit: &Circuit, outcomes: &[Outcome], what: &str) -> Error {
    for (party, outcome) in outcomes.iter().enumerate().filter(|(party, _)| *party != CHEATER) {
        if let Ok(outputs) = outcome {
            assert_eq!(*outputs, circuit.plain(), "party {party}, {what}");
        }
    }
    outcomes[VICTIM].clone().expect_err(what)
}

fn failed(check: &'static str, suspects: &[PartyId]) -> Error {
    Error::CheckFailed {
        check,
        suspects: suspects.to_vec(),
    }
}

/// What `alter` does to the message that party 1 sends to party 2 at `step`, the time numbered `occurrence`.
async fn alter_one(
    step: Step,
    occurrence: usize,
    alter: impl Fn(&mut Vec<u8>) + Send + 'static,
) -> Vec<Outcome> {
    let rule = move |intercepted: Intercepted<'_>| {
        if intercepted.is(step, VICTIM) && intercepted.occurrence == occurrence {
            alter(&mut intercepted.frame.message);
        }
        Fate::Deliver
    };
    World::new(3).cheat(&circuit(3), CHEATER, rule).await
}

/// Where a message is altered.
#[derive(Debug, Clone, Copy)]
enum Place {
    First,
    /// So many bytes before the end.
    Before(usize),
}

impl Place {
    fn flip(self, message: &mut [u8]) {
        let index = match self {
            Self::First => 0,
            Self::Before(bytes) => message.len() - bytes,
        };
        message[index] ^= 1;
    }
}

/// Steps of which one bit is flipped towards one peer, and what that peer says. Where party 0 is suspected too, the
/// protocol cannot tell who of the two lied.
#[rustfmt::skip]
const FLIPS: [(Step, usize, Place, &str, &[PartyId]); 37] = [
    // Commitments and nonces of coins.
    (Step::COIN_COMMITMENT, 0, Place::First, "coin/echo", &[0, 1]),
    (Step::COIN_ECHO, 0, Place::First, "coin/echo", &[0, 1]),
    (Step::COIN_ECHO, 0, Place::Before(40), "coin/echo", &[1]),
    (Step::COIN_OPENING, 0, Place::First, "coin/opening", &[1]),
    (Step::COIN_OPENING, 1, Place::First, "coin/opening", &[1]),
    // Authenticated bits: the challenge of the transfers is followed by a coin, their response by two hashes.
    (Step::BASE_OT_REPLY, 0, Place::Before(1), "seed trees", &[1]),
    (Step::BITS_CHALLENGE, 0, Place::Before(1), "coin/opening", &[1]),
    (Step::BITS_CHECK, 0, Place::First, "OT correlation", &[1]),
    (Step::BITS_CHECK, 0, Place::Before(17), "bits/check", &[1]),
    (Step::BITS_CHECK, 0, Place::Before(1), "bits/check", &[1]),
    (Step::BITS_ECHO, 0, Place::First, "bits/echo", &[0, 1]),
    (Step::BITS_CHECK, 1, Place::Before(1), "bits/check", &[1]),
    (Step::BITS_ECHO, 1, Place::Before(40), "bits/echo", &[1]),
    // One Delta towards all: a nonce, the bits, the MACs; nonces and sums of keys.
    (Step::DELTA_COMMITMENT, 0, Place::First, "delta/echo", &[0, 1]),
    (Step::DELTA_ECHO, 0, Place::First, "delta/echo", &[0, 1]),
    (Step::DELTA_BITS, 0, Place::First, "delta/bits", &[1]),
    (Step::DELTA_BITS, 0, Place::Before(1), "delta/bits", &[1]),
    (Step::DELTA_KEYS, 0, Place::First, "delta/keys", &[1]),
    (Step::DELTA_KEYS, 0, Place::Before(1), "delta/keys", &[1]),
    // Leaky triples and their buckets.
    (Step::TRIPLE_CORRECTION, 0, Place::First, "triple/check", &[0, 1]),
    (Step::TRIPLE_COMMITMENT, 0, Place::First, "triple/echo", &[0, 1]),
    (Step::TRIPLE_ECHO, 0, Place::First, "triple/echo", &[0, 1]),
    (Step::TRIPLE_CHECK, 0, Place::First, "triple/commitment", &[1]),
    (Step::TRIPLE_CHECK, 0, Place::Before(1), "triple/commitment", &[1]),
    (Step::TRIPLE_BUCKETS, 0, Place::First, "triple/buckets", &[1]),
    (Step::TRIPLE_BUCKETS, 0, Place::Before(1), "triple/buckets", &[1]),
    // Input masks, the session, and masked inputs.
    (Step::INPUT_MASK, 0, Place::First, "input/mask", &[1]),
    (Step::INPUT_MASK, 0, Place::Before(1), "input/mask", &[1]),
    (Step::SESSION, 0, Place::First, "session", &[1]),
    (Step::SESSION, 0, Place::Before(1), "coin/opening", &[1]),
    (Step::INPUT_ECHO, 0, Place::First, "input/echo", &[0, 1]),
    // Payloads: echoed by themselves and with inputs. Coins, and openings with payloads.
    (Step::PUBLISH, 0, Place::First, "publish/echo", &[0, 1]),
    (Step::PUBLISH_ECHO, 0, Place::First, "publish/echo", &[0, 1]),
    (Step::PUBLISH_ECHO, 0, Place::Before(40), "publish/echo", &[1]),
    (Step::INPUT, 0, Place::Before(1), "input/echo", &[0, 1]),
    (Step::PUBLIC_COIN, 0, Place::First, "coin/opening", &[1]),
    (Step::ANSWER, 0, Place::First, "answer", &[1]),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_is_caught_at_every_check() {
    for (step, occurrence, place, check, suspects) in FLIPS {
        let what = format!("{} {occurrence} {place:?}", step.name());
        let outcomes = alter_one(step, occurrence, move |message| place.flip(message)).await;
        assert_eq!(
            caught(&circuit(3), &outcomes, &what),
            failed(check, suspects),
            "{what}"
        );
    }
}

/// The third party sees the equivocation too, from its side: whoever received something else may be lying.
#[tokio::test(flavor = "multi_thread")]
async fn an_equivocation_makes_both_sides_suspects() {
    for (step, check) in [
        (Step::COIN_COMMITMENT, "coin/echo"),
        (Step::DELTA_COMMITMENT, "delta/echo"),
        (Step::TRIPLE_COMMITMENT, "triple/echo"),
        (Step::PUBLISH, "publish/echo"),
        (Step::INPUT, "input/echo"),
    ] {
        let outcomes = alter_one(step, 0, |message| Place::First.flip(message)).await;
        assert_eq!(outcomes[VICTIM], Err(failed(check, &[0, 1])), "{}", step.name());
        assert_eq!(outcomes[0], Err(failed(check, &[1, 2])), "{}", step.name());
    }
}

/// Of two parties the other is always the one; there is nothing to echo between them.
#[tokio::test(flavor = "multi_thread")]
async fn two_parties_know_who_it_was() {
    for (step, place, check) in [
        (Step::COIN_COMMITMENT, Place::First, "coin/opening"),
        (Step::BITS_CHECK, Place::Before(1), "bits/check"),
        (Step::TRIPLE_CORRECTION, Place::First, "triple/check"),
        (Step::TRIPLE_COMMITMENT, Place::First, "triple/commitment"),
        (Step::INPUT_MASK, Place::First, "input/mask"),
        (Step::OPEN, Place::First, "open"),
    ] {
        let rule = move |intercepted: Intercepted<'_>| {
            if intercepted.is(step, 0) && intercepted.occurrence == 0 {
                place.flip(&mut intercepted.frame.message);
            }
            Fate::Deliver
        };
        let outcomes = World::new(2).cheat(&circuit(2), CHEATER, rule).await;
        assert_eq!(outcomes[0], Err(failed(check, &[1])), "{}", step.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_opening_of_every_layer_is_verified() {
    let world = World::new(3);
    let circuit = Circuit::random(3, 3, 10, &mut world.rng(100));
    for step in [Step::AND, Step::OPEN] {
        let openings = circuit.openings(step);
        assert!(openings > 0);
        for occurrence in 0..openings {
            for place in [Place::First, Place::Before(1)] {
                // To one peer, then to all.
                for all in [false, true] {
                    let rule = move |intercepted: Intercepted<'_>| {
                        let to = if all { intercepted.to } else { VICTIM };
                        if intercepted.is(step, to) && intercepted.occurrence == occurrence {
                            place.flip(&mut intercepted.frame.message);
                        }
                        Fate::Deliver
                    };
                    let outcomes = world.cheat(&circuit, CHEATER, rule).await;
                    let what = format!("{} {occurrence} {place:?}", step.name());
                    assert_eq!(
                        caught(&circuit, &outcomes, &what),
                        failed(step.name(), &[1]),
                        "{what}"
                    );
                }
            }
        }
    }
}

/// One leaky triple of thousands is wrong, the same towards all.
#[tokio::test(flavor = "multi_thread")]
async fn one_bad_triple_fails_the_check() {
    for index in [0, 17, 639] {
        let rule = move |intercepted: Intercepted<'_>| {
            if intercepted.frame.step == Step::TRIPLE_CORRECTION.name() {
                intercepted.frame.message[index] ^= 0x10;
            }
            Fate::Deliver
        };
        let outcomes = World::new(3).cheat(&circuit(3), CHEATER, rule).await;
        assert_eq!(outcomes[VICTIM], Err(failed("triple/check", &[0, 1])));
        assert_eq!(outcomes[0], Err(failed("triple/check", &[1, 2])));
    }
}

/// A wrong ciphertext or product bit only matters where the victim's `x` is set: half of many are.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_products_fail_the_check() {
    let ciphertexts = 1_024 * 5 * 16;
    for range in [0..ciphertexts, ciphertexts..ciphertexts + 640] {
        let outcomes = alter_one(Step::TRIPLE_PRODUCTS, 0, move |message| {
            assert_eq!(message.len(), ciphertexts + 640);
            message[range.clone()].iter_mut().for_each(|byte| *byte ^= 0xff);
        })
        .await;
        assert_eq!(outcomes[VICTIM], Err(failed("triple/check", &[0, 1])));
    }
}

/// The corrections of one tree decide four bits of Delta: a wrong one goes unnoticed if these are all zero, and then
/// does no harm. Corrections of all trees are always noticed.
#[tokio::test(flavor = "multi_thread")]
async fn corrupted_columns_are_caught() {
    const TREES: usize = 32;
    let flip = |trees: std::ops::Range<usize>| {
        alter_one(Step::BITS_CORRECTIONS, 0, move |message| {
            let column = message.len() / TREES;
            for tree in trees.clone() {
                message[tree * column] ^= 1;
            }
        })
    };
    let mut noticed = 0;
    for tree in 0..24 {
        let outcomes = flip(tree..tree + 1).await;
        match &outcomes[VICTIM] {
            Err(error) => {
                assert_eq!(*error, failed("OT correlation", &[1]));
                noticed += 1;
            }
            Ok(outputs) => assert_eq!(*outputs, circuit(3).plain()),
        }
    }
    // 15 of 16 on average; 12 or less of 24 has a chance below 2^-28.
    assert!(noticed > 12, "{noticed} of 24");
    for _ in 0..3 {
        assert_eq!(flip(0..TREES).await[VICTIM], Err(failed("OT correlation", &[1])));
    }
}

/// Altered base transfers and challenges break the cheater's own checks; the victim hears that it gave up.
#[tokio::test(flavor = "multi_thread")]
async fn altered_choices_and_challenges_end_the_run() {
    for (step, place) in [
        (Step::BASE_OT_CHOICE, Place::First),
        (Step::BITS_CHALLENGE, Place::First),
    ] {
        let outcomes = alter_one(step, 0, move |message| place.flip(message)).await;
        let error = caught(&circuit(3), &outcomes, step.name());
        // Half of all altered points are none. Party 0 gives up as soon as the cheater does.
        let named = matches!(
            error,
            Error::GaveUp { .. } | Error::Malformed { peer: CHEATER, .. }
        );
        assert!(named, "{error}");
        assert!(outcomes[CHEATER].is_err());
    }
}

/// Who hears that somebody gave up is not told that the connection broke: that party need not be the culprit.
#[tokio::test(flavor = "multi_thread")]
async fn giving_up_is_told_to_the_others() {
    let outcomes = alter_one(Step::TRIPLE_CHECK, 0, |message| Place::First.flip(message)).await;
    assert_eq!(outcomes[VICTIM], Err(failed("triple/commitment", &[1])));
    let step = Step::COIN_OPENING.name();
    assert_eq!(outcomes[0], Err(Error::GaveUp { peer: VICTIM, step }));
}

/// A cheater that commits to nothing of its own, and sends back the commitment and the opening that it got. Two equal
/// summands would cancel in the check of any triples, right or wrong; two equal nonces would make a coin that nobody else
/// has a part in.
#[tokio::test(flavor = "multi_thread")]
async fn a_copied_commitment_cannot_be_opened() {
    for (steps, check) in [
        ([Step::COIN_COMMITMENT, Step::COIN_OPENING], Step::COIN_OPENING),
        (
            [Step::TRIPLE_COMMITMENT, Step::TRIPLE_CHECK],
            Step::TRIPLE_COMMITMENT,
        ),
    ] {
        let network = MemoryTransport::network(2).into_iter().map(|transport| {
            let cheats = transport.me() == CHEATER;
            let steps: &[Step] = if cheats { &steps } else { &[] };
            let copycat = Copycat::new(transport, 0, steps);
            Interceptor::new(copycat, move |intercepted| {
                if cheats && intercepted.is_step(Step::TRIPLE_CORRECTION) {
                    intercepted.frame.message[0] ^= 1;
                }
                Fate::Deliver
            })
        });
        let outcomes = World::new(2).run_over(network.collect(), &circuit(2)).await;
        assert_eq!(outcomes[0], Err(failed(check.name(), &[CHEATER])));
    }
}

/// Bits after the last one would give a message two meanings.
#[tokio::test(flavor = "multi_thread")]
async fn padding_must_be_zero() {
    for step in [Step::INPUT, Step::ANSWER, Step::AND, Step::OPEN] {
        let outcomes = alter_one(step, 0, move |message| message[0] |= 0x80).await;
        let error = caught(&circuit(3), &outcomes, step.name());
        let malformed =
            matches!(error, Error::Malformed { peer: CHEATER, step: at, .. } if at == step.name());
        assert!(malformed, "{}: {error}", step.name());
    }
}

/// Whatever its length, a message that does not fit its step is refused by its receiver and nothing panics.
#[tokio::test(flavor = "multi_thread")]
async fn messages_of_another_length_are_refused() {
    let alterations: [fn(&mut Vec<u8>); 4] = [
        Vec::clear,
        |message| message.truncate(message.len() - 1),
        |message| message.push(0),
        |message| message.resize(3 * message.len(), 7),
    ];
    for (number, step) in Step::ALL.into_iter().enumerate() {
        // Two of the four for each step, in turn.
        for index in [number % 4, (number + 1) % 4] {
            let alteration = alterations[index];
            let what = format!("{} {index}", step.name());
            let outcomes = alter_one(step, 0, alteration).await;
            match caught(&circuit(3), &outcomes, &what) {
                Error::Malformed { peer, .. } => assert_eq!(peer, CHEATER, "{what}"),
                // Where broadcasts have no fixed length, the echo finds it.
                Error::CheckFailed { suspects, .. } => assert!(suspects.contains(&CHEATER), "{what}"),
                error => panic!("{what}: {error}"),
            }
        }
    }
}

/// Whoever stops sending, say a coin's nonce after it has seen the others', is waited for with patience and not without
/// bound. The clock is tokio's own, which moves on when everybody waits.
#[tokio::test(start_paused = true)]
async fn a_withheld_message_is_missed() {
    for step in Step::ALL {
        let mut silent = false;
        let rule = move |intercepted: Intercepted<'_>| {
            silent |= intercepted.is(step, VICTIM);
            if silent && intercepted.to == VICTIM {
                Fate::Drop
            } else {
                Fate::Deliver
            }
        };
        let outcomes = World::new(3).cheat(&circuit(3), CHEATER, rule).await;
        // After the last step the cheater is done and gone.
        let expected = if step == Step::OPEN {
            Error::PeerLost {
                peer: CHEATER,
                step: step.name(),
                reason: "the connection is closed".to_owned(),
            }
        } else {
            was_silent(step)
        };
        assert_eq!(caught(&circuit(3), &outcomes, step.name()), expected);
        // The other honest party waited for the victim, which had nothing to send: it is not named.
        assert!(
            matches!(outcomes[0], Ok(_) | Err(Error::GaveUp { .. })),
            "{:?}",
            outcomes[0]
        );
    }
}

fn was_silent(step: Step) -> Error {
    Error::Silent {
        peer: CHEATER,
        step: step.name(),
        patience: Duration::from_secs(60),
    }
}

/// A message that is left out is not made up for by the next one.
#[tokio::test(start_paused = true)]
async fn a_lost_message_is_noticed() {
    for step in Step::ALL {
        let rule = move |intercepted: Intercepted<'_>| {
            let lost = intercepted.is(step, VICTIM) && intercepted.occurrence == 0;
            if lost { Fate::Drop } else { Fate::Deliver }
        };
        let outcomes = World::new(3).cheat(&circuit(3), CHEATER, rule).await;
        match caught(&circuit(3), &outcomes, step.name()) {
            Error::WrongMessage {
                peer: CHEATER,
                step: due,
                ..
            } => assert_eq!(due, step.name()),
            // Nothing came after it.
            Error::PeerLost {
                peer: CHEATER,
                step: due,
                ..
            }
            | Error::Silent {
                peer: CHEATER,
                step: due,
                ..
            } => assert_eq!(due, step.name()),
            error => panic!("{}: {error}", step.name()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_party_is_given_up_by_all() {
    let outcomes = World::new(3).cheat(&circuit(3), CHEATER, |_| Fate::Drop).await;
    for party in [0, 2] {
        assert_eq!(outcomes[party], Err(was_silent(Step::COIN_COMMITMENT)));
    }
}

/// A repeated message is not taken for the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_message_is_refused() {
    for step in Step::ALL {
        let rule = move |intercepted: Intercepted<'_>| {
            if intercepted.is(step, VICTIM) && intercepted.occurrence == 0 {
                Fate::Duplicate
            } else {
                Fate::Deliver
            }
        };
        let outcomes = World::new(3).cheat(&circuit(3), CHEATER, rule).await;
        if step == Step::OPEN {
            // Nothing comes after it.
            assert_eq!(outcomes[VICTIM], Ok(circuit(3).plain()));
            continue;
        }
        let error = caught(&circuit(3), &outcomes, step.name());
        assert!(
            matches!(error, Error::WrongMessage { peer: CHEATER, .. }),
            "{}: {error}",
            step.name()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_another_step_round_or_attempt_are_refused() {
    type Alteration = fn(Intercepted<'_>);
    let alterations: [(Alteration, &str); 3] = [
        (
            |intercepted| intercepted.frame.tag[3] ^= 1,
            "a message of another attempt",
        ),
        (
            |intercepted| intercepted.frame.step = "coins".to_owned(),
            "a message of step 'coins'",
        ),
        (|intercepted| intercepted.frame.round += 1, "a message of round "),
    ];
    for (number, step) in Step::ALL.into_iter().enumerate() {
        let (alteration, expected) = alterations[number % 3];
        let rule = move |intercepted: Intercepted<'_>| {
            if intercepted.is(step, VICTIM) {
                alteration(intercepted);
            }
            Fate::Deliver
        };
        let outcomes = World::new(3).cheat(&circuit(3), CHEATER, rule).await;
        match caught(&circuit(3), &outcomes, step.name()) {
            Error::WrongMessage {
                peer: CHEATER,
                step: due,
                found,
            } => {
                assert_eq!(due, step.name());
                assert!(found.starts_with(expected), "{found}");
            }
            error => panic!("{}: {error}", step.name()),
        }
    }
}

/// A frame that is none: another version, a name that is too long, nothing at all.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_frame_is_malformed() {
    let rule = move |intercepted: Intercepted<'_>| {
        if intercepted.is(Step::AND, VICTIM) {
            intercepted.frame.step = "\u{7}".to_owned();
        }
        Fate::Deliver
    };
    let outcomes = World::new(3).cheat(&circuit(3), CHEATER, rule).await;
    let error = caught(&circuit(3), &outcomes, "unprintable");
    assert!(
        matches!(
            error,
            Error::Malformed {
                peer: CHEATER,
                step: "and",
                ..
            }
        ),
        "{error}"
    );
}
