//! The committed vectors: what a commitment, a book and a session id are, byte for byte, and encodings that must be
//! refused. A change here is a change of the protocol and needs a new version.

#![allow(clippy::unwrap_used)]

use order_commitments::book::Book;
use order_commitments::{
    AllocationRule, BookCommitment, BookContext, Commitment, DemandSchedule, OrderContext, OrderRules,
    Participant, PriceGrid, Salt, Session, SessionTerms, Step, generators,
};
use p256::elliptic_curve::group::GroupEncoding;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    generators: Vec<Generator>,
    commitments: Vec<CommitmentVector>,
    book: BookVector,
    session: SessionVector,
}

#[derive(Deserialize)]
struct Generator {
    label: String,
    point: String,
}

#[derive(Deserialize)]
struct CommitmentVector {
    name: String,
    price: PriceGrid,
    lot_size: u64,
    max_order: u64,
    channel: String,
    chaincode: String,
    listing: String,
    msp: String,
    order_id: String,
    steps: Vec<Step>,
    salt: String,
    commitment: String,
}

#[derive(Deserialize)]
struct BookVector {
    channel: String,
    chaincode: String,
    listing: String,
    msp: String,
    orders: Vec<(String, Commitment)>,
    book: Book,
}

#[derive(Deserialize)]
struct SessionVector {
    channel: String,
    chaincode: String,
    listing: String,
    price: PriceGrid,
    shares: u64,
    lot_size: u64,
    allocation: AllocationRule,
    min_subscription: u64,
    max_order: u64,
    fan_out: u32,
    participants: Vec<ParticipantVector>,
    session_id: String,
}

#[derive(Deserialize)]
struct ParticipantVector {
    msp: String,
    endpoint: String,
    key_hash: String,
    next_key_hash: Option<String>,
    book: Book,
}

#[derive(Deserialize)]
struct BadVector {
    name: String,
    bytes: String,
    refused_with: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("vectors/version_2.json")).unwrap()
}

fn hash(text: &str) -> [u8; 32] {
    hex::decode(text).unwrap().try_into().unwrap()
}

#[test]
fn generators_are_these() {
    for generator in vectors().generators {
        let point = match generator.label.as_str() {
            "H" => generators::blinding(),
            "T" => generators::value(),
            "X" => generators::value_blinding(),
            row if row.starts_with("E_") => {
                let index: usize = row.strip_prefix("E_").unwrap().parse().unwrap();
                generators::rows()[index - 1]
            }
            level => generators::level(level.strip_prefix("G_").unwrap().parse().unwrap()).unwrap(),
        };
        assert_eq!(
            hex::encode(point.to_affine().to_bytes()),
            generator.point,
            "{}",
            generator.label
        );
    }
}

#[test]
fn commitments_are_these() {
    for vector in vectors().commitments {
        let rules = OrderRules::new(vector.price, vector.lot_size, vector.max_order).unwrap();
        let order = DemandSchedule::new(&vector.steps, &rules).unwrap();
        let context = OrderContext {
            channel: &vector.channel,
            chaincode: &vector.chaincode,
            listing: &vector.listing,
            msp: &vector.msp,
            order_id: &vector.order_id,
        };
        let salt = Salt::new(hash(&vector.salt));
        let commitment = Commitment::commit(&order, &context, &salt).unwrap();
        assert_eq!(commitment.to_string(), vector.commitment, "{}", vector.name);
        assert!(
            vector
                .commitment
                .parse::<Commitment>()
                .unwrap()
                .verify(&order, &context, &salt)
        );
    }
}

#[test]
fn the_book_is_this() {
    let BookVector {
        channel,
        chaincode,
        listing,
        msp,
        orders,
        book,
    } = vectors().book;
    let owner = BookContext {
        channel: &channel,
        chaincode: &chaincode,
        listing: &listing,
        msp: &msp,
    };
    let frozen = Book::freeze(
        &owner,
        orders.iter().map(|(id, commitment)| (id.as_str(), *commitment)),
    )
    .unwrap();
    assert_eq!(frozen, book);
}

#[test]
fn the_session_id_is_this() {
    let vector = vectors().session;
    let terms = SessionTerms {
        channel: vector.channel,
        chaincode: vector.chaincode,
        listing: vector.listing,
        grid: vector.price,
        shares: vector.shares,
        lot_size: vector.lot_size,
        rule: vector.allocation,
        min_subscription: vector.min_subscription,
        max_order: vector.max_order,
        fan_out: vector.fan_out,
    };
    let participants = vector.participants.into_iter().map(|participant| Participant {
        msp: participant.msp,
        endpoint: participant.endpoint,
        key_hash: hash(&participant.key_hash),
        next_key_hash: participant.next_key_hash.as_deref().map(hash),
        book: participant.book,
    });
    let session = Session::new(terms, participants.collect()).unwrap();
    assert_eq!(session.id().to_string(), vector.session_id);
}

#[test]
fn bad_encodings_are_refused() {
    let bad: Vec<BadVector> = serde_json::from_str(include_str!("vectors/_bad_commitments.json")).unwrap();
    assert!(bad.len() > 10);
    for vector in bad {
        let bytes = hex::decode(&vector.bytes).unwrap();
        let refused = Commitment::from_bytes(&bytes).unwrap_err().to_string();
        assert!(
            refused.contains(&vector.refused_with),
            "{}: {refused}",
            vector.name
        );
        // A book's commitment may be the identity as a single zero byte, and nothing else that an order's may not be.
        assert_eq!(
            BookCommitment::from_bytes(&bytes).is_ok(),
            bytes == [0],
            "{}",
            vector.name
        );
    }
}
