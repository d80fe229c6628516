//! An organisation's frozen book: what the ledger alone fixes of its input to a clearing.

use std::fmt;
use std::str::FromStr;

use p256::{AffinePoint, ProjectivePoint};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::Commitment;
use crate::commitment::{BookContext, CommitmentError};
use crate::encoding::Encoder;

/// The count, digest and sum of the commitments of an organisation's orders that count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Book {
    /// How many orders count.
    pub count: u64,
    /// SHA-256 over who the orders belong to and every order's id and commitment.
    pub digest: BookDigest,
    /// The sum of the orders' commitments, which commits to the organisation's demand curve.
    pub commitment: BookCommitment,
}

/// The digest of a frozen book. In text, hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BookDigest(pub [u8; 32]);

/// The sum of a book's commitments. An empty book's is the identity, which is written as a single zero byte; any other
/// as an order's commitment is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BookCommitment(Option<Commitment>);

/// Orders that are not a book.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BookError {
    /// Orders out of order, or one twice.
    #[error("order {id:?} comes after {previous:?}, allowed are distinct ids in ascending byte order")]
    OutOfOrder {
        /// The order.
        id: String,
        /// The one before it.
        previous: String,
    },
}

impl Book {
    /// Freezes a book: the orders that count, ascending by id in byte order.
    ///
    /// # Errors
    /// Orders out of order or twice.
    pub fn freeze<'a>(
        owner: &BookContext<'_>,
        orders: impl IntoIterator<Item = (&'a str, Commitment)>,
    ) -> Result<Self, BookError> {
        let mut encoder = Encoder::new("book");
        encoder
            .text(owner.channel)
            .text(owner.chaincode)
            .text(owner.listing)
            .text(owner.msp);
        let mut count = 0_u64;
        let mut sum = ProjectivePoint::IDENTITY;
        let mut previous: Option<&str> = None;
        for (id, commitment) in orders {
            if let Some(previous) = previous.filter(|previous| previous.as_bytes() >= id.as_bytes()) {
                return Err(BookError::OutOfOrder {
                    id: id.to_owned(),
                    previous: previous.to_owned(),
                });
            }
            encoder.text(id).bytes(&commitment.to_bytes());
            sum += commitment.as_affine();
            count += 1;
            previous = Some(id);
        }
        encoder.u64(count);
        let digest = BookDigest(Sha256::digest(encoder.as_slice()).into());
        Ok(Self {
            count,
            digest,
            commitment: BookCommitment(Commitment::from_point(sum)),
        })
    }
}

impl BookCommitment {
    /// The commitment of an empty book.
    pub const IDENTITY: Self = Self(None);

    /// Reads a book's commitment.
    ///
    /// # Errors
    /// Anything but a single zero byte or an order commitment's encoding.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CommitmentError> {
        if bytes == [0] {
            return Ok(Self::IDENTITY);
        }
        Commitment::from_bytes(bytes).map(|commitment| Self(Some(commitment)))
    }

    /// A single zero byte for the identity, else 33 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0
            .map_or_else(|| vec![0], |commitment| commitment.to_bytes().to_vec())
    }

    /// The commitment of what this book has beyond `other`: of the one order by which they differ, or the sum of
    /// several.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self(Commitment::from_point(
            self.to_projective() - other.to_projective(),
        ))
    }

    /// The point, in affine coordinates.
    #[must_use]
    pub fn to_affine(&self) -> AffinePoint {
        self.0
            .map_or(AffinePoint::IDENTITY, |commitment| *commitment.as_affine())
    }

    /// The point.
    #[must_use]
    pub fn to_projective(&self) -> ProjectivePoint {
        self.0.map_or(ProjectivePoint::IDENTITY, |commitment| {
            ProjectivePoint::from(*commitment.as_affine())
        })
    }
}

impl fmt::Display for BookCommitment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.to_bytes()))
    }
}

impl fmt::Debug for BookCommitment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BookCommitment({self})")
    }
}

impl FromStr for BookCommitment {
    type Err = CommitmentError;

    fn from_str(text: &str) -> Result<Self, CommitmentError> {
        Self::from_bytes(&hex::decode(text).map_err(|_| CommitmentError::NotHex)?)
    }
}

impl Serialize for BookCommitment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BookCommitment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl fmt::Display for BookDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for BookDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BookDigest({self})")
    }
}

impl Serialize for BookDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BookDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut digest = [0; 32];
        hex::decode_to_slice(String::deserialize(deserializer)?, &mut digest)
            .map_err(|_| de::Error::custom("book digest is not 64 hexadecimal digits"))?;
        Ok(Self(digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DemandSchedule, OrderRules, Price, PriceGrid, Salt, Step};

    const OWNER: BookContext<'_> = BookContext {
        channel: "market",
        chaincode: "ipo",
        listing: "Estatia",
        msp: "AMSP",
    };

    fn commitment(id: &str) -> Commitment {
        let rules = OrderRules::new(PriceGrid::new(5, 9, 1).unwrap(), 1, 100).unwrap();
        let order = DemandSchedule::new(
            &[Step {
                price: Price::At(7),
                quantity: 3,
            }],
            &rules,
        )
        .unwrap();
        Commitment::commit(&order, &OWNER.order(id), &Salt::new([1; 32])).unwrap()
    }

    #[test]
    fn every_part_of_a_book_enters_its_digest() {
        let (first, second) = (commitment("a"), commitment("b"));
        let book = Book::freeze(&OWNER, [("a", first), ("b", second)]).unwrap();
        assert_eq!(book.count, 2);
        assert_eq!(
            book.commitment.to_projective(),
            ProjectivePoint::from(*first.as_affine()) + second.as_affine()
        );
        let shorter = Book::freeze(&OWNER, [("a", first)]).unwrap();
        assert_eq!(
            book.commitment.minus(&shorter.commitment).to_bytes(),
            second.to_bytes()
        );
        assert_eq!(book.commitment.minus(&book.commitment), BookCommitment::IDENTITY);
        for other in [
            Book::freeze(&OWNER, [("a", second), ("b", first)]).unwrap(),
            Book::freeze(&OWNER, [("a", first), ("c", second)]).unwrap(),
            Book::freeze(&OWNER, [("a", first)]).unwrap(),
            Book::freeze(
                &BookContext { msp: "BMSP", ..OWNER },
                [("a", first), ("b", second)],
            )
            .unwrap(),
            Book::freeze(
                &BookContext {
                    listing: "L",
                    ..OWNER
                },
                [("a", first), ("b", second)],
            )
            .unwrap(),
        ] {
            assert_ne!(other.digest, book.digest);
        }
    }

    #[test]
    fn refuses_orders_out_of_order_or_twice() {
        let one = commitment("a");
        for ids in [["b", "a"], ["a", "a"]] {
            let refused = Book::freeze(&OWNER, ids.map(|id| (id, one))).unwrap_err();
            assert_eq!(
                refused,
                BookError::OutOfOrder {
                    id: ids[1].to_owned(),
                    previous: ids[0].to_owned()
                }
            );
        }
    }

    #[test]
    fn an_empty_book_commits_to_nothing() {
        let empty = Book::freeze(&OWNER, []).unwrap();
        assert_eq!((empty.count, empty.commitment), (0, BookCommitment::IDENTITY));
        assert_eq!(empty.commitment.to_bytes(), [0]);
        assert_eq!(BookCommitment::from_bytes(&[0]), Ok(BookCommitment::IDENTITY));
        for bad in [&[][..], &[1], &[0, 0], &[0; 33]] {
            assert!(BookCommitment::from_bytes(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn json_form() {
        let book = Book::freeze(&OWNER, [("a", commitment("a"))]).unwrap();
        let json = serde_json::to_string(&book).unwrap();
        let expected = format!(
            r#"{{"count":1,"digest":"{}","commitment":"{}"}}"#,
            book.digest, book.commitment
        );
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<Book>(&json).unwrap(), book);
        assert!(serde_json::from_str::<BookDigest>("\"00\"").is_err());
    }
}
