//! Which bits a masked sum adds up: random subsets that nobody knows before the bits are fixed.

use super::transcript::Transcript;

/// The public coin of a round: tossed by all parties together after everybody's masked inputs and commitments were
/// echoed.
///
/// It must come from seeds that every party committed to before the round: a party that could try many coins alone
/// would pass the parity check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Toss {
    /// 32 bytes that are uniform if one party is honest.
    pub coin: [u8; 32],
    /// A digest of everything that was echoed in the round before the coin was opened, of all parties.
    pub echoed: [u8; 32],
}

/// One subset of a party's bits for each masked sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subsets {
    bits: usize,
    chosen: Vec<Vec<bool>>,
}

impl Subsets {
    /// Expands a coin to `repetitions` subsets of `bits` bits. Every bit is in a subset with probability one half.
    pub(super) fn new(
        attempt: &[u8; 32],
        party: usize,
        round: u32,
        repetitions: usize,
        bits: usize,
        toss: &Toss,
    ) -> Self {
        let mut seed = Transcript::new("subsets");
        seed.bytes("coin", &toss.coin)
            .bytes("attempt", attempt)
            .bytes("round", &round.to_be_bytes())
            .bytes("echoed", &toss.echoed)
            .number("party", party)
            .number("bits", bits);
        let chosen = (0..repetitions)
            .map(|repetition| {
                let mut seed = seed.clone();
                seed.number("repetition", repetition);
                let mut chosen = Vec::with_capacity(bits.next_multiple_of(256));
                for block in 0..bits.div_ceil(256) {
                    let digest = seed.clone().number("block", block).digest();
                    chosen.extend((0..256).map(|bit| digest_bit(&digest, bit)));
                }
                chosen.truncate(bits);
                chosen
            })
            .collect();
        Self { bits, chosen }
    }

    /// How many bits there are to choose from.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// The subsets, one a masked sum: whether each bit, in the order of the inputs, is in it.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[bool]> {
        self.chosen.iter().map(Vec::as_slice)
    }
}

fn digest_bit(digest: &[u8; 32], bit: usize) -> bool {
    digest.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
}
