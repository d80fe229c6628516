//! Set-up: the attempt's first id, one Delta, and oblivious transfers between every two parties.

use std::time::Duration;

use rand_core::{CryptoRng, TryRng};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{
    Error, PartyId,
    block::Block,
    coins::{Coin, Coins},
    compute::{for_each_peer, part_messages},
    frame::VERSION,
    generator::Generator,
    links::{Links, Stats},
    online::{Material, Online},
    ot,
    preprocessing::{self, Demand, delta},
    step::Step,
    transport::Transport,
};

/// The phase of the oblivious transfers.
const PHASE: &str = "authenticated bits";

/// What all parties agree on before they meet.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Names what the preprocessing is for: a digest of the purpose and of the participants. Parties with different
    /// purposes refuse each other's messages. It need not be new for each attempt: nonces make the id unique.
    pub purpose: [u8; 32],
    /// How long this party waits for any one message before it gives its sender up.
    pub patience: Duration,
}

/// The oblivious transfers with one peer, in both directions.
pub(crate) struct Pair {
    /// The own Delta; an honest party has one for all peers.
    pub(crate) delta: Zeroizing<Block>,
    /// Makes the keys on the peer's bits, under the own Delta.
    pub(crate) sender: ot::Sender,
    /// Makes the MACs on the own bits, under the peer's Delta.
    pub(crate) receiver: ot::Receiver,
    pub(crate) rng: Generator,
}

/// What the phases before the online phase work on.
pub(crate) struct State<T> {
    pub(crate) links: Links<T>,
    /// The id of this preprocessing: every key, stream and tweak derives from it.
    pub(crate) id: [u8; 32],
    pub(crate) rng: Generator,
    pub(crate) coins: Coins,
    pub(crate) delta: Zeroizing<Block>,
    pairs: Vec<(PartyId, Pair)>,
    /// How many tweaks of each ordered pair are used up.
    pub(crate) tweaks: u64,
}

impl<T: Transport> State<T> {
    /// Draws the id and runs the base transfers. An honest party's `deltas` are the same towards all.
    pub(crate) async fn establish(
        links: Links<T>,
        purpose: &[u8; 32],
        mut rng: Generator,
        deltas: &[Block],
    ) -> Result<Self, Error> {
        let mut links = links;
        match draw_id(&mut links, purpose, &mut rng).await {
            Ok((id, coins)) => {
                let delta = Zeroizing::new(deltas[links.me()]);
                let mut state = Self {
                    links,
                    id,
                    rng,
                    coins,
                    delta,
                    pairs: Vec::new(),
                    tweaks: 0,
                };
                let paired = state.pair_up(deltas).await;
                state.ended(paired).await?;
                Ok(state)
            }
            Err(error) => {
                links.abort().await;
                Err(error)
            }
        }
    }

    /// Tells the peers if `result` ends the attempt.
    pub(crate) async fn ended<R>(&mut self, result: Result<R, Error>) -> Result<R, Error> {
        if result.is_err() {
            self.links.abort().await;
        }
        result
    }

    async fn pair_up(&mut self, deltas: &[Block]) -> Result<(), Error> {
        let (parties, me, id) = (self.links.parties(), self.links.me(), self.id);
        let fresh = |peer| (peer, (Zeroizing::new(deltas[peer]), self.rng.fork()));
        let fresh = self.links.peers().map(fresh).collect();
        let started = for_each_peer(fresh, move |peer, (delta, mut rng)| {
            let context = ot::Context::new(id, me, peer, PHASE);
            let (setup, points) = ot::SenderSetup::start(context, *delta, &mut rng);
            Ok(((delta, setup, rng), points))
        })
        .await?;
        let (started, outgoing) = part_messages(started, parties);
        let incoming = self.links.exchange(Step::BASE_OT_CHOICE, &outgoing).await?;
        let answered = for_each_peer(started, move |peer, (delta, setup, mut rng)| {
            let context = ot::Context::new(id, peer, me, PHASE);
            let (receiver, answer) = ot::Receiver::setup(context, &incoming[peer], &mut rng)?;
            Ok(((delta, setup, receiver, rng), answer))
        })
        .await?;
        let (answered, outgoing) = part_messages(answered, parties);
        let incoming = self.links.exchange(Step::BASE_OT_REPLY, &outgoing).await?;
        self.pairs = for_each_peer(answered, move |peer, (delta, setup, receiver, rng)| {
            Ok(Pair {
                delta,
                sender: setup.finish(&incoming[peer])?,
                receiver,
                rng,
            })
        })
        .await?;
        Ok(())
    }

    /// The next public coin.
    pub(crate) async fn toss(&mut self) -> Result<Coin, Error> {
        self.coins
            .toss(&mut self.links, Step::COIN_OPENING, &mut self.rng)
            .await
    }

    /// The own Delta as `peer` knows it; an honest party has but one.
    pub(crate) fn delta_towards(&self, peer: PartyId) -> Block {
        self.pairs
            .iter()
            .find(|(other, _)| *other == peer)
            .map_or(*self.delta, |(_, pair)| *pair.delta)
    }

    pub(crate) fn take_pairs(&mut self) -> Vec<(PartyId, Pair)> {
        std::mem::take(&mut self.pairs)
    }

    pub(crate) fn return_pairs(&mut self, pairs: Vec<(PartyId, Pair)>) {
        self.pairs = pairs;
    }
}

/// The id of a preprocessing: its purpose and a coin. Also the coins that are left.
async fn draw_id<T: Transport>(
    links: &mut Links<T>,
    purpose: &[u8; 32],
    rng: &mut Generator,
) -> Result<([u8; 32], Coins), Error> {
    let mut coins = Coins::commit(links, *purpose, rng).await?;
    let nonces = coins.toss(links, Step::COIN_OPENING, rng).await?;
    let id: [u8; 32] = Sha256::new()
        .chain_update([VERSION])
        .chain_update(b"mpc-engine preprocessing")
        .chain_update(purpose)
        .chain_update((links.parties() as u64).to_be_bytes())
        .chain_update(nonces.0)
        .finalize()
        .into();
    links.enter(&id);
    coins.enter(id);
    Ok((id, coins))
}

/// An attempt whose parties are connected: every two of them can make authenticated bits, and every party was
/// shown to have one Delta towards all.
pub struct Setup<T> {
    state: State<T>,
}

impl<T> std::fmt::Debug for Setup<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Setup(..)")
    }
}

impl<T: Transport> Setup<T> {
    /// Sets an attempt up with the operating system's randomness.
    ///
    /// # Errors
    /// A failed check, a lost peer, a message out of place, or no randomness.
    pub async fn run(transport: T, terms: &Terms) -> Result<Self, Error> {
        let mut seed = Zeroizing::new([0; 32]);
        let filled = getrandom::SysRng.try_fill_bytes(&mut *seed);
        filled.map_err(|error| Error::Randomness {
            reason: error.to_string(),
        })?;
        Self::run_with(transport, terms, &mut Generator::new(&seed)).await
    }

    /// Sets an attempt up with the caller's randomness: all that this party will draw in the attempt derives from
    /// `rng`. For tests and measurements that shall be repeatable; a generator must never serve two attempts.
    ///
    /// # Errors
    /// As [`Setup::run`].
    pub async fn run_with(transport: T, terms: &Terms, rng: &mut impl CryptoRng) -> Result<Self, Error> {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        let mut rng = Generator::new(&seed);
        let delta = Zeroizing::new(Block::random(&mut rng));
        let links = Links::new(transport, &terms.purpose, terms.patience)?;
        let deltas = Zeroizing::new(vec![*delta; links.parties()]);
        let mut state = State::establish(links, &terms.purpose, rng, &deltas).await?;
        let checked = delta::check(&mut state).await;
        state.ended(checked).await?;
        Ok(Self { state })
    }

    /// The id of this preprocessing; the same for all parties. The attempt that consumes it includes it in its own.
    #[must_use]
    pub const fn id(&self) -> &[u8; 32] {
        &self.state.id
    }

    /// What this party has sent.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.state.links.stats()
    }

    /// Makes the material that the online phase will consume; may run before the session is known.
    ///
    /// # Errors
    /// A failed check, a lost peer, a message out of place, or a demand that is out of range. Any of them ends the
    /// attempt and erases its secrets.
    pub async fn preprocess(mut self, demand: &Demand) -> Result<Preprocessed<T>, Error> {
        let made = preprocessing::run(&mut self.state, demand).await;
        let (triples, masks) = self.state.ended(made).await?;
        let State {
            links,
            id,
            rng,
            coins,
            delta,
            ..
        } = self.state;
        Ok(Preprocessed {
            links,
            material: Material {
                id,
                delta,
                coins,
                rng,
                triples,
                masks,
            },
        })
    }
}

/// An attempt with material for the online phase, not bound to a session yet. It serves one attempt whole.
pub struct Preprocessed<T> {
    links: Links<T>,
    material: Material,
}

impl<T> std::fmt::Debug for Preprocessed<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Preprocessed(..)")
    }
}

impl<T: Transport> Preprocessed<T> {
    /// What this party has sent since set-up began.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.links.stats()
    }

    /// Ends the attempt for a reason that the engine does not know of: erases the material and tells the peers that this
    /// party gave up.
    pub async fn give_up(self) {
        self.links.abort().await;
    }

    /// Goes online for the attempt `counter` of `session`. All parties must name the same.
    ///
    /// # Errors
    /// A peer names another session or attempt (`session`), or as [`Setup::run`].
    pub async fn start(self, session: &[u8; 32], counter: u32) -> Result<Online<T>, Error> {
        Online::start(self.links, self.material, session, counter).await
    }
}

#[cfg(test)]
mod tests;
