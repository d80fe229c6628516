//! A network with a longer way, on one machine.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc::{UnboundedSender, unbounded_channel},
    time::{Instant, sleep_until},
};

use super::{Transport, TransportError, check_length};
use crate::PartyId;

/// Releases each frame a fixed time after it was sent. Frames do not wait for each other, so neither bandwidth
/// nor the number of frames under way is limited.
#[derive(Debug)]
pub struct Delayed<T> {
    inner: Arc<T>,
    queues: Vec<UnboundedSender<(Instant, Vec<u8>)>>,
    latency: Duration,
}

impl<T: Transport> Delayed<T> {
    /// Adds `latency` to the way of every frame that this party sends. Must be called within a tokio runtime.
    #[must_use]
    pub fn new(inner: T, latency: Duration) -> Self {
        let inner = Arc::new(inner);
        let queues = (0..inner.parties())
            .map(|to| {
                let (queue, mut frames) = unbounded_channel::<(Instant, Vec<u8>)>();
                let inner = Arc::clone(&inner);
                tokio::spawn(async move {
                    while let Some((release, frame)) = frames.recv().await {
                        sleep_until(release).await;
                        // A broken connection shows when the engine receives; here the queue just ends.
                        if inner.send(to, frame).await.is_err() {
                            break;
                        }
                    }
                });
                queue
            })
            .collect();
        Self {
            inner,
            queues,
            latency,
        }
    }
}

impl<T: Transport> Transport for Delayed<T> {
    fn parties(&self) -> usize {
        self.inner.parties()
    }

    fn me(&self) -> PartyId {
        self.inner.me()
    }

    async fn send(&self, to: PartyId, frame: Vec<u8>) -> Result<(), TransportError> {
        check_length(frame.len())?;
        let (me, parties) = (self.me(), self.parties());
        let queue = self.queues.get(to).filter(|_| to != me);
        let queue = queue.ok_or(TransportError::NoSuchPeer {
            found: to,
            me,
            parties,
        })?;
        queue
            .send((Instant::now() + self.latency, frame))
            .map_err(|_| TransportError::Closed)
    }

    fn receive(&self, from: PartyId) -> impl Future<Output = Result<Vec<u8>, TransportError>> + Send {
        self.inner.receive(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::MemoryTransport;

    /// Under tokio's paused clock: time moves only when everything waits.
    #[tokio::test(start_paused = true)]
    async fn many_frames_take_one_latency() {
        let latency = Duration::from_millis(10);
        let mut network: Vec<_> = MemoryTransport::network(2)
            .into_iter()
            .map(|party| Delayed::new(party, latency))
            .collect();
        let (right, left) = (network.remove(1), network.remove(0));
        let start = Instant::now();
        for frame in 0..100_u8 {
            left.send(1, vec![frame]).await.unwrap();
        }
        for frame in 0..100_u8 {
            assert_eq!(right.receive(0).await.unwrap(), vec![frame]);
        }
        let taken = start.elapsed();
        assert!(latency <= taken && taken < 2 * latency, "{taken:?}");
    }
}
