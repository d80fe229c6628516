//! Coins and sessions: what parties agree on before anything is judged.

use mpc_engine::{
    Error, Step,
    interceptor::{Fate, Interceptor},
    transport::MemoryTransport,
};
use order_commitments::Lots;

use super::{
    CHEATER,
    deviant::{Cheat, run, run_over},
    market,
};
use crate::{ClearingError, market::Market, transcript::Opening};

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
