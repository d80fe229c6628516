//! A peer that counts pings as gRPC in Go does, through calls of an hour, in virtual time.
//!
//! Go's enforcement (`keepalive.EnforcementPolicy`): a ping that comes within `MinTime` of the one before is a strike, unless the
//! enforcing side has sent headers or data in between; without an open stream and without `PermitWithoutStream` it is one within two
//! hours. The third strike ends the connection with GOAWAY, `ENHANCE_YOUR_CALM` and `too_many_pings`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fabric_protos::protos::chaincode_client::ChaincodeClient;
use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::{ChaincodeInput, ChaincodeMessage};
use futures_util::{StreamExt, stream};
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

use super::{ChaincodeServer, ServerConfig};
use crate::chaincode::{Answer, success};
use crate::{Chaincode, ChaincodeStub};

const MINUTE: Duration = Duration::from_secs(60);
const WITHOUT_STREAM: Duration = Duration::from_secs(2 * 60 * 60);
const STRIKES: u32 = 2;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PING: u8 = 6;
const ACK: u8 = 1;

#[derive(Clone, Copy)]
struct Policy {
    min_time: Duration,
    permit_without_stream: bool,
}

/// gRPC in Go, unless configured.
const STRICT: Policy = Policy {
    min_time: Duration::from_secs(5 * 60),
    permit_without_stream: false,
};

/// Fabric's peers and its Go shim.
const FABRIC: Policy = Policy {
    min_time: MINUTE,
    permit_without_stream: true,
};

#[derive(Default)]
struct Record {
    pings: u32,
    strikes: u32,
    streams: u32,
    last: Option<Instant>,
    /// The enforcing side has sent something since the last ping.
    sent: bool,
    too_many: bool,
}

impl Record {
    fn ping(&mut self, policy: Policy) {
        self.pings += 1;
        let before = self.last.replace(Instant::now());
        if std::mem::take(&mut self.sent) {
            self.strikes = 0;
            return;
        }
        let least = if self.streams == 0 && !policy.permit_without_stream {
            WITHOUT_STREAM
        } else {
            policy.min_time
        };
        if before.is_some_and(|before| before.elapsed() < least) {
            self.strikes += 1;
        }
        self.too_many |= self.strikes > STRIKES;
    }
}

async fn frame(from: &mut ReadHalf<DuplexStream>) -> std::io::Result<Vec<u8>> {
    let mut frame = vec![0; 9];
    from.read_exact(&mut frame).await?;
    let length = u32::from_be_bytes([0, frame[0], frame[1], frame[2]]);
    frame.resize(9 + usize::try_from(length).unwrap(), 0);
    from.read_exact(&mut frame[9..]).await?;
    Ok(frame)
}

/// Hands on what the peer sends.
async fn to_chaincode(
    mut from: ReadHalf<DuplexStream>,
    mut to: WriteHalf<DuplexStream>,
    record: Arc<Mutex<Record>>,
) -> std::io::Result<()> {
    let mut preface = [0; 24];
    from.read_exact(&mut preface).await?;
    to.write_all(&preface).await?;
    loop {
        let frame = frame(&mut from).await?;
        {
            let mut record = record.lock().unwrap();
            record.sent |= [DATA, HEADERS].contains(&frame[3]);
            record.streams += u32::from(frame[3] == HEADERS);
        }
        to.write_all(&frame).await?;
    }
}

/// Hands on what the chaincode sends, until it is too much.
async fn to_peer(
    mut from: ReadHalf<DuplexStream>,
    mut to: WriteHalf<DuplexStream>,
    record: Arc<Mutex<Record>>,
    policy: Policy,
) -> std::io::Result<()> {
    loop {
        let frame = frame(&mut from).await?;
        if frame[3] == PING && frame[4] & ACK == 0 {
            let mut record = record.lock().unwrap();
            record.ping(policy);
            if record.too_many {
                return Ok(());
            }
        }
        to.write_all(&frame).await?;
    }
}

struct Asks;

impl Chaincode for Asks {
    fn invoke(&self, stub: ChaincodeStub) -> Answer<'_> {
        Box::pin(async move { success(stub.get_state("k").await.unwrap().unwrap()) })
    }
}

/// Whether a call during which the peer says nothing for this time ends well, and how often the chaincode pinged.
async fn call_of(time: Duration, policy: Policy, config: ServerConfig) -> (bool, u32) {
    let (peer, near) = duplex(1 << 16);
    let (far, chaincode) = duplex(1 << 16);
    let record = Arc::new(Mutex::new(Record::default()));
    let ((near_in, near_out), (far_in, far_out)) = (split(near), split(far));
    let relay = {
        let record = (Arc::clone(&record), Arc::clone(&record));
        tokio::spawn(async move {
            // Both ends are dropped with the first that ends.
            tokio::select! {
                _ = to_chaincode(near_in, far_out, record.0) => {}
                _ = to_peer(far_in, near_out, record.1, policy) => {}
            }
        })
    };
    let server = ChaincodeServer::new(config, Asks).unwrap();
    let incoming = stream::iter([Ok(chaincode)]).chain(stream::pending());
    let stop = CancellationToken::new();
    let served = tokio::spawn(server.serve_connections(incoming, stop.clone().cancelled_owned()));

    let mut io = Some(TokioIo::new(peer));
    let connector = tower::service_fn(move |_| {
        std::future::ready(
            io.take()
                .ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound)),
        )
    });
    let channel = Endpoint::from_static("http://chaincode")
        .connect_with_connector(connector)
        .await
        .unwrap();
    let (outgoing, messages) = mpsc::channel(4);
    let mut incoming = ChaincodeClient::new(channel)
        .connect(ReceiverStream::new(messages))
        .await
        .unwrap()
        .into_inner();
    let send = async |of_type: Type, payload: Vec<u8>| {
        let message = ChaincodeMessage {
            r#type: of_type.into(),
            payload,
            ..ChaincodeMessage::default()
        };
        outgoing.send(message).await.is_ok()
    };
    send(Type::Registered, Vec::new()).await;
    send(Type::Ready, Vec::new()).await;
    send(Type::Transaction, ChaincodeInput::default().encode_to_vec()).await;
    for expected in [Type::Register, Type::GetState] {
        assert_eq!(incoming.message().await.unwrap().unwrap().r#type(), expected);
    }
    tokio::time::sleep(time).await;
    let answered = send(Type::Response, b"v".to_vec()).await;
    let well = answered
        && matches!(incoming.message().await, Ok(Some(message)) if message.r#type() == Type::Completed);
    // A server that stops says so with a ping of its own.
    let (pings, too_many) = {
        let record = record.lock().unwrap();
        (record.pings, record.too_many)
    };
    drop((outgoing, incoming));
    stop.cancel();
    served.await.unwrap().unwrap();
    relay.abort();
    assert_eq!(well, !too_many);
    (well, pings)
}

fn config() -> ServerConfig {
    ServerConfig::new("id", "127.0.0.1:0")
}

#[tokio::test(start_paused = true)]
async fn an_hours_silence_ends_well_however_pings_are_counted() {
    for policy in [STRICT, FABRIC] {
        let (well, pings) = call_of(60 * MINUTE, policy, config()).await;
        assert!(well);
        // Nor does it hold because nobody pings.
        assert!((9..=10).contains(&pings), "{pings}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_as_long_as_peers_allow_sees_no_ping() {
    assert_eq!(
        call_of(Duration::from_secs(29), STRICT, config()).await,
        (true, 0)
    );
}

/// That the peer of these tests counts at all.
#[tokio::test(start_paused = true)]
async fn pings_that_come_too_often_end_the_connection() {
    let every = |interval| {
        let mut config = config();
        config.keepalive_interval = interval;
        config
    };
    assert_eq!(call_of(60 * MINUTE, STRICT, every(MINUTE)).await, (false, 4));
    let half = every(MINUTE / 2);
    assert_eq!(call_of(60 * MINUTE, FABRIC, half).await, (false, 4));
    let (well, _) = call_of(60 * MINUTE, FABRIC, every(3 * MINUTE / 2)).await;
    assert!(well);
}
