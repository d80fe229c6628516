//! What preprocessing leaves: triples and input masks, each used once.

use std::ops::Range;

use zeroize::Zeroizing;

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
                    bit(&self.x, index, &self.peers),
                    bit(&self.y, index, &self.peers),
                    bit(&self.z, index, &self.peers),
                )
            })
            .collect())
    }
}

/// Random secret bits to mask inputs with. Each is shared among all parties, and one party alone knows it.
pub(crate) struct Masks {
    /// The shares of all masks, party by party.
    shares: Shares,
    /// The values of the own masks.
    values: Zeroizing<Vec<bool>>,
    /// Where each party's masks are in `shares`.
    parts: Vec<Range<usize>>,
    /// How many of each party's masks are used.
    used: Vec<usize>,
    peers: Vec<PartyId>,
}

/// Masks for one call of [`crate::Gates::input`].
pub(crate) struct Taken {
    /// The values of the own masks.
    pub(crate) values: Zeroizing<Vec<bool>>,
    /// The shares of each party's masks.
    pub(crate) shares: Vec<Vec<SecretBit>>,
}

impl Masks {
    /// Masks of which `parts[i]` are party `i`'s; `values` are this party's.
    pub(super) fn new(
        shares: Shares,
        values: Zeroizing<Vec<bool>>,
        parts: Vec<Range<usize>>,
        me: PartyId,
    ) -> Self {
        let peers = (0..parts.len()).filter(|peer| *peer != me).collect();
        let used = vec![0; parts.len()];
        Self {
            shares,
            values,
            parts,
            used,
            peers,
        }
    }

    pub(crate) fn left(&self, party: PartyId) -> usize {
        self.parts
            .get(party)
            .map_or(0, |part| part.len() - self.used[party])
    }

    /// The next `counts[i]` masks of each party `i`; `counts` has one count a party.
    pub(crate) fn take(&mut self, me: PartyId, counts: &[usize]) -> Result<Taken, Error> {
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
        let values = Zeroizing::new(self.values[self.used[me]..][..counts[me]].to_vec());
        let of = |(party, count): (PartyId, &usize)| {
            let first = self.parts[party].start + self.used[party];
            (first..first + count)
                .map(|index| bit(&self.shares, index, &self.peers))
                .collect()
        };
        let shares = counts.iter().enumerate().map(of).collect();
        for (used, count) in self.used.iter_mut().zip(counts) {
            *used += count;
        }
        Ok(Taken { values, shares })
    }
}

/// The bit number `index` of `shares`, to compute with.
fn bit(shares: &Shares, index: usize, peers: &[PartyId]) -> SecretBit {
    let tag = |peer: &PartyId| Tag {
        mac: shares.macs[*peer][index],
        key: shares.keys[*peer][index],
    };
    SecretBit {
        share: shares.bits[index],
        tags: peers.iter().map(tag).collect(),
    }
}
