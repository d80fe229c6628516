//! The decoders, each with inputs to begin with and with what must hold of whatever it accepts.

use chaincode_shim::{
    ClientIdentity, FromArgument, Json, KeyEndorsementPolicy, RoleType, create_composite_key,
    split_composite_key,
};
use fabric_protos::common::{ChannelHeader, Header, HeaderType, SignatureHeader};
use fabric_protos::msp::SerializedIdentity;
use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::{
    ChaincodeAdditionalParams, ChaincodeInput, ChaincodeProposalPayload, GetStateMultipleResult, Proposal,
    QueryResponse, QueryResultBytes, SignedProposal, StateMetadata, StateMetadataResult,
};
use fabric_protos::queryresult::{KeyModification, Kv};
use ipo_chaincode::record::allocation::PrivateAllocation;
use ipo_chaincode::record::private_order::PrivateOrder;
use ipo_chaincode::record::terms::Proposal as ListingProposal;
use ipo_chaincode::sealed::ResponseKey;
use order_commitments::{BookCommitment, Commitment, DemandSchedule, OrderRules, PriceGrid, Salt};
use prost::Message;

use crate::hunt::Target;
use crate::proofs::{book_proof, book_proof_seeds, round_proof, round_proof_seeds};
use crate::shim_stream::{converse, message, typed};

/// All of them.
pub const TARGETS: [Target; 15] = [
    target("stream", stream, stream_seeds),
    target("transaction", transaction, transaction_seeds),
    target("ready", ready, ready_seeds),
    target("replies", replies, replies_seeds),
    target("composite-key", composite_key, composite_key_seeds),
    target("identity", identity, identity_seeds),
    target("policy", policy, policy_seeds),
    target("argument", argument, argument_seeds),
    target("order", order, order_seeds),
    target("orders", orders, orders_seeds),
    target("private-records", private_records, private_records_seeds),
    target("listing", listing, listing_seeds),
    target("commitment", commitment, commitment_seeds),
    target("book-proof", book_proof, book_proof_seeds),
    target("round-proof", round_proof, round_proof_seeds),
];

const fn target(name: &'static str, run: fn(&[u8]) -> String, seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target { name, run, seeds }
}

/// Several byte strings in one: each is preceded by its length, two bytes; the last may be shorter than it says.
pub(crate) fn pieces(mut input: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    while let Some((length, rest)) = input.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (piece, rest) = rest.split_at(length);
        pieces.push(piece.to_vec());
        input = rest;
    }
    pieces
}

pub(crate) fn joined(pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut input = Vec::new();
    for piece in pieces {
        input.extend(u16::try_from(piece.len()).unwrap_or(u16::MAX).to_be_bytes());
        input.extend(piece);
    }
    input
}

fn opening(ready: Vec<u8>) -> Vec<Vec<u8>> {
    vec![message(Type::Registered, Vec::new()), message(Type::Ready, ready)]
}

fn batches() -> Vec<u8> {
    ChaincodeAdditionalParams {
        use_write_batch: true,
        max_size_write_batch: 1000,
        use_get_multiple_keys: true,
        max_size_get_multiple_keys: 1000,
    }
    .encode_to_vec()
}

/// Whatever messages a peer sends.
fn stream(input: &[u8]) -> String {
    converse(pieces(input), Vec::new())
}

fn stream_seeds() -> Vec<Vec<u8>> {
    let call = message(Type::Transaction, ChaincodeInput::default().encode_to_vec());
    let mut messages = opening(batches());
    messages.push(call.clone());
    messages.push(message(Type::Response, b"value".to_vec()));
    messages.push(message(Type::Error, b"refused".to_vec()));
    messages.push(message(Type::Keepalive, Vec::new()));
    vec![
        joined(&messages),
        joined(&opening(Vec::new())),
        joined(&[call.clone(), call]),
        Vec::new(),
    ]
}

/// The arguments and the signed proposal of a transaction.
fn transaction(input: &[u8]) -> String {
    let mut pieces = pieces(input).into_iter();
    let call = fabric_protos::protos::ChaincodeMessage {
        proposal: pieces.next().map(|proposal_bytes| SignedProposal {
            proposal_bytes,
            signature: Vec::new(),
        }),
        ..typed(Type::Transaction, pieces.next().unwrap_or_default())
    };
    let mut messages = opening(Vec::new());
    messages.push(call.encode_to_vec());
    converse(messages, vec![message(Type::Error, b"no".to_vec()); 200])
}

fn transaction_seeds() -> Vec<Vec<u8>> {
    let channel = ChannelHeader {
        r#type: HeaderType::EndorserTransaction.into(),
        timestamp: Some(prost_types_timestamp()),
        channel_id: "ch".to_owned(),
        ..ChannelHeader::default()
    };
    let signature = SignatureHeader {
        creator: identity_seeds().remove(0),
        nonce: b"nonce".to_vec(),
    };
    let header = Header {
        channel_header: channel.encode_to_vec(),
        signature_header: signature.encode_to_vec(),
    };
    let payload = ChaincodeProposalPayload {
        input: Vec::new(),
        transient_map: [("field".to_owned(), b"value".to_vec())].into(),
    };
    let proposal = Proposal {
        header: header.encode_to_vec(),
        payload: payload.encode_to_vec(),
        extension: Vec::new(),
    };
    let input = ChaincodeInput {
        args: vec![b"Function".to_vec(), b"argument".to_vec(), vec![0xff]],
        decorations: [("decoration".to_owned(), Vec::new())].into(),
        is_init: false,
    };
    vec![joined(&[proposal.encode_to_vec(), input.encode_to_vec()])]
}

fn prost_types_timestamp() -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: 1_700_000_000,
        nanos: 5,
    }
}

/// What a peer's READY offers.
fn ready(input: &[u8]) -> String {
    let mut messages = opening(input.to_vec());
    messages.push(message(Type::Transaction, Vec::new()));
    converse(messages, vec![message(Type::Response, Vec::new()); 200])
}

fn ready_seeds() -> Vec<Vec<u8>> {
    let unlimited = ChaincodeAdditionalParams {
        use_write_batch: true,
        max_size_write_batch: u32::MAX,
        use_get_multiple_keys: true,
        max_size_get_multiple_keys: 0,
    };
    vec![batches(), unlimited.encode_to_vec(), Vec::new()]
}

/// What a peer answers to the requests of a transaction.
fn replies(input: &[u8]) -> String {
    let mut messages = opening(batches());
    messages.push(message(Type::Transaction, Vec::new()));
    let replies = pieces(input)
        .into_iter()
        .map(|payload| message(Type::Response, payload));
    converse(messages, replies.collect())
}

fn replies_seeds() -> Vec<Vec<u8>> {
    let values = GetStateMultipleResult {
        values: vec![b"1".to_vec(), Vec::new(), b"3".to_vec()],
    };
    let metadata = StateMetadataResult {
        entries: vec![StateMetadata {
            metakey: "VALIDATION_PARAMETER".to_owned(),
            value: policy_seeds().remove(0),
        }],
    };
    let called = typed(
        Type::Completed,
        chaincode_shim::success(b"called".to_vec()).encode_to_vec(),
    );
    let page = |result_bytes: Vec<u8>, has_more| QueryResponse {
        results: vec![QueryResultBytes { result_bytes }],
        has_more,
        id: "query".to_owned(),
        metadata: fabric_protos::protos::QueryResponseMetadata {
            fetched_records_count: 1,
            bookmark: "next".to_owned(),
        }
        .encode_to_vec(),
    };
    let kv = Kv {
        key: "k".to_owned(),
        value: b"v".to_vec(),
        ..Kv::default()
    };
    let change = KeyModification {
        tx_id: "before".to_owned(),
        ..KeyModification::default()
    };
    let replies = [
        values.encode_to_vec(),
        metadata.encode_to_vec(),
        called.encode_to_vec(),
        page(kv.encode_to_vec(), true).encode_to_vec(),
        page(kv.encode_to_vec(), false).encode_to_vec(),
        page(kv.encode_to_vec(), false).encode_to_vec(),
        page(change.encode_to_vec(), false).encode_to_vec(),
        Vec::new(),
    ];
    vec![joined(&replies)]
}

/// An error without what it is about.
fn variant(error: &chaincode_shim::Error) -> String {
    let text = format!("{error:?}");
    text.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
}

/// What an error says, unless that is only which field it does not know.
fn words(error: &impl ToString) -> String {
    let text = error.to_string();
    if text.contains("unknown field") {
        "unknown field".to_owned()
    } else {
        text
    }
}

fn composite_key(input: &[u8]) -> String {
    let Ok(key) = std::str::from_utf8(input) else {
        return "no text".to_owned();
    };
    let made = create_composite_key(key, &[key, ""]).map(|made| {
        let (object_type, parts) = split_composite_key(&made).expect("a key that was made is split");
        assert_eq!(
            (object_type.as_str(), parts.as_slice()),
            (key, &[key.to_owned(), String::new()][..])
        );
    });
    match split_composite_key(key) {
        Ok((object_type, parts)) => {
            // As Go's, it takes apart what nobody can have made: parts with the code point beyond all others.
            if !key.contains(char::MAX) {
                assert_eq!(create_composite_key(&object_type, &parts).as_deref(), Ok(key));
            }
            format!("{} parts, {:?}", "x".repeat(parts.len().min(8)), made.is_ok())
        }
        Err(error) => format!("{} {:?}", variant(&error), made.err().as_ref().map(variant)),
    }
}

fn composite_key_seeds() -> Vec<Vec<u8>> {
    let key = create_composite_key("owner~id", &["Tomoko", "", "asset1"]);
    vec![key.unwrap_or_default().into_bytes(), b"simple".to_vec()]
}

fn identity(input: &[u8]) -> String {
    match ClientIdentity::from_creator(input) {
        Ok(identity) => format!(
            "{:?} {:?} {} {}",
            identity.id().map(|_| ()),
            identity.node_role(),
            "a".repeat(identity.attributes().len().min(8)),
            "u".repeat(identity.organizational_units().len().min(8))
        ),
        Err(error) => error.to_string(),
    }
}

fn identity_seeds() -> Vec<Vec<u8>> {
    // A certificate of Fabric CA's kind; the corpus holds those of other kinds.
    let creator = |id_bytes: Vec<u8>| {
        SerializedIdentity {
            mspid: "Org1MSP".to_owned(),
            id_bytes,
        }
        .encode_to_vec()
    };
    let mut params = rcgen::CertificateParams::default();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "user+1, of \"us\"");
    params
        .distinguished_name
        .push(rcgen::DnType::OrganizationalUnitName, "client");
    let attributes = br#"{"attrs":{"role":"broker","hf.Type":"client"}}"#.to_vec();
    let extension = rcgen::CustomExtension::from_oid_content(&[1, 2, 3, 4, 5, 6, 7, 8, 1], attributes);
    params.custom_extensions.push(extension);
    let made = rcgen::KeyPair::generate().and_then(|key| params.self_signed(&key));
    vec![
        creator(
            made.map(|certificate| certificate.pem())
                .unwrap_or_default()
                .into_bytes(),
        ),
        creator(Vec::new()),
    ]
}

fn policy(input: &[u8]) -> String {
    match KeyEndorsementPolicy::decode(input) {
        Ok(policy) => {
            let orgs = "o".repeat(policy.list_orgs().len().min(8));
            let encoded = policy.encode();
            if let Ok(encoded) = &encoded {
                let again = KeyEndorsementPolicy::decode(encoded).and_then(|again| again.encode());
                assert_eq!(
                    again.as_ref(),
                    Ok(encoded),
                    "what was encoded reads as it was written"
                );
            }
            let added = policy.clone().add_orgs(RoleType::Peer, ["NewMSP"]);
            let removed = policy.del_orgs(["Org1MSP"]);
            format!("{orgs} {:?} {:?} {:?}", encoded.err(), added.err(), removed.err())
        }
        Err(error) => error.to_string(),
    }
}

fn policy_seeds() -> Vec<Vec<u8>> {
    let orgs = || ["Org1MSP", "Org2MSP", "Org3MSP"].map(KeyEndorsementPolicy::peer);
    let two = KeyEndorsementPolicy::n_of(2, orgs());
    let nested = KeyEndorsementPolicy::or([
        KeyEndorsementPolicy::and(orgs()),
        KeyEndorsementPolicy::member("Org4MSP"),
    ]);
    [KeyEndorsementPolicy::and(orgs()), two, nested]
        .iter()
        .filter_map(|policy| policy.encode().ok())
        .collect()
}

fn argument(input: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(input) else {
        return "no text".to_owned();
    };
    fn read<T: FromArgument>(text: &str) -> String {
        match T::from_argument(text) {
            Ok(_) => "read".to_owned(),
            Err(reason) => words(&reason.unwrap_or_default()),
        }
    }
    [
        read::<bool>(text),
        read::<u8>(text),
        read::<i64>(text),
        read::<u64>(text),
        read::<String>(text),
        read::<Json<serde_json::Value>>(text),
        read::<Json<Vec<u64>>>(text),
    ]
    .join("|")
}

fn argument_seeds() -> Vec<Vec<u8>> {
    let mut seeds = listing_seeds();
    seeds.extend(
        [
            &b"true"[..],
            b"-17",
            b"18446744073709551615",
            b"[1,2,3]",
            b"{\"a\":[null,1.5e3,\"\\u00e9\"]}",
        ]
        .map(<[u8]>::to_vec),
    );
    seeds
}

/// Rules that all orders here are held to, if they can be made.
fn rules() -> Option<OrderRules> {
    let grid: PriceGrid = serde_json::from_str(r#"{"min":100,"max":1000,"tick":10}"#).ok()?;
    OrderRules::new(grid, 10, 1_000_000).ok()
}

fn checked(order: &PrivateOrder) -> String {
    let Some(rules) = rules() else {
        return "no rules".to_owned();
    };
    match order.schedule("order", &rules) {
        Ok(schedule) => {
            // Of orders that the rules accept, which alone are stored: a price of 0, which no grid has, is stored as the market's.
            let again = PrivateOrder::from_bytes(&order.to_bytes());
            assert!(again.as_ref() == Some(order), "an order is stored as it is");
            assert!(DemandSchedule::new(order.steps(), &rules).is_ok_and(|again| again == schedule));
            format!("schedule of {}", "s".repeat(order.steps().len()))
        }
        Err(error) => words(&error),
    }
}

/// An order as a client sends it in the transient field.
fn order(input: &[u8]) -> String {
    match PrivateOrder::from_transient("order", input) {
        Ok(order) => checked(&order),
        Err(error) => words(&error),
    }
}

fn order_seeds() -> Vec<Vec<u8>> {
    let salt = "7".repeat(64);
    [
        format!(r#"{{"investor":"Ann","steps":[{{"price":700,"quantity":7000}}],"salt":"{salt}"}}"#),
        format!(
            r#"{{"investor":"Bo","steps":[{{"price":"market","quantity":10}},{{"price":500,"quantity":20}}],"salt":"{salt}"}}"#
        ),
        r#"{"investor":"Cy","steps":[{"price":0,"quantity":0}]}"#.to_owned(),
    ]
    .map(String::into_bytes)
    .to_vec()
}

/// Several orders in one transient field.
fn orders(input: &[u8]) -> String {
    match PrivateOrder::list_from_transient("orders", input) {
        Ok(orders) => orders
            .iter()
            .map(|(_, order)| checked(order))
            .collect::<Vec<_>>()
            .join("|"),
        Err(error) => words(&error),
    }
}

fn orders_seeds() -> Vec<Vec<u8>> {
    let salt = "a5".repeat(32);
    let order = |id: &str| {
        format!(
            r#"{{"id":"{id}","investor":"Ann","steps":[{{"price":700,"quantity":7000}}],"salt":"{salt}"}}"#
        )
    };
    vec![
        format!("[{},{}]", order("one"), order("two")).into_bytes(),
        b"[]".to_vec(),
    ]
}

/// Records of an organisation's own collection, and the key under which answers are sealed.
fn private_records(input: &[u8]) -> String {
    let order = PrivateOrder::from_bytes(input);
    if let Some(order) = &order {
        assert_eq!(order.to_bytes().as_slice(), input);
        let _ = checked(order);
    }
    let allocation = PrivateAllocation::from_bytes(input);
    if let Some(allocation) = &allocation {
        assert_eq!(allocation.to_bytes().as_slice(), input);
    }
    let key = ResponseKey::from_transient(Some(input)).map(|_| ());
    format!(
        "{:?} {:?} {}",
        order.is_some(),
        allocation.is_some(),
        key.map_or_else(|error| error.to_string(), |()| String::new())
    )
}

fn private_records_seeds() -> Vec<Vec<u8>> {
    let orders = order_seeds();
    let mut seeds: Vec<Vec<u8>> = orders
        .iter()
        .filter_map(|order| PrivateOrder::from_transient("order", order).ok())
        .map(|order| order.to_bytes().to_vec())
        .collect();
    if let Some(order) = seeds.first().and_then(|bytes| PrivateOrder::from_bytes(bytes)) {
        seeds.push(
            PrivateAllocation::new(Some(700), 70, &order.salt())
                .to_bytes()
                .to_vec(),
        );
    }
    seeds
}

/// The argument of `CreateListing`.
fn listing(input: &[u8]) -> String {
    match serde_json::from_slice::<ListingProposal>(input) {
        Ok(_) => "read".to_owned(),
        Err(error) => words(&error),
    }
}

fn listing_seeds() -> Vec<Vec<u8>> {
    let listing = r#"{"id":"lightrocket-b","symbol":"LRKT","category":"Series B","description":"LightRocket","shares":10000,"lotSize":10,
        "price":{"min":100,"max":1000,"tick":10},"opensAt":"2026-01-01T00:00:00Z","closesAt":"2026-02-01T00:00:00Z",
        "allocation":"price-priority","minSubscription":0,"minOrder":null,"maxOrder":10000,"maxSteps":10,"fanOut":1,
        "settlementDeadline":"2026-03-01T00:00:00Z","cashToken":"USD","brokers":["BrokerAMSP","BrokerBMSP"]}"#;
    vec![listing.as_bytes().to_vec()]
}

/// Commitments, as bytes and as text.
fn commitment(input: &[u8]) -> String {
    let one = Commitment::from_bytes(input);
    if let Ok(one) = &one {
        assert_eq!(one.to_bytes().as_slice(), input, "one encoding a point");
    }
    let book = BookCommitment::from_bytes(input);
    if let Ok(book) = &book {
        assert_eq!(book.to_bytes(), input, "one encoding a point");
    }
    let text = String::from_utf8_lossy(input);
    let read = text.parse::<Commitment>().map(|read| {
        assert!(read.to_string().eq_ignore_ascii_case(&text), "one text a point");
    });
    let salt = Salt::try_from(input).map(|_| ());
    format!("{:?} {:?} {read:?} {}", one.err(), book.err(), salt.is_ok())
}

fn commitment_seeds() -> Vec<Vec<u8>> {
    // The base point of P-256.
    let x = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
    let point: Vec<u8> = (0..32)
        .filter_map(|n| u8::from_str_radix(x.get(2 * n..2 * n + 2)?, 16).ok())
        .collect();
    vec![
        [&[3], point.as_slice()].concat(),
        vec![0],
        format!("03{x}").into_bytes(),
    ]
}
