//! Whole runs on the engine in which party 1 of three deviates: who is honest names it, and opens nothing that its inputs
//! decide. What a proof by itself must refuse is tested where the proofs are (`order_commitments::binding`).

mod deviant;

use std::sync::{Arc, Mutex};

use deviant::{Cheat, Deviation, Run, run, run_over};
use mpc_engine::{
    Step,
    interceptor::{Fate, Intercepted, Interceptor},
    transport::MemoryTransport,
};
use order_commitments::{DemandCurve, Lots};

use super::*;
use crate::{market::Market, protocol::tests::simulated};

const CHEATER: usize = 1;

/// Six levels, one probe at a time; the cheater wants 40, 40, 20, 20, 5 and 0 lots.
fn market() -> Market {
    Market::new(
        60,
        1,
        &[
            &[50, 40, 40, 30, 7, 7],
            &[40, 40, 20, 20, 5, 0],
            &[30, 0, 0, 0, 0, 0],
        ],
    )
}

/// The honest parties' errors name the cheater and one of these checks, or say that the other honest party gave up; nothing was
/// opened that the cheater's inputs of the round decide.
fn caught(runs: &[Run], checks: &[&str]) {
    let mut named = 0;
    for (party, (result, transcript)) in runs.iter().enumerate().filter(|(party, _)| *party != CHEATER) {
        match result {
            Err(ClearingError::NotBound {
                party: found,
                failure,
                participant,
            }) => {
                assert_eq!(*found, CHEATER, "{failure}");
                assert!(checks.contains(&failure.check()), "{failure}; due was {checks:?}");
                assert_eq!(participant, "Org01MSP");
                named += 1;
            }
            Err(ClearingError::Engine(Error::GaveUp { .. } | Error::PeerLost { .. })) => {}
            other => panic!("party {party}: {other:?} where one of {checks:?} was due"),
        }
        let opened = transcript
            .iter()
            .find(|opening| matches!(opening, Opening::Reached { .. }));
        assert_eq!(opened, None, "{checks:?}");
    }
    assert!(named > 0, "nobody named the cheater for {checks:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_honest_parties_open_is_what_the_outcome_tells_and_fair_coins() {
    for (lots, fan_out) in [(60, 1), (60, 3), (120, 2), (200, 1)] {
        let market = Market::new(lots, fan_out, &[&[50, 40, 7], &[40, 40, 20], &[30, 0, 0]]);
        let expected = market.expected();
        for (result, transcript) in run(&market, Cheat::default()).await {
            assert_eq!(result.as_ref(), Ok(&expected));
            let (parities, rest): (Vec<_>, Vec<_>) = transcript
                .into_iter()
                .partition(|opening| matches!(opening, Opening::Parities { .. }));
            assert_eq!(rest, simulated(&market.terms, &expected));
            assert!(!parities.is_empty() && parities.len().is_multiple_of(3));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_inputs_than_those_committed_to() {
    for bit in [0, 3, 7] {
        let deviation = Deviation::Inputs(Box::new(move |inputs| inputs[bit] = !inputs[bit]));
        caught(&run(&market(), Cheat::by(deviation)).await, &["parity"]);
    }
}

/// The demand is 20 at the first probe, which is level 3.
#[tokio::test(flavor = "multi_thread")]
async fn other_rows_than_the_demand() {
    type Alteration = fn(&mut Vec<u64>, &mut Vec<i128>);
    let alterations: [(Alteration, &[&str]); 5] = [
        // 21, and 16 + 2 * 2.
        (|bits, _| bits[0] = 1, &["level sum"]),
        (
            |bits, _| {
                bits[2] = 0;
                bits[1] = 2;
            },
            &["bits"],
        ),
        // Masks of the group's order less one: a sum with no bit in it is far too large, one with a bit in it wraps, and has
        // another parity than its bits and the mask.
        (|_, masks| masks.fill(-1), &["mask range"]),
        (|_, masks| masks[39] = -1, &["mask range", "parity"]),
        (|bits, _| bits.fill(0), &["level sum"]),
    ];
    for (alter, checks) in alterations {
        let cheat = Cheat::by(Deviation::Rows(alter));
        caught(&run(&market(), cheat).await, checks);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_curve_than_the_sum_of_the_orders() {
    let other = |demand: &[Lots]| {
        let demand = DemandCurve::new(demand.to_vec()).unwrap();
        Cheat {
            ready: Some(Box::new(move |mut ready: Ready| {
                let mut rng = fork(&mut ready.rng);
                ready.prepared = ready.prepared.with_other_demand(demand.clone(), &mut rng);
                ready.demand = demand;
                ready
            })),
            ..Cheat::default()
        }
    };
    caught(&run(&market(), other(&[40, 40, 20, 20, 5, 1])).await, &["tie"]);
    caught(&run(&market(), other(&[0; 6])).await, &["tie"]);
}

/// Honest demands, and carries that do not show that they fall.
#[tokio::test(flavor = "multi_thread")]
async fn a_demand_that_is_not_shown_to_fall() {
    let market = Market::new(60, 3, &[&[50, 40, 7], &[40, 20, 20], &[30, 0, 0]]);
    for (party, (result, _)) in run(&market, Cheat::by(Deviation::Carries))
        .await
        .iter()
        .enumerate()
    {
        assert!(
            matches!(result, Err(ClearingError::DemandRises { party: CHEATER, .. })),
            "party {party}: {result:?}"
        );
    }
}

/// Each message is altered, the same towards all and in the cheater's own view.
#[tokio::test(flavor = "multi_thread")]
async fn altered_messages() {
    /// A masked sum is 17 bytes: one for the 129th bit, and 16.
    const SUM: usize = 17;
    type Alteration = fn(&mut Vec<u8>);
    let last: Alteration = |message| *message.last_mut().unwrap() ^= 1;
    let alterations: [(Step, Alteration, &[&str]); 11] = [
        // What follows in the attempt hashes the book's message.
        (Step::PUBLISH, last, &["tie", "mask opening"]),
        (Step::PUBLISH, |message| message[3] ^= 1, &["book count"]),
        // The first order's id: four bytes of count and two of length before it.
        (Step::PUBLISH, |message| message[6] = b'1', &["book digest"]),
        (Step::PUBLISH, |message| message.push(0), &["encoding"]),
        (Step::INPUT, |message| message.truncate(64), &["encoding"]),
        (Step::ANSWER, last, &["level sum"]),
        (Step::ANSWER, Vec::clear, &["encoding"]),
        // Masks that are another after the coin, by an even and an odd number.
        (Step::ANSWER, |message| message[SUM - 1] ^= 2, &["mask opening"]),
        (
            Step::ANSWER,
            |message| message[2 * SUM - 1] ^= 1,
            &["mask opening"],
        ),
        // A sum of 2^128 and more bits than there are, and of more than 129 bits.
        (
            Step::ANSWER,
            |message| {
                message[..SUM].fill(0);
                message[0] = 1;
                message[SUM - 1] = 200;
            },
            &["mask range"],
        ),
        (Step::ANSWER, |message| message[0] = 2, &["mask range"]),
    ];
    for (step, alter, checks) in alterations {
        let cheat = Cheat {
            payload: Some(Box::new(move |at, message| {
                if at == step {
                    alter(message);
                }
            })),
            ..Cheat::default()
        };
        caught(&run(&market(), cheat).await, checks);
    }
}

/// As a book goes that is longer than a frame. The parts but the last must be full, and the bound of a book of so many orders holds.
#[tokio::test(flavor = "multi_thread")]
async fn books_in_parts() {
    const PART: usize = 500;
    type Alteration = fn(usize, &mut Vec<u8>);
    let market = Market {
        part_bytes: Some(PART),
        ..market()
    };
    let alterations: [(Alteration, Option<&[&str]>); 4] = [
        (|_, _| {}, None),
        (
            |part, message| {
                if part == 1 {
                    message[0] ^= 1;
                }
            },
            Some(&["tie", "opening", "encoding", "book digest", "book sum"]),
        ),
        (|_, message| message.resize(PART, 0), Some(&["book length"])),
        (|_, message| message.push(0), Some(&["book length"])),
    ];
    for (alter, checks) in alterations {
        let parts = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&parts);
        let cheat = Cheat {
            payload: Some(Box::new(move |at, message| {
                if at == Step::PUBLISH {
                    let mut parts = counted.lock().unwrap();
                    alter(*parts, message);
                    *parts += 1;
                }
            })),
            ..Cheat::default()
        };
        let runs = run(&market, cheat).await;
        match checks {
            Some(checks) => caught(&runs, checks),
            None => {
                let expected = market.expected();
                assert!(runs.iter().all(|(result, _)| result.as_ref() == Ok(&expected)));
                assert!(*parts.lock().unwrap() > 2);
            }
        }
    }
}

/// The messages of the cheater's steps in a run.
type Record = Arc<Mutex<Vec<(Step, Vec<u8>)>>>;

fn recording(record: &Record) -> Cheat {
    let record = Arc::clone(record);
    Cheat {
        payload: Some(Box::new(move |step, message| {
            record.lock().unwrap().push((step, message.clone()));
        })),
        ..Cheat::default()
    }
}

/// An abort, and a second attempt: nothing of the first one's randomness is in the second, and its proofs are refused.
#[tokio::test(flavor = "multi_thread")]
async fn messages_of_another_attempt_or_round_are_refused() {
    let market = market();
    let records: [Record; 2] = Default::default();
    let mut coins = Vec::new();
    for record in &records {
        let runs = run(&market, recording(record)).await;
        assert!(
            runs.iter()
                .all(|(result, _)| result.as_ref() == Ok(&market.expected()))
        );
        coins.push(runs[0].1.clone());
    }
    // Parities of the same bits, and every one of them another coin.
    assert_ne!(coins[0], coins[1]);
    let [first, second] = records.map(|record| record.lock().unwrap().clone());
    assert_eq!(first.len(), second.len());
    for ((step, message), (_, other)) in first.iter().zip(&second) {
        assert_ne!(message, other, "{}", step.name());
        if *step != Step::PUBLISH {
            // All of it is random but encodings: no 16 bytes of the one are in the other.
            let common = message
                .windows(16)
                .filter(|part| part.iter().any(|&byte| byte != 0))
                .any(|part| other.windows(16).any(|other| other == part));
            assert!(!common, "{}", step.name());
        }
    }

    let replay = |step: Step, at: usize| {
        let old = first
            .iter()
            .filter(|(of, _)| *of == step)
            .nth(at)
            .unwrap()
            .1
            .clone();
        let mut done = false;
        Cheat {
            payload: Some(Box::new(move |at, message: &mut Vec<u8>| {
                if at == step && !std::mem::replace(&mut done, true) {
                    message.clone_from(&old);
                }
            })),
            ..Cheat::default()
        }
    };
    caught(
        &run(&market, replay(Step::PUBLISH, 0)).await,
        &["opening", "mask opening"],
    );
    caught(&run(&market, replay(Step::INPUT, 0)).await, &["mask opening"]);
    caught(&run(&market, replay(Step::INPUT, 1)).await, &["mask opening"]);
    caught(&run(&market, replay(Step::ANSWER, 0)).await, &["mask opening"]);
}

/// Frames of another attempt are refused as such, before anybody looks into them.
#[tokio::test(flavor = "multi_thread")]
async fn frames_of_another_attempt_are_refused() {
    let market = market();
    /// A frame, and to whom it went.
    type Frames = Vec<(usize, Vec<u8>)>;
    let old: Arc<Mutex<Frames>> = Arc::default();
    for replays in [false, true] {
        let network = MemoryTransport::network(3).into_iter().enumerate();
        let network = network.map(|(party, transport)| {
            let old = Arc::clone(&old);
            let rule = move |intercepted: Intercepted<'_>| {
                let mut old = old.lock().unwrap();
                if party == CHEATER && intercepted.is_step(Step::PUBLISH) {
                    if replays {
                        let frame = old.iter().find(|(to, _)| *to == intercepted.to).unwrap();
                        *intercepted.frame = mpc_engine::frame::Frame::decode(frame.1.clone()).unwrap();
                    } else {
                        old.push((intercepted.to, intercepted.frame.encode()));
                    }
                }
                Fate::Deliver
            };
            Interceptor::new(transport, rule)
        });
        let runs = run_over(&market, network.collect(), Cheat::default()).await;
        for (party, (result, _)) in runs.iter().enumerate().filter(|(party, _)| *party != CHEATER) {
            match result {
                Ok(outcome) => assert!(!replays && *outcome == market.expected()),
                Err(ClearingError::Engine(Error::WrongMessage { peer, step, found })) => {
                    assert_eq!((*peer, *step, replays), (CHEATER, "publish", true));
                    assert_eq!(found, "a message of another attempt");
                }
                Err(ClearingError::Engine(Error::GaveUp { .. })) => assert!(replays),
                Err(error) => panic!("party {party}: {error}"),
            }
        }
        assert_eq!(runs.iter().any(|(result, _)| result.is_err()), replays);
    }
}

/// Who comes with another fan-out, or another book, comes with another session.
#[tokio::test(flavor = "multi_thread")]
async fn another_fan_out_or_book_is_another_session() {
    let demands: [&[Lots]; 3] = [&[50, 40, 7], &[40, 20, 20], &[30, 0, 0]];
    let other = Market::new(60, 2, &demands);
    let changed = Market::new(60, 1, &[demands[0], &[40, 20, 19], demands[2]]);
    for other in [other, changed] {
        let session = other.frozen.session.id().0;
        let cheat = Cheat {
            session: Some(session),
            ..Cheat::default()
        };
        let runs = run(&Market::new(60, 1, &demands), cheat).await;
        for (party, suspects) in [(0, [CHEATER]), (2, [CHEATER])] {
            let expected = Error::CheckFailed {
                check: Step::SESSION.name(),
                suspects: suspects.to_vec(),
            };
            assert_eq!(runs[party].0, Err(expected.into()));
        }
    }
}

/// A coin that is another than was committed to, or is withheld after the others'.
#[tokio::test(start_paused = true)]
async fn a_changed_or_withheld_coin() {
    for fate in [Fate::Deliver, Fate::Drop] {
        let network = MemoryTransport::network(3).into_iter().enumerate();
        let network = network.map(|(party, transport)| {
            let mut withholds = false;
            Interceptor::new(transport, move |intercepted| {
                if party == CHEATER && intercepted.is_step(Step::PUBLIC_COIN) {
                    intercepted.frame.message[0] ^= 1;
                    withholds = fate == Fate::Drop;
                }
                if withholds { Fate::Drop } else { Fate::Deliver }
            })
        });
        let runs = run_over(&market(), network.collect(), Cheat::default()).await;
        for party in [0, 2] {
            let Err(ClearingError::Engine(error)) = &runs[party].0 else {
                panic!("{:?}", runs[party].0)
            };
            let suspects = error.suspects(3, party);
            match error {
                Error::CheckFailed { check, .. } => {
                    assert_eq!((*check, suspects), ("coin/opening", vec![CHEATER]));
                }
                Error::Silent { peer, step, .. } => assert_eq!((*peer, *step), (CHEATER, "public-coin")),
                Error::GaveUp { .. } => {}
                error => panic!("party {party}: {error}"),
            }
            assert!(
                !runs[party]
                    .1
                    .iter()
                    .any(|opening| matches!(opening, Opening::Parities { .. }))
            );
        }
    }
}
