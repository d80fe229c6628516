//! The verifier of one peer in a round: its answer to the coin, and the parities.

use std::fmt;

use p256::{AffinePoint, Scalar};
use rand_core::CryptoRng;

use super::claim::{Claim, Sum, add_each, weight};
use super::peer::Peer;
use super::round::{Round, Sent, answer_length};
use super::tie::powers;
use super::wire::{MASKED_SUM, Reader};
use super::{BindingError, Subsets, Toss};

/// A peer whose commitments of a round were read. It must answer the coin.
pub struct PeerRound {
    pub(super) peer: Peer,
    pub(super) round: Round,
    pub(super) message: Vec<u8>,
    /// One a probe, and last that of the masks.
    pub(super) rows: Vec<AffinePoint>,
    pub(super) announcements: Vec<AffinePoint>,
}

/// A peer whose answer was read. The computation must open the parities that it implies.
pub struct PeerAnswer {
    peer: Peer,
    round: u32,
    parities: Vec<bool>,
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
            add_each(&mut rows.rows, &responses, &-weight);
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
