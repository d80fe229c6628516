//! One party's whole run on the authenticated engine: set-up, preprocessing, the protocol.

use std::time::{Duration, Instant};

use mpc_engine::{Demand, Preprocessed, Setup, Stats, Terms, Transport, Work};

use crate::{ClearingError, ClearingTerms, Outcome, OwnBook, Ready, Spent, budget, clear_recorded};

/// What names a run next to its session. All parties must name the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What the preprocessing is for: the session's id, or anything that all parties have.
    pub purpose: [u8; 32],
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
    /// What of the online time the binding took: the own proofs, and waiting for the verification of the others'. What was
    /// prepared during the phases before is not in it, unless it was waited for.
    pub binding: Spent,
}

/// Runs one party of a clearing over connections to the others, whose order is that of the session's participants.
///
/// # Errors
/// As [`crate::clear`]. The engine's errors name the check that failed and whom this party suspects.
pub async fn run_party<T: Transport>(
    transport: T,
    attempt: &Attempt,
    own: &OwnBook,
) -> Result<(Outcome, PartyStats), ClearingError> {
    let session = own.session().clone();
    let demand = Work::start(move || demand(&ClearingTerms::of(&session)?));
    let demand = demand.done().await?;
    let preparing = own.prepare();
    let start = Instant::now();
    let purpose = Terms {
        purpose: attempt.purpose,
        patience: attempt.patience,
    };
    let setup = Setup::run(transport, &purpose).await?;
    let set_up = start.elapsed();
    let preprocessed = setup.preprocess(&demand).await?;
    let preprocessing = start.elapsed() - set_up;
    let start = Instant::now();
    let ready = match preparing.done().await {
        Ok(ready) => ready,
        Err(error) => {
            preprocessed.give_up().await;
            return Err(error);
        }
    };
    let waited = start.elapsed();
    let session = own.session().id().0;
    let (outcome, mut stats) = run_online(preprocessed, &session, attempt.counter, ready).await?;
    stats.set_up = set_up;
    stats.preprocessing = preprocessing;
    stats.online += waited;
    stats.binding.proving += waited;
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
async fn run_online<T: Transport>(
    preprocessed: Preprocessed<T>,
    session: &[u8; 32],
    counter: u32,
    own: Ready,
) -> Result<(Outcome, PartyStats), ClearingError> {
    let Stats { rounds: before, .. } = preprocessed.stats();
    let start = Instant::now();
    let mut gates = preprocessed.start(session, counter).await?;
    let triples = gates.triples_left();
    let attempt = *gates.attempt();
    let (outcome, binding) = match clear_recorded(&mut gates, own, attempt, &mut Vec::new()).await {
        Ok(cleared) => cleared,
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
        binding,
        ..PartyStats::default()
    };
    Ok((outcome, stats))
}

#[cfg(test)]
mod tests {
    use mpc_engine::{Error, transport::MemoryTransport};
    use order_commitments::binding::UseError;
    use tokio::task::JoinSet;

    use super::*;
    use crate::market::Market;

    /// A party whose orders are not its frozen book ends the run before its first message of it; the others hear that it gave up.
    #[tokio::test(flavor = "multi_thread")]
    async fn an_error_that_is_not_the_engines_is_told_to_the_peers() {
        let market = Market::small();
        let mut parties = JoinSet::new();
        for (party, transport) in MemoryTransport::network(3).into_iter().enumerate() {
            let own = if party == 1 {
                market.own(party, Vec::new())
            } else {
                market.own_book(party)
            };
            parties.spawn(async move {
                let attempt = Attempt {
                    purpose: [1; 32],
                    counter: 0,
                    patience: Duration::from_secs(120),
                };
                (party, run_party(transport, &attempt, &own).await)
            });
        }
        for (party, result) in parties.join_all().await {
            let error = result.unwrap_err();
            if party == 1 {
                assert!(
                    matches!(
                        error,
                        ClearingError::OwnBook(UseError::NotTheFrozenBook { found: 0, .. })
                    ),
                    "{error}"
                );
            } else {
                // Of the two others one may hear it from the other.
                let told =
                    matches!(&error, ClearingError::Engine(Error::GaveUp { peer, .. }) if *peer != party);
                assert!(told, "party {party}: {error}");
            }
        }
    }
}
