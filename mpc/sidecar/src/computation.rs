//! One attempt: the engine's set-up and preprocessing, then the clearing, among all participants.

use std::sync::Arc;
use std::time::Duration;

use fabric_protos::ipo::sidecar::v1 as wire;
use ipo_clearing::{ClearingError, Outcome, OwnBook, run_party};
use mpc_engine::{PartyId, Transport};
use order_commitments::Session;
use tracing::debug;

use crate::store::Failure;

/// What an attempt works on.
pub(crate) struct Attempt<'a> {
    pub(crate) session: &'a Session,
    pub(crate) own: &'a OwnBook,
    /// Its number by the own count, for people: another sidecar's may differ.
    pub(crate) number: u32,
    /// Its id, unlike that of any other attempt.
    pub(crate) id: [u8; 32],
    /// How long to wait for any message.
    pub(crate) patience: Duration,
}

impl Attempt<'_> {
    /// Runs the attempt to the public outcome.
    pub(crate) async fn run<T: Transport>(&self, transport: Arc<T>) -> Result<wire::Outcome, Failure> {
        let me = transport.me();
        match self.clear(transport).await {
            Ok(outcome) => Ok(self.told(&outcome)),
            Err(error) => Err(self.failure(&error, me)),
        }
    }

    async fn clear<T: Transport>(&self, transport: Arc<T>) -> Result<Outcome, ClearingError> {
        let attempt = ipo_clearing::Attempt {
            purpose: self.id,
            // The own number is not the others'; the engine's purpose tells attempts apart.
            counter: counter(&self.id),
            patience: self.patience,
        };
        let (outcome, stats) = run_party(transport, &attempt, self.own).await?;
        debug!(session = %self.session.id(), attempt = self.number, ?stats, "an attempt came to an outcome");
        Ok(outcome)
    }

    fn told(&self, outcome: &Outcome) -> wire::Outcome {
        let terms = self.session.terms();
        let (clearing_price, lots) = match outcome {
            Outcome::Failed => (None, vec![0; self.session.participants().len()]),
            Outcome::Sold { level, allocations } => (terms.grid.price(*level), allocations.clone()),
        };
        let allocations: Vec<_> = self
            .session
            .participants()
            .iter()
            .zip(lots)
            .map(|(participant, lots)| wire::Allocation {
                msp: participant.msp.clone(),
                quantity: lots * terms.lot_size,
            })
            .collect();
        wire::Outcome {
            session_id: self.session.id().0.to_vec(),
            is_sold: clearing_price.is_some(),
            clearing_price: clearing_price.unwrap_or(0),
            sold: allocations.iter().map(|allocation| allocation.quantity).sum(),
            allocations,
        }
    }

    fn failure(&self, error: &ClearingError, me: PartyId) -> Failure {
        let msp = |party: &PartyId| self.session.participants().get(*party).map(|it| it.msp.clone());
        let suspects: Vec<PartyId> = match error {
            ClearingError::Engine(error) => error.suspects(self.session.participants().len(), me),
            ClearingError::DemandRises { party, .. } | ClearingError::NotBound { party, .. } => vec![*party],
            _ => Vec::new(),
        };
        let participants: Vec<_> = self
            .session
            .participants()
            .iter()
            .enumerate()
            .map(|(party, participant)| format!("{party} is {}", participant.msp))
            .collect();
        Failure {
            reason: format!(
                "attempt {}: {error} (party {})",
                self.number,
                participants.join(", ")
            ),
            suspects: suspects.iter().filter_map(msp).collect(),
        }
    }
}

/// A number that all participants of an attempt have, from its id.
fn counter(id: &[u8; 32]) -> u32 {
    let [first, second, third, fourth, ..] = *id;
    u32::from_be_bytes([first, second, third, fourth])
}
