//! The engine's transport over the streams to all peers.

use std::sync::Arc;
use std::time::Duration;

use fabric_protos::ipo::sidecar::v1 as wire;
use fabric_protos::ipo::sidecar::v1::frame::Body;
use futures_util::future::join_all;
use mpc_engine::transport::MAX_FRAME;
use mpc_engine::{PartyId, Transport, TransportError};
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;
use zeroize::Zeroize;

use super::CHUNK;
use super::link::{self, Inbound, Link, Traffic};

/// One attempt's streams to all other participants.
#[derive(Debug)]
pub(crate) struct StreamTransport {
    me: PartyId,
    /// In the participants' order; none at the own place.
    peers: Vec<Option<Peer>>,
}

#[derive(Debug)]
struct Peer {
    outbound: Mutex<Option<mpsc::Sender<wire::Frame>>>,
    inbound: Mutex<Messages>,
    traffic: Arc<Traffic>,
}

#[derive(Debug)]
struct Messages {
    frames: Inbound,
    /// The chunks of a message whose last has not come. Here and not in `receive`, which may be dropped half-way.
    partial: Vec<u8>,
}

impl StreamTransport {
    /// A transport over links in the participants' order, with none at the own place.
    pub(crate) fn new(me: PartyId, links: Vec<Option<Link>>) -> Self {
        let peers = links
            .into_iter()
            .map(|link| {
                link.map(
                    |Link {
                         outbound,
                         inbound,
                         traffic,
                     }| Peer {
                        outbound: Mutex::new(Some(outbound)),
                        inbound: Mutex::new(Messages {
                            frames: inbound,
                            partial: Vec::new(),
                        }),
                        traffic,
                    },
                )
            })
            .collect();
        Self { me, peers }
    }

    /// Ends the streams so that what was sent still arrives, waiting at most `limit` for the peers to end theirs.
    pub(crate) async fn finish(&self, limit: Duration) {
        let ends = self.peers.iter().flatten().map(|peer| async {
            peer.outbound.lock().await.take();
            peer.inbound.lock().await.frames.drain().await;
        });
        let _ = timeout(limit, join_all(ends)).await;
    }

    /// Bytes sent to and received from all peers.
    pub(crate) fn traffic(&self) -> (u64, u64) {
        let peers = self.peers.iter().flatten();
        peers.fold((0, 0), |(sent, received), peer| {
            (sent + peer.traffic.sent(), received + peer.traffic.received())
        })
    }

    fn peer(&self, found: PartyId) -> Result<&Peer, TransportError> {
        self.peers
            .get(found)
            .and_then(Option::as_ref)
            .ok_or(TransportError::NoSuchPeer {
                found,
                me: self.me,
                parties: self.peers.len(),
            })
    }
}

impl Transport for StreamTransport {
    fn parties(&self) -> usize {
        self.peers.len()
    }

    fn me(&self) -> PartyId {
        self.me
    }

    async fn send(&self, to: PartyId, frame: Vec<u8>) -> Result<(), TransportError> {
        let peer = self.peer(to)?;
        if frame.len() > MAX_FRAME {
            return Err(TransportError::FrameTooLong { found: frame.len() });
        }
        let outbound = peer.outbound.lock().await;
        let outbound = outbound.as_ref().ok_or(TransportError::Closed)?;
        peer.traffic.count_sent(frame.len());
        let mut left = frame.as_slice();
        loop {
            let (payload, rest) = left.split_at(left.len().min(CHUNK));
            let chunk = wire::Chunk {
                payload: payload.to_vec(),
                more: !rest.is_empty(),
            };
            if !link::send(outbound, Body::Chunk(chunk)).await {
                return Err(TransportError::Closed);
            }
            if rest.is_empty() {
                return Ok(());
            }
            left = rest;
        }
    }

    async fn receive(&self, from: PartyId) -> Result<Vec<u8>, TransportError> {
        let peer = self.peer(from)?;
        let mut inbound = peer.inbound.lock().await;
        loop {
            let network = |reason| TransportError::Network { reason };
            let chunk = match inbound.frames.receive().await.map_err(network)? {
                Body::Chunk(chunk) => chunk,
                Body::Hello(_) | Body::Ready(_) => {
                    return Err(network("it sent a greeting in the middle of a run".to_owned()));
                }
            };
            let found = inbound.partial.len() + chunk.payload.len();
            if found > MAX_FRAME {
                inbound.partial.zeroize();
                return Err(TransportError::FrameTooLong { found });
            }
            if !chunk.more && inbound.partial.is_empty() {
                peer.traffic.count_received(found);
                return Ok(chunk.payload);
            }
            if chunk.payload.is_empty() {
                return Err(network("it sent an empty chunk".to_owned()));
            }
            inbound.partial.extend_from_slice(&chunk.payload);
            if !chunk.more {
                peer.traffic.count_received(found);
                return Ok(std::mem::take(&mut inbound.partial));
            }
        }
    }
}
