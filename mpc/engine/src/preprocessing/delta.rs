//! One Delta towards all: the check that makes authenticated bits authenticated shares.
//!
//! Every party has a random bit with MACs under everybody's Delta. For party `i` with key sum `d_0` over all
//! peers' bits and `d_1 = d_0 ^ Delta_i`, the peers' MACs under its Delta add up to `d_b`, where `b` is the sum of
//! their bits, if and only if it used the same Delta towards all whose bit is set. So each commits to `d_0` and `d_1`,
//! then all show bits and MACs, then each opens `d_b`. If it used two, then
//! for either `b` the peers' MACs have one of two sums, equally likely, and it committed to one of them before it
//! knew: it fails with probability 1/2 or more for each of rho bits (Wang, Ranellucci, Katz, ePrint 2017/189,
//! section 5.2).
//!
//! It runs once: the Delta of an ordered pair is fixed by its base transfers and cannot change between batches.

use rand_core::Rng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::bits;
use crate::{
    Error, PartyId,
    block::{BLOCK_BYTES, Block},
    frame::VERSION,
    links::check_length,
    setup::State,
    shares::{Shares, pack, packed_len, unpack},
    step::Step,
    transport::Transport,
};

/// Bits of every party that the check uses up: rho.
const RHO: usize = 64;

const NONCE: usize = 32;
const COMMITMENT: usize = 32;

/// Checks that every party has one Delta towards all others.
pub(crate) async fn check<T: Transport>(state: &mut State<T>) -> Result<(), Error> {
    check_showing(state, |_| {}).await
}

/// The check by a party that alters what it shows before it commits to that. An honest one alters nothing.
pub(super) async fn check_showing<T: Transport>(
    state: &mut State<T>,
    alter: impl FnOnce(&mut [u8]),
) -> Result<(), Error> {
    let (parties, me) = (state.links.parties(), state.links.me());
    if parties == 2 {
        // Towards a single peer there is but one.
        return Ok(());
    }
    let own = bits::draw(&mut state.rng, RHO);
    let shares = bits::authenticate(state, &vec![RHO; parties], vec![own; parties]).await?;

    // Commitments to the bits with their MACs, and to both sums of keys for each bit.
    // Both nonces and both sums of one bit would give Delta away: the unopened half is erased.
    let mut nonces = Zeroizing::new([[[0; NONCE]; 2]; RHO]);
    let mut shown = vec![0; NONCE];
    state.rng.fill_bytes(nonces.as_flattened_mut().as_flattened_mut());
    state.rng.fill_bytes(&mut shown);
    shown.extend(pack(&shares.bits));
    for macs in &shares.macs {
        Block::append(macs, &mut shown);
    }
    alter(&mut shown);
    let mut sums = Zeroizing::new([[Block::ZERO; 2]; RHO]);
    for (bit, sums) in sums.iter_mut().enumerate() {
        let keys = state.links.peers().map(|peer| shares.keys[peer][bit]);
        let sum = keys.fold(Block::ZERO, |sum, key| sum ^ key);
        *sums = [sum, sum ^ *state.delta];
    }
    let context = Context { id: &state.id };
    let mut commitments = context.commit(me, 0, &shown).to_vec();
    for (bit, (sums, nonces)) in sums.iter().zip(nonces.iter()).enumerate() {
        for (side, (sum, nonce)) in sums.iter().zip(nonces).enumerate() {
            let opening = Zeroizing::new([nonce.as_slice(), &sum.to_bytes()].concat());
            commitments.extend(context.commit(me, 1 + 2 * bit + side, &opening));
        }
    }
    let commitments = state.links.broadcast(Step::DELTA_COMMITMENT, commitments).await?;
    for peer in state.links.peers() {
        check_length(
            peer,
            Step::DELTA_COMMITMENT,
            &commitments[peer],
            COMMITMENT * (1 + 2 * RHO),
        )?;
    }
    state
        .links
        .echo(Step::DELTA_ECHO, Step::DELTA_COMMITMENT, &commitments)
        .await?;

    // Bits and MACs. Those under the own Delta are compared with the keys before any sum of keys is opened.
    let messages = state.links.broadcast(Step::DELTA_BITS, shown).await?;
    let mut everybody = Vec::with_capacity(parties);
    for (party, message) in messages.iter().enumerate() {
        let opened = Shown::read(party, parties, message)?;
        let committed = &commitments[party][..COMMITMENT];
        let right = bool::from(context.commit(party, 0, message).ct_eq(committed))
            && (party == me || opened.matches(me, &shares, party, state.delta_towards(party)));
        if !right {
            return Err(Error::CheckFailed {
                check: Step::DELTA_BITS.name(),
                suspects: vec![party],
            });
        }
        everybody.push(opened);
    }

    // For each party and bit, the sum of keys that the others' bits select.
    let selected = |party: PartyId, bit: usize| {
        (0..parties)
            .filter(|other| *other != party)
            .fold(false, |sum, other| sum ^ everybody[other].bits[bit])
    };
    let mut opening = Vec::with_capacity(RHO * (NONCE + BLOCK_BYTES));
    for (bit, (sums, nonces)) in sums.iter().zip(nonces.iter()).enumerate() {
        let side = usize::from(selected(me, bit));
        opening.extend_from_slice(&nonces[side]);
        opening.extend(sums[side].to_bytes());
    }
    let openings = state.links.broadcast(Step::DELTA_KEYS, opening).await?;
    for peer in state.links.peers() {
        check_length(
            peer,
            Step::DELTA_KEYS,
            &openings[peer],
            RHO * (NONCE + BLOCK_BYTES),
        )?;
        for (bit, opening) in openings[peer].chunks_exact(NONCE + BLOCK_BYTES).enumerate() {
            let place = 1 + 2 * bit + usize::from(selected(peer, bit));
            let committed = &commitments[peer][place * COMMITMENT..][..COMMITMENT];
            if !bool::from(context.commit(peer, place, opening).ct_eq(committed)) {
                return Err(Error::CheckFailed {
                    check: Step::DELTA_KEYS.name(),
                    suspects: vec![peer],
                });
            }
            let others = (0..parties).filter(|other| *other != peer);
            let sum = others.fold(Block::ZERO, |sum, other| sum ^ everybody[other].macs[peer][bit]);
            if sum.to_bytes() != opening[NONCE..] {
                // A third party that showed wrong MACs looks the same from here.
                let suspects = state.links.peers().collect();
                return Err(Error::CheckFailed {
                    check: Step::DELTA_KEYS.name(),
                    suspects,
                });
            }
        }
    }
    Ok(())
}

/// A party's bits and MACs, as it showed them to all.
struct Shown {
    bits: Vec<bool>,
    /// `macs[party]`: under that party's Delta; empty at the own place.
    macs: Vec<Vec<Block>>,
}

impl Shown {
    fn read(party: PartyId, parties: usize, message: &[u8]) -> Result<Self, Error> {
        let bits = packed_len(RHO);
        check_length(
            party,
            Step::DELTA_BITS,
            message,
            NONCE + bits + (parties - 1) * RHO * BLOCK_BYTES,
        )?;
        let (packed, blocks) = message[NONCE..].split_at(bits);
        let (blocks, _) = blocks.as_chunks::<BLOCK_BYTES>();
        let mut chunks = blocks.chunks_exact(RHO);
        let macs = (0..parties).map(|other| {
            let blocks = if other == party { None } else { chunks.next() };
            blocks
                .unwrap_or_default()
                .iter()
                .map(|block| Block::from_bytes(*block))
                .collect()
        });
        Ok(Self {
            bits: unpack(party, Step::DELTA_BITS, packed, RHO)?,
            macs: macs.collect(),
        })
    }

    /// Whether the MACs under the Delta of `me` fit the keys.
    fn matches(&self, me: PartyId, shares: &Shares, party: PartyId, delta: Block) -> bool {
        let mut expected = shares.keys[party]
            .iter()
            .zip(&self.bits)
            .map(|(key, bit)| *key ^ delta.times(*bit));
        self.macs[me].iter().all(|mac| expected.next() == Some(*mac))
    }
}

struct Context<'a> {
    id: &'a [u8; 32],
}

impl Context<'_> {
    /// The commitment number `place` of `party`; `opening` starts with a nonce.
    fn commit(&self, party: PartyId, place: usize, opening: &[u8]) -> [u8; COMMITMENT] {
        Sha256::new()
            .chain_update([VERSION])
            .chain_update(b"mpc-engine delta commitment")
            .chain_update(self.id)
            .chain_update((party as u64).to_be_bytes())
            .chain_update((place as u64).to_be_bytes())
            .chain_update(opening)
            .finalize()
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A commitment cannot be passed off as another party's, at another place, or in another attempt.
    #[test]
    fn commitments_are_bound_to_party_place_and_attempt() {
        let opening = [7; NONCE + BLOCK_BYTES];
        let commit = |id: [u8; 32], party, place| Context { id: &id }.commit(party, place, &opening);
        let all = [
            commit([0; 32], 0, 1),
            commit([1; 32], 0, 1),
            commit([0; 32], 1, 1),
            commit([0; 32], 0, 2),
        ];
        for (index, commitment) in all.iter().enumerate() {
            assert!(!all[..index].contains(commitment), "{index}");
        }
    }
}
