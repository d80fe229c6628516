//! The commitments' base points: `G_k` for the price levels, `H` for the blinding, and `T`, `X` and `E_t` for the
//! commitments to levels and rows of bits of a clearing.
//!
//! Each is hashed to P-256 from a label of its own (RFC 9380, suite `P256_XMD:SHA-256_SSWU_RO_`), so that nobody
//! knows a relation between any of them; that, and the hardness of the discrete logarithm on P-256, is what makes
//! commitments binding.

use std::sync::OnceLock;

use hash2curve::{ExpandMsgXmd, hash_from_bytes};
use p256::{NistP256, ProjectivePoint};
use sha2::Sha256;

use crate::{Level, MAX_LEVELS};

/// The domain tag of the generators: application, protocol version, suite (RFC 9380, section 3.1).
const DOMAIN: &[u8] = b"IPO-CLEARING-V02-CS01-with-P256_XMD:SHA-256_SSWU_RO_";

/// Level generators are made this many at a time, when a listing first needs them: all of them take a tenth of a
/// second or so, and most listings have far fewer levels.
const CHUNK: usize = 64;

static LEVELS: [OnceLock<Vec<ProjectivePoint>>; MAX_LEVELS / CHUNK] =
    [const { OnceLock::new() }; MAX_LEVELS / CHUNK];
static BLINDING: OnceLock<ProjectivePoint> = OnceLock::new();
static VALUE: OnceLock<ProjectivePoint> = OnceLock::new();
static VALUE_BLINDING: OnceLock<ProjectivePoint> = OnceLock::new();
static ROWS: OnceLock<Vec<ProjectivePoint>> = OnceLock::new();

/// How many generators of rows there are: a demand's widest number of bits.
pub const ROW_LENGTH: usize = 49;

/// `H`, the generator of an order's blinding.
#[must_use]
pub fn blinding() -> ProjectivePoint {
    *BLINDING.get_or_init(|| from_label("H"))
}

/// `T`, the generator of a single value: a demand at one level, or one of its bits.
#[must_use]
pub fn value() -> ProjectivePoint {
    *VALUE.get_or_init(|| from_label("T"))
}

/// `X`, the generator of a single value's blinding.
#[must_use]
pub fn value_blinding() -> ProjectivePoint {
    *VALUE_BLINDING.get_or_init(|| from_label("X"))
}

/// The generators `E_1, E_2, ...` of a row of bits or masks in a clearing, [`ROW_LENGTH`] of them.
#[must_use]
pub fn rows() -> &'static [ProjectivePoint] {
    ROWS.get_or_init(|| {
        (1..=ROW_LENGTH)
            .map(|index| from_label(&format!("E_{index}")))
            .collect()
    })
}

/// The generators `G_1, G_2, ...` of the first `levels` levels, made where they are not there yet. Beyond
/// [`MAX_LEVELS`] there are none.
pub fn levels(levels: usize) -> impl Iterator<Item = ProjectivePoint> {
    LEVELS
        .iter()
        .enumerate()
        .flat_map(|(index, chunk)| chunk_points(index, chunk))
        .copied()
        .take(levels)
}

/// Makes the generators of the first `levels` levels, so that from here on it takes the same time to reach any.
pub fn prepare(levels: usize) {
    for (index, chunk) in LEVELS.iter().enumerate().take(levels.div_ceil(CHUNK)) {
        chunk_points(index, chunk);
    }
}

/// `G_k`, `None` outside `1..=MAX_LEVELS`.
#[must_use]
pub fn level(level: Level) -> Option<ProjectivePoint> {
    let zero_based = level.checked_sub(1)?;
    let index = zero_based / CHUNK;
    chunk_points(index, LEVELS.get(index)?)
        .get(zero_based % CHUNK)
        .copied()
}

fn chunk_points(index: usize, chunk: &'static OnceLock<Vec<ProjectivePoint>>) -> &'static [ProjectivePoint] {
    chunk.get_or_init(|| {
        (1..=CHUNK)
            .map(|offset| from_label(&format!("G_{}", index * CHUNK + offset)))
            .collect()
    })
}

#[allow(clippy::expect_used)]
fn from_label(label: &str) -> ProjectivePoint {
    hash_from_bytes::<NistP256, ExpandMsgXmd<Sha256>>(&[label.as_bytes()], &[DOMAIN])
        .expect("fails only for an empty domain tag or an output above 64 KiB, and both are constants here")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use p256::elliptic_curve::group::GroupEncoding;

    use super::*;

    #[test]
    fn all_differ_and_none_is_the_identity_or_the_curve_s_own() {
        prepare(MAX_LEVELS);
        let all: BTreeSet<Vec<u8>> = levels(MAX_LEVELS + 5)
            .chain([
                blinding(),
                value(),
                value_blinding(),
                ProjectivePoint::GENERATOR,
                ProjectivePoint::IDENTITY,
            ])
            .chain(rows().iter().copied())
            .flat_map(|point| [point, -point])
            .map(|point| point.to_bytes().to_vec())
            .collect();
        // The identity is its own negative.
        assert_eq!(all.len(), 2 * (MAX_LEVELS + 4 + ROW_LENGTH) + 1);
    }

    #[test]
    fn a_level_is_reached_one_by_one_as_in_the_sequence() {
        for (index, point) in levels(130).enumerate() {
            assert_eq!(level(index + 1), Some(point));
        }
        assert_eq!(levels(0).count(), 0);
        assert_eq!((level(0), level(MAX_LEVELS + 1)), (None, None));
    }
}
