//! The verifier of one peer: its book, and the commitments of a round.

use std::fmt;
use std::sync::Arc;

use p256::{AffinePoint, Scalar};

use super::claim::{Claim, Sum};
use super::peer_round::PeerRound;
use super::round::{Round, commitments_length};
use super::tie::{powers, tie_weights};
use super::wire::Reader;
use super::{BindingError, Statement, UseError};
use crate::{Book, Commitment, Level};

/// A peer whose book message was read. Whether its proofs hold is for the claim that came with it.
pub struct Peer {
    pub(super) statement: Arc<Statement>,
    pub(super) party: usize,
    attempt: [u8; 32],
    /// `P_1, P_2, ...`
    pub(super) levels: Vec<AffinePoint>,
    book: [u8; 32],
    next_round: u32,
}

/// A message of a peer, or one's own use of it, that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The peer's fault.
    #[error(transparent)]
    Peer(#[from] BindingError),
    /// The own fault.
    #[error(transparent)]
    Use(#[from] UseError),
}

impl Peer {
    /// Reads a peer's book message and compares its orders with the frozen book. The proofs are left to the claim.
    ///
    /// # Errors
    /// A message that is not in its one encoding; orders that are not those of the frozen book; no such party.
    pub fn verify_book(
        statement: Arc<Statement>,
        party: usize,
        attempt: [u8; 32],
        message: &[u8],
    ) -> Result<(Self, Claim), VerifyError> {
        let mut transcript = statement.transcript(party, &attempt)?;
        let levels = statement.levels();
        let mut reader = Reader::new(party, message);

        let orders = read_orders(&mut reader, &statement, party)?;
        transcript.bytes("orders", reader.since(0));
        let start = reader.at();
        let level_points = reader.points("level commitments", levels)?;
        transcript.bytes("levels", reader.since(start));
        let start = reader.at();
        let opening_announcement = reader.point("opening announcement")?;
        let tie_announcement = reader.point("tie announcement")?;
        transcript.bytes("announcements", reader.since(start));
        let tie_challenge = transcript.challenge("tie");
        let start = reader.at();
        let level_announcement = reader.point("level announcement")?;
        transcript.bytes("level announcement", reader.since(start));
        let challenge = transcript.challenge("response");

        // A + sum_o c^o V_o = sum_k z_k G_k + z H.
        let mut opening = Sum {
            levels: negated(&reader.scalars("opening responses", levels)?),
            blinding: -reader.scalar("opening blinding")?,
            ..Sum::zero()
        };
        opening.point(&opening_announcement, Scalar::ONE);
        for (order, weight) in orders.iter().zip(powers(&challenge)) {
            opening.point(order.as_affine(), weight);
        }

        // A' + c V = sum_k f_k G_k + f H, of the book's commitment V.
        let responses = reader.scalars("tie responses", levels)?;
        let mut book_tie = Sum {
            levels: negated(&responses),
            blinding: -reader.scalar("tie blinding")?,
            ..Sum::zero()
        };
        book_tie.point(&tie_announcement, Scalar::ONE);
        book_tie
            .points
            .push((statement.book(party)?.commitment.to_affine(), challenge));

        // A'' + c sum_k rho^k P_k = (sum_j f_j sum_(k <= j) rho^k) T + f' X.
        let (level_weights, curve_weights) = tie_weights(&tie_challenge, levels);
        let value: Scalar = responses
            .iter()
            .zip(&curve_weights)
            .map(|(response, weight)| *response * weight)
            .sum();
        let mut level_tie = Sum {
            value: -value,
            value_blinding: -reader.scalar("level blinding")?,
            ..Sum::zero()
        };
        level_tie.point(&level_announcement, Scalar::ONE);
        for (point, weight) in level_points.iter().zip(&level_weights) {
            level_tie.point(point, challenge * weight);
        }

        reader.end()?;
        transcript.bytes("message", message);
        let claim = Claim {
            equations: vec![
                (opening, BindingError::Opening { party }),
                (book_tie, BindingError::Tie { party }),
                (level_tie, BindingError::Tie { party }),
            ],
        };
        let peer = Self {
            statement,
            party,
            attempt,
            levels: level_points,
            book: transcript.digest(),
            next_round: 0,
        };
        Ok((peer, claim))
    }

    /// The length of this party's commitments in a round of `probes` probes.
    #[must_use]
    pub fn round_length(probes: usize) -> usize {
        commitments_length(probes)
    }

    /// Reads a peer's commitments of the next round.
    ///
    /// # Errors
    /// A message that is not in its one encoding; probes that are not ascending levels of the listing.
    pub fn receive_round(mut self, probes: &[Level], message: &[u8]) -> Result<PeerRound, VerifyError> {
        self.statement.check_probes(probes)?;
        let mut reader = Reader::new(self.party, message);
        let rows = reader.points("rows", probes.len() + 1)?;
        let announcements = reader.points("row announcements", probes.len() + 1)?;
        reader.end()?;
        let round = Round {
            attempt: self.attempt,
            party: self.party,
            number: self.next_round,
            levels: probes.to_vec(),
            book: self.book,
        };
        self.next_round += 1;
        Ok(PeerRound {
            peer: self,
            round,
            message: message.to_vec(),
            rows,
            announcements,
        })
    }
}

fn negated(scalars: &[Scalar]) -> Vec<Scalar> {
    scalars.iter().map(|scalar| -scalar).collect()
}

/// The orders of a book message, compared with the frozen book.
fn read_orders(
    reader: &mut Reader<'_>,
    statement: &Statement,
    party: usize,
) -> Result<Vec<Commitment>, VerifyError> {
    let expected = statement.book(party)?;
    let count = u64::from(u32::from_be_bytes(reader.array("orders")?));
    if count != expected.count {
        return Err(BindingError::BookCount {
            party,
            found: count,
            expected: expected.count,
        }
        .into());
    }
    let mut orders = Vec::new();
    for _ in 0..count {
        let length = u16::from_be_bytes(reader.array("order id length")?);
        let id = reader.bytes("order id", usize::from(length))?;
        let Ok(id) = std::str::from_utf8(id) else {
            return Err(reader.error("order id", "not UTF-8".to_owned(), "UTF-8").into());
        };
        let commitment = Commitment::from_affine(reader.point("order commitment")?);
        orders.push((id, commitment));
    }
    let found = Book::freeze(&statement.owner(party)?, orders.iter().copied()).map_err(|error| {
        reader.error(
            "order id",
            error.to_string(),
            "distinct ids in ascending byte order",
        )
    })?;
    if found.digest != expected.digest {
        return Err(BindingError::BookDigest { party }.into());
    }
    if found.commitment != expected.commitment {
        return Err(BindingError::BookSum { party }.into());
    }
    Ok(orders.into_iter().map(|(_, commitment)| commitment).collect())
}

impl fmt::Debug for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Peer(party {}, round {})", self.party, self.next_round)
    }
}
