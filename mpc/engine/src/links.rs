//! Rounds of messages: every party sends one message to each other and receives one from each.
//!
//! The parties run in lockstep, so the number of the round, the step's name and the attempt's tag say whether a
//! frame is the one that is due. Broadcasts are echoed: after a round of the same message to all, the parties
//! compare digests of what each received from everybody.

use std::time::Duration;

use futures_util::future::{join, join_all, try_join_all};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::{
    Error, PartyId,
    frame::{self, Frame, Tag},
    step::Step,
    transport::{Transport, TransportError},
};

/// How long a party that gives up waits to tell the others.
const ABORT_NOTICE: Duration = Duration::from_millis(200);

/// What a party has sent so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Rounds of messages.
    pub rounds: u64,
    /// Messages sent, over all peers.
    pub messages_sent: u64,
    /// Bytes sent with headers, over all peers; what TLS adds is not in it.
    pub bytes_sent: u64,
}

/// The connections of one party in one attempt.
pub(crate) struct Links<T> {
    transport: T,
    tag: Tag,
    /// The tag of the id that was left last.
    before: Tag,
    round: u32,
    patience: Duration,
    stats: Stats,
}

impl<T: Transport> Links<T> {
    /// The links under `id`, waiting at most `patience` for any message.
    pub(crate) fn new(transport: T, id: &[u8; 32], patience: Duration) -> Result<Self, Error> {
        let (parties, me) = (transport.parties(), transport.me());
        if !(2..=16).contains(&parties) {
            let found = parties.to_string();
            return Err(Error::Parameter {
                parameter: "parties",
                found,
                allowed: "2 to 16",
            });
        }
        if me >= parties {
            let found = me.to_string();
            return Err(Error::Parameter {
                parameter: "me",
                found,
                allowed: "below the number of parties",
            });
        }
        Ok(Self {
            transport,
            tag: tag(id),
            before: tag(id),
            round: 0,
            patience,
            stats: Stats::default(),
        })
    }

    /// From here on, frames belong to the attempt `id`; rounds are counted anew.
    pub(crate) fn enter(&mut self, id: &[u8; 32]) {
        self.before = std::mem::replace(&mut self.tag, tag(id));
        self.round = 0;
    }

    pub(crate) fn parties(&self) -> usize {
        self.transport.parties()
    }

    pub(crate) fn me(&self) -> PartyId {
        self.transport.me()
    }

    /// All parties but this one, ascending.
    pub(crate) fn peers(&self) -> impl Iterator<Item = PartyId> + Clone + use<T> {
        let me = self.me();
        (0..self.parties()).filter(move |&peer| peer != me)
    }

    pub(crate) fn into_transport(self) -> T {
        self.transport
    }

    pub(crate) const fn stats(&self) -> Stats {
        self.stats
    }

    /// The number of the round that comes next; the same for all parties.
    pub(crate) const fn round(&self) -> u32 {
        self.round
    }

    /// One round: sends `outgoing[peer]` to each peer and returns what each sent, own places ignored and empty.
    pub(crate) async fn exchange(&mut self, step: Step, outgoing: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Error> {
        self.round_of(step, |peer| &outgoing[peer]).await
    }

    /// One round: sends `message` to all and returns everybody's, the own one included. What others received
    /// may differ until [`Links::echo`].
    pub(crate) async fn broadcast(&mut self, step: Step, message: Vec<u8>) -> Result<Vec<Vec<u8>>, Error> {
        let mut received = self.round_of(step, |_| &message).await?;
        received[self.transport.me()] = message;
        Ok(received)
    }

    /// Compares what everybody received in a broadcast at `of`. A difference is the sender's fault, or the
    /// fault of the party that reports it: both are suspected.
    ///
    /// Of two parties neither can send different messages to several others, so there is nothing to compare.
    pub(crate) async fn echo(&mut self, step: Step, of: Step, received: &[Vec<u8>]) -> Result<(), Error> {
        if self.parties() == 2 {
            return Ok(());
        }
        let digests: Vec<[u8; 32]> = received
            .iter()
            .enumerate()
            .map(|(sender, message)| self.digest(of, sender, message))
            .collect();
        let views = self.broadcast(step, digests.concat()).await?;
        let mut suspects = Vec::new();
        for peer in self.peers() {
            let view = &views[peer];
            check_length(peer, step, view, digests.concat().len())?;
            for (sender, (mine, theirs)) in digests.iter().zip(view.chunks_exact(32)).enumerate() {
                if mine.as_slice() != theirs {
                    suspects.extend([sender, peer]);
                }
            }
        }
        let me = self.me();
        suspects.retain(|&party| party != me);
        suspects.sort_unstable();
        suspects.dedup();
        if suspects.is_empty() {
            Ok(())
        } else {
            Err(Error::CheckFailed {
                check: step.name(),
                suspects,
            })
        }
    }

    /// Tells the peers that this party gives up, as far as they can be reached at once.
    pub(crate) async fn abort(&mut self) {
        let frame = frame::encode(&self.tag, self.round, Step::ABORT.name(), &[]);
        let notices = self.peers().map(|peer| self.transport.send(peer, frame.clone()));
        let _ = timeout(ABORT_NOTICE, join_all(notices)).await;
    }

    fn digest(&self, of: Step, sender: PartyId, message: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update([frame::VERSION]);
        hash.update(b"mpc-engine echo");
        hash.update(self.tag);
        hash.update(self.round.to_be_bytes());
        hash.update([of.name().len() as u8]);
        hash.update(of.name());
        hash.update((sender as u64).to_be_bytes());
        hash.update(message);
        hash.finalize().into()
    }

    async fn round_of<'a>(
        &mut self,
        step: Step,
        message: impl Fn(PartyId) -> &'a Vec<u8>,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let mut frames = Vec::with_capacity(self.parties());
        for peer in self.peers() {
            let frame = frame::encode(&self.tag, self.round, step.name(), message(peer));
            self.stats.messages_sent += 1;
            self.stats.bytes_sent += frame.len() as u64;
            frames.push((peer, frame));
        }
        let links = &*self;
        let sends = frames
            .into_iter()
            .map(|(peer, frame)| links.bounded(peer, step, links.transport.send(peer, frame)));
        let receives = links.peers().map(|peer| links.receive(peer, step));
        let (sent, messages) = join(join_all(sends), try_join_all(receives)).await;
        // A peer that gave up may have gone, but what it said before tells more.
        let messages = messages?;
        sent.into_iter().collect::<Result<(), Error>>()?;
        let mut received = vec![Vec::new(); self.parties()];
        for (peer, message) in self.peers().zip(messages) {
            received[peer] = message;
        }
        self.round += 1;
        self.stats.rounds += 1;
        Ok(received)
    }

    async fn receive(&self, peer: PartyId, step: Step) -> Result<Vec<u8>, Error> {
        let bytes = self.bounded(peer, step, self.transport.receive(peer)).await?;
        let step = step.name();
        let frame = Frame::decode(bytes).map_err(|reason| Error::Malformed { peer, step, reason })?;
        // Who gave up just before or after the others entered the attempt's next id says so under the other one.
        if frame.step == Step::ABORT.name() && [self.tag, self.before].contains(&frame.tag) {
            return Err(Error::GaveUp { peer, step });
        }
        let found = if frame.tag != self.tag {
            "a message of another attempt".to_owned()
        } else if frame.step != step {
            format!("a message of step '{}'", frame.step)
        } else if frame.round != self.round {
            format!("a message of round {}, due is round {}", frame.round, self.round)
        } else {
            return Ok(frame.message);
        };
        Err(Error::WrongMessage { peer, step, found })
    }

    async fn bounded<R>(
        &self,
        peer: PartyId,
        step: Step,
        carried: impl Future<Output = Result<R, TransportError>>,
    ) -> Result<R, Error> {
        let step = step.name();
        match timeout(self.patience, carried).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(Error::PeerLost {
                peer,
                step,
                reason: error.to_string(),
            }),
            Err(_) => Err(Error::PeerLost {
                peer,
                step,
                reason: format!("silent for {:?}", self.patience),
            }),
        }
    }
}

fn tag(id: &[u8; 32]) -> Tag {
    let mut tag = Tag::default();
    tag.copy_from_slice(&id[..size_of::<Tag>()]);
    tag
}

/// Refuses a message that does not have the length that its step requires.
pub(crate) fn check_length(peer: PartyId, step: Step, message: &[u8], length: usize) -> Result<(), Error> {
    if message.len() == length {
        return Ok(());
    }
    let reason = format!("{} bytes; {length} are due", message.len());
    Err(Error::Malformed {
        peer,
        step: step.name(),
        reason,
    })
}
