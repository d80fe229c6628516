//! What both sides of a round's proof compute: its place, its challenges and its public combinations.

use p256::Scalar;

use super::tie::powers;
use super::transcript::Transcript;
use super::wire::{MASKED_SUM, POINT, SCALAR};
use super::{Statement, Subsets, Toss};
use crate::Level;

/// A round of a party in an attempt.
pub(super) struct Round {
    pub(super) attempt: [u8; 32],
    pub(super) party: usize,
    pub(super) number: u32,
    pub(super) levels: Vec<Level>,
    /// The digest of the party's book transcript: it fixes the session, the party, its book and its level commitments.
    pub(super) book: [u8; 32],
}

/// The public parts of a round that its challenges depend on, as they were sent.
pub(super) struct Sent<'a> {
    pub(super) commitments: &'a [u8],
    pub(super) masked_inputs: &'a [u8],
    pub(super) masked_sums: &'a [u8],
}

impl Round {
    /// The transcript up to the masked sums, and the challenge that combines bits, levels and masks.
    pub(super) fn combine(&self, sent: &Sent<'_>, toss: &Toss) -> (Transcript, Scalar) {
        let mut transcript = Transcript::new("round");
        transcript
            .bytes("attempt", &self.attempt)
            .number("party", self.party)
            .bytes("book", &self.book)
            .bytes("round", &self.number.to_be_bytes())
            .numbers("probes", &self.levels)
            .bytes("commitments", sent.commitments)
            .bytes("masked inputs", sent.masked_inputs)
            .bytes("coin", &toss.coin)
            .bytes("echoed", &toss.echoed)
            .bytes("masked sums", sent.masked_sums);
        let combination = transcript.challenge("combination");
        (transcript, combination)
    }

    pub(super) fn subsets(&self, statement: &Statement, toss: &Toss) -> Subsets {
        let bits = self.levels.len() * statement.width();
        Subsets::new(
            &self.attempt,
            self.party,
            self.number,
            statement.repetitions(),
            bits,
            toss,
        )
    }

    /// `sum_(p,t) y^p 2^t v_(p,t)`, from the rows of the probes.
    pub(super) fn level_sum<'a>(combination: &Scalar, rows: impl Iterator<Item = &'a [Scalar]>) -> Scalar {
        rows.zip(powers(combination))
            .map(|(row, weight)| {
                // Horner's rule, from the highest bit.
                let sum = row
                    .iter()
                    .rev()
                    .fold(Scalar::ZERO, |sum, value| sum.double() + value);
                sum * weight
            })
            .sum()
    }

    /// `sum_j y^j (sum_(i in S_j) v_i + m_j)`, from the values of the bits and of the masks.
    pub(super) fn masked_sum(
        combination: &Scalar,
        subsets: &Subsets,
        bits: &[Scalar],
        masks: &[Scalar],
    ) -> Scalar {
        subsets
            .iter()
            .zip(masks)
            .zip(powers(combination))
            .map(|((subset, mask), weight)| {
                let chosen = bits.iter().zip(subset).filter(|(_, chosen)| **chosen);
                let sum: Scalar = chosen.map(|(value, _)| value).sum();
                (sum + mask) * weight
            })
            .sum()
    }
}

/// The length of a round's commitments.
pub(super) fn commitments_length(probes: usize) -> usize {
    2 * (probes + 1) * POINT
}

/// The length of a round's answer.
pub(super) fn answer_length(statement: &Statement, probes: usize) -> usize {
    let repetitions = statement.repetitions();
    let responses = probes * (statement.width() + 1) + repetitions + 1;
    repetitions * MASKED_SUM + 3 * POINT + (1 + responses + 2) * SCALAR
}
