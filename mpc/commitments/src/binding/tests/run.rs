//! A prover's messages and what a verifier says to them.

use std::sync::Arc;

use super::market::{ATTEMPT, Market, opened, rng};
use crate::Level;
use crate::binding::{
    BindingError, CommittedRound, Peer, Prepared, Prover, Statement, Toss, VerifyError, verify,
};

pub(super) const MASKED: &[u8] = b"masked inputs";

/// A party's book message and what follows, as a verifier receives them.
#[derive(Clone)]
pub(super) struct Received {
    pub(super) statement: Arc<Statement>,
    pub(super) party: usize,
    pub(super) attempt: [u8; 32],
    pub(super) book: Vec<u8>,
    pub(super) rounds: Vec<ReceivedRound>,
}

/// A party's messages of one round.
#[derive(Clone)]
pub(super) struct ReceivedRound {
    pub(super) probes: Vec<Level>,
    pub(super) commitments: Vec<u8>,
    pub(super) masked_inputs: Vec<u8>,
    pub(super) toss: Toss,
    pub(super) answer: Vec<u8>,
    /// What the computation opens; `None` for what honest inputs imply.
    pub(super) inputs: Vec<bool>,
}

impl Received {
    /// Reads everything and verifies it as one batch, as a peer does.
    pub(super) fn verify(&self) -> Result<(), BindingError> {
        let rng = &mut rng(77);
        let peers_fault = |error| match error {
            VerifyError::Peer(error) => error,
            VerifyError::Use(error) => panic!("{error}"),
        };
        let (mut peer, claim) =
            Peer::verify_book(Arc::clone(&self.statement), self.party, self.attempt, &self.book)
                .map_err(peers_fault)?;
        let mut claims = vec![claim];
        for round in &self.rounds {
            let received = peer
                .receive_round(&round.probes, &round.commitments)
                .map_err(peers_fault)?;
            let parities = opened(&received.subsets(&round.toss), &round.inputs);
            let (answered, claim) =
                received.verify_answer(&round.masked_inputs, &round.toss, &round.answer, rng)?;
            claims.push(claim);
            peer = answered.check_parities(&parities)?;
        }
        verify(&claims, rng)
    }

    /// The name of the check that fails.
    pub(super) fn refused_by(&self) -> &'static str {
        self.verify().expect_err("must be refused").check()
    }
}

/// Proves a prepared book, and nothing more yet.
pub(super) fn prove_book(market: &Market, party: usize, prepared: Prepared) -> (Prover, Received) {
    let (prover, book) = prepared.prove_book(ATTEMPT, &mut rng(50)).unwrap();
    let received = Received {
        statement: Arc::clone(&market.statement),
        party,
        attempt: ATTEMPT,
        book,
        rounds: Vec::new(),
    };
    (prover, received)
}

/// Answers a round's coin.
pub(super) fn finish_round(
    committed: CommittedRound,
    probes: &[Level],
    toss: Toss,
) -> (Prover, ReceivedRound) {
    let (commitments, inputs) = (committed.message().to_vec(), committed.inputs().to_vec());
    let (prover, answer) = committed.answer(MASKED, &toss, &mut rng(51));
    let round = ReceivedRound {
        probes: probes.to_vec(),
        commitments,
        masked_inputs: MASKED.to_vec(),
        toss,
        answer,
        inputs,
    };
    (prover, round)
}
