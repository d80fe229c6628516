//! Authenticated bits: each party's random bits, with MACs towards every peer.
//!
//! # What the protocol does
//!
//! A party is the receiver of correlated oblivious transfers with every peer, with the same choice bits: the
//! transfers' outputs are the MACs and keys. Then all toss a point of GF(2^128), and each party shows the hash of its
//! bits at that point, the same to all, and to each peer the same hash of its MACs; the peer compares with
//! the hash of its keys. What everybody showed is echoed.
//!
//! # Why it is sound
//!
//! The paper (Wang, Ranellucci, Katz, ePrint 2017/189, section 5.1) checks 2 rho sums over random subsets of the
//! bits, each bitwise with its own MAC, and gives up 2 rho bits for them. The hash into GF(2^128) is the same number
//! of sums at once, as the bits of one field element whose MAC is one field element. Different bits to two peers
//! have different hashes but for `count` of the 2^128 points; as the echo makes the shown hash the same for all, one
//! of the two peers gets a MAC on something else than its keys are for, that is, the MAC had to be guessed together
//! with Delta. The 2 rho = 128 masking bits are added as one uniform element, so that the hash says nothing on the
//! other bits. The point is tossed after all corrections of the transfers have arrived.

use std::sync::Arc;

use rand_core::Rng;
use zeroize::Zeroizing;

use crate::{
    Error, PartyId,
    block::{BLOCK_BYTES, Block},
    compute::{for_each_peer, part_messages},
    generator::Generator,
    gf128::{self, PowerHash},
    links::check_length,
    setup::{Pair, State},
    shares::Shares,
    step::Step,
    transport::Transport,
};

/// Bits given up to mask the check: 2 rho.
pub(super) const MASK: usize = 128;

/// One party's choice of bits, the mask's included.
pub(crate) type Choices = Arc<Zeroizing<Vec<bool>>>;

/// Uniform choices for `count` bits and the mask of their check.
pub(crate) fn draw(rng: &mut Generator, count: usize) -> Choices {
    let mut bytes = Zeroizing::new(vec![0; (count + MASK).div_ceil(8)]);
    rng.fill_bytes(&mut bytes);
    let bits = bytes
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| (byte >> bit) & 1 == 1));
    Arc::new(Zeroizing::new(bits.take(count + MASK).collect()))
}

/// Authenticates `counts[i]` bits of each party `i`. An honest party's `own` choices are the same towards all.
///
/// In what comes out, the own bits have MACs under all peers' Deltas, and `keys[i]` has `counts[i]` keys.
pub(crate) async fn authenticate<T: Transport>(
    state: &mut State<T>,
    counts: &[usize],
    own: Vec<Choices>,
) -> Result<Shares, Error> {
    let (parties, me) = (state.links.parties(), state.links.me());
    let counts: Arc<[usize]> = counts.into();
    let own = Arc::new(own);

    // The corrections of the transfers, in both directions with every peer.
    let choices = Arc::clone(&own);
    let extended = for_each_peer(state.take_pairs(), move |peer, mut pair: Pair| {
        let (receiver, corrections) = pair.receiver.extend(&choices[peer], &mut pair.rng)?;
        Ok(((pair.delta, pair.sender, receiver, pair.rng), corrections))
    })
    .await?;
    let (extended, outgoing) = part_messages(extended, parties);
    let incoming = state.links.exchange(Step::BITS_CORRECTIONS, &outgoing).await?;
    drop(outgoing);

    // The challenges to them, and the coin that gives the point of the check.
    let lengths = Arc::clone(&counts);
    let challenged = for_each_peer(extended, move |peer, (delta, sender, receiver, mut rng)| {
        let (sender, challenge) = sender.challenge(lengths[peer] + MASK, &incoming[peer], &mut rng)?;
        Ok(((delta, sender, receiver, rng), challenge))
    })
    .await?;
    let (challenged, mut outgoing) = part_messages(challenged, parties);
    state.coins.prepare(&mut state.links, &mut state.rng).await?;
    let opening = state.coins.opening();
    for message in &mut outgoing {
        message.extend_from_slice(&opening);
    }
    let mut incoming = state.links.exchange(Step::BITS_CHALLENGE, &outgoing).await?;
    let mut openings = vec![opening; parties];
    for peer in state.links.peers() {
        check_length(peer, Step::BITS_CHALLENGE, &incoming[peer], outgoing[peer].len())?;
        openings[peer] = incoming[peer].split_off(BLOCK_BYTES);
    }
    let coin = state.coins.open(&state.links, Step::BITS_CHALLENGE, &openings)?;
    let check = Arc::new(Check::new(coin.stream().next_block()));

    // The responses, and the hashes of the MACs and of the bits.
    let (checks, choices) = (Arc::clone(&check), Arc::clone(&own));
    let answered = for_each_peer(challenged, move |peer, (delta, sender, receiver, rng)| {
        let (receiver, macs, mut message) = receiver.respond(&incoming[peer])?;
        Block::append(&[checks.blocks(&macs), checks.bits(&choices[peer])], &mut message);
        Ok(((delta, sender, receiver, rng, macs), message))
    })
    .await?;
    let (answered, outgoing) = part_messages(answered, parties);
    let incoming = Arc::new(state.links.exchange(Step::BITS_CHECK, &outgoing).await?);
    let (checks, messages) = (Arc::clone(&check), Arc::clone(&incoming));
    let verified = for_each_peer(answered, move |peer, (delta, sender, receiver, rng, macs)| {
        let (response, [macs_hash, bits_hash]) = cut(peer, &messages[peer])?;
        let (sender, keys) = sender.verify(response)?;
        if macs_hash != checks.blocks(&keys) ^ gf128::mul(bits_hash, *delta) {
            return Err(Error::CheckFailed {
                check: Step::BITS_CHECK.name(),
                suspects: vec![peer],
            });
        }
        Ok((
            Pair {
                delta,
                sender,
                receiver,
                rng,
            },
            macs,
            keys,
        ))
    })
    .await?;

    let mut shown = vec![Block::write(&[check.bits(&own[me])]); parties];
    for peer in state.links.peers() {
        shown[peer] = incoming[peer]
            .split_at(incoming[peer].len() - BLOCK_BYTES)
            .1
            .to_vec();
    }
    state
        .links
        .echo(Step::BITS_ECHO, Step::BITS_CHECK, &shown)
        .await?;

    let mut shares = Shares::with_capacity(parties, me, 0);
    shares.bits.extend_from_slice(&own[me][..counts[me]]);
    let mut pairs = Vec::with_capacity(parties - 1);
    for (peer, (pair, mut macs, mut keys)) in verified {
        shares.macs[peer] = std::mem::take(&mut *macs);
        shares.keys[peer] = std::mem::take(&mut *keys);
        shares.macs[peer].truncate(counts[me]);
        shares.keys[peer].truncate(counts[peer]);
        pairs.push((peer, pair));
    }
    state.return_pairs(pairs);
    Ok(shares)
}

/// The response to the challenge, and the hashes of the MACs and of the bits.
fn cut(peer: PartyId, message: &[u8]) -> Result<(&[u8], [Block; 2]), Error> {
    let Some((response, hashes)) = message.split_last_chunk::<{ 2 * BLOCK_BYTES }>() else {
        let reason = format!("{} bytes, without the two hashes", message.len());
        return Err(Error::Malformed {
            peer,
            step: Step::BITS_CHECK.name(),
            reason,
        });
    };
    let (hashes, _) = hashes.as_chunks::<BLOCK_BYTES>();
    Ok((response, [0, 1].map(|index| Block::from_bytes(hashes[index]))))
}

/// The hash at one point, masked: the last [`MASK`] entries are the coefficients of one element that is added.
struct Check {
    hash: PowerHash,
}

impl Check {
    fn new(point: Block) -> Self {
        Self {
            hash: PowerHash::new(point),
        }
    }

    fn blocks(&self, blocks: &[Block]) -> Block {
        let (used, mask) = blocks.split_at(blocks.len() - MASK);
        // Horner's rule at the element x.
        let mask = mask
            .iter()
            .rev()
            .fold(Block::ZERO, |sum, block| gf128::mul(sum, Block(2)) ^ *block);
        self.hash.hash(used) ^ mask
    }

    fn bits(&self, bits: &[bool]) -> Block {
        let embedded: Zeroizing<Vec<Block>> =
            Zeroizing::new(bits.iter().map(|bit| Block(1).times(*bit)).collect());
        self.blocks(&embedded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the bits are, the mask's 128 bits make their hash any element, each by one choice: shown, it says nothing.
    #[test]
    fn the_shown_hash_is_masked_perfectly() {
        let check = Check::new(Block(0x1234_5678_9abc_def0_0fed_cba9_8765_4321));
        for used in [
            vec![],
            vec![true; 300],
            (0..200).map(|bit| bit % 3 == 0).collect(),
        ] {
            let shown = |mask: u128| {
                let mask = (0..MASK).map(|bit| mask >> bit & 1 == 1);
                check.bits(&used.iter().copied().chain(mask).collect::<Vec<_>>())
            };
            let unmasked = shown(0);
            for mask in [1, 2, 1 << 77, 1 << 127, u128::MAX, 0xdead_beef] {
                assert_eq!(shown(mask), unmasked ^ Block(mask), "{mask:x}");
            }
        }
    }
}
