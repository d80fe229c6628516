//! What preprocessing leaves: triples and input masks, each used once.

use crate::{
    Error, PartyId,
    bit::{SecretBit, Tag},
    shares::Shares,
};

/// Authenticated triples: `z = x y`.
pub(crate) struct Triples {
    pub(super) x: Shares,
    pub(super) y: Shares,
    pub(super) z: Shares,
    peers: Vec<PartyId>,
    used: usize,
}

impl Triples {
    pub(super) fn new(parties: usize, me: PartyId) -> Self {
        let none = || Shares::with_capacity(parties, me, 0);
        let peers = (0..parties).filter(|peer| *peer != me).collect();
        Self {
            x: none(),
            y: none(),
            z: none(),
            peers,
            used: 0,
        }
    }

    pub(crate) fn left(&self) -> usize {
        self.x.len() - self.used
    }

    /// The next `count` triples.
    pub(crate) fn take(&mut self, count: usize) -> Result<Vec<(SecretBit, SecretBit, SecretBit)>, Error> {
        if count > self.left() {
            return Err(Error::Exhausted {
                what: "triples",
                wanted: count,
                left: self.left(),
            });
        }
        let next = self.used..self.used + count;
        self.used = next.end;
        Ok(next
            .map(|index| {
                (
                    self.bit(&self.x, index),
                    self.bit(&self.y, index),
                    self.bit(&self.z, index),
                )
            })
            .collect())
    }

    fn bit(&self, shares: &Shares, index: usize) -> SecretBit {
        let tag = |peer: &PartyId| Tag {
            mac: shares.macs[*peer][index],
            key: shares.keys[*peer][index],
        };
        SecretBit {
            share: shares.bits[index],
            tags: self.peers.iter().map(tag).collect(),
        }
    }
}

/// Random authenticated bits that one party knows, to mask its inputs with.
pub(crate) struct Masks {
    /// The own bits with their MACs; the keys on everybody else's.
    bits: Shares,
    /// How many of each party's bits there are, and how many of them are used.
    made: Vec<usize>,
    used: Vec<usize>,
}

impl Masks {
    /// Masks of which party `i` has `made[i]`.
    pub(super) fn new(bits: Shares, made: &[usize]) -> Self {
        Self {
            bits,
            made: made.to_vec(),
            used: vec![0; made.len()],
        }
    }

    pub(crate) fn left(&self, party: PartyId) -> usize {
        self.made.get(party).map_or(0, |made| made - self.used[party])
    }

    /// The next `counts[i]` masks of each party `i`; `counts` has one count a party.
    pub(crate) fn take(&mut self, me: PartyId, counts: &[usize]) -> Result<Shares, Error> {
        for (party, &wanted) in counts.iter().enumerate() {
            let left = self.left(party);
            if wanted > left {
                return Err(Error::Exhausted {
                    what: "input masks",
                    wanted,
                    left,
                });
            }
        }
        let next = |party: PartyId| self.used[party]..self.used[party] + counts[party];
        let mut taken = Shares::with_capacity(counts.len(), me, 0);
        taken.bits.extend_from_slice(&self.bits.bits[next(me)]);
        for peer in (0..counts.len()).filter(|peer| *peer != me) {
            taken.macs[peer].extend_from_slice(&self.bits.macs[peer][next(me)]);
            taken.keys[peer].extend_from_slice(&self.bits.keys[peer][next(peer)]);
        }
        for (used, count) in self.used.iter_mut().zip(counts) {
            *used += count;
        }
        Ok(taken)
    }
}
