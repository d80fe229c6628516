//! What an organisation brings to a session: its place in it, and its orders.

use std::sync::Arc;

use getrandom::SysRng;
use mpc_engine::{Error, Work};
use order_commitments::{
    DemandCurve, Opening, Session,
    binding::{Prepared, Statement, UseError},
};
use rand_chacha::ChaCha20Rng;
use rand_core::{SeedableRng, TryRng};
use zeroize::Zeroizing;

use crate::{ClearingError, ClearingTerms, budget::expected, publication::PART_BYTES};

/// One organisation's own book in a session. `Debug` prints nothing of the orders.
#[derive(Debug, Clone)]
pub struct OwnBook {
    session: Arc<Session>,
    statement: Arc<Statement>,
    party: usize,
    openings: Arc<Vec<Opening>>,
    part_bytes: usize,
}

/// A book whose proofs are prepared for one attempt.
pub struct Ready {
    pub(crate) statement: Arc<Statement>,
    pub(crate) terms: ClearingTerms,
    pub(crate) demand: DemandCurve,
    pub(crate) prepared: Prepared,
    /// Feeds the proofs of the attempt.
    pub(crate) rng: ChaCha20Rng,
    /// How long the parts are in which the book is published, the same for all parties.
    pub(crate) part_bytes: usize,
}

impl OwnBook {
    /// The book of participant number `party`, whose orders `openings` open.
    #[must_use]
    pub fn new(session: Arc<Session>, party: usize, openings: Vec<Opening>) -> Self {
        Self {
            statement: Statement::new(&session),
            session,
            party,
            openings: Arc::new(openings),
            part_bytes: PART_BYTES,
        }
    }

    /// Publishes the book in parts of another length than a frame's.
    #[cfg(test)]
    pub(crate) fn in_parts_of(mut self, bytes: usize) -> Self {
        self.part_bytes = bytes;
        self
    }

    /// Repeats the parity check fewer times, as all parties of a test then must.
    #[cfg(test)]
    pub(crate) fn weakened(mut self, repetitions: usize) -> Self {
        self.statement = self.statement.weakened(repetitions);
        self
    }

    /// As [`Self::prepare`] for orders that want more than the session allows: a deviation.
    #[cfg(test)]
    pub(crate) fn prepare_any_width(&self) -> Result<Ready, ClearingError> {
        self.ready(|rng| Prepared::of_any_width(self.statement.clone(), self.party, &self.openings, rng))
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Prepares the proofs of one attempt, on a thread of its own from now on: the most of their work, which depends on nothing
    /// that an attempt draws.
    pub fn prepare(&self) -> Work<Result<Ready, ClearingError>> {
        let own = self.clone();
        Work::start(move || own.prepare_here())
    }

    fn prepare_here(&self) -> Result<Ready, ClearingError> {
        let expected = expected(&ClearingTerms::of(&self.session)?);
        self.ready(|rng| Prepared::new(self.statement.clone(), self.party, &self.openings, expected, rng))
    }

    fn ready(
        &self,
        prepare: impl FnOnce(&mut ChaCha20Rng) -> Result<Prepared, UseError>,
    ) -> Result<Ready, ClearingError> {
        let terms = ClearingTerms::of(&self.session)?;
        let mut seed = Zeroizing::new([0; 32]);
        SysRng
            .try_fill_bytes(&mut *seed)
            .map_err(|error| Error::Randomness {
                reason: error.to_string(),
            })?;
        let mut rng = ChaCha20Rng::from_seed(*seed);
        let prepared = prepare(&mut rng)?;
        let mut demand = DemandCurve::zero(terms.levels)?;
        for opening in &*self.openings {
            demand.add(&opening.schedule.curve())?;
        }
        Ok(Ready {
            statement: self.statement.clone(),
            terms,
            demand,
            prepared,
            rng,
            part_bytes: self.part_bytes,
        })
    }
}

/// Prints nothing of the book.
impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ready(..)")
    }
}
