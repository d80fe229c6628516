//! What happens to Broker A's programs, or to the orderer.

use std::{fs, thread};

use end_to_end_tests::fabric::FabricNetwork;
use rustix::process::{Pid, Signal, kill_process};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The chaincode server is killed.
    Chaincode,
    /// The sidecar is killed.
    Sidecar,
    /// The sidecar hangs.
    Hang,
    /// The peer is killed.
    Peer,
    /// The only orderer is killed.
    Orderer,
}

pub(crate) const FAULTS: [Fault; 5] = [
    Fault::Chaincode,
    Fault::Sidecar,
    Fault::Hang,
    Fault::Peer,
    Fault::Orderer,
];

impl Fault {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Chaincode => "chaincode",
            Self::Sidecar => "sidecar",
            Self::Hang => "hang",
            Self::Peer => "peer",
            Self::Orderer => "orderer",
        }
    }

    const fn process(self) -> &'static str {
        match self {
            Self::Chaincode => "BrokerA-chaincode",
            Self::Sidecar | Self::Hang => "BrokerA-sidecar",
            Self::Peer => "BrokerA-peer0",
            Self::Orderer => "orderer1",
        }
    }

    pub(crate) fn strike(self, network: &FabricNetwork) {
        match self {
            Self::Hang => signal(network, self.process(), Signal::STOP),
            _ => drop(network.run(&["kill", self.process()])),
        }
    }

    pub(crate) fn mend(self, network: &FabricNetwork) {
        match self {
            Self::Hang => signal(network, self.process(), Signal::CONT),
            Self::Chaincode | Self::Sidecar => drop(network.run(&["start", self.process()])),
            // Waits until the peers know each other again.
            Self::Peer | Self::Orderer => network.up(),
        }
    }
}

/// Sends a signal to a process of the network.
pub(crate) fn signal(network: &FabricNetwork, process: &str, signal: Signal) {
    let file = network.folder().join("processes").join(process).join("pid");
    let text = fs::read_to_string(file).unwrap();
    let id: i32 = text.split_whitespace().next().unwrap().parse().unwrap();
    kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    // A signal is taken a moment after it is sent, by one thread after the other.
    while signal == Signal::STOP && !is_stopped(id) {
        thread::yield_now();
    }
}

/// Whether every thread of a process stands still.
fn is_stopped(id: i32) -> bool {
    let threads = fs::read_dir(format!("/proc/{id}/task")).unwrap();
    threads.filter_map(Result::ok).all(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // The state follows the name, which is in parentheses.
        stat.rsplit_once(") ")
            .is_none_or(|(_, rest)| rest.starts_with('T'))
    })
}
