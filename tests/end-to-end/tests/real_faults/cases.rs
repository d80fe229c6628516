//! Every fault at every stage, and what the user who acts meanwhile sees.

use end_to_end_tests::fabric::FabricNetwork;
use ipo_demo::{play::Cast, story::BANK};
use rustix::process::Signal;

use crate::{
    fault::{FAULTS, Fault, signal},
    sale::Sale,
    say,
    stage::{STAGES, Stage, complete},
    wanted,
};

/// What the user sees who takes the next step meanwhile, in parts; none: the step succeeds, as it needs nothing of what is broken.
const fn seen(stage: Stage, fault: Fault) -> Option<&'static [&'static str]> {
    match (fault, stage) {
        // A query answers from the own peer.
        (Fault::Orderer, Stage::Clearing) => None,
        (Fault::Orderer, _) => Some(&[
            "no orderers could successfully process transaction",
            "OrdererMSP at",
        ]),
        (Fault::Chaincode, _) => Some(&[
            "BrokerAMSP at",
            "could not launch chaincode",
            "connection refused",
        ]),
        // The own peer is not reached at all; another's people learn whose peer it is.
        (Fault::Peer, Stage::Open | Stage::Clearing | Stage::Sold) => Some(&["Unavailable"]),
        (Fault::Peer, Stage::Closed | Stage::Cleared) => {
            // Refused, or reset if it dies while it is being dialled.
            Some(&["BrokerAMSP at", "code = Unavailable desc = connection error"])
        }
        (Fault::Sidecar, Stage::Clearing | Stage::Cleared) => Some(&[
            "clearing pending: the sidecar of BrokerAMSP: it does not answer at",
            "connect error",
        ]),
        (Fault::Hang, Stage::Clearing | Stage::Cleared) => Some(&[
            "clearing pending: the sidecar of BrokerAMSP: it does not answer at",
            "no answer within 500 ms",
        ]),
        // Nobody asks a sidecar but for a clearing.
        (Fault::Sidecar | Fault::Hang, Stage::Open | Stage::Closed | Stage::Sold) => None,
    }
}

pub(crate) async fn play(network: &FabricNetwork, cast: &Cast) {
    for fault in FAULTS {
        for stage in STAGES {
            let case = format!("{}/{}", stage.name(), fault.name());
            if wanted(&case) {
                play_one(network, cast, stage, fault, &case).await;
            }
        }
    }
}

async fn play_one(network: &FabricNetwork, cast: &Cast, stage: Stage, fault: Fault, case: &str) {
    let sale = Sale::new(cast);
    stage.reach(&sale).await;
    if stage == Stage::Clearing {
        signal(network, "BrokerB-sidecar", Signal::STOP);
    }
    fault.strike(network);
    let acted = stage.act(&sale).await;
    if stage == Stage::Clearing {
        let state = sale.ask(BANK).await.unwrap()["state"].clone();
        assert_ne!(state, "done", "{case}: the computation was over before the fault");
    }
    fault.mend(network);
    if stage == Stage::Clearing {
        signal(network, "BrokerB-sidecar", Signal::CONT);
    }
    let said = acted.err().map(|error| error.to_string());
    say(&format!("{case}: {}", said.as_deref().unwrap_or("done")));
    match (seen(stage, fault), &said) {
        (None, None) => {}
        (Some(parts), Some(said)) if parts.iter().all(|part| said.contains(part)) => {}
        (expected, _) => panic!("{case}: expected {expected:?}, the user saw {said:?}"),
    }
    complete(&sale).await;
    sale.verify().await;
}
