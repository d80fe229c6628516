//! The verifier of one peer: its book first, then round by round.

use std::fmt;
use std::sync::Arc;

use p256::{AffinePoint, Scalar};
use rand_core::CryptoRng;

use super::claim::{Claim, Sum, weight};
use super::round::{Round, Sent, answer_length, commitments_length};
use super::tie::{powers, tie_weights};
use super::wire::{MASKED_SUM, Reader};
use super::{BindingError, Statement, Subsets, Toss, UseError};
use crate::{Book, Commitment, Level};

/// A peer whose book message was read. Whether its proofs hold is for the claim that came with it.
pub struct Peer {
    statement: Arc<Statement>,
    party: usize,
    attempt: [u8; 32],
    /// `P_1, P_2, ...`
    levels: Vec<AffinePoint>,
    book: [u8; 32],
    next_round: u32,
}

/// A peer whose commitments of a round were read. It must answer the coin.
pub struct PeerRound {
    peer: Peer,
    round: Round,
    message: Vec<u8>,
    /// One a probe, and last that of the masks.
    rows: Vec<AffinePoint>,
    announcements: Vec<AffinePoint>,
}

/// A peer whose answer was read. The computation must open the parities that it implies.
pub struct PeerAnswer {
    peer: Peer,
    round: u32,
    parities: Vec<bool>,
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

impl PeerRound {
    /// The subsets of this peer's bits whose parities are opened.
    #[must_use]
    pub fn subsets(&self, toss: &Toss) -> Subsets {
        self.round.subsets(&self.peer.statement, toss)
    }

    /// The length of the answer that is due.
    #[must_use]
    pub fn answer_length(&self) -> usize {
        answer_length(&self.peer.statement, self.round.levels.len())
    }

    /// Reads a peer's answer to the coin. `masked_inputs` are the bytes that the peer broadcast as its masked inputs of the
    /// round. The proofs are left to the claim, and the parities to [`PeerAnswer::check_parities`].
    ///
    /// # Errors
    /// An answer that is not in its one encoding; a masked sum out of its range, or not that of the responses.
    pub fn verify_answer<R: CryptoRng + ?Sized>(
        self,
        masked_inputs: &[u8],
        toss: &Toss,
        answer: &[u8],
        rng: &mut R,
    ) -> Result<(PeerAnswer, Claim), BindingError> {
        let (statement, round) = (&self.peer.statement, &self.round);
        let (party, number) = (round.party, round.number);
        let (width, repetitions) = (statement.width(), statement.repetitions());
        let subsets = self.subsets(toss);
        let mut reader = Reader::new(party, answer);

        let (masked_sums, parities) = read_masked_sums(&mut reader, round, repetitions, subsets.bits())?;
        let sent = Sent {
            commitments: &self.message,
            masked_inputs,
            masked_sums: reader.since(0),
        };
        let (mut transcript, combination) = round.combine(&sent, toss);
        let start = reader.at();
        let linear = reader.point("linear announcement")?;
        let constant = reader.point("constant announcement")?;
        let level_announcement = reader.point("level announcement")?;
        let mask_announcement = reader.scalar("mask announcement")?;
        transcript.bytes("announcements", reader.since(start));
        let challenge = transcript.challenge("response");

        // x W + A = sum_t f_t E_t + z X, for each row.
        let mut rows = Sum::zero();
        let mut bits = Vec::with_capacity(subsets.bits());
        let mut masks = Vec::new();
        for (index, (row, announcement)) in self.rows.iter().zip(&self.announcements).enumerate() {
            let is_masks = index == round.levels.len();
            let responses = reader.scalars("row responses", if is_masks { repetitions } else { width })?;
            let weight = weight(rng);
            super::claim::add_each(&mut rows.rows, &responses, &-weight);
            rows.value_blinding -= reader.scalar("row blinding")? * weight;
            rows.point(row, challenge * weight);
            rows.point(announcement, weight);
            if is_masks {
                masks = responses;
            } else {
                bits.extend(responses);
            }
        }

        // x U_1 + U_0 = (sum_i y^i f_i (x - f_i)) T + z X: what is multiplied with x^2 is sum_i y^i b_i (1 - b_i).
        let products: Scalar = bits
            .iter()
            .zip(powers(&combination))
            .map(|(response, weight)| *response * (challenge - response) * weight)
            .sum();
        let mut are_bits = Sum {
            value: -products,
            value_blinding: -reader.scalar("bits blinding")?,
            ..Sum::zero()
        };
        are_bits.point(&linear, challenge);
        are_bits.point(&constant, Scalar::ONE);

        // x sum_p y^p P_p + Q = (sum_(p,t) y^p 2^t f_(p,t)) T + z X.
        let mut level_sum = Sum {
            value: -Round::level_sum(&combination, bits.chunks_exact(width)),
            value_blinding: -reader.scalar("levels blinding")?,
            ..Sum::zero()
        };
        level_sum.point(&level_announcement, Scalar::ONE);
        for (&level, weight) in round.levels.iter().zip(powers(&combination)) {
            if let Some(point) = level.checked_sub(1).and_then(|index| self.peer.levels.get(index)) {
                level_sum.point(point, challenge * weight);
            }
        }
        reader.end()?;

        // sum_j y^j (sum_(i in S_j) f_i + g_j) = x sum_j y^j Z_j + alpha.
        let sums: Scalar = masked_sums
            .iter()
            .zip(powers(&combination))
            .map(|(sum, weight)| *sum * weight)
            .sum();
        if Round::masked_sum(&combination, &subsets, &bits, &masks) != challenge * sums + mask_announcement {
            return Err(BindingError::MaskOpening { party, round: number });
        }
        let claim = Claim {
            equations: vec![
                (rows, BindingError::Rows { party, round: number }),
                (are_bits, BindingError::Bits { party, round: number }),
                (level_sum, BindingError::LevelSum { party, round: number }),
            ],
        };
        let answer = PeerAnswer {
            peer: self.peer,
            round: number,
            parities,
        };
        Ok((answer, claim))
    }
}

impl PeerAnswer {
    /// Compares what the computation opened, for each subset the parity of its bits and of its mask, with the masked
    /// sums.
    ///
    /// # Errors
    /// The first repetition in which they differ.
    pub fn check_parities(self, opened: &[bool]) -> Result<Peer, BindingError> {
        let wrong = (0..self.parities.len()).find(|&index| self.parities.get(index) != opened.get(index));
        match wrong {
            Some(repetition) => Err(BindingError::Parity {
                party: self.peer.party,
                round: self.round,
                repetition,
            }),
            None => Ok(self.peer),
        }
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

/// The masked sums, each below 2^128 plus the number of bits, and their parities.
fn read_masked_sums(
    reader: &mut Reader<'_>,
    round: &Round,
    repetitions: usize,
    bits: usize,
) -> Result<(Vec<Scalar>, Vec<bool>), BindingError> {
    let above = Scalar::from(u128::MAX) + Scalar::ONE;
    let mut sums = Vec::with_capacity(repetitions);
    let mut parities = Vec::with_capacity(repetitions);
    for repetition in 0..repetitions {
        let [high, low @ ..] = reader.array::<MASKED_SUM>("masked sum")?;
        let low = u128::from_be_bytes(low);
        match high {
            0 => sums.push(Scalar::from(low)),
            1 if low < bits as u128 => sums.push(above + Scalar::from(low)),
            _ => {
                return Err(BindingError::MaskRange {
                    party: round.party,
                    round: round.number,
                    repetition,
                });
            }
        }
        parities.push(low & 1 == 1);
    }
    Ok((sums, parities))
}

impl fmt::Debug for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Peer(party {}, round {})", self.party, self.next_round)
    }
}

impl fmt::Debug for PeerRound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "PeerRound(party {}, round {})",
            self.round.party, self.round.number
        )
    }
}

impl fmt::Debug for PeerAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "PeerAnswer(party {}, round {})",
            self.peer.party, self.round
        )
    }
}
