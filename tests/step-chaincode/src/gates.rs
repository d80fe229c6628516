//! Gates at which calls wait until a test opens them, in place of sleeps.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::watch;

/// Gates by name. A gate counts who has arrived.
#[derive(Clone, Debug, Default)]
pub struct Gates {
    gates: Arc<Mutex<BTreeMap<String, Gate>>>,
    /// What calls failed with, whether or not somebody still waits for their answers.
    failures: watch::Sender<Vec<String>>,
}

#[derive(Clone, Debug)]
struct Gate {
    arrived: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Gates {
    fn gate(&self, name: &str) -> Gate {
        let new = || Gate {
            arrived: watch::Sender::new(0),
            open: watch::Sender::new(false),
        };
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.entry(name.to_owned()).or_insert_with(new).clone()
    }

    /// Keeps what a call failed with.
    pub(crate) fn record(&self, failure: &str) {
        self.failures
            .send_modify(|failures| failures.push(failure.to_owned()));
    }

    /// Waits until a call has failed with a text that contains this.
    pub async fn failed(&self, text: &str) {
        let mut failures = self.failures.subscribe();
        // The sender is in `self`: the wait does not end without it.
        let _ = failures
            .wait_for(|failures| failures.iter().any(|failure| failure.contains(text)))
            .await;
    }

    pub(crate) async fn wait_at(&self, name: &str) {
        let gate = self.gate(name);
        gate.arrived.send_modify(|count| *count += 1);
        let _ = gate.open.subscribe().wait_for(|open| *open).await;
    }

    /// Waits until so many calls have arrived.
    pub async fn arrived(&self, name: &str, count: usize) {
        let gate = self.gate(name);
        let _ = gate
            .arrived
            .subscribe()
            .wait_for(|arrived| *arrived >= count)
            .await;
    }

    /// Lets everybody pass, those who come later too.
    pub fn open(&self, name: &str) {
        self.gate(name).open.send_replace(true);
    }
}
