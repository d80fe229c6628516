//! An order's commitment: one point, whatever the number of levels.
//!
//! `V = sum_k d_k G_k + r H`, where `d_k` is by how much the order's demand falls from level k to the next and `r` its
//! blinding: a Pedersen vector commitment, perfectly hiding towards whoever lacks the salt (the salt is a random
//! oracle's key) and binding under the discrete logarithm assumption on P-256. Commitments add up: the sum of an
//! organisation's commitments commits to its demand curve.

use std::fmt;
use std::str::FromStr;

use hash2curve::{ExpandMsgXmd, hash_to_scalar};
use p256::elliptic_curve::consts::U48;
use p256::elliptic_curve::ops::LinearCombination;
use p256::elliptic_curve::sec1::{FromSec1Point, ToSec1Point};
use p256::{AffinePoint, NistP256, ProjectivePoint, Scalar, Sec1Point};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::encoding::Encoder;
use crate::{DemandSchedule, MAX_STEPS, Salt, generators};

/// The domain tag of the blinding (RFC 9380, section 3.1), apart from that of the generators.
const BLINDING_DOMAIN: &[u8] = b"IPO-CLEARING-V02-CS02-order-blinding-XMD:SHA-256";

/// Where an order stands. It enters the blinding, so that a salt that is used twice does not relate two commitments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderContext<'a> {
    /// The channel.
    pub channel: &'a str,
    /// The chaincode's name.
    pub chaincode: &'a str,
    /// The listing's id.
    pub listing: &'a str,
    /// The MSP id of the order's organisation.
    pub msp: &'a str,
    /// The order's id, unique in the listing and the organisation.
    pub order_id: &'a str,
}

/// Whose book in which listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookContext<'a> {
    /// The channel.
    pub channel: &'a str,
    /// The chaincode's name.
    pub chaincode: &'a str,
    /// The listing's id.
    pub listing: &'a str,
    /// The MSP id of the book's organisation.
    pub msp: &'a str,
}

impl<'a> BookContext<'a> {
    /// Where an order of this book stands.
    #[must_use]
    pub fn order(&self, order_id: &'a str) -> OrderContext<'a> {
        let Self {
            channel,
            chaincode,
            listing,
            msp,
        } = *self;
        OrderContext {
            channel,
            chaincode,
            listing,
            msp,
            order_id,
        }
    }
}

/// A commitment to an order: a point of P-256 other than the identity. Written as 33 bytes, compressed SEC1; in text,
/// hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Commitment(AffinePoint);

/// Why bytes are not a commitment.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommitmentError {
    /// A wrong length.
    #[error(
        "commitment is {found} bytes long, allowed are exactly {}",
        Commitment::LENGTH
    )]
    Length {
        /// The length that came.
        found: usize,
    },
    /// A first byte that is not that of a compressed point.
    #[error("commitment starts with byte {found:#04x}, allowed are 0x02 and 0x03 (compressed SEC1)")]
    Tag {
        /// The first byte.
        found: u8,
    },
    /// No point of P-256 has this x-coordinate, or it is not below the field's prime.
    #[error("commitment is not a point of P-256 in canonical form")]
    NoPoint,
    /// Text that is not hexadecimal.
    #[error("commitment is not hexadecimal")]
    NotHex,
    /// The identity, which commits to nothing.
    #[error("commitment is the identity")]
    Identity,
}

impl Commitment {
    /// The length of a commitment in bytes.
    pub const LENGTH: usize = 33;

    /// Commits to an order.
    ///
    /// Takes the same time for every order of a listing: unused steps are multiplied with zero, and multiplications are
    /// constant-time. Which generators are read does depend on the order's levels; only a process on the same
    /// machine that watches the cache could tell, and that machine is the order's own organisation's.
    ///
    /// # Errors
    /// The commitment is the identity: never seen, one chance in 2^256.
    pub fn commit(
        schedule: &DemandSchedule,
        context: &OrderContext<'_>,
        salt: &Salt,
    ) -> Result<Self, CommitmentError> {
        generators::prepare(schedule.levels());
        let r = blinding(context, salt);
        let mut terms = Zeroizing::new([(generators::blinding(), Scalar::ZERO); MAX_STEPS + 1]);
        for (term, (level, lots)) in terms.iter_mut().skip(1).zip(schedule.increments()) {
            // A schedule's levels are those of a grid, so there is a generator.
            let generator = generators::level(level).unwrap_or(ProjectivePoint::IDENTITY);
            *term = (generator, Scalar::from(lots));
        }
        if let Some((_, scalar)) = terms.first_mut() {
            *scalar = *r;
        }
        Self::from_point(ProjectivePoint::lincomb(&*terms)).ok_or(CommitmentError::Identity)
    }

    /// Whether this commits to the order: whether the salt opens it.
    #[must_use]
    pub fn verify(&self, schedule: &DemandSchedule, context: &OrderContext<'_>, salt: &Salt) -> bool {
        Self::commit(schedule, context, salt).is_ok_and(|commitment| commitment == *self)
    }

    /// Reads a commitment.
    ///
    /// # Errors
    /// Anything but the one compressed encoding of a point other than the identity.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CommitmentError> {
        if bytes.len() != Self::LENGTH {
            return Err(CommitmentError::Length { found: bytes.len() });
        }
        // SEC1 knows other forms of this length ("compact"), and the identity as zero.
        match bytes.first() {
            Some(2 | 3) => {}
            other => {
                return Err(CommitmentError::Tag {
                    found: other.copied().unwrap_or(0),
                });
            }
        }
        let encoded = Sec1Point::from_bytes(bytes).map_err(|_| CommitmentError::NoPoint)?;
        let point: Option<AffinePoint> = AffinePoint::from_sec1_point(&encoded).into();
        let commitment = Self(point.ok_or(CommitmentError::NoPoint)?);
        // The library refuses an x-coordinate of p or more; the ledger must not depend on that.
        if commitment.to_bytes() != bytes {
            return Err(CommitmentError::NoPoint);
        }
        Ok(commitment)
    }

    /// The compressed SEC1 encoding.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        let encoded = self.0.to_sec1_point(true);
        if let Some(target) = bytes.get_mut(..encoded.len()) {
            target.copy_from_slice(encoded.as_bytes());
        }
        bytes
    }

    /// The point.
    #[must_use]
    pub fn as_affine(&self) -> &AffinePoint {
        &self.0
    }

    /// A commitment from a point that is not the identity.
    pub(crate) fn from_affine(point: AffinePoint) -> Self {
        Self(point)
    }

    pub(crate) fn from_point(point: ProjectivePoint) -> Option<Self> {
        let affine = point.to_affine();
        (affine != AffinePoint::IDENTITY).then_some(Self(affine))
    }
}

/// An order's blinding `r`: its salt, spread over the scalars together with all that names the order.
pub(crate) fn blinding(context: &OrderContext<'_>, salt: &Salt) -> Zeroizing<Scalar> {
    let mut encoder = Encoder::new("order-blinding");
    encoder
        .text(context.channel)
        .text(context.chaincode)
        .text(context.listing)
        .text(context.msp)
        .text(context.order_id)
        .bytes(salt.expose());
    #[allow(clippy::expect_used)]
    let scalar =
        hash_to_scalar::<NistP256, ExpandMsgXmd<Sha256>, U48>(&[encoder.as_slice()], &[BLINDING_DOMAIN])
            .expect(
                "fails only for an empty domain tag or an output above 64 KiB, and both are constants here",
            );
    Zeroizing::new(scalar)
}

impl fmt::Display for Commitment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.to_bytes()))
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Commitment({self})")
    }
}

impl FromStr for Commitment {
    type Err = CommitmentError;

    fn from_str(text: &str) -> Result<Self, CommitmentError> {
        Self::from_bytes(&hex::decode(text).map_err(|_| CommitmentError::NotHex)?)
    }
}

impl Serialize for Commitment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Commitment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{OrderRules, Price, PriceGrid, Step};

    const CONTEXT: OrderContext<'_> = OrderContext {
        channel: "market",
        chaincode: "ipo",
        listing: "Estatia",
        msp: "BrokerAMSP",
        order_id: "a1",
    };

    fn schedule(pairs: &[(u64, u64)]) -> DemandSchedule {
        let rules = OrderRules::new(PriceGrid::new(500, 1000, 100).unwrap(), 1, 1 << 31).unwrap();
        let steps: Vec<_> = pairs
            .iter()
            .map(|&(price, quantity)| Step {
                price: Price::At(price),
                quantity,
            })
            .collect();
        DemandSchedule::new(&steps, &rules).unwrap()
    }

    #[test]
    fn only_its_own_order_context_and_salt_open_it() {
        let order = schedule(&[(500, 10_000), (700, 7000)]);
        let salt = Salt::new([7; 32]);
        let commitment = Commitment::commit(&order, &CONTEXT, &salt).unwrap();
        assert!(commitment.verify(&order, &CONTEXT, &salt));
        assert!(!commitment.verify(&schedule(&[(500, 10_000), (700, 7001)]), &CONTEXT, &salt));
        assert!(!commitment.verify(&schedule(&[(500, 10_000), (800, 7000)]), &CONTEXT, &salt));
        let mut other = [7; 32];
        other[31] ^= 1;
        assert!(!commitment.verify(&order, &CONTEXT, &Salt::new(other)));
        for context in [
            OrderContext {
                channel: "other",
                ..CONTEXT
            },
            OrderContext {
                chaincode: "other",
                ..CONTEXT
            },
            OrderContext {
                listing: "other",
                ..CONTEXT
            },
            OrderContext {
                msp: "other",
                ..CONTEXT
            },
            OrderContext {
                order_id: "a2",
                ..CONTEXT
            },
            // The same bytes, cut elsewhere.
            OrderContext {
                channel: "marketi",
                chaincode: "po",
                ..CONTEXT
            },
        ] {
            assert!(!commitment.verify(&order, &context, &salt), "{context:?}");
        }
    }

    #[test]
    fn one_salt_under_two_ids_relates_nothing() {
        let order = schedule(&[(500, 1)]);
        let salt = Salt::new([7; 32]);
        let second = OrderContext {
            order_id: "a2",
            ..CONTEXT
        };
        let difference = *blinding(&CONTEXT, &salt) - *blinding(&second, &salt);
        assert_ne!(difference, Scalar::ZERO);
        assert_ne!(
            Commitment::commit(&order, &CONTEXT, &salt).unwrap(),
            Commitment::commit(&order, &second, &salt).unwrap()
        );
    }

    #[test]
    fn equal_demand_in_other_steps_is_the_same_order() {
        let salt = Salt::new([9; 32]);
        let short = Commitment::commit(&schedule(&[(700, 40)]), &CONTEXT, &salt).unwrap();
        let long =
            Commitment::commit(&schedule(&[(500, 40), (600, 40), (700, 40)]), &CONTEXT, &salt).unwrap();
        assert_eq!(short, long);
    }

    #[test]
    fn json_and_text_are_hexadecimal() {
        let commitment = Commitment::commit(&schedule(&[(500, 1)]), &CONTEXT, &Salt::new([1; 32])).unwrap();
        let json = serde_json::to_string(&commitment).unwrap();
        assert_eq!(json, format!("\"{commitment}\""));
        assert_eq!(serde_json::from_str::<Commitment>(&json).unwrap(), commitment);
        assert_eq!("zz".parse::<Commitment>(), Err(CommitmentError::NotHex));
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_read_as_the_only_encoding(
            bytes in prop::collection::vec(any::<u8>(), 32..35), tag in 0_u8..6
        ) {
            let mut bytes = bytes;
            bytes[0] = tag;
            if let Ok(commitment) = Commitment::from_bytes(&bytes) {
                prop_assert_eq!(commitment.to_bytes().to_vec(), bytes);
            }
        }
    }
}
