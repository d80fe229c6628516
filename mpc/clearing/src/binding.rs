//! What ties the inputs of a computation to the frozen books.
//!
//! At an attempt's start every organisation publishes its orders' commitments and commitments to its demand at every level, with
//! proofs that they are its frozen book (`order_commitments::binding`). A round of the search then goes:
//!
//! 1. Every organisation commits to the bits of its demands at the probes and to masks, gives the masked bits and the masks'
//!    parities to the computation together with the commitments, and all of that is echoed.
//! 2. A coin is tossed whose seeds were committed to before.
//! 3. Every organisation answers the coin, and the computation opens the parities that the answers imply.
//! 4. The peers' proofs are verified on a thread of their own while the comparisons are evaluated. [`Entrance::settle`] waits
//!    for the verdict; nothing that the inputs decide is opened before.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use mpc_engine::{Error, Gates, Given, Work};
use order_commitments::{
    Level,
    binding::{
        BindingError, Claim, CommittedRound, Peer, Prover, Statement, Subsets, Toss, VerifyError, verify,
    },
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use zeroize::Zeroizing;

use crate::{ClearingError, own::Ready, publication::publish_in_parts, transcript::Opening};

/// How the demands of a round come into the computation.
pub(crate) trait Entrance<G: Gates>: Send {
    /// Every organisation inputs its demands at `probes` and its own `carries`; the result holds for each organisation the bits
    /// of its demands, each lowest bit first, and then its carries.
    fn enter(
        &mut self,
        gates: &mut G,
        probes: &[Level],
        carries: &[bool],
        transcript: &mut Vec<Opening>,
    ) -> impl Future<Output = Result<Shared<G>, ClearingError>> + Send;

    /// Waits until everything that came in is checked.
    fn settle(&mut self) -> impl Future<Output = Result<(), ClearingError>> + Send;
}

/// Bits of each organisation.
pub(crate) type Shared<G> = Vec<Vec<<G as Gates>::Bit>>;

/// Time that the binding took of one party's run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// For the own commitments and proofs.
    pub proving: Duration,
    /// Waiting for the verification of the peers' proofs when there was nothing else to do.
    pub waiting: Duration,
}

/// A party whose book is proven, and which believes its peers nothing.
pub(crate) struct Bound {
    statement: Arc<Statement>,
    participants: Vec<String>,
    me: usize,
    prover: Option<Prover>,
    peers: Peers,
    rng: ChaCha20Rng,
    spent: Spent,
}

/// The peers, as far as they are checked.
enum Peers {
    Running(Work<Result<Checked, ClearingError>>),
    Checked(Checked),
    /// A check failed.
    Gone,
}

/// Peers whose messages were read, ascending, and the claims among them that were not verified yet.
struct Checked {
    peers: Vec<Peer>,
    claims: Vec<Claim>,
}

impl Bound {
    /// Publishes the own book in the attempt `attempt`, and reads everybody's.
    pub(crate) async fn publish<G: Gates>(
        gates: &mut G,
        ready: Ready,
        attempt: [u8; 32],
    ) -> Result<Self, ClearingError> {
        let Ready {
            statement,
            terms,
            prepared,
            mut rng,
            part_bytes,
            ..
        } = ready;
        let (me, parties) = (gates.me(), gates.parties());
        let start = Instant::now();
        let mut fork = fork(&mut rng);
        let (prover, message) = Work::start(move || prepared.prove_book(attempt, &mut fork))
            .done()
            .await?;
        let proving = start.elapsed();
        let (about, participants) = (statement.clone(), terms.participants.clone());
        let longest = (0..parties)
            .map(|party| about.longest_book_message(party))
            .collect::<Result<Vec<_>, _>>()?;
        let published = publish_in_parts(gates, message, part_bytes, &longest).await?;
        let messages = published.map_err(|party| {
            let allowed = longest.get(party).copied().unwrap_or(0);
            not_bound(&participants, BindingError::BookLength { party, allowed })
        })?;
        let books = Work::start(move || {
            let mut checked = Checked {
                peers: Vec::new(),
                claims: Vec::new(),
            };
            for party in (0..parties).filter(|&party| party != me) {
                let message = messages.get(party).map_or(&[][..], Vec::as_slice);
                let (peer, claim) = Peer::verify_book(about.clone(), party, attempt, message)
                    .map_err(|error| blame(&participants, error))?;
                checked.peers.push(peer);
                checked.claims.push(claim);
            }
            Ok(checked)
        });
        Ok(Self {
            statement,
            participants: terms.participants,
            me,
            prover: Some(prover),
            peers: Peers::Running(books),
            rng,
            spent: Spent {
                proving,
                ..Spent::default()
            },
        })
    }

    pub(crate) fn spent(&self) -> Spent {
        self.spent
    }

    /// Commits to the own demands at `probes`.
    pub(crate) async fn commit(&mut self, probes: &[Level]) -> Result<CommittedRound, ClearingError> {
        let start = Instant::now();
        let prover = self.prover.take().ok_or(Error::Ended)?;
        let (probes, mut rng) = (probes.to_vec(), fork(&mut self.rng));
        let committed = Work::start(move || prover.commit_round(&probes, &mut rng))
            .done()
            .await?;
        self.spent.proving += start.elapsed();
        Ok(committed)
    }

    /// Gives `inputs`, which an honest party takes from what it committed to, and `carries` to the computation, and tosses the
    /// coin that judges them.
    pub(crate) async fn give<G: Gates>(
        &mut self,
        gates: &mut G,
        probes: &[Level],
        committed: CommittedRound,
        (inputs, carries): (&[bool], &[bool]),
        transcript: &mut Vec<Opening>,
    ) -> Result<Shared<G>, ClearingError> {
        let mut mine = Zeroizing::new(Vec::with_capacity(inputs.len() + carries.len()));
        mine.extend_from_slice(inputs);
        mine.extend_from_slice(carries);
        let masked = gates.mask(&mine, &vec![mine.len(); gates.parties()])?;
        let payload = committed.message().to_vec();
        let Given {
            mut bits,
            masked,
            payloads,
            transcript: echoed,
        } = gates.input_masked(masked, payload).await?;
        let masked: Vec<Vec<u8>> = masked
            .iter()
            .map(|bits| bits.iter().map(|&bit| u8::from(bit)).collect())
            .collect();

        let Checked { peers, claims } = self.peers().await?;
        let mut received = Vec::with_capacity(peers.len());
        for (party, peer) in self.others().zip(peers) {
            let payload = payloads.get(party).map_or(&[][..], Vec::as_slice);
            let peer = peer.receive_round(probes, payload);
            received.push(peer.map_err(|error| blame(&self.participants, error))?);
        }
        let toss = Toss {
            coin: gates.coin().await?,
            echoed,
        };

        let start = Instant::now();
        let mut subsets: Vec<Subsets> = received.iter().map(|peer| peer.subsets(&toss)).collect();
        subsets.insert(self.me, committed.subsets(&toss));
        let (mut rng, own) = (
            fork(&mut self.rng),
            masked.get(self.me).cloned().unwrap_or_default(),
        );
        let answering = Work::start(move || committed.answer(&own, &toss, &mut rng));
        let parities = parities(gates, &subsets, &bits);
        let (prover, answer) = answering.done().await;
        self.prover = Some(prover);
        self.spent.proving += start.elapsed();
        let (opened, answers) = gates.answer(&parities, answer).await?;

        let repetitions = self.statement.repetitions();
        let opened: Vec<Vec<bool>> = opened.chunks_exact(repetitions).map(<[bool]>::to_vec).collect();
        for (party, bits) in opened.iter().enumerate() {
            let bits = bits.clone();
            transcript.push(Opening::Parities { party, bits });
        }
        let others: Vec<usize> = self.others().collect();
        let (participants, mut rng) = (self.participants.clone(), fork(&mut self.rng));
        self.peers = Peers::Running(Work::start(move || {
            let mut claims = claims;
            let mut peers = Vec::with_capacity(others.len());
            let checked = others.into_iter().zip(received).try_for_each(|(party, peer)| {
                let nothing = Vec::new();
                let (masked, answer) = (masked.get(party), answers.get(party));
                let (answered, claim) = peer.verify_answer(
                    masked.unwrap_or(&nothing),
                    &toss,
                    answer.unwrap_or(&nothing),
                    &mut rng,
                )?;
                claims.push(claim);
                let opened = opened.get(party).map_or(&[][..], Vec::as_slice);
                peers.push(answered.check_parities(opened)?);
                Ok(())
            });
            checked
                .and_then(|()| verify(&claims, &mut rng))
                .map_err(|error| blame(&participants, VerifyError::Peer(error)))?;
            Ok(Checked {
                peers,
                claims: Vec::new(),
            })
        }));
        let count = self.statement.width() * probes.len();
        for bits in &mut bits {
            bits.drain(count..count + repetitions);
        }
        Ok(bits)
    }

    fn others(&self) -> impl Iterator<Item = usize> + use<> {
        let me = self.me;
        (0..self.participants.len()).filter(move |&party| party != me)
    }

    async fn peers(&mut self) -> Result<Checked, ClearingError> {
        match std::mem::replace(&mut self.peers, Peers::Gone) {
            Peers::Running(work) => {
                let start = Instant::now();
                let checked = work.done().await;
                self.spent.waiting += start.elapsed();
                checked
            }
            Peers::Checked(checked) => Ok(checked),
            Peers::Gone => Err(Error::Ended.into()),
        }
    }
}

impl<G: Gates> Entrance<G> for Bound {
    async fn enter(
        &mut self,
        gates: &mut G,
        probes: &[Level],
        carries: &[bool],
        transcript: &mut Vec<Opening>,
    ) -> Result<Shared<G>, ClearingError> {
        let committed = self.commit(probes).await?;
        let mut inputs = Zeroizing::new(Vec::with_capacity(committed.inputs().len()));
        inputs.extend_from_slice(committed.inputs());
        self.give(gates, probes, committed, (&inputs, carries), transcript)
            .await
    }

    async fn settle(&mut self) -> Result<(), ClearingError> {
        let checked = self.peers().await?;
        self.peers = Peers::Checked(checked);
        Ok(())
    }
}

/// For each organisation and each of its subsets, the parity of the subset's bits and of the mask's.
fn parities<G: Gates>(gates: &G, subsets: &[Subsets], given: &Shared<G>) -> Vec<G::Bit> {
    let mut parities = Vec::new();
    for (subsets, bits) in subsets.iter().zip(given) {
        let (bits, rest) = bits.split_at(subsets.bits());
        for (subset, mask) in subsets.iter().zip(rest) {
            let chosen = bits.iter().zip(subset).filter(|&(_, &chosen)| chosen);
            parities.push(gates.sum(chosen.map(|(bit, _)| bit).chain([mask])));
        }
    }
    parities
}

fn blame(participants: &[String], error: VerifyError) -> ClearingError {
    match error {
        VerifyError::Peer(failure) => not_bound(participants, failure),
        VerifyError::Use(error) => error.into(),
        other => ClearingError::Proofs {
            reason: other.to_string(),
        },
    }
}

fn not_bound(participants: &[String], failure: BindingError) -> ClearingError {
    let party = failure.party();
    ClearingError::NotBound {
        party,
        participant: participants.get(party).cloned().unwrap_or_default(),
        failure,
    }
}

fn fork(rng: &mut ChaCha20Rng) -> ChaCha20Rng {
    let mut seed = Zeroizing::new([0; 32]);
    rng.fill_bytes(&mut *seed);
    ChaCha20Rng::from_seed(*seed)
}

#[cfg(test)]
mod tests;
