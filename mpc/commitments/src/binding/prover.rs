//! The prover in an attempt: round by round, commitments before the coin and the answer after it.

use std::fmt;
use std::sync::Arc;

use p256::Scalar;
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::fixed_base::{SCALAR_BITS, value_point};
use super::prepared::{Expected, Spare};
use super::round::{Round, Sent, answer_length, commitments_length};
use super::secret::{Row, Secrets, normalized, random};
use super::tie::powers;
use super::wire::{MASKED_SUM, SCALAR, Writer};
use super::{Statement, Subsets, Toss, UseError};
use crate::{DemandCurve, Level};

/// Bits of a mask: a masked sum tells less than 2^-100 of the bits in it.
const MASK_BITS: usize = 128;

/// A party that has proven its book. Erased when dropped; `Debug` prints nothing.
pub struct Prover {
    statement: Arc<Statement>,
    party: usize,
    attempt: [u8; 32],
    demand: DemandCurve,
    level_blindings: Secrets,
    spare: Spare,
    book: [u8; 32],
    next_round: u32,
}

/// A party that has committed to its bits and masks of a round, and must wait for the coin. Erased when dropped;
/// `Debug` prints nothing.
pub struct CommittedRound {
    prover: Prover,
    round: Round,
    /// One a probe.
    rows: Vec<Row>,
    masks: Row,
    inputs: Zeroizing<Vec<bool>>,
    message: Vec<u8>,
    #[cfg(any(test, feature = "deviations"))]
    pub(super) alter_sums: Option<super::deviation::AlterSums>,
}

impl Prover {
    pub(super) fn new(
        statement: Arc<Statement>,
        party: usize,
        attempt: [u8; 32],
        demand: DemandCurve,
        level_blindings: Secrets,
        spare: Spare,
        book: [u8; 32],
    ) -> Self {
        Self {
            statement,
            party,
            attempt,
            demand,
            level_blindings,
            spare,
            book,
            next_round: 0,
        }
    }

    /// Makes announcements for further rounds and probes ahead.
    pub fn prepare_rows<R: CryptoRng + ?Sized>(&mut self, expected: Expected, rng: &mut R) {
        self.spare.add(&self.statement, expected, rng);
    }

    /// Commits to the demand at the next round's probes.
    ///
    /// # Errors
    /// Probes that are not ascending levels of the listing.
    pub fn commit_round<R: CryptoRng + ?Sized>(
        self,
        probes: &[Level],
        rng: &mut R,
    ) -> Result<CommittedRound, UseError> {
        self.statement.check_probes(probes)?;
        let (width, repetitions) = (self.statement.width(), self.statement.repetitions());
        // With room for all, or a copy would stay behind in memory whenever they grow.
        let mut bits = Zeroizing::new(Vec::with_capacity(probes.len() * width));
        for &level in probes {
            let demand = self.demand.demand(level);
            bits.extend((0..width).map(|bit| Scalar::from(demand >> bit & 1)));
        }
        let mut masks = Zeroizing::new(Vec::with_capacity(repetitions));
        masks.extend((0..repetitions).map(|_| {
            let mut bytes = Zeroizing::new([0; 16]);
            rng.fill_bytes(&mut *bytes);
            Scalar::from(u128::from_le_bytes(*bytes))
        }));
        Ok(self.commit(probes, &bits, masks, [1, MASK_BITS], rng))
    }

    /// Commits to anything within the public bounds of the bits and of the masks, in bits. The inputs are the lowest
    /// bits of the values.
    pub(super) fn commit<R: CryptoRng + ?Sized>(
        mut self,
        probes: &[Level],
        bits: &[Scalar],
        masks: Secrets,
        [bit_bound, mask_bound]: [usize; 2],
        rng: &mut R,
    ) -> CommittedRound {
        let (width, repetitions) = (self.statement.width(), self.statement.repetitions());
        let mut inputs = Zeroizing::new(Vec::with_capacity(bits.len() + repetitions));
        inputs.extend(
            bits.iter()
                .chain(masks.iter())
                .map(|value| bool::from(value.is_odd())),
        );
        let rows: Vec<Row> = bits
            .chunks_exact(width)
            .map(|bits| {
                let nonces = self.spare.bits(width, rng);
                Row::new(Zeroizing::new(bits.to_vec()), bit_bound, nonces, rng)
            })
            .collect();
        let nonces = self.spare.masks(repetitions, rng);
        let masks = Row::new(masks, mask_bound, nonces, rng);

        let all = || rows.iter().chain([&masks]);
        let points: Vec<_> = all()
            .map(|row| row.point)
            .chain(all().map(|row| row.nonces.announcement))
            .collect();
        let mut message = Writer::with_capacity(commitments_length(probes.len()));
        message.points(&normalized(&points));

        let round = Round {
            attempt: self.attempt,
            party: self.party,
            number: self.next_round,
            levels: probes.to_vec(),
            book: self.book,
        };
        self.next_round += 1;
        CommittedRound {
            prover: self,
            round,
            rows,
            masks,
            inputs,
            message: message.finish(),
            #[cfg(any(test, feature = "deviations"))]
            alter_sums: None,
        }
    }
}

impl CommittedRound {
    /// What this party puts into the computation: the bits of its demand at each probe, lowest bit first, and then the
    /// parity of each mask.
    #[must_use]
    pub fn inputs(&self) -> &[bool] {
        &self.inputs
    }

    /// The commitments, which go to every peer together with the masked inputs, are echoed with them, and are read
    /// with [`super::Peer::receive_round`].
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The subsets of this party's bits whose parities are opened.
    #[must_use]
    pub fn subsets(&self, toss: &Toss) -> Subsets {
        self.round.subsets(&self.prover.statement, toss)
    }

    /// Answers the round's coin: the masked sums and the proof of everything about the round. `masked_inputs` are the
    /// bytes that this party broadcast as its masked inputs of the round.
    pub fn answer<R: CryptoRng + ?Sized>(
        self,
        masked_inputs: &[u8],
        toss: &Toss,
        rng: &mut R,
    ) -> (Prover, Vec<u8>) {
        let masked_sums = self.masked_sums(toss);
        #[cfg(any(test, feature = "deviations"))]
        let masked_sums = self.altered_sums(masked_sums, toss);
        self.prove(masked_inputs, toss, &masked_sums, rng)
    }

    /// Answers with these masked sums, and proves them.
    pub(super) fn prove<R: CryptoRng + ?Sized>(
        self,
        masked_inputs: &[u8],
        toss: &Toss,
        masked_sums: &[u8],
        rng: &mut R,
    ) -> (Prover, Vec<u8>) {
        let subsets = self.subsets(toss);
        let mut message = Writer::with_capacity(answer_length(&self.prover.statement, self.rows.len()));
        message.bytes(masked_sums);
        let sent = Sent {
            commitments: &self.message,
            masked_inputs,
            masked_sums,
        };
        let (mut transcript, combination) = self.round.combine(&sent, toss);

        let start = message.len();
        let nonces = self.write_announcements(&combination, &subsets, &mut message, rng);
        transcript.bytes("announcements", message.since(start));
        let challenge = transcript.challenge("response");

        for row in self.rows.iter().chain([&self.masks]) {
            let (responses, blinding) = row.response(&challenge);
            for response in responses.iter().chain([&blinding]) {
                message.scalar(response);
            }
        }
        message.scalar(&(nonces.bits_linear * challenge + nonces.bits_constant));
        let mut level_blinding = Scalar::ZERO;
        for (&level, weight) in self.round.levels.iter().zip(powers(&combination)) {
            let blinding = level
                .checked_sub(1)
                .and_then(|index| self.prover.level_blindings.get(index));
            level_blinding += *blinding.unwrap_or(&Scalar::ZERO) * weight;
        }
        message.scalar(&(level_blinding * challenge + nonces.levels));
        level_blinding.zeroize();
        (self.prover, message.finish())
    }

    /// In constant time: which bits are chosen is public, whether they are set is not.
    pub(super) fn masked_sums(&self, toss: &Toss) -> Vec<u8> {
        let subsets = self.subsets(toss);
        let mut message = Writer::with_capacity(self.masks.values.len() * MASKED_SUM);
        for (subset, mask) in subsets.iter().zip(&self.masks.values) {
            let bits = self.rows.iter().flat_map(|row| &row.values);
            let chosen = bits.zip(subset).filter(|(_, chosen)| **chosen);
            let mut sum = chosen.map(|(bit, _)| bit).sum::<Scalar>() + mask;
            // At most 129 bits, so that nothing is left out.
            let bytes = Zeroizing::new(sum.to_bytes());
            message.bytes(bytes.get(SCALAR - MASKED_SUM..).unwrap_or_default());
            sum.zeroize();
        }
        message.finish()
    }

    fn write_announcements<R: CryptoRng + ?Sized>(
        &self,
        combination: &Scalar,
        subsets: &Subsets,
        message: &mut Writer,
        rng: &mut R,
    ) -> Blindings {
        let nonces = Blindings {
            bits_linear: random(rng),
            bits_constant: random(rng),
            levels: random(rng),
        };
        // f (x - f) for f = x b + a is x^2 b (1 - b) + x a (1 - 2b) - a^2.
        let (mut linear, mut constant) = (Zeroizing::new(Scalar::ZERO), Zeroizing::new(Scalar::ZERO));
        let bits = self
            .rows
            .iter()
            .flat_map(|row| row.values.iter().zip(&row.nonces.values));
        for ((bit, nonce), weight) in bits.zip(powers(combination)) {
            let weighted = Zeroizing::new(*nonce * weight);
            *linear += *weighted * (Scalar::ONE - bit.double());
            *constant -= *weighted * nonce;
        }
        let levels = Zeroizing::new(Round::level_sum(
            combination,
            self.rows.iter().map(|row| row.nonces.values.as_slice()),
        ));
        message.points(&normalized(&[
            value_point(&linear, SCALAR_BITS, &nonces.bits_linear),
            value_point(&constant, SCALAR_BITS, &nonces.bits_constant),
            value_point(&levels, SCALAR_BITS, &nonces.levels),
        ]));
        let mut all = Zeroizing::new(Vec::with_capacity(subsets.bits()));
        all.extend(self.rows.iter().flat_map(|row| row.nonces.values.iter().copied()));
        message.scalar(&Round::masked_sum(
            combination,
            subsets,
            &all,
            &self.masks.nonces.values,
        ));
        nonces
    }
}

/// Blindings of a proof's own announcements.
#[derive(zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
struct Blindings {
    bits_linear: Scalar,
    bits_constant: Scalar,
    levels: Scalar,
}

/// Prints nothing of the book.
impl fmt::Debug for Prover {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Prover(party {}, round {}, ..)",
            self.party, self.next_round
        )
    }
}

/// Prints nothing of the bits and masks.
impl fmt::Debug for CommittedRound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "CommittedRound(party {}, round {}, ..)",
            self.round.party, self.round.number
        )
    }
}
