//! The fixed encoding of the messages: every value has one encoding, and every length is known beforehand.
//!
//! A point is its two coordinates, 32 bytes each, big-endian: twice the bytes of a compressed one, and no square root to
//! read it. The identity has no encoding; an honest party never sends it.

use p256::elliptic_curve::PrimeField;
use p256::elliptic_curve::point::AffineCoordinates;
use p256::{AffinePoint, FieldBytes, Scalar};

use super::BindingError;

/// The length of a point.
pub(super) const POINT: usize = 64;

/// The length of a scalar.
pub(super) const SCALAR: usize = 32;

/// The length of a masked sum: it has at most 129 bits.
pub(super) const MASKED_SUM: usize = 17;

/// The length of a book message: so many orders, whose ids have so many bytes in all.
pub(super) fn book_length(levels: usize, orders: usize, ids: usize) -> usize {
    let orders = orders.saturating_mul(2 + POINT).saturating_add(ids);
    (4 + (levels + 3) * POINT + (2 * levels + 3) * SCALAR).saturating_add(orders)
}

/// Collects a message.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn with_capacity(length: usize) -> Self {
        Self(Vec::with_capacity(length))
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn point(&mut self, point: &AffinePoint) {
        self.0.extend_from_slice(&point.x());
        self.0.extend_from_slice(&point.y());
    }

    pub(super) fn points<'a>(&mut self, points: impl IntoIterator<Item = &'a AffinePoint>) {
        for point in points {
            self.point(point);
        }
    }

    pub(super) fn scalar(&mut self, scalar: &Scalar) {
        self.0.extend_from_slice(&scalar.to_bytes());
    }

    /// What was written from `start` on.
    pub(super) fn since(&self, start: usize) -> &[u8] {
        self.0.get(start..).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads a party's message from front to back.
pub(super) struct Reader<'a> {
    party: usize,
    all: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(party: usize, bytes: &'a [u8]) -> Self {
        Self {
            party,
            all: bytes,
            at: 0,
        }
    }

    pub(super) fn error(&self, field: &'static str, found: String, allowed: &'static str) -> BindingError {
        BindingError::Encoding {
            party: self.party,
            field,
            found,
            allowed,
        }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// What was read from `start` on.
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        self.all.get(start..self.at).unwrap_or_default()
    }

    pub(super) fn bytes(&mut self, field: &'static str, length: usize) -> Result<&'a [u8], BindingError> {
        let rest = self.all.get(self.at..).unwrap_or_default();
        let Some((taken, _)) = rest.split_at_checked(length) else {
            let found = format!("{} bytes long at the message's end", rest.len());
            return Err(self.error(field, found, "what its place in the message requires"));
        };
        self.at += length;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], BindingError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(field, N)?);
        Ok(array)
    }

    pub(super) fn point(&mut self, field: &'static str) -> Result<AffinePoint, BindingError> {
        let (x, y) = (self.array::<32>(field)?, self.array::<32>(field)?);
        // Refuses coordinates that are not below the field's prime, and what does not lie on the curve.
        let point: Option<AffinePoint> =
            AffinePoint::from_coordinates(&FieldBytes::from(x), &FieldBytes::from(y)).into();
        point.ok_or_else(|| {
            self.error(
                field,
                "no point of P-256".to_owned(),
                "coordinates of a point, in canonical form",
            )
        })
    }

    pub(super) fn points(
        &mut self,
        field: &'static str,
        count: usize,
    ) -> Result<Vec<AffinePoint>, BindingError> {
        (0..count).map(|_| self.point(field)).collect()
    }

    pub(super) fn scalar(&mut self, field: &'static str) -> Result<Scalar, BindingError> {
        let bytes = self.array::<SCALAR>(field)?;
        let scalar: Option<Scalar> = Scalar::from_repr(FieldBytes::from(bytes)).into();
        scalar.ok_or_else(|| {
            self.error(
                field,
                "not below the group's order".to_owned(),
                "a scalar in canonical form",
            )
        })
    }

    pub(super) fn scalars(&mut self, field: &'static str, count: usize) -> Result<Vec<Scalar>, BindingError> {
        (0..count).map(|_| self.scalar(field)).collect()
    }

    pub(super) fn end(&self) -> Result<(), BindingError> {
        match self.all.len() - self.at {
            0 => Ok(()),
            left => Err(self.error(
                "message",
                format!("{left} bytes too long"),
                "nothing after its last field",
            )),
        }
    }
}
