//! The committed vectors of the binding proofs: one organisation's messages in an attempt of two rounds, byte for byte, and alterations that
//! must be refused by the check named. A change here is a change of the protocol and needs a new version.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use order_commitments::binding::{
    BindingError, Expected, Peer, Prepared, Statement, Subsets, Toss, VerifyError, verify,
};
use order_commitments::{
    AllocationRule, Book, BookContext, Commitment, DemandSchedule, Opening, OrderRules, PROTOCOL_VERSION,
    Participant, PriceGrid, Salt, Session, SessionTerms, Step,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    version: u16,
    price: PriceGrid,
    shares: u64,
    max_order: u64,
    fan_out: u32,
    session_id: String,
    width: usize,
    orders: Vec<OrderVector>,
    attempt: String,
    seed: u64,
    book_message: String,
    rounds: Vec<RoundVector>,
}

#[derive(Deserialize)]
struct OrderVector {
    id: String,
    steps: Vec<Step>,
    salt: String,
}

#[derive(Deserialize)]
struct RoundVector {
    probes: Vec<usize>,
    inputs: String,
    commitments: String,
    masked_inputs: String,
    coin: String,
    echoed: String,
    first_subset: String,
    parities: String,
    answer: String,
}

#[derive(Deserialize)]
struct BadVector {
    name: String,
    message: String,
    round: usize,
    offset: usize,
    bytes: String,
    refused_with: String,
}

/// A party's messages as its peer receives them.
#[derive(Clone)]
struct Messages {
    attempt: [u8; 32],
    book: Vec<u8>,
    rounds: Vec<Round>,
}

#[derive(Clone)]
struct Round {
    probes: Vec<usize>,
    commitments: Vec<u8>,
    masked_inputs: Vec<u8>,
    coin: Vec<u8>,
    echoed: Vec<u8>,
    parities: Vec<u8>,
    answer: Vec<u8>,
}

fn vectors() -> Vectors {
    let vectors: Vectors = serde_json::from_str(include_str!("vectors/binding_version_2.json")).unwrap();
    assert_eq!(vectors.version, PROTOCOL_VERSION);
    vectors
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

fn array(bytes: &[u8]) -> [u8; 32] {
    bytes.try_into().unwrap()
}

/// `0` and `1`, as they are written in the vectors.
fn digits(bits: &[bool]) -> String {
    bits.iter().map(|&bit| if bit { '1' } else { '0' }).collect()
}

const OWNER: BookContext<'_> = BookContext {
    channel: "market",
    chaincode: "ipo",
    listing: "Estatia",
    msp: "BrokerAMSP",
};

fn openings(vectors: &Vectors) -> Vec<Opening> {
    let rules = OrderRules::new(vectors.price, 1, vectors.max_order).unwrap();
    vectors
        .orders
        .iter()
        .map(|order| {
            let schedule = DemandSchedule::new(&order.steps, &rules).unwrap();
            let salt = Salt::new(array(&bytes(&order.salt)));
            Opening {
                order_id: order.id.clone(),
                commitment: Commitment::commit(&schedule, &OWNER.order(&order.id), &salt).unwrap(),
                schedule,
                salt,
            }
        })
        .collect()
}

fn statement(vectors: &Vectors) -> Arc<Statement> {
    let openings = openings(vectors);
    let orders = openings
        .iter()
        .map(|opening| (opening.order_id.as_str(), opening.commitment));
    let bank = BookContext {
        msp: "USBankMSP",
        ..OWNER
    };
    let books = [
        (OWNER.msp, Book::freeze(&OWNER, orders).unwrap()),
        (bank.msp, Book::freeze(&bank, []).unwrap()),
    ];
    let participants = books
        .into_iter()
        .map(|(msp, book)| Participant {
            msp: msp.to_owned(),
            endpoint: format!("{msp}.example:7060"),
            key_hash: [1; 32],
            next_key_hash: None,
            book,
        })
        .collect();
    let terms = SessionTerms {
        channel: OWNER.channel.to_owned(),
        chaincode: OWNER.chaincode.to_owned(),
        listing: OWNER.listing.to_owned(),
        grid: vectors.price,
        shares: vectors.shares,
        lot_size: 1,
        rule: AllocationRule::PricePriority,
        min_subscription: 0,
        max_order: vectors.max_order,
        fan_out: vectors.fan_out,
    };
    let session = Session::new(terms, participants).unwrap();
    assert_eq!(session.id().to_string(), vectors.session_id);
    let statement = Statement::new(&session);
    assert_eq!(statement.width(), vectors.width);
    statement
}

fn messages(vectors: &Vectors) -> Messages {
    Messages {
        attempt: array(&bytes(&vectors.attempt)),
        book: bytes(&vectors.book_message),
        rounds: vectors
            .rounds
            .iter()
            .map(|round| Round {
                probes: round.probes.clone(),
                commitments: bytes(&round.commitments),
                masked_inputs: bytes(&round.masked_inputs),
                coin: bytes(&round.coin),
                echoed: bytes(&round.echoed),
                parities: round.parities.bytes().map(|digit| digit - b'0').collect(),
                answer: bytes(&round.answer),
            })
            .collect(),
    }
}

fn accept(statement: &Arc<Statement>, messages: &Messages) -> Result<(), BindingError> {
    let peers_fault = |error| match error {
        VerifyError::Peer(error) => error,
        other => panic!("{other}"),
    };
    let rng = &mut ChaCha20Rng::seed_from_u64(77);
    let (mut peer, claim) =
        Peer::verify_book(Arc::clone(statement), 0, messages.attempt, &messages.book).map_err(peers_fault)?;
    let mut claims = vec![claim];
    for round in &messages.rounds {
        let toss = Toss {
            coin: array(&round.coin),
            echoed: array(&round.echoed),
        };
        let received = peer
            .receive_round(&round.probes, &round.commitments)
            .map_err(peers_fault)?;
        let (answered, claim) = received.verify_answer(&round.masked_inputs, &toss, &round.answer, rng)?;
        claims.push(claim);
        let opened: Vec<bool> = round.parities.iter().map(|&digit| digit == 1).collect();
        peer = answered.check_parities(&opened)?;
    }
    verify(&claims, rng)
}

fn parities(subsets: &Subsets, inputs: &[bool]) -> Vec<bool> {
    let (bits, masks) = inputs.split_at(subsets.bits());
    subsets
        .iter()
        .zip(masks)
        .map(|(subset, mask)| {
            let chosen = bits.iter().zip(subset).filter(|(bit, chosen)| **bit && **chosen);
            mask ^ (chosen.count() % 2 == 1)
        })
        .collect()
}

#[test]
fn the_messages_are_believed() {
    let vectors = vectors();
    accept(&statement(&vectors), &messages(&vectors)).unwrap();
}

#[test]
fn a_prover_with_the_same_secrets_sends_the_same_messages() {
    let vectors = vectors();
    let rng = &mut ChaCha20Rng::seed_from_u64(vectors.seed);
    let (prepared, attempt) = (
        Prepared::new(
            statement(&vectors),
            0,
            &openings(&vectors),
            Expected { rounds: 1, probes: 1 },
            rng,
        )
        .unwrap(),
        array(&bytes(&vectors.attempt)),
    );
    let (mut prover, message) = prepared.prove_book(attempt, rng).unwrap();
    assert_eq!(hex::encode(message), vectors.book_message);
    for round in &vectors.rounds {
        let toss = Toss {
            coin: array(&bytes(&round.coin)),
            echoed: array(&bytes(&round.echoed)),
        };
        let committed = prover.commit_round(&round.probes, rng).unwrap();
        assert_eq!(digits(committed.inputs()), round.inputs);
        assert_eq!(hex::encode(committed.message()), round.commitments);
        let subsets = committed.subsets(&toss);
        assert_eq!(digits(subsets.iter().next().unwrap()), round.first_subset);
        assert_eq!(digits(&parities(&subsets, committed.inputs())), round.parities);
        let (next, answer) = committed.answer(&bytes(&round.masked_inputs), &toss, rng);
        assert_eq!(hex::encode(answer), round.answer);
        prover = next;
    }
}

#[test]
fn alterations_are_refused() {
    let bad: Vec<BadVector> = serde_json::from_str(include_str!("vectors/_bad_binding.json")).unwrap();
    assert!(bad.len() > 20);
    let vectors = vectors();
    let (statement, honest) = (statement(&vectors), messages(&vectors));
    for vector in bad {
        let mut altered = honest.clone();
        let round = &mut altered.rounds[vector.round];
        let message: &mut [u8] = match vector.message.as_str() {
            "attempt" => &mut altered.attempt,
            "book" => &mut altered.book,
            "commitments" => &mut round.commitments,
            "masked inputs" => &mut round.masked_inputs,
            "coin" => &mut round.coin,
            "echoed" => &mut round.echoed,
            "parities" => &mut round.parities,
            "answer" => &mut round.answer,
            other => panic!("no message {other}"),
        };
        let with = bytes(&vector.bytes);
        message[vector.offset..vector.offset + with.len()].copy_from_slice(&with);
        if vector.message == "book" {
            // The book's digest enters the rounds' challenges, whose first check would speak first.
            altered.rounds.clear();
        }
        let refused = accept(&statement, &altered).expect_err(&vector.name);
        assert_eq!(refused.check(), vector.refused_with, "{}: {refused}", vector.name);
    }
}
