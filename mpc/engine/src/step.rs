//! The steps of the protocol, by name: every message carries the step that it belongs to.

/// A step of the protocol. Its name is in every frame, in errors and in the rules of an interceptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step(&'static str);

impl Step {
    /// Commitments to the nonces of coins.
    pub const COIN_COMMITMENT: Self = Self("coin/commitment");
    /// The echo of those commitments.
    pub const COIN_ECHO: Self = Self("coin/echo");
    /// Nonces of coins.
    pub const COIN_OPENING: Self = Self("coin/opening");
    /// Base oblivious transfers: the chooser's message.
    pub const BASE_OT_CHOICE: Self = Self("base-ot/choice");
    /// Base oblivious transfers: the sender's message.
    pub const BASE_OT_REPLY: Self = Self("base-ot/reply");
    /// Authenticated bits: the corrections of the correlated oblivious transfers.
    pub const BITS_CORRECTIONS: Self = Self("bits/corrections");
    /// Authenticated bits: the challenge to the corrections, and the coin of the combination.
    pub const BITS_CHALLENGE: Self = Self("bits/challenge");
    /// Authenticated bits: the response to the challenge, and a random combination of a party's bits and of their
    /// MACs.
    pub const BITS_CHECK: Self = Self("bits/check");
    /// The echo of the combined bits.
    pub const BITS_ECHO: Self = Self("bits/echo");
    /// One Delta towards all: commitments.
    pub const DELTA_COMMITMENT: Self = Self("delta/commitment");
    /// The echo of those commitments.
    pub const DELTA_ECHO: Self = Self("delta/echo");
    /// One Delta towards all: bits and MACs.
    pub const DELTA_BITS: Self = Self("delta/bits");
    /// One Delta towards all: sums of keys.
    pub const DELTA_KEYS: Self = Self("delta/keys");
    /// Leaky triples: the half-authenticated products and the check's ciphertexts.
    pub const TRIPLE_PRODUCTS: Self = Self("triple/products");
    /// Leaky triples: the bits that turn random shares into shares of the products.
    pub const TRIPLE_CORRECTION: Self = Self("triple/correction");
    /// Leaky triples: commitments to the check's summands.
    pub const TRIPLE_COMMITMENT: Self = Self("triple/commitment");
    /// The echo of those commitments.
    pub const TRIPLE_ECHO: Self = Self("triple/echo");
    /// Leaky triples: the check's summands.
    pub const TRIPLE_CHECK: Self = Self("triple/check");
    /// Bucketing: openings of the differences within each bucket.
    pub const TRIPLE_BUCKETS: Self = Self("triple/buckets");
    /// Input masks: every party's shares, to the mask's owner alone.
    pub const INPUT_MASK: Self = Self("input/mask");
    /// The session that the attempt is for, with the nonce of the attempt's id.
    pub const SESSION: Self = Self("session");
    /// Public messages of the protocol above.
    pub const PUBLISH: Self = Self("publish");
    /// The echo of those messages.
    pub const PUBLISH_ECHO: Self = Self("publish/echo");
    /// Masked inputs, and the public messages that came with them.
    pub const INPUT: Self = Self("input");
    /// The echo of the masked inputs and of what came with them.
    pub const INPUT_ECHO: Self = Self("input/echo");
    /// Nonces of a coin for the protocol above.
    pub const PUBLIC_COIN: Self = Self("public-coin");
    /// Openings that the protocol above asked for, with a public message that is not echoed.
    pub const ANSWER: Self = Self("answer");
    /// Openings of one layer of conjunctions.
    pub const AND: Self = Self("and");
    /// Openings that the protocol above asked for.
    pub const OPEN: Self = Self("open");
    /// A party's notice that it gave up.
    pub(crate) const ABORT: Self = Self("abort");

    /// All steps at which messages are exchanged.
    pub const ALL: [Self; 29] = [
        Self::COIN_COMMITMENT,
        Self::COIN_ECHO,
        Self::COIN_OPENING,
        Self::BASE_OT_CHOICE,
        Self::BASE_OT_REPLY,
        Self::BITS_CORRECTIONS,
        Self::BITS_CHALLENGE,
        Self::BITS_CHECK,
        Self::BITS_ECHO,
        Self::DELTA_COMMITMENT,
        Self::DELTA_ECHO,
        Self::DELTA_BITS,
        Self::DELTA_KEYS,
        Self::TRIPLE_PRODUCTS,
        Self::TRIPLE_CORRECTION,
        Self::TRIPLE_COMMITMENT,
        Self::TRIPLE_ECHO,
        Self::TRIPLE_CHECK,
        Self::TRIPLE_BUCKETS,
        Self::INPUT_MASK,
        Self::SESSION,
        Self::PUBLISH,
        Self::PUBLISH_ECHO,
        Self::INPUT,
        Self::INPUT_ECHO,
        Self::PUBLIC_COIN,
        Self::ANSWER,
        Self::AND,
        Self::OPEN,
    ];

    /// The step's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}
