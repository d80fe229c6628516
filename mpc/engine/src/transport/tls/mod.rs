//! Parties on different machines, joined by mutually authenticated TLS 1.3 over TCP.
//!
//! Every party listens; of two parties the one with the higher index dials the other. A certificate is only the
//! carrier of a key: the handshake proves that the peer has the key, and [`Trust`] says whose key it is.

mod gate;
mod possession;
mod trust;

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::{try_join, try_join_all};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    net::{TcpListener, TcpStream},
    sync::{
        Mutex,
        mpsc::{Receiver, UnboundedReceiver, UnboundedSender, channel, unbounded_channel},
    },
    task::JoinHandle,
    time::Instant,
};
use tokio_rustls::TlsStream;

pub use trust::{Identity, Trust, Verifier, key_hash};

use self::gate::Gate;
use super::{Transport, TransportError, check_length};
use crate::{Error, PartyId};

/// Frames of one peer that are received before the engine asks for them. In lockstep a peer is at most one ahead.
const AHEAD: usize = 4;

/// Where a party listens, and how the others recognise it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its address.
    pub address: SocketAddr,
    /// Its key.
    pub trust: Trust,
}

/// One party of a network over TLS.
pub struct TlsTransport {
    me: PartyId,
    links: Vec<Option<Link>>,
}

struct Link {
    outgoing: Mutex<Option<UnboundedSender<Vec<u8>>>>,
    incoming: Mutex<Receiver<Result<Vec<u8>, TransportError>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    reader: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        // The writer goes on until everything is sent.
        self.reader.abort();
    }
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsTransport")
            .field("me", &self.me)
            .field("parties", &self.links.len())
            .finish()
    }
}

impl TlsTransport {
    /// Connects party `me` with all others of `roster`, which has one entry a party, the own one included.
    /// `listener` is bound to where the own entry says that others reach it. `network` names what the connections
    /// are for; only connections for the same are accepted. Peers need not listen yet: they are awaited for
    /// `patience` in all.
    ///
    /// # Errors
    /// The roster does not have 2 to 16 parties with this one among them, the identity is unusable, or a peer
    /// cannot be reached, is not who it should be, or did not dial in time ([`Error::PeerLost`]).
    pub async fn connect(
        me: PartyId,
        listener: TcpListener,
        identity: Identity,
        roster: &[Endpoint],
        network: [u8; 32],
        patience: Duration,
    ) -> Result<Self, Error> {
        if !(2..=16).contains(&roster.len()) {
            let found = roster.len().to_string();
            return Err(Error::Parameter {
                parameter: "parties in the roster",
                found,
                allowed: "2 to 16",
            });
        }
        if me >= roster.len() {
            let found = me.to_string();
            return Err(Error::Parameter {
                parameter: "me",
                found,
                allowed: "below the number of parties",
            });
        }
        let (connector, acceptor) = possession::configure(identity)?;
        let deadline = Instant::now() + patience;
        let gate = Arc::new(Gate {
            me,
            network,
            roster: roster.to_vec(),
        });
        let dialled = (0..me).map(|peer| Arc::clone(&gate).dial(peer, connector.clone(), deadline));
        let dialled = try_join_all(dialled);
        let accepted = Arc::clone(&gate).accept(listener, acceptor, deadline);
        let (dialled, accepted) = try_join(dialled, accepted).await?;
        let mut links: Vec<Option<Link>> = (0..roster.len()).map(|_| None).collect();
        for (peer, stream) in dialled.into_iter().enumerate().chain(accepted) {
            links[peer] = Some(Link::new(stream));
        }
        Ok(Self { me, links })
    }

    /// Waits until everything sent has been handed to the operating system, then closes the connections for
    /// sending. A program that is about to end calls it; a transport that is only dropped sends the rest in the
    /// background.
    pub async fn close(&self) {
        for link in self.links.iter().flatten() {
            link.outgoing.lock().await.take();
            if let Some(writer) = link.writer.lock().await.take() {
                let _ = writer.await;
            }
        }
    }

    fn link(&self, peer: PartyId) -> Result<&Link, TransportError> {
        let no_such_peer = || TransportError::NoSuchPeer {
            found: peer,
            me: self.me,
            parties: self.links.len(),
        };
        self.links
            .get(peer)
            .and_then(Option::as_ref)
            .ok_or_else(no_such_peer)
    }
}

impl Transport for TlsTransport {
    fn parties(&self) -> usize {
        self.links.len()
    }

    fn me(&self) -> PartyId {
        self.me
    }

    async fn send(&self, to: PartyId, frame: Vec<u8>) -> Result<(), TransportError> {
        check_length(frame.len())?;
        let outgoing = self.link(to)?.outgoing.lock().await;
        let queue = outgoing.as_ref().ok_or(TransportError::Closed)?;
        queue.send(frame).map_err(|_| TransportError::Closed)
    }

    async fn receive(&self, from: PartyId) -> Result<Vec<u8>, TransportError> {
        self.link(from)?
            .incoming
            .lock()
            .await
            .recv()
            .await
            .unwrap_or(Err(TransportError::Closed))
    }
}

impl Link {
    fn new(stream: TlsStream<TcpStream>) -> Self {
        let (mut read, write) = split(stream);
        let (outgoing, queue) = unbounded_channel();
        let (arrived, incoming) = channel(AHEAD);
        let reader = tokio::spawn(async move {
            loop {
                let frame = read_frame(&mut read).await;
                let broken = frame.is_err();
                if arrived.send(frame).await.is_err() || broken {
                    break;
                }
            }
        });
        let writer = tokio::spawn(async move {
            // What went wrong shows when the engine receives.
            let _ = write_frames(write, queue).await;
        });
        Self {
            outgoing: Mutex::new(Some(outgoing)),
            incoming: Mutex::new(incoming),
            writer: Mutex::new(Some(writer)),
            reader,
        }
    }
}

async fn write_frames(
    mut stream: impl AsyncWrite + Unpin,
    mut queue: UnboundedReceiver<Vec<u8>>,
) -> std::io::Result<()> {
    while let Some(frame) = queue.recv().await {
        // One buffer, so that a short frame is one TLS record.
        let mut bytes = Vec::with_capacity(4 + frame.len());
        bytes.extend_from_slice(&(frame.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&frame);
        stream.write_all(&bytes).await?;
        if queue.is_empty() {
            stream.flush().await?;
        }
    }
    stream.shutdown().await
}

async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, TransportError> {
    let length = stream.read_u32().await.map_err(|error| network_error(&error))? as usize;
    check_length(length)?;
    // The memory grows with what arrives, not with what was announced.
    let mut frame = Vec::new();
    let read = stream
        .take(length as u64)
        .read_to_end(&mut frame)
        .await
        .map_err(|error| network_error(&error))?;
    if read == length {
        Ok(frame)
    } else {
        Err(TransportError::Closed)
    }
}

fn network_error(error: &std::io::Error) -> TransportError {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => TransportError::Closed,
        _ => TransportError::Network {
            reason: error.to_string(),
        },
    }
}
