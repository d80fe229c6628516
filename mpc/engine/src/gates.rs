//! What a protocol above the engine may do with secret bits.
//!
//! A protocol is written once against [`Gates`] and then runs on the authenticated engine, or on the
//! plaintext evaluator, which also counts the triples and rounds that the engine will need.

use std::future::Future;

use crate::Error;

/// Secret bits under computation by `parties()` parties, in lockstep: every party makes the same calls in the
/// same order, with vectors of the same lengths. Each method that is `async` costs one round of messages (for
/// [`Gates::and`]: one opening); the others are local.
pub trait Gates: Send {
    /// One secret bit.
    type Bit: Clone + Send + Sync;

    /// How many parties compute, 2 to 16.
    fn parties(&self) -> usize;

    /// This party's index, `0..parties()`.
    fn me(&self) -> usize;

    /// A public constant as a secret bit.
    fn constant(&self, value: bool) -> Self::Bit;

    /// The exclusive or of two bits; local.
    fn xor(&self, left: &Self::Bit, right: &Self::Bit) -> Self::Bit;

    /// The complement of a bit; local.
    fn not(&self, bit: &Self::Bit) -> Self::Bit;

    /// Every party at once gives its own private bits. `counts[i]` is how many bits party `i` gives, known to
    /// all; `mine.len() == counts[me()]`. The result holds one vector a party.
    ///
    /// # Errors
    /// A failed check, a lost peer, or preprocessed material that has run out.
    fn input(
        &mut self,
        mine: &[bool],
        counts: &[usize],
    ) -> impl Future<Output = Result<Vec<Vec<Self::Bit>>, Error>> + Send;

    /// The conjunction of each pair. Costs one triple a pair and one round for all of them.
    ///
    /// # Errors
    /// A failed check, a lost peer, or preprocessed material that has run out.
    fn and(
        &mut self,
        pairs: &[(Self::Bit, Self::Bit)],
    ) -> impl Future<Output = Result<Vec<Self::Bit>, Error>> + Send;

    /// Opens bits to all parties, verified on receipt.
    ///
    /// # Errors
    /// A failed check or a lost peer.
    fn open(&mut self, bits: &[Self::Bit]) -> impl Future<Output = Result<Vec<bool>, Error>> + Send;
}
