//! The proofs that bind a clearing's inputs to a frozen book, as a peer reads them.
//!
//! A message that differs from the honest one must be refused, by the decoder or by the verification of what it decoded.

use std::sync::{Arc, LazyLock};

use order_commitments::binding::{BindingError, Claim, Expected, Peer, Prepared, Statement, Toss, verify};
use order_commitments::{
    AllocationRule, Book, BookContext, Commitment, DemandSchedule, Opening, OrderRules, Participant, Price,
    PriceGrid, Salt, Session, SessionTerms, Step,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::targets::{joined, pieces};

const ATTEMPT: [u8; 32] = [7; 32];
const TOSS: Toss = Toss {
    coin: [1; 32],
    echoed: [2; 32],
};
const MASKED: &[u8] = b"masked inputs";
const PROBES: [usize; 2] = [2, 3];
const OWNER: BookContext<'_> = BookContext {
    channel: "market",
    chaincode: "ipo",
    listing: "Estatia",
    msp: "BrokerAMSP",
};

/// What an honest party sends in an attempt of one round, always the same.
struct Honest {
    statement: Arc<Statement>,
    book: Vec<u8>,
    commitments: Vec<u8>,
    answer: Vec<u8>,
}

/// `None` if the party cannot be made: the targets' seeds would be empty then, which the tests refuse.
static HONEST: LazyLock<Option<Honest>> = LazyLock::new(honest);

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn order(id: &str, steps: &[(u64, u64)]) -> Option<Opening> {
    let rules = OrderRules::new(PriceGrid::new(1, 4, 1).ok()?, 1, 100).ok()?;
    let steps: Vec<_> = steps
        .iter()
        .map(|&(price, quantity)| Step {
            price: Price::At(price),
            quantity,
        })
        .collect();
    let schedule = DemandSchedule::new(&steps, &rules).ok()?;
    let salt = Salt::new([9; 32]);
    Some(Opening {
        order_id: id.to_owned(),
        commitment: Commitment::commit(&schedule, &OWNER.order(id), &salt).ok()?,
        schedule,
        salt,
    })
}

fn honest() -> Option<Honest> {
    let openings = [order("a1", &[(1, 90), (3, 20)])?, order("a2", &[(4, 7)])?];
    let orders = openings
        .iter()
        .map(|opening| (opening.order_id.as_str(), opening.commitment));
    let book = Book::freeze(&OWNER, orders).ok()?;
    let participant = Participant {
        msp: OWNER.msp.to_owned(),
        endpoint: "localhost:1".to_owned(),
        key_hash: [1; 32],
        next_key_hash: None,
        book,
    };
    let bank = BookContext {
        msp: "USBankMSP",
        ..OWNER
    };
    let other = Participant {
        msp: bank.msp.to_owned(),
        book: Book::freeze(&bank, []).ok()?,
        ..participant.clone()
    };
    let terms = SessionTerms {
        channel: OWNER.channel.to_owned(),
        chaincode: OWNER.chaincode.to_owned(),
        listing: OWNER.listing.to_owned(),
        grid: PriceGrid::new(1, 4, 1).ok()?,
        shares: 100,
        lot_size: 1,
        rule: AllocationRule::PricePriority,
        min_subscription: 0,
        max_order: 100,
        fan_out: 3,
    };
    let statement = Statement::new(&Session::new(terms, vec![participant, other]).ok()?);
    let rng = &mut rng(1);
    let prepared = Prepared::new(statement.clone(), 0, &openings, Expected::default(), rng).ok()?;
    let (prover, book) = prepared.prove_book(ATTEMPT, rng).ok()?;
    let committed = prover.commit_round(&PROBES, rng).ok()?;
    let commitments = committed.message().to_vec();
    let (_, answer) = committed.answer(MASKED, &TOSS, rng);
    Some(Honest {
        statement,
        book,
        commitments,
        answer,
    })
}

/// Whether what was read is honest, and how it was refused else.
fn verdict(claims: &[Claim], is_honest: bool) -> String {
    let verified = verify(claims, &mut rng(2));
    assert_eq!(
        verified.is_ok(),
        is_honest,
        "proofs hold of the honest message alone"
    );
    verified.map_or_else(|error| error.to_string(), |()| "holds".to_owned())
}

/// A peer's book message.
pub(crate) fn book_proof(input: &[u8]) -> String {
    let Some(honest) = &*HONEST else {
        return "nobody is honest".to_owned();
    };
    match Peer::verify_book(honest.statement.clone(), 0, ATTEMPT, input) {
        Ok((_, claim)) => verdict(&[claim], input == honest.book),
        Err(error) => error.to_string(),
    }
}

pub(crate) fn book_proof_seeds() -> Vec<Vec<u8>> {
    HONEST.iter().map(|honest| honest.book.clone()).collect()
}

/// A peer's commitments in a round, and its answer to the coin.
pub(crate) fn round_proof(input: &[u8]) -> String {
    let Some(honest) = &*HONEST else {
        return "nobody is honest".to_owned();
    };
    let mut pieces = pieces(input).into_iter();
    let (commitments, answer) = (
        pieces.next().unwrap_or_default(),
        pieces.next().unwrap_or_default(),
    );
    let read = || {
        let (peer, _) = Peer::verify_book(honest.statement.clone(), 0, ATTEMPT, &honest.book)?;
        let round = peer.receive_round(&PROBES, &commitments)?;
        assert_eq!(commitments.len(), Peer::round_length(PROBES.len()));
        let length = round.answer_length();
        let (answered, claim) = round.verify_answer(MASKED, &TOSS, &answer, &mut rng(3))?;
        assert_eq!(answer.len(), length, "every length is known before");
        let parities = answered.check_parities(&[]);
        assert!(matches!(parities, Err(BindingError::Parity { .. })));
        Ok::<_, order_commitments::binding::VerifyError>(claim)
    };
    let is_honest = commitments == honest.commitments && answer == honest.answer;
    match read() {
        Ok(claim) => verdict(&[claim], is_honest),
        Err(error) => error.to_string(),
    }
}

pub(crate) fn round_proof_seeds() -> Vec<Vec<u8>> {
    HONEST
        .iter()
        .map(|honest| joined(&[honest.commitments.clone(), honest.answer.clone()]))
        .collect()
}
