//! Sums of multiples of many points that are all public, in time that depends on them: Pippenger's method (Bernstein, Doumen,
//! Lange and Oosterwijk, "Faster batch forgery identification", 2012, section 4), with signed digits.

use p256::elliptic_curve::Group;
use p256::{AffinePoint, ProjectivePoint, Scalar};

/// Bits of a scalar, and one for the sign.
const BITS: usize = 257;

/// The widest digit, in bits.
const WIDEST: usize = 14;

/// `sum scalar * point`.
pub(super) fn public_sum(terms: &[(AffinePoint, Scalar)]) -> ProjectivePoint {
    let width = best_width(terms.len());
    let digits: Vec<Vec<i32>> = terms
        .iter()
        .map(|(_, scalar)| signed_digits(scalar, width))
        .collect();
    let mut buckets = vec![ProjectivePoint::IDENTITY; 1 << (width - 1)];
    let mut sum = ProjectivePoint::IDENTITY;
    for place in (0..BITS.div_ceil(width)).rev() {
        for _ in 0..width {
            sum = sum.double();
        }
        buckets.fill(ProjectivePoint::IDENTITY);
        for ((point, _), digits) in terms.iter().zip(&digits) {
            let digit = digits.get(place).copied().unwrap_or(0);
            let size = digit.unsigned_abs() as usize;
            if let Some(bucket) = size.checked_sub(1).and_then(|index| buckets.get_mut(index)) {
                if digit < 0 {
                    *bucket -= point;
                } else {
                    *bucket += point;
                }
            }
        }
        // The bucket of the multiples by m is added m times.
        let mut above = ProjectivePoint::IDENTITY;
        for bucket in buckets.iter().rev() {
            above += bucket;
            sum += above;
        }
    }
    sum
}

/// The width of digits with the fewest additions: a digit costs one for each point and two for each bucket.
fn best_width(points: usize) -> usize {
    (2..=WIDEST)
        .min_by_key(|&width| BITS.div_ceil(width) * (points + (1 << width)))
        .unwrap_or(WIDEST)
}

/// The digits of a scalar, lowest first, each within -2^(width-1) to 2^(width-1).
fn signed_digits(scalar: &Scalar, width: usize) -> Vec<i32> {
    let mut bytes = [0_u8; 32];
    for (byte, of_scalar) in bytes.iter_mut().zip(scalar.to_bytes().iter().rev()) {
        *byte = *of_scalar;
    }
    let half = 1_i32 << (width - 1);
    let mut carry = 0;
    (0..BITS.div_ceil(width))
        .map(|place| {
            let (byte, shift) = (place * width / 8, place * width % 8);
            let at = |index: usize| i32::from(bytes.get(index).copied().unwrap_or(0));
            let bits = at(byte) | at(byte + 1) << 8 | at(byte + 2) << 16;
            let digit = (bits >> shift & (2 * half - 1)) + carry;
            carry = i32::from(digit > half);
            digit - carry * 2 * half
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use p256::elliptic_curve::Field;

    use super::*;
    use crate::binding::tests::market::rng;

    #[test]
    fn sums_are_those_of_the_curve() {
        let rng = &mut rng(2);
        for count in [0, 1, 2, 3, 20, 300] {
            let mut terms: Vec<(AffinePoint, Scalar)> = (0..count)
                .map(|_| {
                    let point = ProjectivePoint::GENERATOR * Scalar::random(rng);
                    (point.to_affine(), Scalar::random(rng))
                })
                .collect();
            terms.extend([
                (AffinePoint::IDENTITY, Scalar::from(5_u64)),
                (AffinePoint::GENERATOR, Scalar::ZERO),
                (AffinePoint::GENERATOR, -Scalar::ONE),
                (AffinePoint::GENERATOR, Scalar::from(u128::MAX)),
            ]);
            let expected: ProjectivePoint = terms
                .iter()
                .map(|(point, scalar)| ProjectivePoint::from(*point) * scalar)
                .sum();
            assert_eq!(public_sum(&terms), expected, "{count}");
        }
    }

    /// Every width of digits, for scalars at the ends of a digit's range.
    #[test]
    fn digits_make_up_their_scalar() {
        for width in 2..=WIDEST {
            let base = Scalar::from(1_u64 << width);
            let half = Scalar::from(1_u64 << (width - 1));
            let mut scalars = vec![Scalar::ZERO, Scalar::ONE, -Scalar::ONE, half, half + Scalar::ONE];
            scalars.extend((0..10).map(|seed| Scalar::random(&mut rng(seed))));
            for scalar in scalars {
                let digits = signed_digits(&scalar, width);
                let value = digits.iter().rev().fold(Scalar::ZERO, |value, &digit| {
                    assert!(digit.unsigned_abs() <= 1 << (width - 1));
                    let size = Scalar::from(u64::from(digit.unsigned_abs()));
                    value * base + if digit < 0 { -size } else { size }
                });
                assert_eq!(value, scalar, "width {width}");
            }
        }
    }
}
