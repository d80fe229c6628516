//! What a protocol above the engine may do with secret bits.
//!
//! A protocol is written once against [`Gates`] and then runs on the authenticated engine, or on the
//! plaintext evaluator, which also counts the triples and rounds that the engine will need.

use std::{fmt, future::Future};

use crate::Error;

/// Secret bits under computation by `parties()` parties, in lockstep: every party makes the same calls in the
/// same order, with vectors of the same lengths. Each method that is `async` says what rounds of messages it costs; the
/// others are local.
///
/// Next to secret bits, parties may tell each other public messages ("payloads"), whose form and length are the caller's
/// business, and toss public coins. A payload that judges nothing and is judged by nobody needs no echo; one that a coin is
/// to judge goes through [`Gates::publish`] or [`Gates::input_masked`] first.
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

    /// The exclusive or of any number of bits; local.
    fn sum<'a>(&self, bits: impl Iterator<Item = &'a Self::Bit>) -> Self::Bit
    where
        Self::Bit: 'a,
    {
        bits.fold(self.constant(false), |sum, bit| self.xor(&sum, bit))
    }

    /// Masks this party's own private bits, for [`Gates::input_masked`]; local. `counts[i]` is how many bits party `i`
    /// gives, known to all; `mine.len() == counts[me()]`.
    ///
    /// # Errors
    /// Wrong lengths, or preprocessed material that has run out.
    fn mask(&mut self, mine: &[bool], counts: &[usize]) -> Result<Masked<Self::Bit>, Error>;

    /// Every party at once gives its masked bits, and a payload that may depend on them. Both are echoed: when this
    /// returns, all parties have the same. Costs two rounds. Coins that judge what was given must be tossed after it; their
    /// seeds are committed to before.
    ///
    /// # Errors
    /// A failed check or a lost peer.
    fn input_masked(
        &mut self,
        masked: Masked<Self::Bit>,
        payload: Vec<u8>,
    ) -> impl Future<Output = Result<Given<Self::Bit>, Error>> + Send;

    /// Every party at once gives its own private bits: [`Gates::mask`] and [`Gates::input_masked`] without payloads. The
    /// result holds one vector a party.
    ///
    /// # Errors
    /// A failed check, a lost peer, wrong lengths, or preprocessed material that has run out.
    fn input(
        &mut self,
        mine: &[bool],
        counts: &[usize],
    ) -> impl Future<Output = Result<Vec<Vec<Self::Bit>>, Error>> + Send {
        let masked = self.mask(mine, counts);
        async move { Ok(self.input_masked(masked?, Vec::new()).await?.bits) }
    }

    /// The conjunction of each pair. Costs one triple a pair and one round for all of them.
    ///
    /// # Errors
    /// A failed check, a lost peer, or preprocessed material that has run out.
    fn and(
        &mut self,
        pairs: &[(Self::Bit, Self::Bit)],
    ) -> impl Future<Output = Result<Vec<Self::Bit>, Error>> + Send;

    /// Opens bits to all parties, verified on receipt. Costs one round.
    ///
    /// # Errors
    /// A failed check or a lost peer.
    fn open(&mut self, bits: &[Self::Bit]) -> impl Future<Output = Result<Vec<bool>, Error>> + Send;

    /// Opens bits as [`Gates::open`] does and gives everybody's payload, party by party, in the same round. The
    /// payloads are not echoed: a party may have told another something else.
    ///
    /// # Errors
    /// A failed check or a lost peer.
    fn answer(
        &mut self,
        bits: &[Self::Bit],
        payload: Vec<u8>,
    ) -> impl Future<Output = Result<(Vec<bool>, Vec<Vec<u8>>), Error>> + Send;

    /// Tells all parties a payload, and echoes it: when this returns, all parties have the same. Costs two rounds.
    ///
    /// # Errors
    /// A failed check or a lost peer.
    fn publish(&mut self, payload: Vec<u8>) -> impl Future<Output = Result<Vec<Vec<u8>>, Error>> + Send;

    /// A public coin: 32 bytes that are uniform, and unknown before, if one party is honest. Every party committed to its
    /// share of them before anything that was given since the coin before. Costs one round.
    ///
    /// # Errors
    /// A failed check or a lost peer.
    fn coin(&mut self) -> impl Future<Output = Result<[u8; 32], Error>> + Send;
}

/// One party's own bits of an input, masked and not sent yet. Masks serve once.
#[must_use]
pub struct Masked<B> {
    /// The bits under their masks: nothing secret.
    pub(crate) bits: Vec<bool>,
    /// Everybody's masks as secret bits, party by party.
    pub(crate) masks: Vec<Vec<B>>,
}

impl<B> Masked<B> {
    /// The masked bits as all parties will see them; they tell nothing of the bits.
    #[must_use]
    pub fn bits(&self) -> &[bool] {
        &self.bits
    }
}

impl<B> fmt::Debug for Masked<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Masked(..)")
    }
}

/// What all parties gave in an input.
#[derive(Clone)]
pub struct Given<B> {
    /// The secret bits, party by party.
    pub bits: Vec<Vec<B>>,
    /// The same bits as they were sent, masked.
    pub masked: Vec<Vec<bool>>,
    /// The payloads.
    pub payloads: Vec<Vec<u8>>,
    /// A digest of the attempt, the round and everything that was given in it, the same for all parties.
    pub transcript: [u8; 32],
}

impl<B> fmt::Debug for Given<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Given({} parties, ..)", self.bits.len())
    }
}
