//! What a prover keeps: nonces, masks and bits, and their multiples of the generators, taken in constant time.

use p256::elliptic_curve::ops::LinearCombination;
use p256::elliptic_curve::{CurveGroup, Field};
use p256::{AffinePoint, ProjectivePoint, Scalar};
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::generators;

pub(super) type Secrets = Zeroizing<Vec<Scalar>>;

pub(super) fn random<R: CryptoRng + ?Sized>(rng: &mut R) -> Scalar {
    Scalar::random(rng)
}

pub(super) fn randoms<R: CryptoRng + ?Sized>(count: usize, rng: &mut R) -> Secrets {
    // With room for all, or a copy would stay behind in memory whenever it grows.
    let mut scalars = Zeroizing::new(Vec::with_capacity(count));
    scalars.extend((0..count).map(|_| random(rng)));
    scalars
}

/// `value T + blinding X`.
pub(super) fn value_point(value: &Scalar, blinding: &Scalar) -> ProjectivePoint {
    let terms = Zeroizing::new([
        (generators::value(), *value),
        (generators::value_blinding(), *blinding),
    ]);
    ProjectivePoint::lincomb(&*terms)
}

/// `sum_k values_k G_k + blinding H`.
pub(super) fn curve_point(values: &[Scalar], blinding: &Scalar) -> ProjectivePoint {
    combine(
        generators::levels(values.len()).chain([generators::blinding()]),
        values,
        blinding,
    )
}

/// `sum_t values_t E_t + blinding X`.
pub(super) fn row_point(values: &[Scalar], blinding: &Scalar) -> ProjectivePoint {
    combine(
        generators::rows()
            .iter()
            .copied()
            .take(values.len())
            .chain([generators::value_blinding()]),
        values,
        blinding,
    )
}

fn combine(
    generators: impl Iterator<Item = ProjectivePoint>,
    values: &[Scalar],
    blinding: &Scalar,
) -> ProjectivePoint {
    let mut terms = Zeroizing::new(Vec::with_capacity(values.len() + 1));
    terms.extend(generators.zip(values.iter().chain([blinding]).copied()));
    ProjectivePoint::lincomb(terms.as_slice())
}

pub(super) fn normalized(points: &[ProjectivePoint]) -> Vec<AffinePoint> {
    let mut affine = vec![AffinePoint::IDENTITY; points.len()];
    ProjectivePoint::batch_normalize(points, &mut affine);
    affine
}

/// The announcement of a row: random values, and the point that commits to them. Used once, erased when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Nonces {
    pub(super) values: Vec<Scalar>,
    pub(super) blinding: Scalar,
    #[zeroize(skip)]
    pub(super) announcement: ProjectivePoint,
}

impl Nonces {
    pub(super) fn row<R: CryptoRng + ?Sized>(length: usize, rng: &mut R) -> Self {
        let (mut values, blinding) = (randoms(length, rng), random(rng));
        Self {
            announcement: row_point(&values, &blinding),
            values: std::mem::take(&mut *values),
            blinding,
        }
    }

    pub(super) fn curve<R: CryptoRng + ?Sized>(levels: usize, rng: &mut R) -> Self {
        let (mut values, blinding) = (randoms(levels, rng), random(rng));
        Self {
            announcement: curve_point(&values, &blinding),
            values: std::mem::take(&mut *values),
            blinding,
        }
    }
}

/// A committed row: its values, blinding and point, with the nonces of its proof.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Row {
    pub(super) values: Vec<Scalar>,
    pub(super) blinding: Scalar,
    #[zeroize(skip)]
    pub(super) point: ProjectivePoint,
    pub(super) nonces: Nonces,
}

impl Row {
    pub(super) fn new<R: CryptoRng + ?Sized>(mut values: Secrets, nonces: Nonces, rng: &mut R) -> Self {
        let blinding = random(rng);
        Self {
            point: row_point(&values, &blinding),
            values: std::mem::take(&mut *values),
            blinding,
            nonces,
        }
    }

    /// `x v + a` for each value, and the same of the blinding.
    pub(super) fn response(&self, challenge: &Scalar) -> (Secrets, Scalar) {
        let mut responses = Zeroizing::new(Vec::with_capacity(self.values.len()));
        responses.extend(
            self.values
                .iter()
                .zip(&self.nonces.values)
                .map(|(value, nonce)| *value * challenge + nonce),
        );
        (responses, self.blinding * challenge + self.nonces.blinding)
    }
}
