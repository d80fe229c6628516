//! All parties of an attempt in one process, from one logged seed.

#![allow(dead_code, unreachable_pub)] // each test program uses its part
#![allow(clippy::unwrap_used)] // as in every test; the lint does not see that this is one

pub mod copycat;
pub mod tls;

use std::time::Duration;

use futures_util::future::join_all;
use mpc_engine::{
    Demand, Error, Gates, Online, PartyId, Setup, Step, Terms,
    interceptor::{Fate, Intercepted, Interceptor},
    transport::{MemoryTransport, Transport},
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// A party's result of an attempt.
pub type Outcome = Result<Vec<bool>, Error>;

/// The parties of one attempt, and the seed that all their randomness comes from.
#[derive(Debug, Clone)]
pub struct World {
    pub parties: usize,
    pub seed: u64,
    pub patience: Duration,
}

impl World {
    /// A world with the seed `WORLD_SEED`, or a fresh one; the test's output names it.
    pub fn new(parties: usize) -> Self {
        let fresh = || getrandom::u64().unwrap();
        let seed = std::env::var("WORLD_SEED").map_or_else(|_| fresh(), |seed| seed.parse().unwrap());
        eprintln!("{parties} parties, WORLD_SEED={seed}");
        Self {
            parties,
            seed,
            patience: Duration::from_secs(60),
        }
    }

    /// A generator of this world for one purpose.
    pub fn rng(&self, purpose: u64) -> ChaCha20Rng {
        let mut rng = ChaCha20Rng::seed_from_u64(self.seed);
        rng.set_stream(purpose);
        rng
    }

    pub fn terms(&self) -> Terms {
        Terms {
            purpose: [7; 32],
            patience: self.patience,
        }
    }

    /// Runs `circuit` among honest parties that reach each other by memory.
    pub async fn run(&self, circuit: &Circuit) -> Vec<Outcome> {
        self.run_over(MemoryTransport::network(self.parties), circuit)
            .await
    }

    /// Runs `circuit` with `cheat` between party `cheater` and its network.
    pub async fn cheat(
        &self,
        circuit: &Circuit,
        cheater: PartyId,
        cheat: impl FnMut(Intercepted<'_>) -> Fate + Send + 'static,
    ) -> Vec<Outcome> {
        let mut cheat = Some(cheat);
        let network = MemoryTransport::network(self.parties).into_iter().enumerate();
        let network = network.map(|(party, transport)| {
            let mut cheat = if party == cheater { cheat.take() } else { None };
            Interceptor::new(transport, move |intercepted| {
                cheat.as_mut().map_or(Fate::Deliver, |cheat| cheat(intercepted))
            })
        });
        self.run_over(network.collect(), circuit).await
    }

    /// Runs `circuit` over any network. A party is dropped with its transport as soon as it is done.
    pub async fn run_over<T: Transport>(&self, network: Vec<T>, circuit: &Circuit) -> Vec<Outcome> {
        let parties = network.into_iter().map(|transport| {
            let (world, circuit) = (self.clone(), circuit.clone());
            tokio::spawn(async move { world.party(transport, &circuit).await })
        });
        let bounded = tokio::time::timeout(Duration::from_secs(300), join_all(parties));
        bounded
            .await
            .unwrap()
            .into_iter()
            .map(|outcome| outcome.unwrap())
            .collect()
    }

    async fn party<T: Transport>(&self, transport: T, circuit: &Circuit) -> Outcome {
        let me = transport.me();
        let setup = Setup::run_with(transport, &self.terms(), &mut self.rng(me as u64)).await?;
        let preprocessed = setup.preprocess(&circuit.demand()).await?;
        let mut online = preprocessed.start(&[3; 32], 1).await?;
        circuit.evaluate(&mut online).await
    }
}

/// A wire of a circuit: its number in the order in which wires are made.
type Wire = usize;

/// A step of a circuit.
#[derive(Debug, Clone)]
enum Gate {
    Constant(bool),
    Not(Wire),
    Xor(Wire, Wire),
    /// Conjunctions side by side.
    And(Vec<(Wire, Wire)>),
    /// An opening on the way; it makes no wire.
    Open(Vec<Wire>),
}

/// A circuit with the inputs of all parties.
#[derive(Debug, Clone)]
pub struct Circuit {
    inputs: Vec<Vec<bool>>,
    gates: Vec<Gate>,
    outputs: Vec<Wire>,
    /// Whether the parties also tell each other payloads and toss a coin.
    talks: bool,
}

/// What a party tells the others at one step.
fn payload(party: PartyId, step: Step) -> Vec<u8> {
    format!("{} of {party}", step.name()).into_bytes()
}

/// As a protocol above the engine would, refuses payloads that are not what is due.
fn check_payloads(payloads: &[Vec<u8>], step: Step) -> Result<(), Error> {
    for (peer, found) in payloads.iter().enumerate() {
        if *found != payload(peer, step) {
            return Err(Error::Malformed {
                peer,
                step: step.name(),
                reason: "another payload".to_owned(),
            });
        }
    }
    Ok(())
}

impl Circuit {
    /// A random circuit of `layers` layers of at most `width` conjunctions each.
    pub fn random(parties: usize, layers: usize, width: usize, rng: &mut impl Rng) -> Self {
        let below = |rng: &mut dyn FnMut() -> u64, bound: usize| (rng() % bound as u64) as usize;
        let mut next = || rng.next_u64();
        let inputs: Vec<Vec<bool>> = (0..parties)
            .map(|_| (0..1 + below(&mut next, 20)).map(|_| next() & 1 == 1).collect())
            .collect();
        let mut wires: usize = inputs.iter().map(Vec::len).sum();
        let mut gates = Vec::new();
        for _ in 0..layers {
            for _ in 0..width {
                let (left, right) = (below(&mut next, wires), below(&mut next, wires));
                gates.push(match below(&mut next, 6) {
                    0 => Gate::Constant(next() & 1 == 1),
                    1 => Gate::Not(left),
                    _ => Gate::Xor(left, right),
                });
                wires += 1;
            }
            let count = 1 + below(&mut next, width);
            gates.push(Gate::And(
                (0..count)
                    .map(|_| (below(&mut next, wires), below(&mut next, wires)))
                    .collect(),
            ));
            wires += count;
            if below(&mut next, 4) == 0 {
                gates.push(Gate::Open(vec![below(&mut next, wires), below(&mut next, wires)]));
            }
        }
        let outputs = (0..width.max(8)).map(|_| below(&mut next, wires)).collect();
        Self {
            inputs,
            gates,
            outputs,
            talks: false,
        }
    }

    /// Every party puts in one bit; the output is the conjunction of all and the sum of all. Every step is taken: payloads
    /// are told and a coin is tossed.
    pub fn conjunction(inputs: &[bool]) -> Self {
        let parties = inputs.len();
        let mut gates = Vec::new();
        let (mut product, mut sum, mut wires) = (0, 0, parties);
        for input in 1..parties {
            gates.push(Gate::And(vec![(product, input)]));
            gates.push(Gate::Xor(sum, input));
            (product, sum, wires) = (wires, wires + 1, wires + 2);
        }
        Self {
            inputs: inputs.iter().map(|bit| vec![*bit]).collect(),
            gates,
            outputs: vec![product, sum],
            talks: true,
        }
    }

    /// `count` times the same conjunction side by side, of the inputs of the first two parties; all are opened.
    pub fn wide(inputs: [bool; 3], count: usize) -> Self {
        let inputs = inputs.iter().map(|bit| vec![*bit]).collect();
        Self {
            inputs,
            gates: vec![Gate::And(vec![(0, 1); count])],
            outputs: (3..3 + count).collect(),
            talks: false,
        }
    }

    /// Every party puts `count` equal bits in; what is opened is the sum of all parties' bits at each place, without any
    /// conjunction, then the first party's own bits, then their complements.
    pub fn sums(parties: usize, count: usize, value: bool) -> Self {
        let inputs = vec![vec![value; count]; parties];
        let (mut gates, mut wires) = (Vec::new(), parties * count);
        let mut sums: Vec<Wire> = (0..count).collect();
        for party in 1..parties {
            for (place, sum) in sums.iter_mut().enumerate() {
                gates.push(Gate::Xor(*sum, party * count + place));
                *sum = wires;
                wires += 1;
            }
        }
        let mut outputs = sums;
        outputs.extend(0..count);
        for place in 0..count {
            gates.push(Gate::Not(place));
            outputs.push(wires);
            wires += 1;
        }
        Self {
            inputs,
            gates,
            outputs,
            talks: false,
        }
    }

    /// Every party puts `count` equal bits in; one of them is opened.
    pub fn inputs_of(parties: usize, count: usize, value: bool) -> Self {
        Self {
            inputs: vec![vec![value; count]; parties],
            gates: Vec::new(),
            outputs: vec![0],
            talks: false,
        }
    }

    /// What the circuit takes.
    pub fn demand(&self) -> Demand {
        let triples = self.gates.iter().map(|gate| {
            if let Gate::And(pairs) = gate {
                pairs.len()
            } else {
                0
            }
        });
        Demand {
            triples: triples.sum(),
            inputs: self.inputs.iter().map(Vec::len).collect(),
        }
    }

    /// How many messages a party sends each peer at a step of the online phase that opens.
    pub fn openings(&self, step: Step) -> usize {
        let of = |gate: &&Gate| match gate {
            Gate::And(_) => step == Step::AND,
            Gate::Open(_) => step == Step::OPEN,
            _ => false,
        };
        self.gates.iter().filter(of).count() + usize::from(step == Step::OPEN)
    }

    /// The outputs in the clear, those on the way first.
    pub fn plain(&self) -> Vec<bool> {
        let mut wires = self.inputs.concat();
        let mut opened = Vec::new();
        for gate in &self.gates {
            match gate {
                Gate::Constant(value) => wires.push(*value),
                Gate::Not(bit) => wires.push(!wires[*bit]),
                Gate::Xor(left, right) => wires.push(wires[*left] ^ wires[*right]),
                Gate::And(pairs) => {
                    let products: Vec<bool> = pairs
                        .iter()
                        .map(|(left, right)| wires[*left] & wires[*right])
                        .collect();
                    wires.extend(products);
                }
                Gate::Open(bits) => opened.extend(bits.iter().map(|bit| wires[*bit])),
            }
        }
        opened.extend(self.outputs.iter().map(|bit| wires[*bit]));
        opened
    }

    /// The outputs by computation, those on the way first.
    pub async fn evaluate<T: Transport>(&self, online: &mut Online<T>) -> Outcome {
        let counts: Vec<usize> = self.inputs.iter().map(Vec::len).collect();
        let mine = &self.inputs[online.me()];
        let mut wires = if self.talks {
            self.talk(online, mine, &counts).await?
        } else {
            online.input(mine, &counts).await?.concat()
        };
        let mut opened = Vec::new();
        for gate in &self.gates {
            match gate {
                Gate::Constant(value) => wires.push(online.constant(*value)),
                Gate::Not(bit) => wires.push(online.not(&wires[*bit])),
                Gate::Xor(left, right) => wires.push(online.xor(&wires[*left], &wires[*right])),
                Gate::And(pairs) => {
                    let pairs: Vec<_> = pairs
                        .iter()
                        .map(|(left, right)| (wires[*left].clone(), wires[*right].clone()))
                        .collect();
                    wires.extend(online.and(&pairs).await?);
                }
                Gate::Open(bits) => {
                    let bits: Vec<_> = bits.iter().map(|bit| wires[*bit].clone()).collect();
                    opened.extend(online.open(&bits).await?);
                }
            }
        }
        let outputs: Vec<_> = self.outputs.iter().map(|bit| wires[*bit].clone()).collect();
        opened.extend(online.open(&outputs).await?);
        Ok(opened)
    }

    /// Puts in bits as a protocol does that binds them to something.
    async fn talk<T: Transport>(
        &self,
        online: &mut Online<T>,
        mine: &[bool],
        counts: &[usize],
    ) -> Result<Vec<<Online<T> as Gates>::Bit>, Error> {
        let me = online.me();
        let published = online.publish(payload(me, Step::PUBLISH)).await?;
        check_payloads(&published, Step::PUBLISH)?;
        let masked = online.mask(mine, counts)?;
        let given = online.input_masked(masked, payload(me, Step::INPUT)).await?;
        check_payloads(&given.payloads, Step::INPUT)?;
        online.coin().await?;
        let wires = given.bits.concat();
        let sum = online.sum(wires.iter());
        let (opened, answers) = online.answer(&[sum], payload(me, Step::ANSWER)).await?;
        check_payloads(&answers, Step::ANSWER)?;
        let expected = self.inputs.concat().iter().fold(false, |sum, bit| sum ^ bit);
        assert_eq!(opened, [expected]);
        Ok(wires)
    }
}
