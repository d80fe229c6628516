//! Whole runs on the engine in which party 1 of three deviates: who is honest names it, and opens nothing that its inputs
//! decide. What a proof by itself must refuse is tested where the proofs are (`order_commitments::binding`).

mod books;
mod coin;
mod deviant;
mod messages;
mod replays;
mod rounds;
mod simulator;

use deviant::Run;

use super::*;
use crate::market::Market;

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
