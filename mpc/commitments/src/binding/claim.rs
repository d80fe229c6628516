//! What a verifier is left to check after it has read a message: that sums of multiples of points vanish.
//!
//! Claims of many messages and parties are checked by one random combination (Bellare, Garay and Rabin, "Fast batch
//! verification", 1998, the small exponents test): with weights of 128 bits that no prover can know, a wrong one passes one
//! time in 2^128. The fixed generators are common to all parties, so that each is multiplied once.

use p256::{AffinePoint, ProjectivePoint, Scalar};
use rand_core::CryptoRng;

use super::public_sum::public_sum;
use super::secret::normalized;
use super::{BindingError, MAX_WIDTH};
use crate::generators;

/// A sum of multiples of the fixed generators and of a party's points.
#[derive(Clone)]
pub(super) struct Sum {
    /// Of `G_1, G_2, ...`
    pub(super) levels: Vec<Scalar>,
    /// Of `H`.
    pub(super) blinding: Scalar,
    /// Of `T`.
    pub(super) value: Scalar,
    /// Of `X`.
    pub(super) value_blinding: Scalar,
    /// Of `E_1, E_2, ...`
    pub(super) rows: Vec<Scalar>,
    pub(super) points: Vec<(AffinePoint, Scalar)>,
}

impl Sum {
    pub(super) fn zero() -> Self {
        Self {
            levels: Vec::new(),
            blinding: Scalar::ZERO,
            value: Scalar::ZERO,
            value_blinding: Scalar::ZERO,
            rows: Vec::new(),
            points: Vec::new(),
        }
    }

    pub(super) fn point(&mut self, point: &AffinePoint, scalar: Scalar) {
        self.points.push((*point, scalar));
    }

    /// Adds `weight` times another sum.
    fn add(&mut self, other: &Self, weight: &Scalar) {
        add_each(&mut self.levels, &other.levels, weight);
        add_each(&mut self.rows, &other.rows, weight);
        self.blinding += other.blinding * weight;
        self.value += other.value * weight;
        self.value_blinding += other.value_blinding * weight;
        self.points.extend(
            other
                .points
                .iter()
                .map(|(point, scalar)| (*point, scalar * weight)),
        );
    }

    /// Whether the sum is the identity. Takes time that depends on it: everything here is public.
    fn vanishes(&self) -> bool {
        let (generators, scalars): (Vec<_>, Vec<Scalar>) = generators::levels(self.levels.len())
            .zip(self.levels.iter().copied())
            .chain(generators::rows().iter().copied().zip(self.rows.iter().copied()))
            .chain([
                (generators::blinding(), self.blinding),
                (generators::value(), self.value),
                (generators::value_blinding(), self.value_blinding),
            ])
            .unzip();
        let mut terms = self.points.clone();
        terms.extend(normalized(&generators).into_iter().zip(scalars));
        public_sum(&terms) == ProjectivePoint::IDENTITY
    }
}

/// Adds `weight` times each of `more` to the sum at its place.
pub(super) fn add_each(sums: &mut Vec<Scalar>, more: &[Scalar], weight: &Scalar) {
    if sums.len() < more.len() {
        sums.resize(more.len(), Scalar::ZERO);
    }
    for (sum, scalar) in sums.iter_mut().zip(more) {
        *sum += *scalar * weight;
    }
}

/// What is left to check of a message, on any thread: [`verify`].
#[derive(Clone)]
#[must_use = "a claim that nobody verifies shows nothing"]
pub struct Claim {
    pub(super) equations: Vec<(Sum, BindingError)>,
}

impl std::fmt::Debug for Claim {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Claim({} equations)", self.equations.len())
    }
}

/// Verifies claims, of as many messages and parties as there are, at once: it is the work of a proof, and needs no
/// lock, so that it can run beside the computation.
///
/// `rng` must be this party's own: who can foresee it can pass wrong claims.
///
/// # Errors
/// The first claim that does not hold, with its party and check.
pub fn verify<R: CryptoRng + ?Sized>(claims: &[Claim], rng: &mut R) -> Result<(), BindingError> {
    let mut all = Sum {
        rows: vec![Scalar::ZERO; MAX_WIDTH],
        ..Sum::zero()
    };
    let equations = || claims.iter().flat_map(|claim| &claim.equations);
    for (sum, _) in equations() {
        all.add(sum, &weight(rng));
    }
    if all.vanishes() {
        return Ok(());
    }
    // Somebody is wrong, and one by one says who. If each vanished alone this machine would have miscalculated: nothing is
    // believed then either.
    let wrong = equations().find(|(sum, _)| !sum.vanishes());
    wrong
        .or_else(|| equations().next())
        .map_or(Ok(()), |(_, error)| Err(error.clone()))
}

/// A random weight of 128 bits.
pub(super) fn weight<R: CryptoRng + ?Sized>(rng: &mut R) -> Scalar {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    Scalar::from(u128::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::tests::market::rng;

    fn claim(party: usize, scalar: Scalar) -> Claim {
        let mut sum = Sum::zero();
        sum.point(&AffinePoint::GENERATOR, scalar);
        Claim {
            equations: vec![(sum, BindingError::Opening { party })],
        }
    }

    #[test]
    fn wrong_claims_that_cancel_out_are_found() {
        let right = claim(0, Scalar::ZERO);
        let wrong = [right.clone(), claim(1, Scalar::ONE), claim(2, -Scalar::ONE)];
        assert_eq!(verify(&[], &mut rng(1)), Ok(()));
        assert_eq!(verify(&[right.clone(), right], &mut rng(1)), Ok(()));
        assert_eq!(
            verify(&wrong, &mut rng(1)),
            Err(BindingError::Opening { party: 1 })
        );
    }
}
