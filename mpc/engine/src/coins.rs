//! Public coins that no party can bias: commit, compare the commitments, open.
//!
//! Commitments for many coins are made at once; each toss then costs the one round in which its nonces are
//! opened. Nobody opens before all that the coin is to judge has arrived, so nobody knows it earlier.

use rand_core::Rng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    Error, PartyId,
    block::Block,
    frame::VERSION,
    generator::Generator,
    links::{Links, check_length},
    prg::Prg,
    step::Step,
    transport::Transport,
};

/// How many coins are committed to at once.
const PURSE: usize = 32;

/// The bytes of a nonce, a commitment and a coin.
const LENGTH: usize = 32;

/// A public coin: 32 bytes that are uniform if one party is honest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Coin(pub(crate) [u8; LENGTH]);

impl Coin {
    /// A public stream of blocks.
    pub(crate) fn stream(&self) -> Prg {
        let (mut seed, mut rest) = ([0; 16], [0; 8]);
        seed.copy_from_slice(&self.0[..16]);
        rest.copy_from_slice(&self.0[16..24]);
        Prg::new(Block::from_bytes(seed), u64::from_le_bytes(rest))
    }
}

/// Coins that were committed to and not tossed yet.
pub(crate) struct Coins {
    id: [u8; 32],
    /// The id under which the coins in the purse were committed to.
    committed_under: [u8; 32],
    /// How many coins were committed to before those in the purse.
    spent: u64,
    next: usize,
    nonces: Zeroizing<Vec<[u8; LENGTH]>>,
    /// Everybody's commitments, party by party.
    commitments: Vec<Vec<u8>>,
}

impl Coins {
    /// Commits to a first purse of coins under `id`.
    pub(crate) async fn commit<T: Transport>(
        links: &mut Links<T>,
        id: [u8; 32],
        rng: &mut Generator,
    ) -> Result<Self, Error> {
        let mut coins = Self {
            id,
            committed_under: id,
            spent: 0,
            next: 0,
            nonces: Zeroizing::new(Vec::new()),
            commitments: Vec::new(),
        };
        coins.refill(links, rng).await?;
        Ok(coins)
    }

    /// From here on, coins are drawn for `id`.
    pub(crate) const fn enter(&mut self, id: [u8; 32]) {
        self.id = id;
    }

    /// Tosses the next coin at `step`; for a spent purse it commits to a new one first.
    pub(crate) async fn toss<T: Transport>(
        &mut self,
        links: &mut Links<T>,
        step: Step,
        rng: &mut Generator,
    ) -> Result<Coin, Error> {
        self.prepare(links, rng).await?;
        let openings = links.broadcast(step, self.opening()).await?;
        self.open(links, step, &openings)
    }

    /// Sees to it that there is a coin to open.
    pub(crate) async fn prepare<T: Transport>(
        &mut self,
        links: &mut Links<T>,
        rng: &mut Generator,
    ) -> Result<(), Error> {
        if self.next == PURSE {
            self.refill(links, rng).await
        } else {
            Ok(())
        }
    }

    /// The next coin's nonce, for a message of the caller's.
    pub(crate) fn opening(&self) -> Vec<u8> {
        self.nonces
            .get(self.next)
            .map(|nonce| nonce.to_vec())
            .unwrap_or_default()
    }

    /// The coin that everybody's nonces make, after each was compared with its commitment.
    pub(crate) fn open<T: Transport>(
        &mut self,
        links: &Links<T>,
        step: Step,
        openings: &[Vec<u8>],
    ) -> Result<Coin, Error> {
        let index = self.spent + self.next as u64;
        let mut coin = Sha256::new();
        coin.update([VERSION]);
        coin.update(b"mpc-engine coin");
        coin.update(self.id);
        coin.update(index.to_be_bytes());
        for (party, opening) in openings.iter().enumerate() {
            check_length(party, step, opening, LENGTH)?;
            let committed = self.commitments[party].chunks_exact(LENGTH).nth(self.next);
            let right = committed.is_some_and(|committed| {
                commitment(&self.committed_under, party, index, opening)
                    .ct_eq(committed)
                    .into()
            });
            if !right && party != links.me() {
                return Err(Error::CheckFailed {
                    check: Step::COIN_OPENING.name(),
                    suspects: vec![party],
                });
            }
            coin.update(opening);
        }
        self.next += 1;
        Ok(Coin(coin.finalize().into()))
    }

    async fn refill<T: Transport>(&mut self, links: &mut Links<T>, rng: &mut Generator) -> Result<(), Error> {
        self.spent += self.nonces.len() as u64;
        self.next = 0;
        self.committed_under = self.id;
        *self.nonces = vec![[0; LENGTH]; PURSE];
        let mut mine = Vec::with_capacity(PURSE * LENGTH);
        for (index, nonce) in (self.spent..).zip(self.nonces.iter_mut()) {
            rng.fill_bytes(nonce);
            mine.extend_from_slice(&commitment(&self.id, links.me(), index, nonce));
        }
        self.commitments = links.broadcast(Step::COIN_COMMITMENT, mine).await?;
        for peer in links.peers() {
            check_length(
                peer,
                Step::COIN_COMMITMENT,
                &self.commitments[peer],
                PURSE * LENGTH,
            )?;
        }
        links
            .echo(Step::COIN_ECHO, Step::COIN_COMMITMENT, &self.commitments)
            .await?;
        Ok(())
    }
}

fn commitment(id: &[u8; 32], party: PartyId, index: u64, nonce: &[u8]) -> [u8; LENGTH] {
    let mut hash = Sha256::new();
    hash.update([VERSION]);
    hash.update(b"mpc-engine coin commitment");
    hash.update(id);
    hash.update((party as u64).to_be_bytes());
    hash.update(index.to_be_bytes());
    hash.update(nonce);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::join_all;

    use super::*;
    use crate::transport::MemoryTransport;

    const ID: [u8; 32] = [5; 32];

    /// The coins that parties with generators of these seeds toss.
    async fn tossed(seeds: &[u8]) -> Vec<Coin> {
        let network = MemoryTransport::network(seeds.len()).into_iter();
        let running = network.zip(seeds).map(|(transport, seed)| async move {
            let mut links = Links::new(transport, &ID, Duration::from_secs(60)).unwrap();
            let mut rng = Generator::new(&[*seed; 32]);
            let mut coins = Coins::commit(&mut links, ID, &mut rng).await.unwrap();
            let mut tossed = Vec::new();
            // The last comes from a second purse.
            for _ in 0..=PURSE {
                tossed.push(
                    coins
                        .toss(&mut links, Step::COIN_OPENING, &mut rng)
                        .await
                        .unwrap(),
                );
            }
            tossed
        });
        let mut all = join_all(running).await;
        assert!(all.iter().all(|coins| *coins == all[0]), "the parties disagree");
        all.remove(0)
    }

    /// Whoever is honest makes the coin uniform: no party's nonce can be left out.
    #[tokio::test]
    async fn every_partys_nonce_counts() {
        let coins = tossed(&[1, 2, 3]).await;
        for (index, coin) in coins.iter().enumerate() {
            assert!(!coins[..index].contains(coin), "coin {index} comes twice");
        }
        for seeds in [[9, 2, 3], [1, 9, 3], [1, 2, 9]] {
            for (coin, other) in coins.iter().zip(tossed(&seeds).await) {
                assert_ne!(*coin, other, "{seeds:?}");
            }
        }
    }

    #[test]
    fn commitments_are_bound_to_attempt_party_and_place() {
        let all = [
            commitment(&[0; 32], 0, 0, &[7; LENGTH]),
            commitment(&[1; 32], 0, 0, &[7; LENGTH]),
            commitment(&[0; 32], 1, 0, &[7; LENGTH]),
            commitment(&[0; 32], 0, 1, &[7; LENGTH]),
            commitment(&[0; 32], 0, 0, &[8; LENGTH]),
        ];
        for (index, commitment) in all.iter().enumerate() {
            assert!(!all[..index].contains(commitment), "{index}");
        }
    }
}
