//! What a prover keeps: nonces, masks and bits, with the points that commit to them.

use p256::elliptic_curve::{CurveGroup, Field};
use p256::{AffinePoint, ProjectivePoint, Scalar};
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::fixed_base::{SCALAR_BITS, curve_point, row_point};

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
            announcement: row_point(&values, SCALAR_BITS, &blinding),
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
    /// Commits to values of at most `bits` bits.
    pub(super) fn new<R: CryptoRng + ?Sized>(
        mut values: Secrets,
        bits: usize,
        nonces: Nonces,
        rng: &mut R,
    ) -> Self {
        let blinding = random(rng);
        Self {
            point: row_point(&values, bits, &blinding),
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
