//! All parties of a clearing in this process: for trying it out, for tests and for measuring.

use std::{net::Ipv4Addr, time::Duration};

use mpc_engine::{
    Error, Transport,
    transport::{Delayed, Endpoint, Identity, MemoryTransport, TlsTransport, Trust, key_hash},
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use thiserror::Error as ThisError;
use tokio::{net::TcpListener, task::JoinSet};

use crate::{Attempt, ClearingError, Outcome, PartyStats, ledger::Frozen, run_party};

/// How the parties reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Mutual TLS over loopback, under keys made for the run.
    Tls,
    /// Queues in memory.
    Memory,
}

/// The name of the parties' connections: nobody else can reach them.
const NAME: [u8; 32] = *b"ipo-clearing within one process ";

/// How long a party waits for another. Both are in this process, so this only ends a run that has gone wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a clearing within this process ended without an outcome.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum LocalError {
    /// A party's run ended.
    #[error("{participant}: {error}")]
    Party {
        /// The party's MSP id.
        participant: String,
        /// Why.
        error: ClearingError,
    },
    /// Parties came to different outcomes. With checked openings this is a fault in the program.
    #[error("the parties came to different outcomes")]
    Disagreement,
    /// The parties could not be connected.
    #[error("connecting the parties over loopback: {0}")]
    Connect(#[from] Error),
    /// A party could not listen on loopback.
    #[error("listening on loopback: {0}")]
    Listen(#[from] std::io::Error),
    /// No certificate could be made.
    #[error("making a certificate: {reason}")]
    Certificate {
        /// Why.
        reason: String,
    },
    /// A party's task panicked.
    #[error("a party's task ended: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// Clears a session among parties in this process, each with its own book. Every message takes `latency` longer than it would.
///
/// # Errors
/// The first party's error that is no consequence of another's.
pub async fn clear_locally(
    frozen: &Frozen,
    network: Network,
    latency: Duration,
) -> Result<(Outcome, Vec<PartyStats>), LocalError> {
    let parties = frozen.session.participants().len();
    match network {
        Network::Tls => over(frozen, connect(parties).await?, latency).await,
        Network::Memory => over(frozen, MemoryTransport::network(parties), latency).await,
    }
}

async fn over<T: Transport>(
    frozen: &Frozen,
    transports: Vec<T>,
    latency: Duration,
) -> Result<(Outcome, Vec<PartyStats>), LocalError> {
    if latency.is_zero() {
        return run(frozen, transports).await;
    }
    let delayed = transports.into_iter().map(|party| Delayed::new(party, latency));
    run(frozen, delayed.collect()).await
}

/// Connects parties with each other over loopback, each with a key of its own that the others know.
async fn connect(parties: usize) -> Result<Vec<TlsTransport>, LocalError> {
    let mut members = Vec::new();
    let mut roster = Vec::new();
    for _ in 0..parties {
        let certificate = |reason: String| LocalError::Certificate { reason };
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])
            .map_err(|error| certificate(error.to_string()))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let shown = made.cert.der().clone();
        roster.push(Endpoint {
            address: listener.local_addr()?,
            trust: Trust::KeyHash(key_hash(&shown).map_err(certificate)?),
        });
        let identity = Identity {
            certificates: vec![shown],
            key: PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into(),
        };
        members.push((listener, identity));
    }
    let mut connecting = JoinSet::new();
    for (party, (listener, identity)) in members.into_iter().enumerate() {
        let roster = roster.clone();
        connecting.spawn(async move {
            let transport = TlsTransport::connect(party, listener, identity, &roster, NAME, PATIENCE).await;
            (party, transport)
        });
    }
    let mut connected = Vec::new();
    while let Some(result) = connecting.join_next().await {
        let (party, transport) = result?;
        connected.push((party, transport?));
    }
    connected.sort_by_key(|(party, _)| *party);
    Ok(connected.into_iter().map(|(_, transport)| transport).collect())
}

async fn run<T: Transport>(
    frozen: &Frozen,
    transports: Vec<T>,
) -> Result<(Outcome, Vec<PartyStats>), LocalError> {
    let mut parties = JoinSet::new();
    for (party, transport) in transports.into_iter().enumerate() {
        let own = frozen.own_book(party);
        parties.spawn(async move {
            let attempt = Attempt {
                purpose: own.session().id().0,
                counter: 0,
                patience: PATIENCE,
            };
            (party, run_party(transport, &attempt, &own).await)
        });
    }
    let mut results = Vec::new();
    while let Some(result) = parties.join_next().await {
        results.push(result?);
    }
    results.sort_by_key(|(party, _)| *party);

    let mut outcome = None;
    let mut all_stats = Vec::new();
    let mut failed: Option<(usize, ClearingError)> = None;
    for (party, result) in results {
        match result {
            Ok((found, stats)) => {
                if outcome.get_or_insert_with(|| found.clone()) != &found {
                    return Err(LocalError::Disagreement);
                }
                all_stats.push(stats);
            }
            Err(error) => {
                let consequence = |error: &ClearingError| {
                    matches!(
                        error,
                        ClearingError::Engine(
                            Error::PeerLost { .. } | Error::Silent { .. } | Error::GaveUp { .. }
                        )
                    )
                };
                if failed
                    .as_ref()
                    .is_none_or(|(_, first)| consequence(first) && !consequence(&error))
                {
                    failed = Some((party, error));
                }
            }
        }
    }
    let participants = frozen.session.participants();
    match (failed, outcome) {
        (None, Some(outcome)) => Ok((outcome, all_stats)),
        (Some((party, error)), _) => Err(LocalError::Party {
            participant: participants
                .get(party)
                .map(|it| it.msp.clone())
                .unwrap_or_default(),
            error,
        }),
        (None, None) => Err(LocalError::Disagreement),
    }
}
