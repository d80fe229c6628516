//! Rounds of messages: every party sends one message to each other and receives one from each.
//!
//! The parties run in lockstep, so the number of the round, the step's name and the attempt's tag say whether a
//! frame is the one that is due. Broadcasts are echoed: after a round of the same message to all, the parties
//! compare digests of what each received from everybody.

use std::{
    pin::pin,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use futures_util::future::{Either, join_all, select, try_join_all};
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

/// The longest that a party whose patience is over listens for a notice from the silent peer; less if its patience
/// is short.
const GRACE: Duration = Duration::from_secs(2);

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
    /// Whether the peers were told that this party gives up.
    told: AtomicBool,
    /// Peers to whom a frame may have been sent in part: what follows would be taken for the rest of it.
    cut_off: Vec<PartyId>,
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
            told: AtomicBool::new(false),
            cut_off: Vec::new(),
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

    /// Compares what everybody received in a broadcast at `of`, and returns a digest of it. A difference is the sender's
    /// fault, or the fault of the party that reports it: both are suspected.
    ///
    /// Of two parties neither can send different messages to several others, so there is nothing to compare.
    pub(crate) async fn echo(
        &mut self,
        step: Step,
        of: Step,
        received: &[Vec<u8>],
    ) -> Result<[u8; 32], Error> {
        let digests: Vec<[u8; 32]> = received
            .iter()
            .enumerate()
            .map(|(sender, message)| digest(&self.tag, self.round, of, sender, message))
            .collect();
        let transcript = Sha256::new()
            .chain_update([frame::VERSION])
            .chain_update(b"mpc-engine transcript")
            .chain_update(digests.concat())
            .finalize()
            .into();
        if self.parties() == 2 {
            return Ok(transcript);
        }
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
            Ok(transcript)
        } else {
            Err(Error::CheckFailed {
                check: step.name(),
                suspects,
            })
        }
    }

    /// Tells the peers, once, that this party gives up, as far as they can be reached at once.
    pub(crate) async fn abort(&self) {
        if self.told.swap(true, Relaxed) {
            return;
        }
        let frame = frame::encode(&self.tag, self.round, Step::ABORT.name(), &[]);
        let notices = self
            .peers()
            .filter(|peer| !self.cut_off.contains(peer))
            .map(|peer| self.transport.send(peer, frame.clone()));
        let _ = timeout(ABORT_NOTICE, join_all(notices)).await;
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
        let whole: Vec<AtomicBool> = (0..self.parties()).map(|_| AtomicBool::new(false)).collect();
        let sends = frames.into_iter().map(|(peer, frame)| {
            let whole = &whole;
            async move {
                links.send(peer, step, frame).await?;
                whole[peer].store(true, Relaxed);
                Ok(())
            }
        });
        let receives = links.peers().map(|peer| links.receive(peer, step));
        let exchanged = match select(pin!(join_all(sends)), pin!(try_join_all(receives))).await {
            // A peer that gave up may have gone, but what it said before tells more than that it cannot be reached.
            Either::Left((sent, receives)) => match receives.await {
                Ok(messages) => sent.into_iter().collect::<Result<(), Error>>().map(|()| messages),
                Err(error) => Err(error),
            },
            Either::Right((Ok(messages), sends)) => {
                let sent: Result<(), Error> = sends.await.into_iter().collect();
                sent.map(|()| messages)
            }
            Either::Right((Err(error), sends)) => {
                let _ = timeout(ABORT_NOTICE, sends).await;
                Err(error)
            }
        };
        let messages = match exchanged {
            Ok(messages) => messages,
            Err(error) => {
                self.cut_off = self.peers().filter(|&peer| !whole[peer].load(Relaxed)).collect();
                return Err(error);
            }
        };
        let mut received = vec![Vec::new(); self.parties()];
        for (peer, message) in self.peers().zip(messages) {
            received[peer] = message;
        }
        self.round += 1;
        self.stats.rounds += 1;
        Ok(received)
    }

    async fn send(&self, peer: PartyId, step: Step, frame: Vec<u8>) -> Result<(), Error> {
        match timeout(self.patience, self.transport.send(peer, frame)).await {
            Ok(sent) => sent.map_err(|error| lost(peer, step, &error)),
            Err(_) => Err(self.silent(peer, step)),
        }
    }

    async fn receive(&self, peer: PartyId, step: Step) -> Result<Vec<u8>, Error> {
        let mut carried = pin!(self.transport.receive(peer));
        let Ok(arrived) = timeout(self.patience, &mut carried).await else {
            // Whoever is waited for may be waiting itself. All whose patience ends now say so at once, and then the one that
            // has nobody to wait for is the one that says nothing. A message that comes now is too late.
            self.abort().await;
            let arrived = timeout(GRACE.min(self.patience / 8), carried).await;
            let notice = arrived
                .ok()
                .and_then(Result::ok)
                .and_then(|bytes| Frame::decode(bytes).ok());
            return Err(match notice {
                Some(frame) if self.is_notice(&frame) => Error::GaveUp {
                    peer,
                    step: step.name(),
                },
                _ => self.silent(peer, step),
            });
        };
        let bytes = arrived.map_err(|error| lost(peer, step, &error))?;
        let step = step.name();
        let frame = Frame::decode(bytes).map_err(|reason| Error::Malformed { peer, step, reason })?;
        if self.is_notice(&frame) {
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

    /// Whether a peer says that it gave up before it sent the message that is due.
    fn is_notice(&self, frame: &Frame) -> bool {
        // Who gave up just before the others entered the attempt's next id says so under the other one. Who gave up in a
        // later round must have sent what is due in this one.
        let due = frame.tag == self.tag && frame.round <= self.round;
        frame.step == Step::ABORT.name() && (due || (frame.tag == self.before && self.before != self.tag))
    }

    fn silent(&self, peer: PartyId, step: Step) -> Error {
        Error::Silent {
            peer,
            step: step.name(),
            patience: self.patience,
        }
    }
}

fn lost(peer: PartyId, step: Step, error: &TransportError) -> Error {
    Error::PeerLost {
        peer,
        step: step.name(),
        reason: error.to_string(),
    }
}

/// What an echo in `round` says of the message of `sender` that was broadcast at `of`.
fn digest(tag: &Tag, round: u32, of: Step, sender: PartyId, message: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update([frame::VERSION]);
    hash.update(b"mpc-engine echo");
    hash.update(tag);
    hash.update(round.to_be_bytes());
    hash.update([of.name().len() as u8]);
    hash.update(of.name());
    hash.update((sender as u64).to_be_bytes());
    hash.update(message);
    hash.finalize().into()
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

#[cfg(test)]
mod tests {
    use futures_util::future::{join_all, join3, pending};

    use super::*;
    use crate::{
        interceptor::{Fate, Interceptor},
        transport::{Delayed, MemoryTransport},
    };

    const ID: [u8; 32] = [3; 32];

    fn links<T: Transport>(transport: T, seconds: u64) -> Links<T> {
        Links::new(transport, &ID, Duration::from_secs(seconds)).unwrap()
    }

    /// Two rounds, and a notice if they fail.
    async fn two_rounds<T: Transport>(mut links: Links<T>) -> Result<(), Error> {
        for step in [Step::AND, Step::OPEN] {
            if let Err(error) = links.broadcast(step, vec![1]).await {
                links.abort().await;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Party 2 is silent towards party 1, which therefore has nothing to send to party 0 in the next round. Whichever of the
    /// two loses patience first, party 0 does not name party 1.
    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_silent_party_is_not_named() {
        for patience in [59, 60, 61] {
            let mut network: Vec<_> = MemoryTransport::network(3)
                .into_iter()
                .map(|transport| {
                    let silent = transport.me() == 2;
                    let latency = Duration::from_millis(50);
                    Interceptor::new(Delayed::new(transport, latency), move |intercepted| {
                        if silent && intercepted.to == 1 {
                            Fate::Drop
                        } else {
                            Fate::Deliver
                        }
                    })
                })
                .collect();
            let (last, middle, first) = (network.remove(2), network.remove(1), network.remove(0));
            let running = join3(
                two_rounds(links(first, patience)),
                two_rounds(links(middle, 60)),
                two_rounds(links(last, 300)),
            );
            let (first, middle, _) = timeout(Duration::from_secs(600), running).await.unwrap();
            let step = Step::OPEN.name();
            assert_eq!(first, Err(Error::GaveUp { peer: 1, step }), "patience {patience}");
            let silent = Error::Silent {
                peer: 2,
                step: Step::AND.name(),
                patience: Duration::from_secs(60),
            };
            assert_eq!(silent.suspects(3, 1), [0, 2]);
            assert_eq!(middle, Err(silent), "patience {patience}");
        }
    }

    /// A notice says in which round its sender gave up. One that got further than this party sent what this party misses.
    #[tokio::test(start_paused = true)]
    async fn a_notice_of_a_later_round_does_not_excuse_silence() {
        for (round, silence) in [(0, 0), (0, 61), (1, 0), (1, 61)] {
            let mut network = MemoryTransport::network(2);
            let (peer, me) = (network.remove(1), network.remove(0));
            let mut links = links(me, 60);
            let notice = async {
                tokio::time::sleep(Duration::from_secs(silence)).await;
                let notice = frame::encode(&tag(&ID), round, Step::ABORT.name(), &[]);
                peer.send(0, notice).await.unwrap();
                pending::<()>().await;
            };
            let outgoing = vec![vec![]; 2];
            let exchange = timeout(Duration::from_secs(600), links.exchange(Step::AND, &outgoing));
            let Either::Left((result, _)) = select(pin!(exchange), pin!(notice)).await else {
                panic!("the peer is still there")
            };
            let error = result.unwrap().unwrap_err();
            assert_eq!(
                matches!(error, Error::GaveUp { peer: 1, .. }),
                round == 0,
                "{error}"
            );
            assert_eq!(error.suspects(2, 0) == [1], round == 1, "{error}");
        }
    }

    /// A broadcast and its echo among three, of which the last alters the byte `place` of what it reports on `of` to party 0.
    async fn echoed(message: &[u8], of: PartyId, place: usize) -> Result<[u8; 32], Error> {
        let running = MemoryTransport::network(3).into_iter().map(|transport| {
            let liar = transport.me() == 2;
            let transport = Interceptor::new(transport, move |intercepted| {
                if liar && intercepted.is(Step::COIN_ECHO, 0) {
                    intercepted.frame.message[32 * of + place] ^= 1;
                }
                Fate::Deliver
            });
            async move {
                let mut links = links(transport, 60);
                let received = links.broadcast(Step::COIN_COMMITMENT, message.to_vec()).await?;
                links
                    .echo(Step::COIN_ECHO, Step::COIN_COMMITMENT, &received)
                    .await
            }
        });
        let mut results = join_all(running).await;
        results.swap_remove(0)
    }

    /// Every byte of a digest counts, those after a zero byte too: it is no string that ends there.
    #[tokio::test]
    async fn digests_are_compared_whole() {
        // The echo comes in the round after the broadcast.
        let digest = |message: &[u8; 4]| digest(&tag(&ID), 1, Step::COIN_COMMITMENT, 1, message);
        let mut messages = (0..u32::MAX).map(u32::to_be_bytes);
        let begins_with_zero = messages.find(|message| digest(message)[0] == 0).unwrap();
        for place in 0..32 {
            for (of, suspects) in [(0, vec![2]), (1, vec![1, 2]), (2, vec![2])] {
                let failed = Error::CheckFailed {
                    check: Step::COIN_ECHO.name(),
                    suspects,
                };
                assert_eq!(
                    echoed(&begins_with_zero, of, place).await,
                    Err(failed),
                    "{of} {place}"
                );
            }
        }
    }

    /// A network on which party 2 takes no frames.
    struct Stuck(MemoryTransport);

    impl Transport for Stuck {
        fn parties(&self) -> usize {
            self.0.parties()
        }

        fn me(&self) -> PartyId {
            self.0.me()
        }

        async fn send(&self, to: PartyId, frame: Vec<u8>) -> Result<(), TransportError> {
            if to == 2 {
                self.0.send(to, b"cut off".to_vec()).await?;
                pending::<()>().await;
            }
            self.0.send(to, frame).await
        }

        async fn receive(&self, from: PartyId) -> Result<Vec<u8>, TransportError> {
            self.0.receive(from).await
        }
    }

    /// Party 1 gives up while party 0's frame to party 2 is stuck: that is told at once, and nothing is sent after half a frame.
    #[tokio::test(start_paused = true)]
    async fn a_notice_is_heard_while_a_frame_is_stuck() {
        let mut network = MemoryTransport::network(3);
        let (last, middle, first) = (network.remove(2), network.remove(1), network.remove(0));
        let middle = links(middle, 60);
        middle.abort().await;
        let mut first = links(Stuck(first), 60);
        let outgoing = vec![vec![]; 3];
        let exchange = first.exchange(Step::AND, &outgoing);
        let result = timeout(Duration::from_secs(30), exchange).await.unwrap();
        let step = Step::AND.name();
        assert_eq!(result, Err(Error::GaveUp { peer: 1, step }));
        first.abort().await;
        drop((first, middle));
        assert_eq!(last.receive(0).await, Ok(b"cut off".to_vec()));
        assert_eq!(last.receive(0).await, Err(TransportError::Closed));
    }
}
