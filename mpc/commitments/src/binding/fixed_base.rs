//! Multiples of the generators by secret numbers, in constant time.
//!
//! A number is written in signed digits of five bits, -15 to 16. Of each generator its multiples 1 to 16 are kept, and a
//! digit's is picked by looking at all of them. A sum over many generators doubles once for all (Straus, 1964); of `T` and
//! `X`, which are multiplied alone and often, the multiples by each power of 32 are kept too, so that nothing is doubled.
//! How many digits are looked at depends on the public bound of the numbers alone.

use std::sync::OnceLock;

use p256::elliptic_curve::subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use p256::elliptic_curve::{CurveGroup, Group};
use p256::{AffinePoint, ProjectivePoint, Scalar};
use zeroize::Zeroizing;

use crate::{MAX_LEVELS, generators};

/// Bits of a digit.
const DIGIT: usize = 5;

/// Multiples of a generator that are kept.
const MULTIPLES: usize = 1 << (DIGIT - 1);

/// Digits of any scalar.
const DIGITS: usize = 256usize.div_ceil(DIGIT);

/// Bits of any scalar.
pub(super) const SCALAR_BITS: usize = 256;

/// Tables of the levels' generators are made this many at a time, when they are first needed.
const CHUNK: usize = 64;

/// A point's multiples by 1 to 16.
struct Multiples([AffinePoint; MULTIPLES]);

static LEVELS: [OnceLock<Vec<Multiples>>; MAX_LEVELS / CHUNK] =
    [const { OnceLock::new() }; MAX_LEVELS / CHUNK];
static BLINDING: OnceLock<Vec<Multiples>> = OnceLock::new();
static ROWS: OnceLock<Vec<Multiples>> = OnceLock::new();
static VALUE_POWERS: OnceLock<Vec<Multiples>> = OnceLock::new();
static VALUE_BLINDING_POWERS: OnceLock<Vec<Multiples>> = OnceLock::new();

/// `value T + blinding X`, where `value` has at most `bits` bits.
pub(super) fn value_point(value: &Scalar, bits: usize, blinding: &Scalar) -> ProjectivePoint {
    multiple(values(), value, bits) + multiple(value_blindings(), blinding, SCALAR_BITS)
}

/// `sum_k values_k G_k + blinding H`.
pub(super) fn curve_point(values: &[Scalar], blinding: &Scalar) -> ProjectivePoint {
    let blinding_multiples = BLINDING.get_or_init(|| tables([generators::blinding()]));
    let levels = LEVELS.iter().enumerate().flat_map(|(index, chunk)| {
        chunk.get_or_init(|| tables(generators::levels((index + 1) * CHUNK).skip(index * CHUNK)))
    });
    // The values lead, so that no table is made beyond theirs.
    let terms = values
        .iter()
        .zip(levels)
        .chain([blinding].into_iter().zip(blinding_multiples));
    sum(terms, SCALAR_BITS)
}

/// `sum_t values_t E_t + blinding X`, where the values have at most `bits` bits.
pub(super) fn row_point(values: &[Scalar], bits: usize, blinding: &Scalar) -> ProjectivePoint {
    let rows = ROWS.get_or_init(|| tables(generators::rows().iter().copied()));
    sum(values.iter().zip(rows), bits) + multiple(value_blindings(), blinding, SCALAR_BITS)
}

fn values() -> &'static [Multiples] {
    VALUE_POWERS.get_or_init(|| tables(powers(generators::value())))
}

fn value_blindings() -> &'static [Multiples] {
    VALUE_BLINDING_POWERS.get_or_init(|| tables(powers(generators::value_blinding())))
}

/// `P, 32 P, 32^2 P, ...`
fn powers(point: ProjectivePoint) -> impl Iterator<Item = ProjectivePoint> {
    std::iter::successors(Some(point), |power| {
        Some((0..DIGIT).fold(*power, |power, _| power.double()))
    })
    .take(DIGITS)
}

fn tables(points: impl IntoIterator<Item = ProjectivePoint>) -> Vec<Multiples> {
    let multiples: Vec<_> = points
        .into_iter()
        .flat_map(|point| {
            std::iter::successors(Some(point), move |multiple| Some(*multiple + point)).take(MULTIPLES)
        })
        .collect();
    let mut affine = vec![AffinePoint::IDENTITY; multiples.len()];
    ProjectivePoint::batch_normalize(&multiples, &mut affine);
    let (tables, _) = affine.as_chunks::<MULTIPLES>();
    tables.iter().map(|table| Multiples(*table)).collect()
}

/// The sum of the points' multiples by numbers of at most `bits` bits.
fn sum<'a>(terms: impl Iterator<Item = (&'a Scalar, &'a Multiples)>, bits: usize) -> ProjectivePoint {
    let (numbers, tables): (Vec<_>, Vec<_>) = terms.unzip();
    let mut digits = Zeroizing::new(Vec::with_capacity(numbers.len()));
    digits.extend(numbers.into_iter().map(signed_digits));
    let mut sum = ProjectivePoint::IDENTITY;
    for place in (0..digits_of(bits)).rev() {
        for _ in 0..DIGIT {
            sum = sum.double();
        }
        for (table, digits) in tables.iter().zip(digits.iter()) {
            if let Some(digit) = digits.get(place) {
                sum += table.select(*digit);
            }
        }
    }
    sum
}

/// The multiple of a point by a number of at most `bits` bits, from the tables of the point's multiples by powers of 32.
fn multiple(powers: &[Multiples], number: &Scalar, bits: usize) -> ProjectivePoint {
    let digits = Zeroizing::new(signed_digits(number));
    let mut sum = ProjectivePoint::IDENTITY;
    for (table, digit) in powers.iter().zip(digits.iter()).take(digits_of(bits)) {
        sum += table.select(*digit);
    }
    sum
}

/// How many digits a number of at most `bits` bits has: one bit more, for the sign.
fn digits_of(bits: usize) -> usize {
    (bits + 1).div_ceil(DIGIT).min(DIGITS)
}

/// The digits of a scalar, lowest first. There is no branch on the scalar, and no address depends on it.
fn signed_digits(number: &Scalar) -> [i8; DIGITS] {
    let mut bytes = Zeroizing::new([0_u8; 33]);
    for (byte, of_number) in bytes.iter_mut().zip(number.to_bytes().iter().rev()) {
        *byte = *of_number;
    }
    let mut digits = [0; DIGITS];
    let mut carry = 0;
    for (place, digit) in digits.iter_mut().enumerate() {
        let (byte, shift) = (place * DIGIT / 8, place * DIGIT % 8);
        let at = |index: usize| u16::from(bytes.get(index).copied().unwrap_or(0));
        let window = ((at(byte) | at(byte + 1) << 8) >> shift & 31) + carry;
        // From 17 on, 32 are carried.
        carry = (window + 15) >> DIGIT;
        // Within -15 to 16.
        *digit = (window as i8).wrapping_sub((carry << DIGIT) as i8);
    }
    digits
}

impl Multiples {
    /// The multiple by a digit, -16 to 16.
    fn select(&self, digit: i8) -> AffinePoint {
        let sign = digit >> 7;
        let size = ((digit ^ sign) - sign).cast_unsigned();
        let mut selected = AffinePoint::IDENTITY;
        for (multiple, point) in (1_u8..).zip(&self.0) {
            selected.conditional_assign(point, size.ct_eq(&multiple));
        }
        let negative = -selected;
        selected.conditional_assign(&negative, Choice::from(sign.cast_unsigned() & 1));
        selected
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::binding::tests::market::rng;
    use p256::elliptic_curve::Field;

    fn edges() -> Vec<Scalar> {
        let mut scalars: Vec<_> = [0_u64, 1, 15, 16, 17, 31, 32, 33, u64::MAX]
            .into_iter()
            .map(Scalar::from)
            .collect();
        scalars.extend(scalars.clone().iter().map(|scalar| -scalar));
        scalars.push(Scalar::from(u128::MAX));
        scalars
    }

    #[test]
    fn multiples_are_those_of_the_curve() {
        let rng = &mut rng(1);
        let mut values = edges();
        values.extend((0..20).map(|_| Scalar::random(rng)));
        for value in values {
            let blinding = Scalar::random(rng);
            let blinded = generators::value_blinding() * blinding;
            assert_eq!(
                value_point(&value, SCALAR_BITS, &blinding),
                generators::value() * value + blinded
            );
            let row = [blinding, value, value.double()];
            let expected: ProjectivePoint = generators::rows()
                .iter()
                .zip(&row)
                .map(|(generator, value)| *generator * value)
                .sum();
            assert_eq!(row_point(&row, SCALAR_BITS, &blinding), expected + blinded);
        }
    }

    #[test]
    fn curves_of_any_number_of_levels() {
        for levels in [1, 63, 64, 65, 130] {
            let rng = &mut rng(levels as u64);
            let values: Vec<_> = (0..levels).map(|_| Scalar::random(rng)).collect();
            let blinding = Scalar::random(rng);
            let expected: ProjectivePoint = generators::levels(levels)
                .zip(&values)
                .map(|(generator, value)| generator * value)
                .sum();
            assert_eq!(
                curve_point(&values, &blinding),
                expected + generators::blinding() * blinding
            );
        }
    }

    proptest! {
        #[test]
        fn numbers_within_a_bound_need_no_further_digits(number in any::<u128>(), bits in 1_usize..=128) {
            let number = Scalar::from(number >> (128 - bits));
            prop_assert_eq!(
                value_point(&number, bits, &Scalar::ONE),
                value_point(&number, SCALAR_BITS, &Scalar::ONE)
            );
            prop_assert_eq!(
                row_point(&[number], bits, &Scalar::ONE),
                row_point(&[number], SCALAR_BITS, &Scalar::ONE)
            );
        }
    }
}
