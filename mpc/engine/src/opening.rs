//! Openings with MACs, verified on receipt.
//!
//! A party sends each peer its share bits and one hash of the MACs that the peer can recompute from its keys. Who
//! alters a share must guess the peer's Delta. A verified opening needs no echo: two honest parties that both
//! accept have the same bits.

use std::ops::Range;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    Error, PartyId,
    block::Block,
    frame::VERSION,
    links::{Links, check_length},
    shares::{Shares, pack, packed_len, unpack},
    step::Step,
    transport::Transport,
};

const HASH_BYTES: usize = 32;

/// Opens `shares` to all parties, for the attempt `id`. Each value is returned only after everybody's share in it
/// was verified.
pub(crate) async fn open<T: Transport>(
    links: &mut Links<T>,
    step: Step,
    id: &[u8; 32],
    delta: Block,
    shares: &Shares,
) -> Result<Vec<bool>, Error> {
    let all = vec![0..shares.len(); links.parties()];
    let mut opened = open_to(links, step, id, delta, shares, &all).await?;
    // Everybody's now, no secret.
    Ok(std::mem::take(&mut *opened))
}

/// As [`open`], and tells everybody `payload`; returns everybody's, the own one included.
pub(crate) async fn open_with<T: Transport>(
    links: &mut Links<T>,
    step: Step,
    id: &[u8; 32],
    delta: Block,
    shares: &Shares,
    payload: &[u8],
) -> Result<(Vec<bool>, Vec<Vec<u8>>), Error> {
    let all = vec![0..shares.len(); links.parties()];
    let (mut opened, mut payloads) = exchange(links, step, id, delta, shares, &all, payload).await?;
    payloads[links.me()] = payload.to_vec();
    Ok((std::mem::take(&mut *opened), payloads))
}

/// Opens to each party `i` its part `parts[i]` of `shares`; returns this party's, verified as in [`open`].
pub(crate) async fn open_to<T: Transport>(
    links: &mut Links<T>,
    step: Step,
    id: &[u8; 32],
    delta: Block,
    shares: &Shares,
    parts: &[Range<usize>],
) -> Result<Zeroizing<Vec<bool>>, Error> {
    let (opened, payloads) = exchange(links, step, id, delta, shares, parts, &[]).await?;
    for (peer, payload) in payloads.iter().enumerate() {
        check_length(peer, step, payload, 0)?;
    }
    Ok(opened)
}

/// One round: openings, each followed by `payload`. Returns what was opened to this party, and the peers' payloads.
async fn exchange<T: Transport>(
    links: &mut Links<T>,
    step: Step,
    id: &[u8; 32],
    delta: Block,
    shares: &Shares,
    parts: &[Range<usize>],
    payload: &[u8],
) -> Result<(Zeroizing<Vec<bool>>, Vec<Vec<u8>>), Error> {
    let me = links.me();
    let context = Context {
        id,
        step,
        round: links.round(),
    };
    let mut outgoing = vec![Vec::new(); links.parties()];
    for peer in links.peers() {
        let part = parts[peer].clone();
        let packed = pack(&shares.bits[part.clone()]);
        let hash = context.hash(me, peer, &packed, shares.macs[peer][part].iter().copied());
        outgoing[peer] = packed;
        outgoing[peer].extend_from_slice(&hash);
        outgoing[peer].extend_from_slice(payload);
    }
    let incoming = links.exchange(step, &outgoing).await?;
    let mine = parts[me].clone();
    let mut opened = Zeroizing::new(shares.bits[mine.clone()].to_vec());
    let mut payloads = vec![Vec::new(); links.parties()];
    let length = packed_len(mine.len()) + HASH_BYTES;
    for peer in links.peers() {
        let message = &incoming[peer];
        let Some((opening, payload)) = message.split_at_checked(length) else {
            check_length(peer, step, message, length)?;
            continue;
        };
        let (packed, hash) = opening.split_at(packed_len(mine.len()));
        let bits = unpack(peer, step, packed, mine.len())?;
        let keys = &shares.keys[peer][mine.clone()];
        let macs = keys.iter().zip(&bits).map(|(key, bit)| *key ^ delta.times(*bit));
        if !bool::from(context.hash(peer, me, packed, macs).ct_eq(hash)) {
            return Err(Error::CheckFailed {
                check: step.name(),
                suspects: vec![peer],
            });
        }
        for (value, bit) in opened.iter_mut().zip(bits) {
            *value ^= bit;
        }
        payloads[peer] = payload.to_vec();
    }
    Ok((opened, payloads))
}

struct Context<'a> {
    id: &'a [u8; 32],
    step: Step,
    round: u32,
}

impl Context<'_> {
    fn hash(
        &self,
        from: PartyId,
        to: PartyId,
        packed: &[u8],
        macs: impl Iterator<Item = Block>,
    ) -> [u8; HASH_BYTES] {
        const BATCH: usize = 64;
        let mut hash = Sha256::new();
        hash.update([VERSION]);
        hash.update(b"mpc-engine opening");
        hash.update(self.id);
        hash.update([self.step.name().len() as u8]);
        hash.update(self.step.name());
        hash.update(self.round.to_be_bytes());
        hash.update((from as u64).to_be_bytes());
        hash.update((to as u64).to_be_bytes());
        hash.update((packed.len() as u64).to_be_bytes());
        hash.update(packed);
        let mut buffer = Vec::with_capacity(BATCH * 16);
        for mac in macs {
            buffer.extend_from_slice(&mac.to_bytes());
            if buffer.len() == BATCH * 16 {
                hash.update(&buffer);
                buffer.clear();
            }
        }
        hash.update(&buffer);
        hash.finalize().into()
    }
}
