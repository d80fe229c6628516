//! The online phase: authenticated bits are put in, combined and opened.
//!
//! Conjunctions are Beaver's: for a triple `z = x y`, the parties open `d = a ^ x` and `e = b ^ y`, and
//! `a b = z ^ e x ^ d y ^ d e`. All openings of one call share one round.

use zeroize::Zeroizing;

use crate::{
    Error, Gates, Given, Masked, PartyId,
    bit::SecretBit,
    block::Block,
    coins::Coins,
    generator::Generator,
    input::{self, Received},
    links::{Links, Stats},
    opening::{open, open_with},
    preprocessing::{Masks, Triples},
    session::agree,
    shares::Shares,
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
    parts: Option<Parts>,
}

/// What an attempt uses up.
struct Parts {
    triples: Triples,
    masks: Masks,
    coins: Coins,
    rng: Generator,
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
            mut coins,
            rng,
            triples,
            masks,
            ..
        } = material;
        coins.enter(attempt);
        Ok(Self {
            links,
            attempt,
            me,
            delta,
            parts: Some(Parts {
                triples,
                masks,
                coins,
                rng,
            }),
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
        self.parts.as_ref().map_or(0, |parts| parts.triples.left())
    }

    /// How many bits party `party` can still put in.
    #[must_use]
    pub fn inputs_left(&self, party: PartyId) -> usize {
        self.parts.as_ref().map_or(0, |parts| parts.masks.left(party))
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
        if self.parts.take().is_some() {
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

    fn parts(&mut self) -> Result<&mut Parts, Error> {
        self.parts.as_mut().ok_or(Error::Ended)
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

    async fn try_input(
        &mut self,
        masked: Masked<SecretBit>,
        payload: &[u8],
    ) -> Result<Given<SecretBit>, Error> {
        let Parts { coins, rng, .. } = self.parts.as_mut().ok_or(Error::Ended)?;
        // Coins that judge what is given here are committed to before it.
        coins.prepare(&mut self.links, rng).await?;
        let Masked {
            bits: mine,
            masks: mut bits,
        } = masked;
        let counts: Vec<usize> = bits.iter().map(Vec::len).collect();
        let Received {
            masked,
            payloads,
            transcript,
        } = input::exchange(&mut self.links, &mine, &counts, payload).await?;
        // The input is its mask plus the public difference.
        for (bit, difference) in bits.iter_mut().flatten().zip(masked.iter().flatten()) {
            self.add_constant(bit, *difference);
        }
        Ok(Given {
            bits,
            masked,
            payloads,
            transcript,
        })
    }

    async fn try_and(&mut self, pairs: &[(SecretBit, SecretBit)]) -> Result<Vec<SecretBit>, Error> {
        if pairs.is_empty() {
            return Ok(Vec::new());
        }
        let triples = self.parts()?.triples.take(pairs.len())?;
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

    /// What opens these bits.
    fn shares_of(&self, bits: &[SecretBit]) -> Shares {
        let mut shares = Shares::with_capacity(self.links.parties(), self.me, bits.len());
        let places: Vec<PartyId> = self.links.peers().collect();
        for bit in bits {
            shares.bits.push(bit.share);
            for (peer, tag) in places.iter().zip(&bit.tags) {
                shares.macs[*peer].push(tag.mac);
                shares.keys[*peer].push(tag.key);
            }
        }
        shares
    }

    async fn try_open(&mut self, bits: &[SecretBit]) -> Result<Vec<bool>, Error> {
        self.parts()?;
        if bits.is_empty() {
            return Ok(Vec::new());
        }
        let shares = self.shares_of(bits);
        open(&mut self.links, Step::OPEN, &self.attempt, *self.delta, &shares).await
    }

    async fn try_answer(
        &mut self,
        bits: &[SecretBit],
        payload: &[u8],
    ) -> Result<(Vec<bool>, Vec<Vec<u8>>), Error> {
        self.parts()?;
        let shares = self.shares_of(bits);
        let (attempt, delta) = (self.attempt, *self.delta);
        open_with(&mut self.links, Step::ANSWER, &attempt, delta, &shares, payload).await
    }

    async fn try_publish(&mut self, payload: Vec<u8>) -> Result<Vec<Vec<u8>>, Error> {
        let Parts { coins, rng, .. } = self.parts.as_mut().ok_or(Error::Ended)?;
        coins.prepare(&mut self.links, rng).await?;
        let received = self.links.broadcast(Step::PUBLISH, payload).await?;
        self.links
            .echo(Step::PUBLISH_ECHO, Step::PUBLISH, &received)
            .await?;
        Ok(received)
    }

    async fn try_coin(&mut self) -> Result<[u8; 32], Error> {
        let Parts { coins, rng, .. } = self.parts.as_mut().ok_or(Error::Ended)?;
        let coin = coins.toss(&mut self.links, Step::PUBLIC_COIN, rng).await?;
        Ok(coin.0)
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

    fn sum<'a>(&self, bits: impl Iterator<Item = &'a SecretBit>) -> SecretBit {
        let mut sum = SecretBit::zero(self.peers());
        for bit in bits {
            sum.add(bit);
        }
        sum
    }

    fn mask(&mut self, mine: &[bool], counts: &[usize]) -> Result<Masked<SecretBit>, Error> {
        let place = (self.links.parties(), self.me);
        input::mask(&mut self.parts()?.masks, place, mine, counts)
    }

    async fn input_masked(
        &mut self,
        masked: Masked<SecretBit>,
        payload: Vec<u8>,
    ) -> Result<Given<SecretBit>, Error> {
        let result = self.try_input(masked, &payload).await;
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

    async fn answer(
        &mut self,
        bits: &[SecretBit],
        payload: Vec<u8>,
    ) -> Result<(Vec<bool>, Vec<Vec<u8>>), Error> {
        let result = self.try_answer(bits, &payload).await;
        self.ended(result).await
    }

    async fn publish(&mut self, payload: Vec<u8>) -> Result<Vec<Vec<u8>>, Error> {
        let result = self.try_publish(payload).await;
        self.ended(result).await
    }

    async fn coin(&mut self) -> Result<[u8; 32], Error> {
        let result = self.try_coin().await;
        self.ended(result).await
    }
}
