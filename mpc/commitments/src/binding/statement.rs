//! What everybody knows before an attempt: the session, the frozen books, and how wide and how sure the proofs are.

use std::sync::Arc;

use super::UseError;
use super::transcript::Transcript;
use super::wire::book_length;
use crate::{Book, BookContext, Level, Lots, Session};

/// How often the parity check is repeated: other bits than those committed to pass one time in 2^40.
pub const REPETITIONS: usize = 40;

/// The widest demand, in bits.
pub const MAX_WIDTH: usize = 49;

/// The longest order id, in bytes, that a book message is made for.
pub(super) const MAX_ORDER_ID: usize = 255;

/// The public statement that all proofs of a session are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    session: [u8; 32],
    channel: String,
    chaincode: String,
    listing: String,
    participants: Vec<(String, Book)>,
    levels: usize,
    width: usize,
    repetitions: usize,
}

impl Statement {
    /// The statement of a session.
    #[must_use]
    pub fn new(session: &Session) -> Arc<Self> {
        let terms = session.terms();
        Arc::new(Self {
            session: session.id().0,
            channel: terms.channel.clone(),
            chaincode: terms.chaincode.clone(),
            listing: terms.listing.clone(),
            participants: session
                .participants()
                .iter()
                .map(|participant| (participant.msp.clone(), participant.book.clone()))
                .collect(),
            levels: terms.grid.levels(),
            width: width_of(session.max_book_lots()),
            repetitions: REPETITIONS,
        })
    }

    /// A statement whose parity check is repeated fewer times, so that a test sees a cheat pass.
    #[cfg(any(test, feature = "deviations"))]
    #[must_use]
    pub fn weakened(&self, repetitions: usize) -> Arc<Self> {
        Arc::new(Self {
            repetitions: repetitions.clamp(1, REPETITIONS),
            ..self.clone()
        })
    }

    /// How many parties there are.
    #[must_use]
    pub fn parties(&self) -> usize {
        self.participants.len()
    }

    /// How many price levels the listing has.
    #[must_use]
    pub fn levels(&self) -> usize {
        self.levels
    }

    /// The width of a demand in bits, `1..=`[`MAX_WIDTH`]: that of the greatest demand that the largest frozen book can
    /// have.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many masked sums a party opens in a round.
    #[must_use]
    pub fn repetitions(&self) -> usize {
        self.repetitions
    }

    /// How many bytes the book message of a party can have, from the number of its orders on the ledger.
    ///
    /// # Errors
    /// No such party.
    pub fn longest_book_message(&self, party: usize) -> Result<usize, UseError> {
        let orders = usize::try_from(self.book(party)?.count).unwrap_or(usize::MAX);
        Ok(book_length(
            self.levels,
            orders,
            orders.saturating_mul(MAX_ORDER_ID),
        ))
    }

    pub(super) fn book(&self, party: usize) -> Result<&Book, UseError> {
        self.participant(party).map(|(_, book)| book)
    }

    pub(super) fn owner(&self, party: usize) -> Result<BookContext<'_>, UseError> {
        Ok(BookContext {
            channel: &self.channel,
            chaincode: &self.chaincode,
            listing: &self.listing,
            msp: &self.participant(party)?.0,
        })
    }

    fn participant(&self, party: usize) -> Result<&(String, Book), UseError> {
        self.participants.get(party).ok_or(UseError::Party {
            found: party,
            parties: self.participants.len(),
        })
    }

    pub(super) fn check_probes(&self, probes: &[Level]) -> Result<(), UseError> {
        let ascending = probes.is_sorted_by(|lower, higher| lower < higher);
        let within = probes.first().is_some_and(|&level| level >= 1)
            && probes.last().is_some_and(|&level| level <= self.levels);
        if ascending && within {
            Ok(())
        } else {
            Err(UseError::Probes {
                found: probes.to_vec(),
                levels: self.levels,
            })
        }
    }

    /// A transcript that starts with all that the proofs of a party in an attempt depend on.
    pub(super) fn transcript(&self, party: usize, attempt: &[u8; 32]) -> Result<Transcript, UseError> {
        let (msp, book) = self.participant(party)?;
        let mut transcript = Transcript::new("book");
        transcript
            .bytes("session", &self.session)
            .bytes("attempt", attempt)
            .number("parties", self.participants.len())
            .number("party", party)
            .bytes("msp", msp.as_bytes())
            .number("levels", self.levels)
            .number("width", self.width)
            .number("repetitions", self.repetitions)
            .bytes("count", &book.count.to_be_bytes())
            .bytes("digest", &book.digest.0)
            .bytes("commitment", &book.commitment.to_bytes());
        Ok(transcript)
    }
}

/// The width of a number in bits, 1 for zero.
fn width_of(lots: Lots) -> usize {
    ((Lots::BITS - lots.leading_zeros()) as usize).max(1)
}
