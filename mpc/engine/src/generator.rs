//! The generator that a party draws its secrets from.

use std::{convert::Infallible, hint::black_box};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng, TryCryptoRng, TryRng};
use zeroize::Zeroizing;

/// ChaCha20 under a secret seed. Dropping it overwrites its state: Delta and all else was drawn from it.
pub(crate) struct Generator(ChaCha20Rng);

impl Generator {
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(*seed))
    }

    /// A generator of its own for each peer, so that work for several peers can go on side by side.
    pub(crate) fn fork(&mut self) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        self.fill_bytes(&mut *seed);
        Self::new(&seed)
    }
}

impl TryRng for Generator {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.0.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0.try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.try_fill_bytes(bytes)
    }
}

impl TryCryptoRng for Generator {}

impl Drop for Generator {
    fn drop(&mut self) {
        self.0 = ChaCha20Rng::from_seed([0; 32]);
        // The crate has no erasing of its own; this keeps the compiler from leaving the overwriting out.
        black_box(&self.0);
    }
}
