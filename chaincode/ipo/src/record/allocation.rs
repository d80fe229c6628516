//! What one order was allotted, as it stands in its organisation's own collection.
//!
//! Its hash is public, so it carries a secret salt: HMAC-SHA256 of the text `allocation` under the order's own. Binary for the
//! same reason as the order:
//!
//! ```text
//! version u8 = 1 | clearing price u64 (0 = the listing failed) | quantity u64, shares | salt, 32 bytes
//! ```

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use order_commitments::Salt;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const VERSION: u8 = 1;
const LENGTH: usize = 1 + 8 + 8 + Salt::LENGTH;

/// What an order was allotted. Erased when dropped; `Debug` prints nothing of it.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct PrivateAllocation {
    price: u64,
    quantity: u64,
    salt: [u8; Salt::LENGTH],
}

impl PrivateAllocation {
    /// An allocation of `quantity` shares at `price` minor units (none: the listing failed) to the order with this salt.
    #[must_use]
    pub fn new(price: Option<u64>, quantity: u64, order_salt: &Salt) -> Self {
        // HMAC fills a key up to its block of 64 bytes with zeros (RFC 2104, section 2).
        let mut key = Zeroizing::new([0; 64]);
        key.iter_mut()
            .zip(order_salt.expose())
            .for_each(|(byte, salt)| *byte = *salt);
        let mut mac = Hmac::<Sha256>::new((&*key).into());
        mac.update(b"allocation");
        Self {
            price: price.unwrap_or(0),
            quantity,
            salt: mac.finalize().into_bytes().into(),
        }
    }

    /// The clearing price, minor units; none if the listing failed.
    #[must_use]
    pub fn price(&self) -> Option<u64> {
        (self.price > 0).then_some(self.price)
    }

    /// Shares.
    #[must_use]
    pub fn quantity(&self) -> u64 {
        self.quantity
    }

    /// The bytes that are stored.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(LENGTH));
        bytes.push(VERSION);
        bytes.extend(self.price.to_be_bytes());
        bytes.extend(self.quantity.to_be_bytes());
        bytes.extend(self.salt);
        bytes
    }

    /// Reads what was stored; none for anything that [`to_bytes`](Self::to_bytes) does not make.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[version], rest) = bytes.split_first_chunk::<1>()?;
        let (price, rest) = rest.split_first_chunk::<8>()?;
        let (quantity, rest) = rest.split_first_chunk::<8>()?;
        let salt = rest.try_into().ok()?;
        (version == VERSION).then(|| Self {
            price: u64::from_be_bytes(*price),
            quantity: u64::from_be_bytes(*quantity),
            salt,
        })
    }
}

impl fmt::Debug for PrivateAllocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateAllocation(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_salt_is_derived_from_the_order_and_differs_from_it() {
        let one = PrivateAllocation::new(Some(700), 10, &Salt::new([1; 32]));
        let other = PrivateAllocation::new(Some(700), 10, &Salt::new([2; 32]));
        assert!(one != other && one.salt != [1; 32]);
        // HMAC-SHA256(key = 32 bytes of 0x01, "allocation"), from Python's hmac module.
        assert_eq!(
            hex::encode(one.salt),
            "8c563d181b016fdba263fc861eacf991c06787db41ff395083f56960ef99b3bd"
        );
        assert_eq!(format!("{one:?}"), "PrivateAllocation(..)");
    }

    proptest! {
        #[test]
        fn stored_form_round_trips(price in prop::option::of(1u64..), quantity: u64, salt: [u8; 32]) {
            let allocation = PrivateAllocation::new(price, quantity, &Salt::new(salt));
            let bytes = allocation.to_bytes();
            let read = PrivateAllocation::from_bytes(&bytes).unwrap();
            prop_assert_eq!((read.price(), read.quantity()), (price, quantity));
            prop_assert!(read == allocation);
            prop_assert!(PrivateAllocation::from_bytes(&bytes[1..]).is_none());
        }

        #[test]
        fn any_bytes_are_refused_or_are_the_one_form(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Some(allocation) = PrivateAllocation::from_bytes(&bytes) {
                let again = allocation.to_bytes();
                prop_assert_eq!(again.as_slice(), bytes.as_slice());
            }
        }
    }
}
