//! One stream with a peer: registration, then transactions side by side until either end leaves.
//!
//! ```text
//! chaincode                     peer
//!   REGISTER (chaincode id) ──>
//!                           <── REGISTERED
//!                           <── READY (what it takes in batches)
//!                           <── INIT or TRANSACTION (any number, at once)
//!   GET_STATE, PUT_STATE .. ──>
//!                           <── RESPONSE or ERROR
//!   COMPLETED or ERROR      ──>
//! ```

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::{ChaincodeId, ChaincodeMessage, Response};
use futures_util::{FutureExt, Stream, StreamExt};
use prost::Message;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, info, info_span, warn};

use crate::chaincode::refusal;
use crate::line::{Batches, Line};
use crate::metrics::{Metrics, Outcome};
use crate::stub::{Call, ChaincodeStub};
use crate::{Chaincode, Error};

/// Least status that no peer endorses.
const REFUSED: i32 = 400;

/// Status of a call that the chaincode itself could not carry through.
const INTERNAL: i32 = 500;

/// Status of a call that came while the server was stopping.
const UNAVAILABLE: i32 = 503;

/// How long a stream that is to end stays open after its last answer. A peer that finds an answer and the stream's end at once takes either
/// of them at random (`Execute` in Fabric's `core/chaincode/handler.go`), and in the second case fails the transaction.
const SETTLE: Duration = Duration::from_millis(200);

/// After how long a peer that has not answered the registration is told of. A peer answers nobody whom it does not expect, and no second
/// chaincode of a name.
const UNANSWERED: Duration = Duration::from_secs(10);

/// What every stream of a server shares.
pub(crate) struct Shared {
    pub(crate) chaincode: Arc<dyn Chaincode>,
    pub(crate) chaincode_id: String,
    pub(crate) local_mspid: Option<String>,
    /// Largest message, in bytes, in either direction.
    pub(crate) max_message: usize,
    /// How long transactions in flight may go on once the server is stopping.
    pub(crate) drain_timeout: Duration,
    /// How long functions may go on once their stream has dropped: nothing that they do can be recorded any more.
    pub(crate) aftermath: Duration,
    /// How long one transaction may take before it is stopped.
    pub(crate) execute_timeout: Option<Duration>,
    pub(crate) metrics: Arc<Metrics>,
    /// Cancelled when the server is stopping.
    pub(crate) stopping: CancellationToken,
}

/// A transaction's name: channel and id.
type Name = (String, String);

/// How far the registration has come.
enum State {
    Created,
    Established,
    Ready(Batches),
}

/// Why a session ended, other than that the server was stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Ended {
    /// By the peer.
    #[error("the peer has ended the stream")]
    ByPeer,
    /// By the network, the peer's end, or a refusal.
    #[error("the stream to the peer broke: {0}")]
    Broken(String),
    #[error("the peer sent {got} while {expected} was expected")]
    Unexpected {
        got: &'static str,
        expected: &'static str,
    },
    #[error(transparent)]
    Stub(#[from] Error),
}

struct Session {
    shared: Arc<Shared>,
    outgoing: mpsc::Sender<ChaincodeMessage>,
    state: State,
    /// Where the replies for each transaction in flight go.
    in_flight: HashMap<Name, mpsc::Sender<Box<ChaincodeMessage>>>,
    tasks: JoinSet<Name>,
}

/// Speaks with one peer until the stream ends or the server has stopped.
pub(crate) async fn run<S, E>(
    shared: Arc<Shared>,
    incoming: S,
    outgoing: mpsc::Sender<ChaincodeMessage>,
) -> Result<(), Ended>
where
    S: Stream<Item = Result<ChaincodeMessage, E>> + Unpin,
    E: std::fmt::Display,
{
    let metrics = Arc::clone(&shared.metrics);
    let _open = metrics.stream();
    let mut session = Session {
        shared,
        outgoing,
        state: State::Created,
        in_flight: HashMap::new(),
        tasks: JoinSet::new(),
    };
    let ended = session.converse(incoming).await;
    match &ended {
        Ok(()) => info!("the stream to the peer has ended"),
        Err(reason @ (Ended::ByPeer | Ended::Broken(_))) => info!(%reason, "the stream is over"),
        Err(error) => {
            warn!(%error, "the stream to the peer is given up");
            let message = ChaincodeMessage {
                r#type: Type::Error.into(),
                payload: error.to_string().into_bytes(),
                ..ChaincodeMessage::default()
            };
            let _ = session.outgoing.try_send(message);
        }
    }
    session.abandon().await;
    ended
}

impl Session {
    async fn converse<S, E>(&mut self, mut incoming: S) -> Result<(), Ended>
    where
        S: Stream<Item = Result<ChaincodeMessage, E>> + Unpin,
        E: std::fmt::Display,
    {
        let id = ChaincodeId {
            name: self.shared.chaincode_id.clone(),
            ..ChaincodeId::default()
        };
        let register = ChaincodeMessage {
            r#type: Type::Register.into(),
            payload: id.encode_to_vec(),
            ..ChaincodeMessage::default()
        };
        self.outgoing
            .send(register)
            .await
            .map_err(|_| Error::Disconnected)?;

        let (stopping, outgoing) = (self.shared.stopping.clone(), self.outgoing.clone());
        // Made once, since each message goes through here.
        let (stopped_now, closed) = (stopping.cancelled(), outgoing.closed());
        let unanswered = tokio::time::sleep(UNANSWERED);
        tokio::pin!(stopped_now, closed, unanswered);
        let (mut deadline, mut settled) = (None, None);
        loop {
            let stopped = deadline.is_some();
            let idle = stopped && self.tasks.is_empty();
            settled = idle.then(|| settled.unwrap_or_else(|| Instant::now() + SETTLE));
            tokio::select! {
                message = incoming.next() => match message {
                    Some(Ok(message)) => self.take(message)?,
                    Some(Err(error)) => return Err(Ended::Broken(error.to_string())),
                    None => return Err(Ended::ByPeer),
                },
                Some(done) = self.tasks.join_next(), if !self.tasks.is_empty() => self.forget(done),
                () = &mut closed => return Err(Ended::ByPeer),
                () = &mut stopped_now, if !stopped => {
                    deadline = Some(Instant::now() + self.shared.drain_timeout);
                }
                () = &mut unanswered, if matches!(self.state, State::Created) && !unanswered.is_elapsed() => warn!(
                    chaincode = self.shared.chaincode_id,
                    "the peer does not answer the registration: it may not expect this chaincode, or have another of this name"
                ),
                () = tokio::time::sleep_until(settled.unwrap_or_else(Instant::now)), if idle => return Ok(()),
                () = tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now)), if stopped && !idle => {
                    warn!(in_flight = self.tasks.len(), "transactions did not end in time and are stopped");
                    return Ok(());
                }
            }
        }
    }

    fn take(&mut self, message: ChaincodeMessage) -> Result<(), Ended> {
        let got = message.r#type();
        if got == Type::Keepalive {
            // Dropped if the line is full: then the peer hears enough of us.
            let _ = self.outgoing.try_send(message);
            return Ok(());
        }
        match (&self.state, got) {
            (State::Created, Type::Registered) => self.state = State::Established,
            (State::Created, _) => return Err(unexpected(got, Type::Registered)),
            (State::Established, Type::Ready) => {
                let batches = Batches::from_ready(&message.payload);
                info!(?batches, "registered with the peer");
                self.state = State::Ready(batches);
            }
            (State::Established, _) => return Err(unexpected(got, Type::Ready)),
            (State::Ready(_), Type::Response | Type::Error) => self.deliver(message),
            (State::Ready(batches), Type::Init | Type::Transaction) => {
                let batches = *batches;
                self.start(message, batches);
            }
            (State::Ready(_), other) => warn!(r#type = other.as_str_name(), "message from the peer ignored"),
        }
        Ok(())
    }

    /// Hands a reply to the transaction that waits for it.
    fn deliver(&self, message: ChaincodeMessage) {
        let name = (message.channel_id.clone(), message.txid.clone());
        // A transaction has at most one request in flight: a full line means that nobody asked.
        let taken = self
            .in_flight
            .get(&name)
            .is_some_and(|replies| replies.try_send(Box::new(message)).is_ok());
        if !taken {
            debug!(channel = name.0, txid = name.1, "reply for no request ignored");
        }
    }

    fn start(&mut self, message: ChaincodeMessage, batches: Batches) {
        let name = (message.channel_id.clone(), message.txid.clone());
        // A name is free once its transaction has been answered: a chaincode that calls this one twice does so under one name.
        if self
            .in_flight
            .get(&name)
            .is_some_and(|replies| !replies.is_closed())
        {
            // An answer would end the one that is running.
            warn!(
                channel = name.0,
                txid = name.1,
                "transaction is in flight already; its repetition is ignored"
            );
            return;
        }
        let max_message = self.shared.max_message;
        let (line, replies) = Line::new(
            name.0.clone(),
            name.1.clone(),
            self.outgoing.clone(),
            batches,
            max_message,
            Arc::clone(&self.shared.metrics),
        );
        self.in_flight.insert(name.clone(), replies);
        let span = info_span!("transaction", channel = name.0, txid = name.1);
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn(
            async move {
                transaction(&shared, line, message).await;
                name
            }
            .instrument(span),
        );
    }

    fn forget(&mut self, done: Result<Name, tokio::task::JoinError>) {
        match done {
            // Unless the name is in use again.
            Ok(name) => {
                if self.in_flight.get(&name).is_some_and(mpsc::Sender::is_closed) {
                    self.in_flight.remove(&name);
                }
            }
            // Not the contract's panic, which its task catches: the name is lost, so find it by its line.
            Err(_) => self.in_flight.retain(|_, replies| !replies.is_closed()),
        }
    }

    /// Fails every call in flight, and sees to it that no task stays behind.
    async fn abandon(self) {
        let Self {
            in_flight,
            mut tasks,
            outgoing,
            shared,
            ..
        } = self;
        drop(in_flight);
        drop(outgoing);
        if shared.stopping.is_cancelled() {
            return;
        }
        let all = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(shared.aftermath, all).await.is_err() {
            warn!(
                left = tasks.len(),
                "functions of a stream that has ended are stopped"
            );
        }
    }
}

fn unexpected(got: Type, expected: Type) -> Ended {
    Ended::Unexpected {
        got: got.as_str_name(),
        expected: expected.as_str_name(),
    }
}

/// Runs one transaction, and tells the peer how it ended.
async fn transaction(shared: &Shared, line: Line, message: ChaincodeMessage) {
    let init = message.r#type() == Type::Init;
    let running = shared.metrics.transaction(message.channel_id.clone());
    let mut last = ChaincodeMessage {
        r#type: Type::Completed.into(),
        txid: message.txid,
        channel_id: message.channel_id,
        ..ChaincodeMessage::default()
    };
    let call = match Call::read(&message.payload, message.proposal) {
        Ok(call) => call,
        Err(error) => {
            warn!(%error, "transaction refused");
            last.r#type = Type::Error.into();
            last.payload = error.to_string().into_bytes();
            if line.send_last(last).await.is_ok() {
                running.ended(Outcome::Failed);
            }
            return;
        }
    };
    let stub = ChaincodeStub::new(line, shared.local_mspid.clone(), call);
    let mut response = if shared.stopping.is_cancelled() {
        refusal(UNAVAILABLE, "the chaincode server is stopping")
    } else {
        answer(shared, stub.clone(), init).await
    };
    let line = stub.line();
    // Also of a call that is refused: what it wrote without a batch has reached the peer as well.
    let flushed = line.finish_batch().await;
    let ended = line.end().await;
    if let Err(error) = flushed.and(ended)
        && response.status < REFUSED
    {
        response = refusal(INTERNAL, error.to_string());
    }
    let event = stub.take_event();
    let mut status = response.status;
    if status >= INTERNAL {
        warn!(status, "transaction failed");
    } else {
        debug!(status, "transaction answered");
    }
    if init && status >= INTERNAL {
        // As Fabric's shims end an initialisation that failed.
        last.r#type = Type::Error.into();
        last.payload = response.message.into_bytes();
    } else {
        last.payload = response.encode_to_vec();
    }
    last.chaincode_event = event;
    let size = last.encoded_len();
    if size > shared.max_message {
        let error = Error::TooLarge {
            what: "response",
            size,
            limit: shared.max_message,
        };
        status = INTERNAL;
        last.payload = refusal(status, error.to_string()).encode_to_vec();
        last.chaincode_event = None;
    }
    if line.send_last(last).await.is_ok() {
        running.ended(match status {
            ..REFUSED => Outcome::Ok,
            REFUSED..INTERNAL => Outcome::Refused,
            INTERNAL.. => Outcome::Failed,
        });
    }
}

/// What the contract answers; a panic is its answer too.
async fn answer(shared: &Shared, stub: ChaincodeStub, init: bool) -> Response {
    let chaincode = &shared.chaincode;
    // The future is made inside, so that a panic on the way to it is caught as well.
    let run = async move {
        if init {
            chaincode.init(stub).await
        } else {
            chaincode.invoke(stub).await
        }
    };
    let run = AssertUnwindSafe(run).catch_unwind();
    let ran = match shared.execute_timeout {
        None => run.await,
        Some(limit) => match tokio::time::timeout(limit, run).await {
            Ok(ran) => ran,
            Err(_) => {
                let message = format!("the function took longer than {limit:?} and was stopped");
                return refusal(INTERNAL, message);
            }
        },
    };
    match ran {
        Ok(response) => response,
        Err(_) => {
            shared.metrics.panicked();
            // Its text may quote anything: it is for the panic hook's standard error alone.
            refusal(INTERNAL, "the chaincode panicked; see its log")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Mutex;

    use fabric_protos::protos::SignedProposal;
    use futures_util::stream;
    use proptest::prelude::*;

    use super::*;
    use crate::chaincode::{Answer, success};

    /// Asks the peer, which is gone by then or answers at random.
    struct Asks;

    impl Chaincode for Asks {
        fn invoke(&self, stub: ChaincodeStub) -> Answer<'_> {
            Box::pin(async move {
                let _ = stub.get_state("k").await;
                success(Vec::new())
            })
        }
    }

    /// Never answers; says when it is dropped.
    struct Hangs(mpsc::UnboundedSender<&'static str>);

    impl Chaincode for Hangs {
        fn invoke(&self, stub: ChaincodeStub) -> Answer<'_> {
            struct Dropped(mpsc::UnboundedSender<&'static str>);
            impl Drop for Dropped {
                fn drop(&mut self) {
                    let _ = self.0.send("dropped");
                }
            }
            let guard = Dropped(self.0.clone());
            Box::pin(async move {
                let _ = guard.0.send("started");
                std::future::pending::<()>().await;
                drop((guard, stub));
                success(Vec::new())
            })
        }
    }

    #[tokio::test]
    async fn a_function_that_waits_for_something_else_does_not_outlive_its_stream_for_ever() {
        let (say, mut heard) = mpsc::unbounded_channel();
        let (outgoing, mut sent) = mpsc::channel(4);
        let (peer, incoming) = mpsc::channel(4);
        let incoming =
            tokio_stream::wrappers::ReceiverStream::new(incoming).map(Ok::<_, std::convert::Infallible>);
        let session = tokio::spawn(run(shared(Hangs(say)), incoming, outgoing));
        for of_type in [Type::Registered, Type::Ready, Type::Transaction] {
            peer.send(frame(of_type.into(), "tx", Vec::new())).await.unwrap();
        }
        assert_eq!(heard.recv().await, Some("started"));
        drop(peer);
        assert_eq!(heard.recv().await, Some("dropped"));
        assert!(matches!(session.await.unwrap(), Err(Ended::ByPeer)));
        assert_eq!(sent.recv().await.unwrap().r#type(), Type::Register);
        assert!(sent.recv().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_answer_the_registration_is_told_of_once() {
        #[derive(Clone, Default)]
        struct Log(Arc<Mutex<Vec<u8>>>);
        impl Write for Log {
            fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().write(text)
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .finish();
        let _here = tracing::subscriber::set_default(subscriber);
        let times = || {
            let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
            text.matches("does not answer the registration").count()
        };

        let (outgoing, mut sent) = mpsc::channel(4);
        let (peer, incoming) = mpsc::channel(4);
        let incoming =
            tokio_stream::wrappers::ReceiverStream::new(incoming).map(Ok::<_, std::convert::Infallible>);
        let session = tokio::spawn(run(shared(Asks), incoming, outgoing));
        assert_eq!(sent.recv().await.unwrap().r#type(), Type::Register);
        tokio::time::sleep(UNANSWERED / 2).await;
        assert_eq!(times(), 0);
        tokio::time::sleep(UNANSWERED * 5).await;
        assert_eq!(times(), 1);
        // It is not too late.
        for of_type in [Type::Registered, Type::Ready, Type::Transaction] {
            peer.send(frame(of_type.into(), "tx", Vec::new())).await.unwrap();
        }
        assert_eq!(sent.recv().await.unwrap().r#type(), Type::GetState);
        drop(peer);
        assert!(matches!(session.await.unwrap(), Err(Ended::ByPeer)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_stops_is_open_for_a_while_after_its_last_answer() {
        let (outgoing, mut sent) = mpsc::channel(4);
        let (peer, incoming) = mpsc::channel(4);
        let incoming =
            tokio_stream::wrappers::ReceiverStream::new(incoming).map(Ok::<_, std::convert::Infallible>);
        let mut shared = shared(Asks);
        Arc::get_mut(&mut shared).unwrap().drain_timeout = Duration::from_secs(10);
        let stopping = shared.stopping.clone();
        let session = tokio::spawn(run(shared, incoming, outgoing));
        for of_type in [Type::Registered, Type::Ready, Type::Transaction] {
            peer.send(frame(of_type.into(), "tx", Vec::new())).await.unwrap();
        }
        for expected in [Type::Register, Type::GetState] {
            assert_eq!(sent.recv().await.unwrap().r#type(), expected);
        }
        stopping.cancel();
        peer.send(frame(Type::Response.into(), "tx", Vec::new()))
            .await
            .unwrap();
        assert_eq!(sent.recv().await.unwrap().r#type(), Type::Completed);
        tokio::time::sleep(SETTLE / 2).await;
        assert_eq!(sent.try_recv().unwrap_err(), mpsc::error::TryRecvError::Empty);
        assert!(sent.recv().await.is_none());
        assert!(session.await.unwrap().is_ok());
    }

    fn shared(chaincode: impl Chaincode) -> Arc<Shared> {
        Arc::new(Shared {
            chaincode: Arc::new(chaincode),
            chaincode_id: "id".to_owned(),
            local_mspid: None,
            max_message: 1 << 20,
            drain_timeout: Duration::ZERO,
            aftermath: Duration::ZERO,
            execute_timeout: None,
            metrics: Arc::new(Metrics::new()),
            stopping: CancellationToken::new(),
        })
    }

    fn frame(of_type: i32, txid: &str, payload: Vec<u8>) -> ChaincodeMessage {
        ChaincodeMessage {
            r#type: of_type,
            payload,
            txid: txid.to_owned(),
            ..ChaincodeMessage::default()
        }
    }

    fn frames() -> impl Strategy<Value = Vec<ChaincodeMessage>> {
        let bytes = || prop_oneof![Just(Vec::new()), proptest::collection::vec(any::<u8>(), 0..24)];
        let any_frame = (-1..30_i32, "(tx|other|)", bytes(), proptest::option::of(bytes()));
        let any_frame = any_frame.prop_map(|(of_type, txid, payload, proposal)| ChaincodeMessage {
            proposal: proposal.map(|proposal_bytes| SignedProposal {
                proposal_bytes,
                ..SignedProposal::default()
            }),
            ..frame(of_type, &txid, payload)
        });
        proptest::collection::vec(any_frame, 0..16)
    }

    proptest! {
        /// A panic of the session itself would fail this test, which runs it without a task around.
        #[test]
        fn a_session_survives_any_messages(frames in frames(), registered in any::<bool>()) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (outgoing, mut sent) = mpsc::channel::<ChaincodeMessage>(4);
                let opening = [Type::Registered, Type::Ready].map(|of_type| frame(of_type.into(), "", Vec::new()));
                let opening = opening.into_iter().filter(|_| registered);
                let incoming = stream::iter(opening.chain(frames).map(Ok::<_, std::convert::Infallible>));
                let reader = tokio::spawn(async move {
                    let mut types = Vec::new();
                    while let Some(message) = sent.recv().await {
                        types.push(message.r#type());
                    }
                    types
                });
                let _ = run(shared(Asks), incoming, outgoing).await;
                assert_eq!(reader.await.unwrap().first(), Some(&Type::Register));
            });
        }
    }
}
