//! Leaky authenticated triples: products of random shares, checked, of which a cheater may have guessed a factor.
//!
//! # What the protocol does
//!
//! All parties hold authenticated shares of random `x`, `y`, `r`. The cross products `x_k y_i` come from the MACs: party
//! `i` masks `y_i` by the hash of its key on `x_k` and of that key plus Delta, and party `k` unmasks by the hash of its
//! MAC. With a share `z_i` of the product, `e_i = z_i ^ r_i` is broadcast and turns the MACs on `r` into MACs on
//! `z`. The check: `Phi_i`, shares of `y Delta` for the sum Delta of all Deltas, are multiplied by the `x_k` in the same way,
//! which gives each party a summand of `(x y ^ z) Delta`. The summands must add up to zero (Wang, Ranellucci, Katz,
//! ePrint 2017/189, section 5.3, its protocols for half-authenticated and leaky authenticated ANDs).
//!
//! # Differences from the paper
//!
//! - The pad of a cross product is the hash itself instead of a fresh bit masked by it; so one bit is sent in place
//!   of two. The distributions are the same: a hash of a key is as random to the other as a fresh bit.
//! - The summands of all triples of a batch are hashed into one element at a point of GF(2^128) that is tossed after
//!   everything they depend on has been received; that element is committed to and opened. What is opened is a
//!   function of what the paper opens.

use std::{ops::Range, sync::Arc};

use rand_core::Rng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    Error, PartyId,
    block::{BLOCK_BYTES, Block},
    compute::{compute, for_each_peer, part_messages},
    frame::VERSION,
    gf128::PowerHash,
    hash::{Tweak, TweakableHash},
    links::check_length,
    setup::State,
    shares::{Shares, pack, packed_len, unpack},
    step::Step,
    transport::Transport,
};

/// Phases of the tweakable hash.
const PRODUCT: u16 = 1;
const CHECK: u16 = 2;

const NONCE: usize = 32;

/// Products whose check is still to come.
pub(crate) struct UncheckedTriples {
    triples: LeakyTriples,
    /// This party's summand of the check, for each triple.
    summands: Zeroizing<Vec<Block>>,
}

/// Checked leaky triples. Each is right; a cheater may know shares of `x` at the risk of having been caught.
pub(crate) struct LeakyTriples {
    /// All `x`, then all `y`, then all `z`.
    pub(super) shares: Shares,
}

/// Multiplies random shares: the first third of `shares` by the second; the last third is used up.
pub(crate) async fn multiply<T: Transport>(
    state: &mut State<T>,
    shares: Shares,
) -> Result<UncheckedTriples, Error> {
    let (parties, me, delta) = (state.links.parties(), state.links.me(), state.delta.clone());
    let count = shares.len() / 3;
    let hash = Arc::new(Hash {
        hash: TweakableHash::new(&state.id),
        first: state.tweaks,
    });
    state.tweaks += count as u64;
    let message_len = count * BLOCK_BYTES + packed_len(count);

    let (own, mine) = (delta.clone(), delta.clone());
    // To each peer: the own share of `y`, and that of `y Delta`, both to be multiplied by the peer's share of `x`.
    let (shares, phi) = compute(move || {
        let phi = times_delta(&shares, count..2 * count, *own);
        (Arc::new(shares), Arc::new(phi))
    })
    .await;
    let (hasher, source, masked) = (Arc::clone(&hash), Arc::clone(&shares), Arc::clone(&phi));
    let peers = state.links.peers().map(|peer| (peer, ())).collect();
    let sent = for_each_peer(peers, move |peer, ()| {
        let zeros = &source.keys[peer][..count];
        // A key beside its other half gives Delta away: erased, as all that is derived from it.
        let ones: Zeroizing<Vec<Block>> = Zeroizing::new(zeros.iter().map(|key| *key ^ *mine).collect());
        let pads = hasher.bits(zeros, PRODUCT, me, peer);
        let products: Vec<bool> = hasher
            .bits(&ones, PRODUCT, me, peer)
            .iter()
            .zip(pads.iter())
            .zip(&source.bits[count..])
            .map(|((one, zero), y)| one ^ zero ^ y)
            .collect();
        let summands = hasher.blocks(zeros, CHECK, me, peer);
        let mut ciphertexts = hasher.blocks(&ones, CHECK, me, peer);
        for ((ciphertext, zero), phi) in ciphertexts.iter_mut().zip(summands.iter()).zip(masked.iter()) {
            *ciphertext ^= *zero ^ *phi;
        }
        let mut message = Vec::with_capacity(message_len);
        Block::append(&ciphertexts, &mut message);
        message.extend(pack(&products));
        Ok(((pads, summands), message))
    })
    .await?;
    let (sent, outgoing) = part_messages(sent, parties);
    let incoming = state.links.exchange(Step::TRIPLE_PRODUCTS, &outgoing).await?;
    drop(outgoing);

    // From each peer: the own share of `x` times the peer's shares.
    let source = Arc::clone(&shares);
    let received = for_each_peer(sent, move |peer, (mut products, mut summands)| {
        let message = &incoming[peer];
        check_length(peer, Step::TRIPLE_PRODUCTS, message, message_len)?;
        let (ciphertexts, packed) = message.split_at(count * BLOCK_BYTES);
        let (ciphertexts, _) = ciphertexts.as_chunks::<BLOCK_BYTES>();
        let macs = &source.macs[peer][..count];
        let pads = hash.bits(macs, PRODUCT, peer, me);
        let bits = unpack(peer, Step::TRIPLE_PRODUCTS, packed, count)?;
        for (((sum, pad), x), bit) in products.iter_mut().zip(pads.iter()).zip(&source.bits).zip(bits) {
            *sum ^= pad ^ (x & bit);
        }
        let pads = hash.blocks(macs, CHECK, peer, me);
        for (((sum, pad), x), ciphertext) in summands
            .iter_mut()
            .zip(pads.iter())
            .zip(&source.bits)
            .zip(ciphertexts)
        {
            *sum ^= *pad ^ Block::from_bytes(*ciphertext).times(*x);
        }
        Ok((products, summands))
    })
    .await?;

    // Shares of the products, and the bits that turn the shares of `r` into them.
    let mut shares = Arc::try_unwrap(shares).unwrap_or_else(|shared| Shares::clone(&shared));
    let (shares, mut summands, corrections) = compute(move || {
        let mut summands = Zeroizing::new(vec![Block::ZERO; count]);
        let mut corrections = Vec::with_capacity(count);
        for (index, phi) in phi.iter().enumerate() {
            summands[index] = phi.times(shares.bits[index]);
            corrections.push(shares.bits[index] & shares.bits[count + index]);
        }
        for (_, (products, part)) in &received {
            for (sum, product) in corrections.iter_mut().zip(products.iter()) {
                *sum ^= product;
            }
            for (sum, part) in summands.iter_mut().zip(part.iter()) {
                *sum ^= *part;
            }
        }
        for (share, correction) in shares.bits[2 * count..].iter_mut().zip(&mut corrections) {
            // The share of `r` becomes that of `z`, which is the correction now; their difference is sent.
            std::mem::swap(share, correction);
            *correction ^= *share;
        }
        (shares, summands, corrections)
    })
    .await;
    let mut shares = shares;
    let incoming = state
        .links
        .broadcast(Step::TRIPLE_CORRECTION, pack(&corrections))
        .await?;
    let mut corrections = vec![Vec::new(); parties];
    for peer in state.links.peers() {
        corrections[peer] = unpack(peer, Step::TRIPLE_CORRECTION, &incoming[peer], count)?;
    }
    let (shares, summands) = compute(move || {
        for (keys, corrections) in shares.keys.iter_mut().zip(&corrections) {
            for (key, correction) in keys.iter_mut().skip(2 * count).zip(corrections) {
                *key ^= delta.times(*correction);
            }
        }
        for (sum, part) in summands
            .iter_mut()
            .zip(times_delta(&shares, 2 * count..3 * count, *delta).iter())
        {
            *sum ^= *part;
        }
        (shares, summands)
    })
    .await;
    Ok(UncheckedTriples {
        triples: LeakyTriples { shares },
        summands,
    })
}

impl UncheckedTriples {
    /// Checks all triples at once. A failure does not say who caused it.
    pub(crate) async fn check<T: Transport>(self, state: &mut State<T>) -> Result<LeakyTriples, Error> {
        let me = state.links.me();
        let coin = state.toss().await?;
        let sum = PowerHash::new(coin.stream().next_block()).hash(&self.summands);
        let mut opening = vec![0; NONCE];
        state.rng.fill_bytes(&mut opening);
        opening.extend(sum.to_bytes());

        let (id, round) = (state.id, state.links.round());
        let commit = |party: PartyId, opening: &[u8]| -> [u8; 32] {
            Sha256::new()
                .chain_update([VERSION])
                .chain_update(b"mpc-engine triple commitment")
                .chain_update(id)
                .chain_update(round.to_be_bytes())
                .chain_update((party as u64).to_be_bytes())
                .chain_update(opening)
                .finalize()
                .into()
        };
        let commitments = state
            .links
            .broadcast(Step::TRIPLE_COMMITMENT, commit(me, &opening).to_vec())
            .await?;
        state
            .links
            .echo(Step::TRIPLE_ECHO, Step::TRIPLE_COMMITMENT, &commitments)
            .await?;
        let openings = state.links.broadcast(Step::TRIPLE_CHECK, opening).await?;
        let mut total = Block::ZERO;
        for (party, opening) in openings.iter().enumerate() {
            check_length(party, Step::TRIPLE_CHECK, opening, NONCE + BLOCK_BYTES)?;
            let suspects = vec![party];
            if !bool::from(commit(party, opening).ct_eq(&commitments[party])) {
                return Err(Error::CheckFailed {
                    check: Step::TRIPLE_COMMITMENT.name(),
                    suspects,
                });
            }
            total ^= opening
                .last_chunk()
                .map_or(Block::ZERO, |bytes| Block::from_bytes(*bytes));
        }
        if total != Block::ZERO {
            let suspects = state.links.peers().collect();
            return Err(Error::CheckFailed {
                check: Step::TRIPLE_CHECK.name(),
                suspects,
            });
        }
        Ok(self.triples)
    }
}

/// This party's share of the secrets in `range`, times the sum of all Deltas.
fn times_delta(shares: &Shares, range: Range<usize>, delta: Block) -> Zeroizing<Vec<Block>> {
    let bits = shares.bits[range.clone()].iter();
    let mut products: Zeroizing<Vec<Block>> = Zeroizing::new(bits.map(|bit| delta.times(*bit)).collect());
    let tags = shares
        .macs
        .iter()
        .chain(&shares.keys)
        .filter_map(|blocks| blocks.get(range.clone()));
    for blocks in tags {
        for (product, block) in products.iter_mut().zip(blocks) {
            *product ^= *block;
        }
    }
    products
}

/// The hash of the cross products of one batch; `first` is the index of its first tweak.
struct Hash {
    hash: TweakableHash,
    first: u64,
}

impl Hash {
    fn blocks(
        &self,
        blocks: &[Block],
        phase: u16,
        sender: PartyId,
        receiver: PartyId,
    ) -> Zeroizing<Vec<Block>> {
        let mut hashes = Zeroizing::new(blocks.to_vec());
        self.hash
            .hash_all(&mut hashes, Tweak::new(phase, sender, receiver, self.first));
        hashes
    }

    fn bits(&self, blocks: &[Block], phase: u16, sender: PartyId, receiver: PartyId) -> Zeroizing<Vec<bool>> {
        let hashes = self.blocks(blocks, phase, sender, receiver);
        Zeroizing::new(hashes.iter().map(|hash| hash.lsb()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One key, hashed at every place where a key can come, never gives the same pad twice.
    #[test]
    fn no_place_has_anothers_tweak() {
        const COUNT: usize = 100;
        let batch = |first| Hash {
            hash: TweakableHash::new(&[3; 32]),
            first,
        };
        let key = [Block(42); COUNT];
        let mut pads = Vec::new();
        for first in [0, COUNT as u64] {
            for phase in [PRODUCT, CHECK] {
                for (sender, receiver) in [(0, 1), (1, 0), (0, 2), (15, 14)] {
                    pads.extend(
                        batch(first)
                            .blocks(&key, phase, sender, receiver)
                            .iter()
                            .map(|pad| pad.0),
                    );
                }
            }
        }
        let all = pads.len();
        pads.sort_unstable();
        pads.dedup();
        assert_eq!((all, pads.len()), (16 * COUNT, 16 * COUNT));
    }
}
