//! The online phase: authenticated bits are put in, combined and opened.
//!
//! Conjunctions are Beaver's: for a triple `z = x y`, the parties open `d = a ^ x` and `e = b ^ y`, and
//! `a b = z ^ e x ^ d y ^ d e`. All openings of one call share one round.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    Error, Gates, PartyId,
    bit::SecretBit,
    block::Block,
    coins::Coins,
    frame::VERSION,
    generator::Generator,
    links::{Links, Stats, check_length},
    opening::open,
    preprocessing::{Masks, Triples},
    shares::{Shares, pack, unpack},
    step::Step,
    transport::Transport,
};

/// What the attempt's earlier phases leave to the online phase.
pub(crate) struct Material {
    pub(crate) id: [u8; 32],
    pub(crate) delta: Zeroizing<Block>,
    pub(crate) coins: Coins,
    pub(crate) rng: Generator,
    pub(crate) triples: Triples,
    pub(crate) masks: Masks,
}

/// An attempt that computes. Any error ends it and erases its secrets; what is called after that answers
/// [`Error::Ended`].
pub struct Online<T> {
    links: Links<T>,
    attempt: [u8; 32],
    /// What is needed for every operation, secret or not; copied out for those that cannot fail.
    me: PartyId,
    delta: Zeroizing<Block>,
    material: Option<(Triples, Masks)>,
}

impl<T> std::fmt::Debug for Online<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Online(..)")
    }
}

impl<T: Transport> Online<T> {
    /// Binds the preprocessed material to a session and attempt that all parties must agree on.
    pub(crate) async fn start(
        mut links: Links<T>,
        mut material: Material,
        session: &[u8; 32],
        counter: u32,
    ) -> Result<Self, Error> {
        let started = agree(&mut links, &mut material, session, counter).await;
        let attempt = match started {
            Ok(attempt) => attempt,
            Err(error) => {
                links.abort().await;
                return Err(error);
            }
        };
        links.enter(&attempt);
        let me = links.me();
        let Material {
            delta,
            triples,
            masks,
            ..
        } = material;
        Ok(Self {
            links,
            attempt,
            me,
            delta,
            material: Some((triples, masks)),
        })
    }

    /// The attempt's id: the same for all parties, and different for every attempt.
    #[must_use]
    pub const fn attempt(&self) -> &[u8; 32] {
        &self.attempt
    }

    /// What this party has sent since set-up began.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.links.stats()
    }

    /// How many triples are left.
    #[must_use]
    pub fn triples_left(&self) -> usize {
        self.material.as_ref().map_or(0, |(triples, _)| triples.left())
    }

    /// How many bits party `party` can still put in.
    #[must_use]
    pub fn inputs_left(&self, party: PartyId) -> usize {
        self.material.as_ref().map_or(0, |(_, masks)| masks.left(party))
    }

    /// Ends the attempt: erases what is left and gives the transport back.
    #[must_use]
    pub fn finish(self) -> (T, Stats) {
        let stats = self.links.stats();
        (self.links.into_transport(), stats)
    }

    /// Ends the attempt for a reason that the engine does not know of: erases what is left and tells the peers that this
    /// party gave up, which they would otherwise take for a broken connection. Does nothing more than erase after an
    /// error of which the engine told them.
    pub async fn give_up(mut self) {
        self.end().await;
    }

    async fn end(&mut self) {
        if self.material.take().is_some() {
            *self.delta = Block::ZERO;
            self.links.abort().await;
        }
    }

    async fn ended<R>(&mut self, result: Result<R, Error>) -> Result<R, Error> {
        // Wrong arguments and too little material are found before anything is sent, and by all parties alike.
        let fatal = matches!(&result, Err(error) if !matches!(error, Error::Parameter { .. } | Error::Exhausted { .. }));
        if fatal {
            self.end().await;
        }
        result
    }

    fn material(&mut self) -> Result<&mut (Triples, Masks), Error> {
        self.material.as_mut().ok_or(Error::Ended)
    }

    fn peers(&self) -> usize {
        self.links.parties() - 1
    }

    /// Where the tag with party 0 is.
    fn add_constant(&self, bit: &mut SecretBit, value: bool) {
        // Party 0 adds the constant to its share; the others, whose key it is on party 0's share, account for it.
        if self.me == 0 {
            bit.share ^= value;
        } else if let Some(tag) = bit.tags.first_mut() {
            tag.key ^= self.delta.times(value);
        }
    }

    async fn try_input(&mut self, mine: &[bool], counts: &[usize]) -> Result<Vec<Vec<SecretBit>>, Error> {
        let (parties, me) = (self.links.parties(), self.me);
        if counts.len() != parties {
            let found = format!("of length {}", counts.len());
            return Err(Error::Parameter {
                parameter: "counts",
                found,
                allowed: "one count a party",
            });
        }
        if counts[me] != mine.len() {
            let found = format!("of length {}, announced are {}", mine.len(), counts[me]);
            return Err(Error::Parameter {
                parameter: "mine",
                found,
                allowed: "as many bits as announced",
            });
        }
        let masks = self.material()?.1.take(me, counts)?;
        // Public, as the masks are uniform.
        let masked: Vec<bool> = mine
            .iter()
            .zip(masks.values.iter())
            .map(|(bit, mask)| bit ^ mask)
            .collect();
        let received = self.links.broadcast(Step::INPUT, pack(&masked)).await?;
        let mut differences = Vec::with_capacity(parties);
        for (party, message) in received.iter().enumerate() {
            differences.push(unpack(party, Step::INPUT, message, counts[party])?);
        }
        self.links.echo(Step::INPUT_ECHO, Step::INPUT, &received).await?;
        // The input is its mask plus the public difference.
        let mut inputs = masks.shares;
        for (bit, difference) in inputs.iter_mut().flatten().zip(differences.iter().flatten()) {
            self.add_constant(bit, *difference);
        }
        Ok(inputs)
    }

    async fn try_and(&mut self, pairs: &[(SecretBit, SecretBit)]) -> Result<Vec<SecretBit>, Error> {
        if pairs.is_empty() {
            return Ok(Vec::new());
        }
        let triples = self.material()?.0.take(pairs.len())?;
        let mut differences = Shares::with_capacity(self.links.parties(), self.me, 2 * pairs.len());
        let places: Vec<PartyId> = self.links.peers().collect();
        let factors = pairs
            .iter()
            .zip(triples.iter())
            .flat_map(|((a, b), (x, y, _))| [(a, x), (b, y)]);
        for (factor, blind) in factors {
            differences.bits.push(factor.share ^ blind.share);
            for (peer, (factor, blind)) in places.iter().zip(factor.tags.iter().zip(&blind.tags)) {
                differences.macs[*peer].push(factor.mac ^ blind.mac);
                differences.keys[*peer].push(factor.key ^ blind.key);
            }
        }
        let opened = open(
            &mut self.links,
            Step::AND,
            &self.attempt,
            *self.delta,
            &differences,
        )
        .await?;
        let products = opened
            .chunks_exact(2)
            .zip(triples)
            .map(|(opened, (x, y, mut z))| {
                let (d, e) = (opened[0], opened[1]);
                if e {
                    z.add(&x);
                }
                if d {
                    z.add(&y);
                }
                self.add_constant(&mut z, d & e);
                z
            });
        Ok(products.collect())
    }

    async fn try_open(&mut self, bits: &[SecretBit]) -> Result<Vec<bool>, Error> {
        self.material()?;
        if bits.is_empty() {
            return Ok(Vec::new());
        }
        let mut shares = Shares::with_capacity(self.links.parties(), self.me, bits.len());
        let places: Vec<PartyId> = self.links.peers().collect();
        for bit in bits {
            shares.bits.push(bit.share);
            for (peer, tag) in places.iter().zip(&bit.tags) {
                shares.macs[*peer].push(tag.mac);
                shares.keys[*peer].push(tag.key);
            }
        }
        open(&mut self.links, Step::OPEN, &self.attempt, *self.delta, &shares).await
    }
}

impl<T: Transport> Gates for Online<T> {
    type Bit = SecretBit;

    fn parties(&self) -> usize {
        self.links.parties()
    }

    fn me(&self) -> PartyId {
        self.me
    }

    fn constant(&self, value: bool) -> SecretBit {
        let mut bit = SecretBit::zero(self.peers());
        self.add_constant(&mut bit, value);
        bit
    }

    fn xor(&self, left: &SecretBit, right: &SecretBit) -> SecretBit {
        let mut sum = left.clone();
        sum.add(right);
        sum
    }

    fn not(&self, bit: &SecretBit) -> SecretBit {
        let mut complement = bit.clone();
        self.add_constant(&mut complement, true);
        complement
    }

    async fn input(&mut self, mine: &[bool], counts: &[usize]) -> Result<Vec<Vec<SecretBit>>, Error> {
        let result = self.try_input(mine, counts).await;
        self.ended(result).await
    }

    async fn and(&mut self, pairs: &[(SecretBit, SecretBit)]) -> Result<Vec<SecretBit>, Error> {
        let result = self.try_and(pairs).await;
        self.ended(result).await
    }

    async fn open(&mut self, bits: &[SecretBit]) -> Result<Vec<bool>, Error> {
        let result = self.try_open(bits).await;
        self.ended(result).await
    }
}

/// Compares the session and the attempt's counter, and draws the attempt's id from everybody's nonces.
async fn agree<T: Transport>(
    links: &mut Links<T>,
    material: &mut Material,
    session: &[u8; 32],
    counter: u32,
) -> Result<[u8; 32], Error> {
    material.coins.prepare(links, &mut material.rng).await?;
    let named = digest(
        b"mpc-engine session",
        &[&material.id, session, &counter.to_be_bytes()],
    );
    let mut message = named.to_vec();
    message.extend(material.coins.opening());
    let received = links.broadcast(Step::SESSION, message).await?;
    let mut openings = Vec::with_capacity(received.len());
    let mut suspects = Vec::new();
    for (party, message) in received.iter().enumerate() {
        check_length(party, Step::SESSION, message, 64)?;
        let (theirs, opening) = message.split_at(named.len());
        if !bool::from(theirs.ct_eq(&named)) {
            suspects.push(party);
        }
        openings.push(opening.to_vec());
    }
    if !suspects.is_empty() {
        return Err(Error::CheckFailed {
            check: Step::SESSION.name(),
            suspects,
        });
    }
    let coin = material.coins.open(links, Step::SESSION, &openings)?;
    Ok(digest(b"mpc-engine attempt", &[&named, &coin.0]))
}

fn digest(label: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update([VERSION]);
    hash.update(label);
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
