//! Parties of one process, joined by queues.

use tokio::sync::{
    Mutex,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use super::{Transport, TransportError, check_length};
use crate::PartyId;

/// One party of an in-memory network. Its queues are unbounded: frames wait in memory until they are received.
#[derive(Debug)]
pub struct MemoryTransport {
    me: PartyId,
    outgoing: Vec<Option<UnboundedSender<Vec<u8>>>>,
    incoming: Vec<Option<Mutex<UnboundedReceiver<Vec<u8>>>>>,
}

impl MemoryTransport {
    /// A network of `parties` parties, every two of them joined; the parties in ascending order.
    #[must_use]
    pub fn network(parties: usize) -> Vec<Self> {
        let mut network: Vec<_> = (0..parties)
            .map(|me| Self {
                me,
                outgoing: (0..parties).map(|_| None).collect(),
                incoming: (0..parties).map(|_| None).collect(),
            })
            .collect();
        for from in 0..parties {
            for to in (0..parties).filter(|&to| to != from) {
                let (sender, receiver) = unbounded_channel();
                network[from].outgoing[to] = Some(sender);
                network[to].incoming[from] = Some(Mutex::new(receiver));
            }
        }
        network
    }

    fn no_such_peer(&self, found: PartyId) -> TransportError {
        TransportError::NoSuchPeer {
            found,
            me: self.me,
            parties: self.parties(),
        }
    }
}

impl Transport for MemoryTransport {
    fn parties(&self) -> usize {
        self.outgoing.len()
    }

    fn me(&self) -> PartyId {
        self.me
    }

    async fn send(&self, to: PartyId, frame: Vec<u8>) -> Result<(), TransportError> {
        check_length(frame.len())?;
        let queue = self
            .outgoing
            .get(to)
            .and_then(Option::as_ref)
            .ok_or_else(|| self.no_such_peer(to))?;
        queue.send(frame).map_err(|_| TransportError::Closed)
    }

    async fn receive(&self, from: PartyId) -> Result<Vec<u8>, TransportError> {
        let queue = self
            .incoming
            .get(from)
            .and_then(Option::as_ref)
            .ok_or_else(|| self.no_such_peer(from))?;
        queue.lock().await.recv().await.ok_or(TransportError::Closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::MAX_FRAME;

    #[tokio::test]
    async fn frames_arrive_in_order_and_outlive_the_sender() {
        let mut network = MemoryTransport::network(3);
        let (last, first) = (network.remove(2), network.remove(0));
        for round in 0..3_u8 {
            first.send(2, vec![round]).await.unwrap();
        }
        drop(first);
        for round in 0..3_u8 {
            assert_eq!(last.receive(0).await.unwrap(), vec![round]);
        }
        assert_eq!(last.receive(0).await, Err(TransportError::Closed));
    }

    #[tokio::test]
    async fn refuses_a_long_frame_and_a_stranger() {
        let network = MemoryTransport::network(2);
        let long = network[0].send(1, vec![0; MAX_FRAME + 1]).await;
        assert_eq!(long, Err(TransportError::FrameTooLong { found: MAX_FRAME + 1 }));
        for stranger in [0, 2] {
            let error = TransportError::NoSuchPeer {
                found: stranger,
                me: 0,
                parties: 2,
            };
            assert_eq!(network[0].send(stranger, vec![]).await, Err(error.clone()));
            assert_eq!(network[0].receive(stranger).await, Err(error));
        }
    }
}
