//! From no stream to a transport among all participants of a session.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;

use fabric_protos::ipo::sidecar::v1 as wire;
use fabric_protos::ipo::sidecar::v1::frame::Body;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use order_commitments::{PROTOCOL_VERSION, Session};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::link::{self, Inbound, Link, Traffic};
use super::{Arrival, Dialler, StreamTransport, Visitor};
use crate::config::AttemptsConfig;
use crate::progress::Reporter;

/// All participants met and agreed on an attempt.
#[derive(Debug)]
pub(crate) struct Meeting {
    pub(crate) transport: Arc<StreamTransport>,
    /// Its id: unlike that of any other attempt.
    pub(crate) id: [u8; 32],
}

/// Why a meeting came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum MeetingError {
    /// A participant went away, or came again, after this one was ready.
    #[error("{msp} left before the attempt began: {reason}")]
    Left { msp: String, reason: String },
    /// A participant computed another attempt id: somebody, and with more than two participants it need not be that one,
    /// said different things to different participants.
    #[error(
        "somebody told {msp} and this sidecar different things, and they are ready for different attempts"
    )]
    OtherAttempt { msp: String },
    /// Everybody has the outcome.
    #[error("every participant has the outcome")]
    NobodyNeedsIt,
    /// The operating system gives no randomness.
    #[error("no randomness: {reason}")]
    Randomness { reason: String },
    /// The sidecar stops.
    #[error("the sidecar stops")]
    Stopped,
}

/// Where and as whom a sidecar meets the others.
pub(crate) struct Place {
    session: Arc<Session>,
    me: usize,
    dialler: Arc<Dialler>,
    limits: AttemptsConfig,
    arrivals: mpsc::Receiver<Arrival>,
    /// Arrivals that came too late for one meeting and are for the next.
    early: VecDeque<Arrival>,
    /// Ends the pause before this sidecar dials again.
    knocked: Arc<Notify>,
}

/// One peer that has greeted.
struct Met {
    hello: wire::Hello,
    outbound: mpsc::Sender<wire::Frame>,
    traffic: Arc<Traffic>,
    /// Tells the stream's reader from that of an earlier stream of the same peer.
    epoch: u64,
    /// For which attempt the peer is ready, once it is.
    ready: Option<[u8; 32]>,
    /// With a reader for as long as others are waited for: one that has left must be noticed, ready or not. Else three that wait
    /// for each other in a ring would do so for ever.
    inbound: Arc<Mutex<Inbound>>,
    /// Ends that reader, and with it the stream, when the peer comes again on another one. Else a peer that dials over and over would
    /// leave any number of streams open.
    reading: CancellationToken,
    _let_go: DropGuard,
}

enum Event {
    Arrived(Option<Arrival>),
    Dialled {
        party: usize,
        link: Box<Link>,
        hello: wire::Hello,
    },
    /// This sidecar has said that it is there, and paused.
    Knocked {
        party: usize,
        tries: u32,
    },
    Spoke {
        party: usize,
        epoch: u64,
        said: Result<[u8; 32], String>,
    },
    /// A peer that is ready has sent the attempt's first message: it waits for nobody any more.
    Began,
    /// A stream in whose place another one came is closed.
    LetGo,
}

impl Place {
    pub(crate) fn new(
        session: Arc<Session>,
        me: usize,
        dialler: Arc<Dialler>,
        limits: AttemptsConfig,
        arrivals: mpsc::Receiver<Arrival>,
    ) -> Self {
        Self {
            session,
            me,
            dialler,
            limits,
            arrivals,
            early: VecDeque::new(),
            knocked: Arc::default(),
        }
    }

    /// Waits until a participant comes that has no outcome. Those who came before have gone their way.
    pub(crate) async fn visited(&mut self) -> Result<(), MeetingError> {
        self.early.clear();
        while self.arrivals.try_recv().is_ok() {}
        loop {
            match self.arrivals.recv().await.ok_or(MeetingError::Stopped)? {
                Arrival::Knock => return Ok(()),
                Arrival::Visitor(visitor) if visitor.hello.has_outcome => {}
                visitor @ Arrival::Visitor(_) => {
                    self.early.push_back(visitor);
                    return Ok(());
                }
            }
        }
    }

    /// Meets all other participants. `next` is the attempt that this sidecar would start next, by its own count.
    pub(crate) async fn meet(
        &mut self,
        next: u32,
        has_outcome: bool,
        reporter: &Reporter,
    ) -> Result<Meeting, MeetingError> {
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce).map_err(|error| MeetingError::Randomness {
            reason: error.to_string(),
        })?;
        let greeting = self.greeting(next, nonce, has_outcome);
        let session = self.session.clone();
        let parties = session.participants().len();
        let mut met: Vec<Option<Met>> = (0..parties).map(|_| None).collect();
        let mut events: FuturesUnordered<BoxFuture<'static, Event>> = FuturesUnordered::new();
        for party in 0..parties {
            match party.cmp(&self.me) {
                std::cmp::Ordering::Greater => events.push(self.dial(party, &greeting, 0, reporter)),
                std::cmp::Ordering::Less => events.push(self.knock(party, &greeting, 1, reporter)),
                std::cmp::Ordering::Equal => {}
            }
        }
        let mut announced: Option<[u8; 32]> = None;
        let mut epochs = 0_u64;
        loop {
            if announced.is_none() && met.iter().flatten().count() + 1 == parties {
                let id = self.agree(&nonce, &met);
                if has_outcome && met.iter().flatten().all(|peer| peer.hello.has_outcome) {
                    return Err(MeetingError::NobodyNeedsIt);
                }
                for peer in met.iter().flatten() {
                    // A stream that is gone is noticed by its reader.
                    link::send(
                        &peer.outbound,
                        Body::Ready(wire::Ready {
                            attempt_id: id.to_vec(),
                        }),
                    )
                    .await;
                }
                announced = Some(id);
            }
            let is_awaited = |peer: &Option<Met>| match peer {
                None => true,
                Some(peer) => announced.is_some() && peer.ready.is_none(),
            };
            let awaited =
                (0..parties).filter(|&party| party != self.me && met.get(party).is_some_and(is_awaited));
            let awaited: Vec<String> = awaited.map(|party| self.msp(party)).collect();
            if let Some(id) = announced.filter(|_| awaited.is_empty()) {
                // The readers let go of the streams.
                drop(events);
                return self.conclude(id, met);
            }
            reporter.waiting_for(awaited);

            let event = match self.early.pop_front() {
                Some(arrival) => Event::Arrived(Some(arrival)),
                None => tokio::select! {
                    arrival = self.arrivals.recv() => Event::Arrived(arrival),
                    Some(event) = events.next() => event,
                },
            };
            let (party, hello, link) = match event {
                Event::Arrived(None) => return Err(MeetingError::Stopped),
                Event::Arrived(Some(Arrival::Knock)) => {
                    self.knocked.notify_waiters();
                    continue;
                }
                Event::Knocked { party, tries } => {
                    if met.get(party).is_some_and(Option::is_none) {
                        events.push(self.knock(party, &greeting, tries + 1, reporter));
                    }
                    continue;
                }
                Event::Arrived(Some(Arrival::Visitor(visitor))) => {
                    let party = visitor.party;
                    if announced.is_some() {
                        self.early.push_back(Arrival::Visitor(visitor));
                        let reason = "it came again".to_owned();
                        return Err(MeetingError::Left {
                            msp: self.msp(party),
                            reason,
                        });
                    }
                    let Visitor { party, hello, link } = *visitor;
                    link::send(&link.outbound, Body::Hello(self.addressed(&greeting, party))).await;
                    (party, hello, link)
                }
                Event::Dialled { party, link, hello } => (party, hello, *link),
                Event::Began | Event::LetGo => continue,
                Event::Spoke { party, epoch, said } => {
                    let Some(slot) = met.get_mut(party) else { continue };
                    let Some(peer) = slot.as_mut().filter(|peer| peer.epoch == epoch) else {
                        continue;
                    };
                    match said {
                        Ok(id) => {
                            peer.ready = Some(id);
                            let watching = watch(party, epoch, peer.inbound.clone());
                            events.push(read(peer.reading.clone(), watching));
                        }
                        Err(reason) => {
                            *slot = None;
                            reporter.trouble(&self.msp(party), &reason);
                            if announced.is_some() {
                                return Err(MeetingError::Left {
                                    msp: self.msp(party),
                                    reason,
                                });
                            }
                            events.push(if party > self.me {
                                self.dial(party, &greeting, 1, reporter)
                            } else {
                                self.knock(party, &greeting, 1, reporter)
                            });
                        }
                    }
                    continue;
                }
            };
            if let Err(reason) = self.check(party, &hello) {
                reporter.trouble(&self.msp(party), &reason);
                if party > self.me {
                    events.push(self.dial(party, &greeting, u32::MAX, reporter));
                }
                continue;
            }
            let peer = self.msp(party);
            tracing::debug!(session = %self.session.id(), peer, attempt = hello.attempt, "a participant greets");
            epochs += 1;
            let Link {
                outbound,
                inbound,
                traffic,
            } = link;
            let inbound = Arc::new(Mutex::new(inbound));
            let reading = CancellationToken::new();
            events.push(read(reading.clone(), listen(party, epochs, inbound.clone())));
            if let Some(slot) = met.get_mut(party) {
                *slot = Some(Met {
                    _let_go: reading.clone().drop_guard(),
                    reading,
                    hello,
                    outbound,
                    traffic,
                    epoch: epochs,
                    ready: None,
                    inbound,
                });
            }
        }
    }

    fn conclude(&self, id: [u8; 32], met: Vec<Option<Met>>) -> Result<Meeting, MeetingError> {
        let mut links = Vec::with_capacity(met.len());
        for (party, peer) in met.into_iter().enumerate() {
            links.push(match peer {
                Some(Met {
                    outbound,
                    traffic,
                    ready: Some(theirs),
                    inbound,
                    ..
                }) => {
                    if theirs != id {
                        return Err(MeetingError::OtherAttempt { msp: self.msp(party) });
                    }
                    let inbound = Arc::into_inner(inbound).map(Mutex::into_inner);
                    inbound.map(|inbound| Link {
                        outbound,
                        inbound,
                        traffic,
                    })
                }
                _ => None,
            });
        }
        Ok(Meeting {
            transport: Arc::new(StreamTransport::new(self.me, links)),
            id,
        })
    }

    /// The attempt's id, from everybody's nonces. No count of attempts enters it: each sidecar has its own, and nobody
    /// can move another's.
    fn agree(&self, nonce: &[u8; 32], met: &[Option<Met>]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"ipo sidecar attempt");
        hash.update(PROTOCOL_VERSION.to_be_bytes());
        hash.update(self.session.id().0);
        for peer in met {
            // Checked to be 32 bytes long; the own place is the empty one.
            hash.update(peer.as_ref().map_or(nonce.as_slice(), |peer| &peer.hello.nonce));
        }
        hash.finalize().into()
    }

    fn greeting(&self, attempt: u32, nonce: [u8; 32], has_outcome: bool) -> wire::Hello {
        let terms = self.session.terms();
        wire::Hello {
            protocol_version: u32::from(PROTOCOL_VERSION),
            session_id: self.session.id().0.to_vec(),
            channel: terms.channel.clone(),
            chaincode: terms.chaincode.clone(),
            listing: terms.listing.clone(),
            from: self.msp(self.me),
            to: String::new(),
            attempt,
            nonce: nonce.to_vec(),
            has_outcome,
        }
    }

    fn addressed(&self, greeting: &wire::Hello, party: usize) -> wire::Hello {
        wire::Hello {
            to: self.msp(party),
            ..greeting.clone()
        }
    }

    /// Whether a greeting is for this session and from that participant.
    fn check(&self, party: usize, hello: &wire::Hello) -> Result<(), String> {
        if hello.protocol_version != u32::from(PROTOCOL_VERSION) {
            return Err(format!("its protocol_version is {}", hello.protocol_version));
        }
        if hello.session_id != self.session.id().0 {
            return Err("it greets for another session".to_owned());
        }
        if hello.from != self.msp(party) || hello.to != self.msp(self.me) {
            return Err(format!("it greets as {:?} to {:?}", hello.from, hello.to));
        }
        if hello.nonce.len() != 32 {
            return Err(format!(
                "its nonce is {} bytes long, allowed are 32",
                hello.nonce.len()
            ));
        }
        Ok(())
    }

    fn msp(&self, party: usize) -> String {
        self.session
            .participants()
            .get(party)
            .map(|it| it.msp.clone())
            .unwrap_or_default()
    }

    /// Dials until the peer has greeted; pauses first after `failures`.
    fn dial(
        &self,
        party: usize,
        greeting: &wire::Hello,
        failures: u32,
        reporter: &Reporter,
    ) -> BoxFuture<'static, Event> {
        let Some(participant) = self.session.participants().get(party).cloned() else {
            return Box::pin(pending());
        };
        let (dialler, limits, reporter) = (self.dialler.clone(), self.limits, reporter.clone());
        let (knocked, hello) = (self.knocked.clone(), self.addressed(greeting, party));
        Box::pin(async move {
            let mut failures = failures;
            loop {
                if failures > 0 {
                    let _ = timeout(limits.pause(failures), knocked.notified()).await;
                }
                match dialler.dial(&participant, hello.clone()).await {
                    Ok((link, hello)) => {
                        let link = Box::new(link);
                        return Event::Dialled { party, link, hello };
                    }
                    Err(reason) => reporter.trouble(&participant.msp, &reason),
                }
                failures = failures.saturating_add(1);
            }
        })
    }

    /// Says that this sidecar is there, and pauses.
    fn knock(
        &self,
        party: usize,
        greeting: &wire::Hello,
        tries: u32,
        reporter: &Reporter,
    ) -> BoxFuture<'static, Event> {
        let Some(participant) = self.session.participants().get(party).cloned() else {
            return Box::pin(pending());
        };
        let (dialler, limits, reporter) = (self.dialler.clone(), self.limits, reporter.clone());
        let hello = self.addressed(greeting, party);
        Box::pin(async move {
            if let Err(reason) = dialler.knock(&participant, hello).await {
                reporter.trouble(&participant.msp, &reason);
            }
            sleep(limits.pause(tries)).await;
            Event::Knocked { party, tries }
        })
    }
}

/// Reads from a stream until it is let go of.
fn read(
    reading: CancellationToken,
    reader: impl Future<Output = Event> + Send + 'static,
) -> BoxFuture<'static, Event> {
    Box::pin(async move {
        let read = reading.run_until_cancelled_owned(reader).await;
        read.unwrap_or(Event::LetGo)
    })
}

/// Waits for a peer's `Ready`, or for its stream to break.
async fn listen(party: usize, epoch: u64, inbound: Arc<Mutex<Inbound>>) -> Event {
    let said = match inbound.lock().await.receive().await {
        Ok(Body::Ready(ready)) => <[u8; 32]>::try_from(ready.attempt_id)
            .map_err(|id| format!("its attempt_id is {} bytes long, allowed are 32", id.len())),
        Ok(Body::Hello(_) | Body::Chunk(_)) => Err("it did not say that it is ready".to_owned()),
        Err(reason) => Err(reason),
    };
    Event::Spoke { party, epoch, said }
}

/// Waits for a ready peer's first message of the attempt, which stays where it is, or for its stream to break.
async fn watch(party: usize, epoch: u64, inbound: Arc<Mutex<Inbound>>) -> Event {
    match inbound.lock().await.wait().await {
        Ok(()) => Event::Began,
        Err(reason) => Event::Spoke {
            party,
            epoch,
            said: Err(reason),
        },
    }
}
