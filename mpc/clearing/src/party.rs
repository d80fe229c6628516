//! One party's whole run on the authenticated engine: set-up, preprocessing, the protocol.

use std::time::{Duration, Instant};

use mpc_engine::{Demand, Preprocessed, Setup, Stats, Terms, Transport};
use order_commitments::DemandCurve;

use crate::{ClearingError, ClearingTerms, Outcome, budget, clear};

/// What names a run. All parties must name the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The session's id: a digest of the terms, the participants and their books.
    pub session: [u8; 32],
    /// Which attempt at the session this is, from 0.
    pub counter: u32,
    /// How long this party waits for any one message.
    pub patience: Duration,
}

/// What a run took, at one party.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PartyStats {
    /// Conjunctions evaluated.
    pub and_gates: usize,
    /// Triples made.
    pub triples: usize,
    /// Rounds of messages, of all phases.
    pub rounds: u64,
    /// Rounds of messages from the first input to the outcome.
    pub online_rounds: u64,
    /// Bytes sent, of all phases.
    pub bytes_sent: u64,
    /// The time from the first message to the oblivious transfers.
    pub set_up: Duration,
    /// The time for triples and masks.
    pub preprocessing: Duration,
    /// The time from the first input to the outcome.
    pub online: Duration,
}

/// Runs one party of a clearing over connections to the others, whose order is that of the terms' participants.
///
/// # Errors
/// As [`clear`]. The engine's errors name the check that failed and whom this party suspects.
pub async fn run_party<T: Transport>(
    transport: T,
    attempt: &Attempt,
    terms: &ClearingTerms,
    own: &DemandCurve,
) -> Result<(Outcome, PartyStats), ClearingError> {
    let demand = demand(terms)?;
    let start = Instant::now();
    let purpose = Terms {
        purpose: attempt.session,
        patience: attempt.patience,
    };
    let setup = Setup::run(transport, &purpose).await?;
    let set_up = start.elapsed();
    let preprocessed = setup.preprocess(&demand).await?;
    let preprocessing = start.elapsed() - set_up;
    let (outcome, stats) = run_online(preprocessed, attempt, terms, own).await?;
    let stats = PartyStats {
        set_up,
        preprocessing,
        ..stats
    };
    Ok((outcome, stats))
}

/// The material that a run needs at most; it can be made before anybody's demand is known.
///
/// # Errors
/// Terms that cannot be cleared.
pub fn demand(terms: &ClearingTerms) -> Result<Demand, ClearingError> {
    let budget = budget(terms)?;
    Ok(Demand {
        triples: budget.triples,
        inputs: vec![budget.input_bits; terms.parties()],
    })
}

/// Runs the protocol on material that was made before.
///
/// # Errors
/// As [`run_party`].
pub async fn run_online<T: Transport>(
    preprocessed: Preprocessed<T>,
    attempt: &Attempt,
    terms: &ClearingTerms,
    own: &DemandCurve,
) -> Result<(Outcome, PartyStats), ClearingError> {
    let Stats { rounds: before, .. } = preprocessed.stats();
    let start = Instant::now();
    let mut gates = preprocessed.start(&attempt.session, attempt.counter).await?;
    let triples = gates.triples_left();
    let outcome = match clear(&mut gates, terms, own).await {
        Ok(outcome) => outcome,
        Err(error) => {
            // The engine knows of its own errors alone; the peers would take the others for a broken connection.
            gates.give_up().await;
            return Err(error);
        }
    };
    let Stats {
        rounds, bytes_sent, ..
    } = gates.stats();
    let stats = PartyStats {
        and_gates: triples - gates.triples_left(),
        triples,
        rounds,
        online_rounds: rounds - before,
        bytes_sent,
        online: start.elapsed(),
        ..PartyStats::default()
    };
    Ok((outcome, stats))
}

#[cfg(test)]
mod tests {
    use mpc_engine::{Error, transport::MemoryTransport};
    use order_commitments::AllocationRule;
    use tokio::task::JoinSet;

    use super::*;

    /// A party whose own curve does not fit ends the run before its first message; the others hear that it gave up.
    #[tokio::test(flavor = "multi_thread")]
    async fn an_error_that_is_not_the_engines_is_told_to_the_peers() {
        let terms = ClearingTerms {
            participants: ["A", "B", "C"].map(String::from).to_vec(),
            levels: 2,
            lots: 10,
            min_lots: 0,
            rule: AllocationRule::PricePriority,
            demand_bits: 5,
            fan_out: 3,
        };
        let mut parties = JoinSet::new();
        for (party, transport) in MemoryTransport::network(3).into_iter().enumerate() {
            let terms = terms.clone();
            parties.spawn(async move {
                let attempt = Attempt {
                    session: [1; 32],
                    counter: 0,
                    patience: Duration::from_secs(120),
                };
                let demand = if party == 1 { vec![9, 8, 7] } else { vec![9, 8] };
                let own = DemandCurve::new(demand).unwrap();
                (party, run_party(transport, &attempt, &terms, &own).await)
            });
        }
        for (party, result) in parties.join_all().await {
            let error = result.unwrap_err();
            if party == 1 {
                let (expected, found) = (2, 3);
                assert_eq!(error, ClearingError::Levels { expected, found });
            } else {
                // Of the two others one may hear it from the other.
                let told =
                    matches!(&error, ClearingError::Engine(Error::GaveUp { peer, .. }) if *peer != party);
                assert!(told, "party {party}: {error}");
            }
        }
    }
}
