//! How connections come about: dialling, accepting, and who may be whom.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream, rustls::pki_types::ServerName};

use super::{Endpoint, Trust};
use crate::{Error, PartyId};

/// The step that errors name while the parties connect.
const STEP: &str = "connect";

/// How long a stranger may take for its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long to wait before a peer that does not listen yet is dialled again.
const RETRY: Duration = Duration::from_millis(50);

/// Opens every connection: protocol and version, the network's name, the party's index.
const HELLO_BYTES: usize = MAGIC.len() + 32 + 2;
const MAGIC: &[u8; 12] = b"mpc-engine 1";

/// Who may connect as whom.
pub(super) struct Gate {
    pub(super) me: PartyId,
    pub(super) network: [u8; 32],
    pub(super) roster: Vec<Endpoint>,
}

impl Gate {
    /// Dials `peer` until it listens. A peer that is not who it should be is given up at once.
    pub(super) async fn dial(
        self: Arc<Self>,
        peer: PartyId,
        connector: TlsConnector,
        deadline: Instant,
    ) -> Result<TlsStream<TcpStream>, Error> {
        let lost = |reason: String| Error::PeerLost {
            peer,
            step: STEP,
            reason,
        };
        let Endpoint { address, trust } = &self.roster[peer];
        let mut failure = String::new();
        let attempt = async {
            loop {
                failure = match TcpStream::connect(address).await {
                    Ok(stream) => match self.greet(peer, trust, stream, &connector).await {
                        Ok(stream) => return Ok(stream),
                        Err(Refused::Identity(reason)) => return Err(lost(reason)),
                        Err(Refused::Broken(reason)) => reason,
                    },
                    Err(error) => error.to_string(),
                };
                tracing::debug!(peer, %address, failure, "dialling again");
                sleep(RETRY).await;
            }
        };
        match timeout_at(deadline, attempt).await {
            Ok(dialled) => dialled,
            Err(_) => Err(lost(format!("{address} was not reached in time: {failure}"))),
        }
    }

    async fn greet(
        &self,
        peer: PartyId,
        trust: &Trust,
        stream: TcpStream,
        connector: &TlsConnector,
    ) -> Result<TlsStream<TcpStream>, Refused> {
        stream.set_nodelay(true)?;
        // The name is not checked: the key is.
        let name = ServerName::from(stream.peer_addr()?.ip());
        let mut stream = TlsStream::from(connector.connect(name, stream).await?);
        check_identity(&stream, trust)?;
        stream.write_all(&self.hello()).await?;
        stream.flush().await?;
        let answered = self.read_hello(&mut stream).await?;
        if answered != peer {
            return Err(Refused::Identity(format!("it says that it is party {answered}")));
        }
        Ok(stream)
    }

    /// Accepts every peer with a higher index. Strangers are turned away and do no harm.
    pub(super) async fn accept(
        self: Arc<Self>,
        listener: TcpListener,
        acceptor: TlsAcceptor,
        deadline: Instant,
    ) -> Result<Vec<(PartyId, TlsStream<TcpStream>)>, Error> {
        let mut accepted: Vec<(PartyId, TlsStream<TcpStream>)> = Vec::new();
        let mut greetings = JoinSet::new();
        loop {
            let mut missing = (self.me + 1..self.roster.len())
                .filter(|peer| accepted.iter().all(|(present, _)| present != peer));
            let Some(peer) = missing.next() else {
                return Ok(accepted);
            };
            let lost = |reason: String| Error::PeerLost {
                peer,
                step: STEP,
                reason,
            };
            tokio::select! {
                connection = listener.accept() => match connection {
                    Ok((stream, _)) => {
                        let (gate, acceptor) = (Arc::clone(&self), acceptor.clone());
                        greetings.spawn(async move { timeout(HANDSHAKE, gate.admit(stream, acceptor)).await });
                    }
                    Err(error) => return Err(lost(error.to_string())),
                },
                Some(greeting) = greetings.join_next() => match greeting {
                    // A second connection of the same party takes the place of the first: the dialler has
                    // given that up.
                    Ok(Ok(Ok((peer, stream)))) => {
                        accepted.retain(|(present, _)| *present != peer);
                        accepted.push((peer, stream));
                    }
                    Ok(Ok(Err(refused))) => tracing::warn!(%refused, "a connection was refused"),
                    Ok(Err(_)) | Err(_) => tracing::warn!("a connection was given up in its handshake"),
                },
                () = sleep_until(deadline) => return Err(lost("it did not connect in time".to_owned())),
            }
        }
    }

    async fn admit(
        &self,
        stream: TcpStream,
        acceptor: TlsAcceptor,
    ) -> Result<(PartyId, TlsStream<TcpStream>), Refused> {
        stream.set_nodelay(true)?;
        let mut stream = TlsStream::from(acceptor.accept(stream).await?);
        let peer = self.read_hello(&mut stream).await?;
        if peer <= self.me {
            return Err(Refused::Identity(format!(
                "party {peer} does not dial party {}",
                self.me
            )));
        }
        check_identity(&stream, &self.roster[peer].trust)?;
        stream.write_all(&self.hello()).await?;
        stream.flush().await?;
        Ok((peer, stream))
    }

    fn hello(&self) -> Vec<u8> {
        let mut hello = MAGIC.to_vec();
        hello.extend_from_slice(&self.network);
        hello.extend_from_slice(&(self.me as u16).to_be_bytes());
        hello
    }

    async fn read_hello(&self, stream: &mut TlsStream<TcpStream>) -> Result<PartyId, Refused> {
        let mut hello = [0; HELLO_BYTES];
        stream.read_exact(&mut hello).await?;
        let [.., high, low] = hello;
        let peer = usize::from(u16::from_be_bytes([high, low]));
        if !hello.starts_with(MAGIC) {
            Err(Refused::Identity(
                "another protocol, or another version of it".to_owned(),
            ))
        } else if hello[MAGIC.len()..][..32] != self.network {
            Err(Refused::Identity("a connection for another network".to_owned()))
        } else if peer >= self.roster.len() {
            Err(Refused::Identity(format!(
                "party {peer} among {}",
                self.roster.len()
            )))
        } else {
            Ok(peer)
        }
    }
}

/// Why a connection is not used.
#[derive(Debug, thiserror::Error)]
enum Refused {
    /// The other end is not who it should be.
    #[error("{0}")]
    Identity(String),
    /// The connection broke; another may not.
    #[error("{0}")]
    Broken(String),
}

impl From<std::io::Error> for Refused {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

fn check_identity(stream: &TlsStream<TcpStream>, trust: &Trust) -> Result<(), Refused> {
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    trust.check(chain).map_err(Refused::Identity)
}
