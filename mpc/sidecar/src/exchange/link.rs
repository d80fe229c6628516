//! One stream between two sidecars, the same from either end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fabric_protos::ipo::sidecar::v1 as wire;
use fabric_protos::ipo::sidecar::v1::frame::Body;
use tokio::sync::mpsc;
use tonic::Streaming;

/// Frames that wait for the network before a sender does.
pub(crate) const QUEUE: usize = 4;

/// Bytes of the engine's messages, both ways.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Traffic {
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub(crate) fn count_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// A stream to one peer.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) outbound: mpsc::Sender<wire::Frame>,
    pub(crate) inbound: Inbound,
    pub(crate) traffic: Arc<Traffic>,
}

/// What comes from one peer.
#[derive(Debug)]
pub(crate) struct Inbound {
    stream: Streaming<wire::Frame>,
    /// What came before anybody asked for it.
    ahead: Option<Body>,
}

impl Inbound {
    pub(crate) const fn new(stream: Streaming<wire::Frame>) -> Self {
        Self { stream, ahead: None }
    }

    /// The next frame's body. May be dropped half-way: nothing is lost.
    pub(crate) async fn receive(&mut self) -> Result<Body, String> {
        match self.ahead.take() {
            Some(body) => Ok(body),
            None => receive(&mut self.stream).await,
        }
    }

    /// Waits until there is something to receive, and keeps it; or until the stream breaks. May be dropped half-way.
    pub(crate) async fn wait(&mut self) -> Result<(), String> {
        if self.ahead.is_none() {
            self.ahead = Some(receive(&mut self.stream).await?);
        }
        Ok(())
    }

    /// Reads to the stream's end.
    pub(crate) async fn drain(&mut self) {
        self.ahead = None;
        while let Ok(Some(_)) = self.stream.message().await {}
    }
}

/// Sends a frame's body; false if the stream is gone.
pub(crate) async fn send(outbound: &mpsc::Sender<wire::Frame>, body: Body) -> bool {
    outbound.send(wire::Frame { body: Some(body) }).await.is_ok()
}

/// The next frame's body. A stream that ended, or a frame without a body, is an error.
pub(crate) async fn receive(inbound: &mut Streaming<wire::Frame>) -> Result<Body, String> {
    match inbound.message().await {
        Ok(Some(wire::Frame { body: Some(body) })) => Ok(body),
        Ok(Some(wire::Frame { body: None })) => Err("it sent an empty frame".to_owned()),
        Ok(None) => Err("it ended the stream".to_owned()),
        Err(status) => Err(describe(&status)),
    }
}

/// What a status says, without the library's details.
pub(crate) fn describe(status: &tonic::Status) -> String {
    match status.message() {
        "" => format!("{:?}", status.code()),
        message => message.to_owned(),
    }
}
