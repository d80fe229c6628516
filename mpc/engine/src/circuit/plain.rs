//! Gates without secrets: every party sees every bit.
//!
//! A protocol that runs on [`Plain`] computes what it computes on the engine, and [`Plain`] counts what the engine
//! will need. It protects nothing; it is for tests and for working out budgets.

use sha2::{Digest, Sha256};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::plan::Cost;
use crate::{Error, Gates, Given, Masked, PartyId, input::check_counts, step::Step};

/// What a party tells another: bits that it gives, and a payload.
type Message = (Vec<bool>, Vec<u8>);

/// One party of a computation in the clear.
#[derive(Debug)]
pub struct Plain {
    me: PartyId,
    to: Vec<UnboundedSender<Message>>,
    from: Vec<UnboundedReceiver<Message>>,
    cost: Cost,
    inputs: Vec<usize>,
    openings: usize,
    coins: u64,
}

impl Plain {
    /// The parties of one computation. They wait for each other's inputs, so they have to run side by side.
    #[must_use]
    pub fn parties_of(parties: usize) -> Vec<Self> {
        let mut senders: Vec<Vec<_>> = (0..parties).map(|_| Vec::new()).collect();
        let mut receivers: Vec<Vec<_>> = (0..parties).map(|_| Vec::new()).collect();
        for receivers in &mut receivers {
            for senders in &mut senders {
                let (sender, receiver) = unbounded_channel();
                senders.push(sender);
                receivers.push(receiver);
            }
        }
        senders
            .into_iter()
            .zip(receivers)
            .enumerate()
            .map(|(me, (to, from))| Self {
                me,
                to,
                from,
                cost: Cost::default(),
                inputs: vec![0; parties],
                openings: 0,
                coins: 0,
            })
            .collect()
    }

    /// Triples used and rounds taken up to now: as on the engine, an input or a payload that is published takes two (a
    /// broadcast and its echo), an opening or a coin one.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// How many bits each party has given.
    #[must_use]
    pub fn inputs(&self) -> &[usize] {
        &self.inputs
    }

    /// Tells everybody, this party included, and returns what everybody told.
    async fn tell(&mut self, step: Step, message: &Message) -> Result<Vec<Message>, Error> {
        for to in &self.to {
            // A party that has failed has dropped its end; the others learn it when they receive.
            let _ = to.send(message.clone());
        }
        let mut told = Vec::with_capacity(self.from.len());
        for (peer, from) in self.from.iter_mut().enumerate() {
            told.push(from.recv().await.ok_or_else(|| Error::PeerLost {
                peer,
                step: step.name(),
                reason: "it ended".into(),
            })?);
        }
        Ok(told)
    }

    /// How many bits were opened.
    #[must_use]
    pub fn openings(&self) -> usize {
        self.openings
    }
}

impl Gates for Plain {
    type Bit = bool;

    fn parties(&self) -> usize {
        self.to.len()
    }

    fn me(&self) -> usize {
        self.me
    }

    fn constant(&self, value: bool) -> bool {
        value
    }

    fn xor(&self, left: &bool, right: &bool) -> bool {
        left ^ right
    }

    fn not(&self, bit: &bool) -> bool {
        !bit
    }

    fn mask(&mut self, mine: &[bool], counts: &[usize]) -> Result<Masked<bool>, Error> {
        check_counts((self.parties(), self.me), mine, counts)?;
        // All masks are zero.
        Ok(Masked {
            bits: mine.to_vec(),
            masks: counts.iter().map(|&count| vec![false; count]).collect(),
        })
    }

    async fn input_masked(&mut self, masked: Masked<bool>, payload: Vec<u8>) -> Result<Given<bool>, Error> {
        self.cost.rounds += 2;
        let told = self.tell(Step::INPUT, &(masked.bits, payload)).await?;
        let mut transcript = Sha256::new();
        let (mut bits, mut payloads) = (Vec::new(), Vec::new());
        for (peer, ((given, payload), due)) in told.into_iter().zip(&masked.masks).enumerate() {
            if given.len() != due.len() {
                return Err(Error::Malformed {
                    peer,
                    step: Step::INPUT.name(),
                    reason: format!("{} bits, due were {}", given.len(), due.len()),
                });
            }
            self.inputs[peer] += given.len();
            transcript.update(given.iter().map(|&bit| u8::from(bit)).collect::<Vec<_>>());
            transcript.update((payload.len() as u64).to_be_bytes());
            transcript.update(&payload);
            bits.push(given);
            payloads.push(payload);
        }
        Ok(Given {
            masked: bits.clone(),
            bits,
            payloads,
            transcript: transcript.finalize().into(),
        })
    }

    async fn and(&mut self, pairs: &[(bool, bool)]) -> Result<Vec<bool>, Error> {
        self.cost.rounds += 1;
        self.cost.triples += pairs.len();
        Ok(pairs.iter().map(|(left, right)| left & right).collect())
    }

    async fn open(&mut self, bits: &[bool]) -> Result<Vec<bool>, Error> {
        self.cost.rounds += 1;
        self.openings += bits.len();
        Ok(bits.to_vec())
    }

    async fn answer(&mut self, bits: &[bool], payload: Vec<u8>) -> Result<(Vec<bool>, Vec<Vec<u8>>), Error> {
        self.cost.rounds += 1;
        self.openings += bits.len();
        let told = self.tell(Step::ANSWER, &(Vec::new(), payload)).await?;
        Ok((
            bits.to_vec(),
            told.into_iter().map(|(_, payload)| payload).collect(),
        ))
    }

    async fn publish(&mut self, payload: Vec<u8>) -> Result<Vec<Vec<u8>>, Error> {
        self.cost.rounds += 2;
        let told = self.tell(Step::PUBLISH, &(Vec::new(), payload)).await?;
        Ok(told.into_iter().map(|(_, payload)| payload).collect())
    }

    /// The same coins in every run: nobody deviates who could profit.
    async fn coin(&mut self) -> Result<[u8; 32], Error> {
        self.cost.rounds += 1;
        self.coins += 1;
        Ok(Sha256::digest(self.coins.to_be_bytes()).into())
    }
}

/// Evaluates a circuit's outputs for one party's inputs.
#[cfg(test)]
pub(super) fn evaluate(
    circuit: &super::Circuit,
    outputs: &[super::Wire],
    inputs: &[bool],
) -> (Vec<bool>, Cost) {
    use futures_util::FutureExt;

    let plan = circuit.compile(outputs);
    let mut gates = Plain::parties_of(1).remove(0);
    let values = plan.run(&mut gates, inputs.to_vec()).now_or_never();
    assert_eq!(gates.cost(), plan.cost());
    (values.unwrap().unwrap(), plan.cost())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn parties_see_each_others_inputs_and_are_counted() {
        let mut parties = Plain::parties_of(2);
        let (mut second, mut first) = (parties.remove(1), parties.remove(0));
        let (left, right) = tokio::join!(
            first.input(&[true], &[1, 2]),
            second.input(&[true, false], &[1, 2])
        );
        let bits = left.unwrap();
        assert_eq!(bits, right.unwrap());
        assert_eq!(bits, [vec![true], vec![true, false]]);
        assert_eq!(
            first.and(&[(true, true), (true, false)]).await.unwrap(),
            [true, false]
        );
        assert_eq!(first.open(&[true]).await.unwrap(), [true]);
        let cost = Cost {
            triples: 2,
            rounds: 4,
        };
        assert_eq!(
            (first.cost(), first.inputs(), first.openings()),
            (cost, &[1, 2][..], 1)
        );
    }

    #[tokio::test]
    async fn a_party_that_ends_or_gives_too_much_is_named() {
        let mut parties = Plain::parties_of(2);
        let mut first = parties.remove(0);
        let mut second = parties.remove(0);
        assert!(matches!(
            first.input(&[true], &[2, 1]).await,
            Err(Error::Parameter { .. })
        ));
        let (left, _) = tokio::join!(
            first.input(&[true], &[1, 1]),
            second.input(&[true, true], &[1, 2])
        );
        assert!(matches!(left, Err(Error::Malformed { peer: 1, .. })));
        drop(second);
        assert!(matches!(
            first.input(&[], &[0, 0]).await,
            Err(Error::PeerLost { peer: 1, .. })
        ));
    }
}
