//! One attempt: the engine's set-up and preprocessing, then the clearing, among all participants.

use std::sync::Arc;
use std::time::Duration;

use fabric_protos::ipo::sidecar::v1 as wire;
use ipo_clearing::party::{demand, run_online};
use ipo_clearing::terms::demand_bits;
use ipo_clearing::{ClearingError, ClearingTerms, Outcome};
use mpc_engine::{PartyId, Setup, Transport};
use order_commitments::{DemandCurve, Session};

use crate::clearing_task::blocking;
use crate::store::Failure;

/// What an attempt works on.
pub(crate) struct Attempt<'a> {
    pub(crate) session: &'a Session,
    pub(crate) demand: &'a DemandCurve,
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
        let terms = clearing_terms(self.session);
        let demand = {
            let terms = terms.clone();
            blocking(move || demand(&terms)).await?
        };
        let engine = mpc_engine::Terms {
            purpose: self.id,
            patience: self.patience,
        };
        let preprocessed = Setup::run(transport, &engine).await?.preprocess(&demand).await?;
        let attempt = ipo_clearing::Attempt {
            session: self.session.id().0,
            // The own number is not the others'; the engine's id above tells attempts apart.
            counter: counter(&self.id),
            patience: self.patience,
        };
        let (outcome, _) = run_online(preprocessed, &attempt, &terms, self.demand).await?;
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
            ClearingError::DemandRises { party, .. } => vec![*party],
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

fn clearing_terms(session: &Session) -> ClearingTerms {
    let terms = session.terms();
    let largest = session
        .participants()
        .iter()
        .map(|participant| participant.book.count)
        .max()
        .unwrap_or(0);
    ClearingTerms {
        participants: session
            .participants()
            .iter()
            .map(|participant| participant.msp.clone())
            .collect(),
        levels: terms.grid.levels(),
        lots: session.lots(),
        min_lots: session.min_subscription_lots(),
        rule: terms.rule,
        demand_bits: demand_bits(largest, session.order_rules().max_order_lots()),
        fan_out: usize::try_from(terms.fan_out).unwrap_or(usize::MAX),
    }
}
