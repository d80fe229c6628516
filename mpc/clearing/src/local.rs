//! All parties of a clearing in this process: for trying it out, for tests and for measuring.

use std::time::Duration;

use mpc_engine::{
    Error, Transport,
    transport::{Delayed, MemoryTransport},
};
use order_commitments::DemandCurve;
use thiserror::Error as ThisError;
use tokio::task::JoinSet;

use crate::{Attempt, ClearingError, ClearingTerms, Outcome, PartyStats, run_party};

/// How the parties reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Queues in memory.
    Memory,
}

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
    /// A party's task panicked.
    #[error("a party's task ended: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// Clears a listing among parties in this process, each with its demand curve, in the order of the terms' participants. Every message
/// takes `latency` longer than it would.
///
/// # Errors
/// The first party's error that is no consequence of another's.
pub async fn clear_locally(
    terms: &ClearingTerms,
    curves: &[DemandCurve],
    network: Network,
    latency: Duration,
) -> Result<(Outcome, Vec<PartyStats>), LocalError> {
    match network {
        Network::Memory => {
            let transports = MemoryTransport::network(curves.len());
            if latency.is_zero() {
                run(terms, curves, transports).await
            } else {
                let delayed = transports.into_iter().map(|party| Delayed::new(party, latency));
                run(terms, curves, delayed.collect()).await
            }
        }
    }
}

async fn run<T: Transport>(
    terms: &ClearingTerms,
    curves: &[DemandCurve],
    transports: Vec<T>,
) -> Result<(Outcome, Vec<PartyStats>), LocalError> {
    let mut parties = JoinSet::new();
    for (party, (transport, curve)) in transports.into_iter().zip(curves.iter().cloned()).enumerate() {
        let terms = terms.clone();
        parties.spawn(async move {
            let attempt = Attempt {
                // Nobody else can reach these parties.
                session: [0; 32],
                counter: 0,
                patience: Duration::from_secs(60),
            };
            (party, run_party(transport, &attempt, &terms, &curve).await)
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
                let consequence =
                    |error: &ClearingError| matches!(error, ClearingError::Engine(Error::PeerLost { .. }));
                if failed
                    .as_ref()
                    .is_none_or(|(_, first)| consequence(first) && !consequence(&error))
                {
                    failed = Some((party, error));
                }
            }
        }
    }
    match (failed, outcome) {
        (None, Some(outcome)) => Ok((outcome, all_stats)),
        (Some((party, error)), _) => Err(LocalError::Party {
            participant: terms.participants.get(party).cloned().unwrap_or_default(),
            error,
        }),
        (None, None) => Err(LocalError::Disagreement),
    }
}
