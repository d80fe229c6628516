//! A party that deviates in one way and is honest in all others.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use mpc_engine::{Error, Gates, Given, Masked, Setup, Step, Terms, Transport, transport::MemoryTransport};
use order_commitments::{DemandCurve, Level, binding::Mask};

use super::{Bound, CHEATER, Entrance, Shared, fork};
use crate::{
    ClearingError, Outcome, OwnBook, Ready, market::Market, party::demand, protocol::clear_demand,
    transcript::Opening,
};

/// What came of a party's run, and what was opened.
pub(super) type Run = (Result<Outcome, ClearingError>, Vec<Opening>);

type AlterReady = Box<dyn FnOnce(Ready) -> Ready + Send>;
type AlterPayload = Box<dyn FnMut(Step, &mut Vec<u8>) + Send + Sync>;
type AlterRows = Box<dyn FnMut(&mut Vec<u64>, &mut Vec<Mask>) + Send>;
type AlterInputs = Box<dyn FnMut(&mut [bool]) + Send>;
type AlterSum = Arc<dyn Fn(&[bool], &mut [u8; SUM]) + Send + Sync>;

/// A masked sum is 17 bytes: one for the 129th bit, and 16.
pub(super) const SUM: usize = 17;

/// How the cheater deviates, round after round. It proves what it does as well as can be.
#[derive(Default)]
pub(super) struct Cheat {
    /// Its orders may want more than the session allows.
    pub(super) any_width: bool,
    /// What it takes for its book, and what it proves of it.
    pub(super) ready: Option<AlterReady>,
    /// Another session than it is in.
    pub(super) session: Option<[u8; 32]>,
    /// Other levels than those that are due.
    pub(super) probes: Option<fn(Level) -> Level>,
    /// Other rows than those of its demand, and other masks.
    pub(super) rows: Option<AlterRows>,
    /// Other bits into the computation than it committed to: its demands' and then its masks' parities.
    pub(super) inputs: Option<AlterInputs>,
    /// Carries that do not show that its demand falls.
    pub(super) carries: bool,
    /// Other masked sums after the coin, given the subset of each.
    pub(super) sum: Option<AlterSum>,
    /// Other messages.
    pub(super) payload: Option<AlterPayload>,
}

/// Runs a session among parties that reach each other by memory.
pub(super) async fn run(market: &Market, cheat: Cheat) -> Vec<Run> {
    run_over(market, MemoryTransport::network(3), cheat).await
}

pub(super) async fn run_over<T: Transport>(market: &Market, network: Vec<T>, cheat: Cheat) -> Vec<Run> {
    let mut cheat = Some(cheat);
    let parties = network.into_iter().enumerate().map(|(party, transport)| {
        let cheat = if party == CHEATER { cheat.take() } else { None };
        tokio::spawn(run_party(
            market.own_book(party),
            transport,
            cheat.unwrap_or_default(),
        ))
    });
    let runs = tokio::time::timeout(Duration::from_secs(600), join_all(parties));
    runs.await.unwrap().into_iter().map(Result::unwrap).collect()
}

async fn run_party<T: Transport>(own: OwnBook, transport: T, cheat: Cheat) -> Run {
    let mut cheat = cheat;
    let mut ready = if cheat.any_width {
        own.prepare_any_width().unwrap()
    } else {
        own.prepare().done().await.unwrap()
    };
    if let Some(alter) = cheat.ready.take() {
        ready = alter(ready);
    }
    let engine = Terms {
        purpose: [1; 32],
        patience: Duration::from_secs(60),
    };
    let (terms, curve) = (ready.terms.clone(), ready.demand.clone());
    let mut transcript = Vec::new();
    let session = cheat.session.unwrap_or(own.session().id().0);
    let setup = Setup::run(transport, &engine).await.unwrap();
    let preprocessed = setup.preprocess(&demand(&terms).unwrap()).await.unwrap();
    let online = match preprocessed.start(&session, 0).await {
        Ok(online) => online,
        Err(error) => return (Err(error.into()), transcript),
    };
    let attempt = *online.attempt();
    let mut gates = Tampering {
        inner: online,
        payload: cheat.payload.take(),
    };
    let result = async {
        let bound = Bound::publish(&mut gates, ready, attempt).await?;
        let mut entrance = Deviant {
            bound,
            demand: curve.clone(),
            cheat,
        };
        // An honest demand is no wider.
        let own = |level| curve.demand(level) & ((1 << terms.demand_bits) - 1);
        clear_demand(&mut gates, &terms, &mut entrance, &own, &mut transcript).await
    }
    .await;
    if result.is_err() {
        gates.inner.give_up().await;
    }
    (result, transcript)
}

struct Deviant {
    bound: Bound,
    demand: DemandCurve,
    cheat: Cheat,
}

impl<G: Gates> Entrance<G> for Deviant {
    async fn enter(
        &mut self,
        gates: &mut G,
        probes: &[Level],
        carries: &[bool],
        transcript: &mut Vec<Opening>,
    ) -> Result<Shared<G>, ClearingError> {
        let Cheat {
            probes: other,
            rows,
            inputs: alter_inputs,
            carries: alter_carries,
            sum,
            ..
        } = &mut self.cheat;
        let committed_to: Vec<Level> = match other {
            Some(other) => probes.iter().map(|&level| other(level)).collect(),
            None => probes.to_vec(),
        };
        let mut committed = if let Some(alter) = rows {
            let width = self.bound.statement.width();
            let mut bits: Vec<u64> = committed_to
                .iter()
                .flat_map(|&level| {
                    let demand = self.demand.demand(level);
                    (0..width).map(move |bit| demand >> bit & 1)
                })
                .collect();
            let repetitions = self.bound.statement.repetitions() as u128;
            let mut masks: Vec<Mask> = (0..repetitions).map(Mask::Number).collect();
            alter(&mut bits, &mut masks);
            let mut rng = fork(&mut self.bound.rng);
            let prover = self.bound.prover.take().unwrap();
            prover.commit_other_round(&committed_to, &bits, &masks, &mut rng)
        } else {
            self.bound.commit(&committed_to).await?
        };
        if let Some(alter) = sum.clone() {
            committed = committed.with_other_sums(move |subset, sum| alter(subset, sum));
        }
        let mut inputs = committed.inputs().to_vec();
        if let Some(alter) = alter_inputs {
            alter(&mut inputs);
        }
        let mut carries = carries.to_vec();
        if *alter_carries {
            carries.iter_mut().for_each(|carry| *carry = !*carry);
        }
        self.bound
            .give(gates, probes, committed, (&inputs, &carries), transcript)
            .await
    }

    async fn settle(&mut self) -> Result<(), ClearingError> {
        Entrance::<G>::settle(&mut self.bound).await
    }
}

/// Gates of a party that alters what it tells the others, in its own view too.
struct Tampering<G> {
    inner: G,
    payload: Option<AlterPayload>,
}

impl<G> Tampering<G> {
    fn alter(&mut self, step: Step, mut payload: Vec<u8>) -> Vec<u8> {
        if let Some(alter) = &mut self.payload {
            alter(step, &mut payload);
        }
        payload
    }
}

impl<G: Gates + Sync> Gates for Tampering<G> {
    type Bit = G::Bit;

    fn parties(&self) -> usize {
        self.inner.parties()
    }

    fn me(&self) -> usize {
        self.inner.me()
    }

    fn constant(&self, value: bool) -> G::Bit {
        self.inner.constant(value)
    }

    fn xor(&self, left: &G::Bit, right: &G::Bit) -> G::Bit {
        self.inner.xor(left, right)
    }

    fn not(&self, bit: &G::Bit) -> G::Bit {
        self.inner.not(bit)
    }

    fn mask(&mut self, mine: &[bool], counts: &[usize]) -> Result<Masked<G::Bit>, Error> {
        self.inner.mask(mine, counts)
    }

    async fn input_masked(
        &mut self,
        masked: Masked<G::Bit>,
        payload: Vec<u8>,
    ) -> Result<Given<G::Bit>, Error> {
        let payload = self.alter(Step::INPUT, payload);
        self.inner.input_masked(masked, payload).await
    }

    async fn and(&mut self, pairs: &[(G::Bit, G::Bit)]) -> Result<Vec<G::Bit>, Error> {
        self.inner.and(pairs).await
    }

    async fn open(&mut self, bits: &[G::Bit]) -> Result<Vec<bool>, Error> {
        self.inner.open(bits).await
    }

    async fn answer(
        &mut self,
        bits: &[G::Bit],
        payload: Vec<u8>,
    ) -> Result<(Vec<bool>, Vec<Vec<u8>>), Error> {
        let payload = self.alter(Step::ANSWER, payload);
        self.inner.answer(bits, payload).await
    }

    async fn publish(&mut self, payload: Vec<u8>) -> Result<Vec<Vec<u8>>, Error> {
        let payload = self.alter(Step::PUBLISH, payload);
        self.inner.publish(payload).await
    }

    async fn coin(&mut self) -> Result<[u8; 32], Error> {
        self.inner.coin().await
    }
}
