//! The prover before an attempt has its id: everything heavy that depends on nothing else than the own book.

use std::fmt;
use std::sync::Arc;

use p256::{AffinePoint, Scalar};
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::fixed_base::{SCALAR_BITS, value_point};
use super::prover::Prover;
use super::secret::{self, Nonces, Secrets, normalized, random, randoms};
use super::statement::MAX_ORDER_ID;
use super::tie::{powers, tie_weights};
use super::wire::{Writer, book_length};
use super::{Statement, UseError};
use crate::commitment::blinding;
use crate::{Book, Commitment, DemandCurve, Level, Lots, Opening, generators};

/// How many rounds and probes an attempt may take: what they need is made ahead. More than is needed costs time, less
/// costs it later.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expected {
    /// Rounds.
    pub rounds: usize,
    /// Probes in all rounds.
    pub probes: usize,
}

/// An organisation's own book, ready to be proven: commitments to its demand at every level, and the announcements of the
/// proofs. One attempt consumes it. Erased when dropped; `Debug` prints nothing.
pub struct Prepared {
    statement: Arc<Statement>,
    party: usize,
    orders: Vec<Order>,
    demand: DemandCurve,
    /// `y_k` of `P_k = D(k) T + y_k X`.
    level_blindings: Secrets,
    level_points: Vec<AffinePoint>,
    opening: Nonces,
    tie: Nonces,
    spare: Spare,
    /// By how many lots the demand of the first order rises after these levels: a deviation.
    #[cfg(any(test, feature = "deviations"))]
    pub(super) rises: Vec<(Level, Lots)>,
}

/// Announcements of rows that wait for their round.
#[derive(Default)]
pub(super) struct Spare {
    pub(super) bits: Vec<Nonces>,
    pub(super) masks: Vec<Nonces>,
}

#[derive(Zeroize, ZeroizeOnDrop)]
struct Order {
    #[zeroize(skip)]
    id: String,
    #[zeroize(skip)]
    commitment: Commitment,
    increments: Vec<(Level, Lots)>,
    blinding: Scalar,
}

impl Order {
    /// Adds `weight` times the order's increments, level by level.
    fn add_increments(&self, sums: &mut [Scalar], weight: &Scalar) {
        for (level, lots) in &self.increments {
            if let Some(sum) = level.checked_sub(1).and_then(|index| sums.get_mut(index)) {
                *sum += Scalar::from(*lots) * weight;
            }
        }
    }
}

impl Prepared {
    /// Prepares the proofs of party `party`, whose orders `openings` are. That the openings open their commitments is for
    /// [`crate::opening::open_book`] to check; proofs of others will not be believed.
    ///
    /// Takes long: some hundred multiplications in constant time.
    ///
    /// # Errors
    /// No such party; orders that are not those of its frozen book, are of other levels or too wide.
    pub fn new<R: CryptoRng + ?Sized>(
        statement: Arc<Statement>,
        party: usize,
        openings: &[Opening],
        expected: Expected,
        rng: &mut R,
    ) -> Result<Self, UseError> {
        let (orders, demand) = own_book(&statement, party, openings)?;
        if demand.demand(1) >> statement.width() != 0 {
            return Err(UseError::TooWide {
                width: statement.width(),
            });
        }
        Ok(Self::of_book(statement, party, orders, demand, expected, rng))
    }

    fn of_book<R: CryptoRng + ?Sized>(
        statement: Arc<Statement>,
        party: usize,
        orders: Vec<Order>,
        demand: DemandCurve,
        expected: Expected,
        rng: &mut R,
    ) -> Self {
        generators::prepare(statement.levels());
        let (level_blindings, level_points) = commit_levels(&demand, rng);
        let levels = statement.levels();
        let mut spare = Spare::default();
        spare.add(&statement, expected, rng);
        Self {
            party,
            orders,
            demand,
            level_blindings,
            level_points,
            opening: Nonces::curve(levels, rng),
            tie: Nonces::curve(levels, rng),
            spare,
            statement,
            #[cfg(any(test, feature = "deviations"))]
            rises: Vec::new(),
        }
    }

    /// As [`Self::new`] for a party whose orders want more than the session allows: a deviation.
    ///
    /// # Errors
    /// As [`Self::new`].
    #[cfg(any(test, feature = "deviations"))]
    pub fn of_any_width<R: CryptoRng + ?Sized>(
        statement: Arc<Statement>,
        party: usize,
        openings: &[Opening],
        rng: &mut R,
    ) -> Result<Self, UseError> {
        let (orders, demand) = own_book(&statement, party, openings)?;
        Ok(Self::of_book(
            statement,
            party,
            orders,
            demand,
            Expected::default(),
            rng,
        ))
    }

    /// Takes another demand for the book's, and commits to it at every level, while all else is proven of the book: a
    /// deviation.
    #[cfg(any(test, feature = "deviations"))]
    #[must_use]
    pub fn with_other_demand<R: CryptoRng + ?Sized>(mut self, demand: DemandCurve, rng: &mut R) -> Self {
        (self.level_blindings, self.level_points) = commit_levels(&demand, rng);
        self.demand = demand;
        self
    }

    /// Proves the book in an attempt: the message goes to every peer, and is read with [`super::Peer::verify_book`].
    ///
    /// # Errors
    /// None that [`Self::new`] does not find.
    pub fn prove_book<R: CryptoRng + ?Sized>(
        self,
        attempt: [u8; 32],
        rng: &mut R,
    ) -> Result<(Prover, Vec<u8>), UseError> {
        let mut transcript = self.statement.transcript(self.party, &attempt)?;
        let levels = self.statement.levels();
        let mut message = Writer::with_capacity(self.message_length());

        message.bytes(&u32::try_from(self.orders.len()).unwrap_or(u32::MAX).to_be_bytes());
        for order in &self.orders {
            // Checked when the orders were taken in.
            message.bytes(&u16::try_from(order.id.len()).unwrap_or(u16::MAX).to_be_bytes());
            message.bytes(order.id.as_bytes());
            message.point(order.commitment.as_affine());
        }
        transcript.bytes("orders", message.since(0));
        let start = message.len();
        message.points(&self.level_points);
        transcript.bytes("levels", message.since(start));
        let start = message.len();
        message.points(&normalized(&[self.opening.announcement, self.tie.announcement]));
        transcript.bytes("announcements", message.since(start));

        let tie_challenge = transcript.challenge("tie");
        let (level_weights, curve_weights) = tie_weights(&tie_challenge, levels);
        let level_nonce = Zeroizing::new(random(rng));
        let value = Zeroizing::new(inner(&curve_weights, &self.tie.values));
        let start = message.len();
        message.points(&normalized(&[value_point(&value, SCALAR_BITS, &level_nonce)]));
        transcript.bytes("level announcement", message.since(start));

        let challenge = transcript.challenge("response");
        let (opened, opened_blinding) = self.opening_response(&challenge);
        for response in opened.iter().chain([&*opened_blinding]) {
            message.scalar(response);
        }
        for response in self.tie_responses(&challenge).iter() {
            message.scalar(response);
        }
        let book_blinding: Zeroizing<Scalar> =
            Zeroizing::new(self.orders.iter().map(|order| order.blinding).sum());
        message.scalar(&(*book_blinding * challenge + self.tie.blinding));
        let level_blinding = Zeroizing::new(inner(&level_weights, &self.level_blindings));
        message.scalar(&(*level_blinding * challenge + *level_nonce));

        transcript.bytes("message", message.since(0));
        let prover = Prover::new(
            self.statement,
            self.party,
            attempt,
            self.demand,
            self.level_blindings,
            self.spare,
            transcript.digest(),
        );
        Ok((prover, message.finish()))
    }

    /// `a + sum_o c^o d_o`, and the same of the blindings.
    fn opening_response(&self, challenge: &Scalar) -> (Secrets, Zeroizing<Scalar>) {
        let mut responses: Secrets = Zeroizing::new(self.opening.values.clone());
        let mut blinding = Zeroizing::new(self.opening.blinding);
        for (order, weight) in self.orders.iter().zip(powers(challenge)) {
            order.add_increments(&mut responses, &weight);
            *blinding += order.blinding * weight;
        }
        #[cfg(any(test, feature = "deviations"))]
        self.add_rises(&mut responses, challenge);
        (responses, blinding)
    }

    /// `a' + c sum_o d_o`.
    fn tie_responses(&self, challenge: &Scalar) -> Secrets {
        let mut responses: Secrets = Zeroizing::new(self.tie.values.clone());
        for order in &self.orders {
            order.add_increments(&mut responses, challenge);
        }
        #[cfg(any(test, feature = "deviations"))]
        self.add_rises(&mut responses, challenge);
        responses
    }

    fn message_length(&self) -> usize {
        let ids = self.orders.iter().map(|order| order.id.len()).sum();
        book_length(self.statement.levels(), self.orders.len(), ids)
    }
}

/// Prints nothing of the book.
impl fmt::Debug for Prepared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Prepared(party {}, ..)", self.party)
    }
}

fn inner(left: &[Scalar], right: &[Scalar]) -> Scalar {
    left.iter().zip(right).map(|(left, right)| *left * right).sum()
}

/// Blindings `y_k` and commitments `P_k = D(k) T + y_k X`.
fn commit_levels<R: CryptoRng + ?Sized>(demand: &DemandCurve, rng: &mut R) -> (Secrets, Vec<AffinePoint>) {
    let blindings = randoms(demand.levels(), rng);
    let points: Vec<_> = demand
        .as_slice()
        .iter()
        .zip(blindings.iter())
        .map(|(lots, blinding)| value_point(&Scalar::from(*lots), 64, blinding))
        .collect();
    (blindings, normalized(&points))
}

/// The own orders in the book's order, and the demand that they add up to.
fn own_book(
    statement: &Statement,
    party: usize,
    openings: &[Opening],
) -> Result<(Vec<Order>, DemandCurve), UseError> {
    let (owner, expected) = (statement.owner(party)?, statement.book(party)?);
    let not_the_book = || UseError::NotTheFrozenBook {
        found: openings.len() as u64,
        expected: expected.count,
    };
    let mut sorted: Vec<&Opening> = openings.iter().collect();
    sorted.sort_by(|left, right| left.order_id.as_bytes().cmp(right.order_id.as_bytes()));
    let commitments = sorted
        .iter()
        .map(|opening| (opening.order_id.as_str(), opening.commitment));
    if Book::freeze(&owner, commitments).as_ref() != Ok(expected) {
        return Err(not_the_book());
    }
    let levels = statement.levels();
    let mut demand = DemandCurve::zero(levels).map_err(|_| not_the_book())?;
    let mut orders = Vec::with_capacity(sorted.len());
    for opening in sorted {
        let order_id = opening.order_id.clone();
        if order_id.len() > MAX_ORDER_ID {
            return Err(UseError::OrderId {
                found: order_id.len(),
            });
        }
        let found = opening.schedule.levels();
        if found != levels {
            return Err(UseError::OtherLevels {
                order_id,
                found,
                levels,
            });
        }
        demand
            .add(&opening.schedule.curve())
            .map_err(|_| UseError::TooWide {
                width: statement.width(),
            })?;
        orders.push(Order {
            increments: opening.schedule.increments().collect(),
            blinding: *blinding(&owner.order(&order_id), &opening.salt),
            commitment: opening.commitment,
            id: order_id,
        });
    }
    Ok((orders, demand))
}

impl Spare {
    pub(super) fn add<R: CryptoRng + ?Sized>(
        &mut self,
        statement: &Statement,
        expected: Expected,
        rng: &mut R,
    ) {
        let (width, repetitions) = (statement.width(), statement.repetitions());
        self.bits
            .extend((0..expected.probes).map(|_| Nonces::row(width, rng)));
        self.masks
            .extend((0..expected.rounds).map(|_| Nonces::row(repetitions, rng)));
    }

    pub(super) fn bits<R: CryptoRng + ?Sized>(&mut self, width: usize, rng: &mut R) -> Nonces {
        self.bits.pop().unwrap_or_else(|| secret::Nonces::row(width, rng))
    }

    pub(super) fn masks<R: CryptoRng + ?Sized>(&mut self, repetitions: usize, rng: &mut R) -> Nonces {
        self.masks
            .pop()
            .unwrap_or_else(|| secret::Nonces::row(repetitions, rng))
    }
}
