//! A cheater that waits for somebody else's message and sends the same.

use std::sync::Mutex;

use mpc_engine::{
    PartyId, Step,
    frame::Frame,
    transport::{Transport, TransportError},
};
use tokio::sync::Notify;

/// A transport whose party sends, at some steps, what `of` has sent to it at the same step.
pub struct Copycat<T> {
    inner: T,
    of: PartyId,
    steps: Vec<Step>,
    /// The messages of `of` by step, in the order in which they came.
    heard: Mutex<Vec<(String, Vec<u8>)>>,
    /// How many messages of each step went to each peer.
    sent: Mutex<Vec<(String, PartyId)>>,
    came: Notify,
}

impl<T: Transport> Copycat<T> {
    pub fn new(inner: T, of: PartyId, steps: &[Step]) -> Self {
        Self {
            inner,
            of,
            steps: steps.to_vec(),
            heard: Mutex::default(),
            sent: Mutex::default(),
            came: Notify::new(),
        }
    }

    fn heard(&self, step: &str, occurrence: usize) -> Option<Vec<u8>> {
        let heard = self.heard.lock().unwrap();
        let mut of_step = heard.iter().filter(|(at, _)| at == step);
        of_step.nth(occurrence).map(|(_, message)| message.clone())
    }
}

impl<T: Transport> Transport for Copycat<T> {
    fn parties(&self) -> usize {
        self.inner.parties()
    }

    fn me(&self) -> PartyId {
        self.inner.me()
    }

    async fn send(&self, to: PartyId, bytes: Vec<u8>) -> Result<(), TransportError> {
        let mut frame = Frame::decode(bytes).unwrap();
        if self.steps.iter().any(|step| step.name() == frame.step) {
            let occurrence = {
                let mut sent = self.sent.lock().unwrap();
                let before = sent
                    .iter()
                    .filter(|(step, peer)| *step == frame.step && *peer == to);
                let occurrence = before.count();
                sent.push((frame.step.clone(), to));
                occurrence
            };
            frame.message = loop {
                let came = self.came.notified();
                if let Some(message) = self.heard(&frame.step, occurrence) {
                    break message;
                }
                came.await;
            };
        }
        self.inner.send(to, frame.encode()).await
    }

    async fn receive(&self, from: PartyId) -> Result<Vec<u8>, TransportError> {
        let bytes = self.inner.receive(from).await?;
        if from == self.of {
            let frame = Frame::decode(bytes.clone()).unwrap();
            self.heard.lock().unwrap().push((frame.step, frame.message));
            self.came.notify_waiters();
        }
        Ok(bytes)
    }
}
