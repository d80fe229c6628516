//! Messages of another place: another attempt, session, party, round or probe.

use std::sync::{Arc, Mutex, mpsc};

use mpc_engine::{
    Error, Step,
    frame::Frame,
    interceptor::{Fate, Intercepted, Interceptor},
    transport::MemoryTransport,
};

use super::{
    CHEATER, caught,
    deviant::{Cheat, run, run_over},
    market,
};
use crate::{ClearingError, transcript::Opening};

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
async fn messages_of_another_attempt_or_session_are_refused() {
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

    caught(
        &run(&market, sending(&first, Step::PUBLISH, 0)).await,
        &["opening", "mask opening"],
    );
    for (step, at) in [(Step::INPUT, 0), (Step::INPUT, 1), (Step::ANSWER, 0)] {
        caught(&run(&market, sending(&first, step, at)).await, &["mask opening"]);
    }
    // The same books in a session of other terms.
    let other = market.with_terms(|terms| terms.min_subscription = 1);
    caught(
        &run(&other, sending(&first, Step::PUBLISH, 0)).await,
        &["opening", "mask opening"],
    );
    for step in [Step::INPUT, Step::ANSWER] {
        caught(&run(&other, sending(&first, step, 0)).await, &["mask opening"]);
    }
}

/// A cheater that sends, in place of its first message of a step, one that is recorded.
fn sending(record: &[(Step, Vec<u8>)], step: Step, at: usize) -> Cheat {
    let of_step = record.iter().filter(|(of, _)| *of == step);
    let old = of_step.map(|(_, message)| message).nth(at).unwrap().clone();
    let mut done = false;
    Cheat {
        payload: Some(Box::new(move |at, message| {
            if at == step && !std::mem::replace(&mut done, true) {
                message.clone_from(&old);
            }
        })),
        ..Cheat::default()
    }
}

/// The first round's commitments, answer or both once more in the second.
#[tokio::test(flavor = "multi_thread")]
async fn messages_of_another_round_are_refused() {
    for steps in [&[Step::INPUT][..], &[Step::ANSWER], &[Step::INPUT, Step::ANSWER]] {
        let mut first: Vec<(Step, Vec<u8>)> = Vec::new();
        let cheat = Cheat {
            payload: Some(Box::new(move |at, message| {
                if !steps.contains(&at) {
                    return;
                }
                match first.iter().find(|(step, _)| *step == at) {
                    Some((_, old)) => message.clone_from(old),
                    None => first.push((at, message.clone())),
                }
            })),
            ..Cheat::default()
        };
        for (party, (result, transcript)) in run(&market(), cheat).await.into_iter().enumerate() {
            // The first round was honest, and its outcome was opened.
            let reached = transcript
                .iter()
                .filter(|opening| matches!(opening, Opening::Reached { .. }));
            assert_eq!(reached.count(), 1, "party {party}");
            match result {
                Err(ClearingError::NotBound {
                    party: CHEATER,
                    failure,
                    ..
                }) => {
                    assert_eq!(failure.check(), "mask opening");
                }
                Err(ClearingError::Engine(_)) => {}
                other => panic!("party {party}: {other:?}"),
            }
        }
    }
}

/// The cheater waits for an honest party's message of the same step, and sends it as its own. Its book on the ledger is that
/// party's, commitments and all.
#[tokio::test(flavor = "multi_thread")]
async fn messages_of_another_party_are_refused() {
    let market = market();
    let victims = market.frozen.openings[0].clone();
    for (step, checks) in [
        (Step::PUBLISH, &["opening", "mask opening"][..]),
        // A cheater whose book is as before copies no more than rows.
        (Step::INPUT, &["mask opening"]),
        (Step::ANSWER, &["mask opening"]),
    ] {
        let mut market = self::market();
        if step == Step::PUBLISH {
            market.frozen.openings[0].clone_from(&victims);
            market = market
                .with_book(0, |_| {})
                .with_book(CHEATER, |book| book.clone_from(&victims));
        }
        let (heard, overheard) = mpsc::channel();
        let network = MemoryTransport::network(3).into_iter().enumerate();
        let network = network.map(|(party, transport)| {
            let heard = heard.clone();
            Interceptor::new(transport, move |intercepted| {
                if party == 0 && intercepted.is(step, CHEATER) {
                    // Nobody listens any more once the cheater is found out.
                    let _ = heard.send(intercepted.frame.message.clone());
                }
                Fate::Deliver
            })
        });
        let overheard = Mutex::new(overheard);
        let cheat = Cheat {
            payload: Some(Box::new(move |at, message| {
                if at == step {
                    let overheard = overheard.lock().unwrap();
                    let heard = tokio::task::block_in_place(|| overheard.recv().unwrap());
                    // Before it come masked inputs, or shares of parities.
                    let theirs = heard.len() - message.len();
                    assert_ne!(heard[theirs..], message[..]);
                    message.copy_from_slice(&heard[theirs..]);
                }
            })),
            ..Cheat::default()
        };
        caught(&run_over(&market, network.collect(), cheat).await, checks);
    }
}

/// Frames by the step and the party to which they went.
type Frames = Arc<Mutex<Vec<(Step, usize, Vec<u8>)>>>;

/// The steps after the attempt has its id.
const STEPS: [Step; 6] = [
    Step::PUBLISH,
    Step::INPUT,
    Step::PUBLIC_COIN,
    Step::ANSWER,
    Step::AND,
    Step::OPEN,
];

/// An attempt that ends when the cheater opens a wrong share, and a second one in which it sends frames of the first: they are refused
/// as such, before anybody looks into them.
#[tokio::test(flavor = "multi_thread")]
async fn frames_of_an_aborted_attempt_are_refused() {
    let market = market();
    let old = Frames::default();
    let recording = |party: usize, transport| {
        let old = Arc::clone(&old);
        Interceptor::new(transport, move |intercepted: Intercepted<'_>| {
            let step = STEPS.into_iter().find(|step| intercepted.is_step(*step));
            if let Some(step) = step.filter(|_| party == CHEATER) {
                let frame = intercepted.frame.encode();
                old.lock().unwrap().push((step, intercepted.to, frame));
                if step == Step::OPEN {
                    intercepted.frame.message[0] ^= 1;
                }
            }
            Fate::Deliver
        })
    };
    let network = MemoryTransport::network(3).into_iter().enumerate();
    let network = network.map(|(party, transport)| recording(party, transport));
    for (result, _) in run_over(&market, network.collect(), Cheat::default()).await {
        assert!(matches!(result, Err(ClearingError::Engine(_))), "{result:?}");
    }

    for replayed in STEPS {
        let network = MemoryTransport::network(3).into_iter().enumerate();
        let network = network.map(|(party, transport)| {
            let old = Arc::clone(&old);
            Interceptor::new(transport, move |intercepted: Intercepted<'_>| {
                if party == CHEATER && intercepted.is_step(replayed) && intercepted.occurrence == 0 {
                    let old = old.lock().unwrap();
                    let mut frames = old.iter().filter(|(step, ..)| *step == replayed);
                    let frame = frames.find(|(_, to, _)| *to == intercepted.to).unwrap();
                    *intercepted.frame = Frame::decode(frame.2.clone()).unwrap();
                }
                Fate::Deliver
            })
        });
        let runs = run_over(&market, network.collect(), Cheat::default()).await;
        let mut refused = 0;
        for (party, (result, _)) in runs.iter().enumerate().filter(|(party, _)| *party != CHEATER) {
            match result {
                Err(ClearingError::Engine(Error::WrongMessage { peer, step, found })) => {
                    assert_eq!((*peer, *step), (CHEATER, replayed.name()));
                    assert_eq!(found, "a message of another attempt");
                    refused += 1;
                }
                Err(ClearingError::Engine(Error::GaveUp { .. })) => {}
                other => panic!("party {party}: {other:?}"),
            }
        }
        assert!(refused > 0, "{}", replayed.name());
    }
    // And without them the second attempt has the outcome that the first would have had.
    for (result, _) in run(&market, Cheat::default()).await {
        assert_eq!(result, Ok(market.expected()));
    }
}
