//! The secret that makes an order's commitment hide it.

use std::fmt;

use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// 32 random bytes of one order. Whoever has them can test guesses of the order against its commitment. Erased when
/// dropped; `Debug` prints nothing of it.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Salt([u8; Salt::LENGTH]);

/// A salt of a wrong length.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("salt is {found} bytes long, allowed are exactly {}", Salt::LENGTH)]
pub struct SaltError {
    /// The length that came.
    pub found: usize,
}

impl Salt {
    /// The length of a salt in bytes.
    pub const LENGTH: usize = 32;

    /// A salt from its bytes, which must come from a cryptographic random number generator.
    #[must_use]
    pub fn new(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// The secret bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl TryFrom<&[u8]> for Salt {
    type Error = SaltError;

    fn try_from(bytes: &[u8]) -> Result<Self, SaltError> {
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| SaltError { found: bytes.len() })
    }
}

/// Prints nothing of the salt.
impl fmt::Debug for Salt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Salt(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_exactly_32_bytes_and_prints_none() {
        assert_eq!(Salt::try_from(&[7_u8; 31][..]), Err(SaltError { found: 31 }));
        assert_eq!(Salt::try_from(&[7_u8; 33][..]), Err(SaltError { found: 33 }));
        let salt = Salt::try_from(&[7_u8; 32][..]).unwrap();
        assert_eq!(salt.expose(), &[7; 32]);
        assert_eq!(format!("{salt:?}"), "Salt(..)");
    }
}
