//! Provers that deviate, for tests alone: they do what an altered program could do, and prove it as well as can be.

use p256::{ProjectivePoint, Scalar};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::fixed_base::SCALAR_BITS;
use super::prepared::Prepared;
use super::prover::{CommittedRound, Prover};
use super::wire::MASKED_SUM;
use super::{Subsets, Toss};
use crate::{Commitment, Level, Lots, generators};

/// What to send and prove instead of a masked sum, given the subset whose sum it is.
pub(super) type AlterSums = Box<dyn Fn(&[bool], &mut [u8; MASKED_SUM]) + Send + Sync>;

/// A mask that an honest party would not have drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mask {
    /// This number.
    Number(u128),
    /// 2^128 and so many.
    Beyond(u128),
    /// The group's order less so many.
    Negative(u128),
}

impl Mask {
    fn scalar(self) -> Scalar {
        match self {
            Self::Number(number) => Scalar::from(number),
            Self::Beyond(number) => Scalar::from(u128::MAX) + Scalar::ONE + Scalar::from(number),
            Self::Negative(number) => -Scalar::from(number),
        }
    }
}

impl Commitment {
    /// The sum of two commitments, one of which may be another's.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Option<Self> {
        Self::from_point(ProjectivePoint::from(*self.as_affine()) + other.as_affine())
    }

    /// The difference of two commitments, one of which may be another's.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Option<Self> {
        Self::from_point(ProjectivePoint::from(*self.as_affine()) - other.as_affine())
    }

    /// A commitment to the same order with its demand risen by `lots` after `level`, which no order's rules allow.
    #[must_use]
    pub fn rising(&self, level: Level, lots: Lots) -> Option<Self> {
        let rise = generators::level(level)? * Scalar::from(lots);
        Self::from_point(ProjectivePoint::from(*self.as_affine()) - rise)
    }
}

impl Prepared {
    /// Proves the openings of a book whose first order rises, as [`Commitment::rising`] committed to it: by so many lots
    /// after these levels. The demand remains to be told to [`Self::with_other_demand`].
    #[must_use]
    pub fn with_rises(mut self, rises: Vec<(Level, Lots)>) -> Self {
        self.rises = rises;
        self
    }

    pub(super) fn add_rises(&self, sums: &mut [Scalar], weight: &Scalar) {
        for (level, lots) in &self.rises {
            if let Some(sum) = level.checked_sub(1).and_then(|index| sums.get_mut(index)) {
                *sum -= Scalar::from(*lots) * weight;
            }
        }
    }
}

impl Prover {
    /// Commits to `bits`, which need not be bits nor the party's demand, lowest first and probe by probe, and to `masks`. Its
    /// [`CommittedRound::inputs`] are their lowest bits.
    #[must_use]
    pub fn commit_other_round<R: CryptoRng + ?Sized>(
        self,
        probes: &[Level],
        bits: &[u64],
        masks: &[Mask],
        rng: &mut R,
    ) -> CommittedRound {
        let bits: Vec<_> = bits.iter().map(|&bit| Scalar::from(bit)).collect();
        let masks = masks.iter().map(|mask| mask.scalar()).collect();
        self.commit(probes, &bits, Zeroizing::new(masks), [SCALAR_BITS; 2], rng)
    }
}

impl CommittedRound {
    /// Answers the coin as an honest party does, but for the masked sums: `alter` is given each with its subset, and says what to
    /// send and prove instead.
    #[must_use]
    pub fn with_other_sums(
        mut self,
        alter: impl Fn(&[bool], &mut [u8; MASKED_SUM]) + Send + Sync + 'static,
    ) -> Self {
        self.alter_sums = Some(Box::new(alter));
        self
    }

    pub(super) fn altered_sums(&self, mut masked_sums: Vec<u8>, toss: &Toss) -> Vec<u8> {
        if let Some(alter) = &self.alter_sums {
            let subsets: Subsets = self.subsets(toss);
            let (sums, _) = masked_sums.as_chunks_mut::<MASKED_SUM>();
            for (subset, sum) in subsets.iter().zip(sums) {
                alter(subset, sum);
            }
        }
        masked_sums
    }
}
