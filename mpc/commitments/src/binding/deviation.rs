//! Provers that deviate, for tests alone: they do what an altered program could do, and prove it as well as can be.

use p256::Scalar;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::Toss;
use super::fixed_base::SCALAR_BITS;
use super::prover::{CommittedRound, Prover};
use super::wire::MASKED_SUM;
use crate::Level;

impl Prover {
    /// Commits to `bits`, which need not be bits nor the party's demand, lowest first and probe by probe, and to `masks`, of
    /// which a negative one stands for the group's order less so many. Its
    /// [`CommittedRound::inputs`] are their lowest bits.
    #[must_use]
    pub fn commit_other_round<R: CryptoRng + ?Sized>(
        self,
        probes: &[Level],
        bits: &[u64],
        masks: &[i128],
        rng: &mut R,
    ) -> CommittedRound {
        let bits: Vec<_> = bits.iter().map(|&bit| Scalar::from(bit)).collect();
        let masks = masks
            .iter()
            .map(|mask| {
                let size = Scalar::from(mask.unsigned_abs());
                if *mask < 0 { -size } else { size }
            })
            .collect();
        self.commit(probes, &bits, Zeroizing::new(masks), [SCALAR_BITS; 2], rng)
    }
}

impl CommittedRound {
    /// Answers the coin as an honest party does, but for the masked sums: `alter` is given each, by its repetition, and says what to send
    /// and prove instead.
    #[must_use]
    pub fn answer_otherwise<R: CryptoRng + ?Sized>(
        self,
        masked_inputs: &[u8],
        toss: &Toss,
        alter: impl Fn(usize, [u8; MASKED_SUM]) -> [u8; MASKED_SUM],
        rng: &mut R,
    ) -> (Prover, Vec<u8>) {
        let mut masked_sums = self.masked_sums(toss);
        let (sums, _) = masked_sums.as_chunks_mut::<MASKED_SUM>();
        for (repetition, sum) in sums.iter_mut().enumerate() {
            *sum = alter(repetition, *sum);
        }
        self.prove(masked_inputs, toss, &masked_sums, rng)
    }
}
