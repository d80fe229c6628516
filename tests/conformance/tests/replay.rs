//! Our shim says to a recorded peer what Go's shim said: every message of every call, response and event included, byte for byte.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod played;

use fabric_protos::protos::QueryResponse;
use fabric_protos::protos::chaincode_message::Type;
use prost::Message;
use shim_conformance::Vector;

async fn replay(vector: &str) {
    let vector: Vector = serde_json::from_str(vector).unwrap();
    played::replay(&vector).await;
}

#[tokio::test]
async fn our_shim_says_what_gos_shim_said_to_a_v2_5_peer() {
    replay(include_str!("../vectors/v2.5.16.json")).await;
}

#[tokio::test]
async fn our_shim_says_what_gos_shim_said_to_a_v3_peer() {
    replay(include_str!("../vectors/v3.1.5.json")).await;
}

/// A client whose certificate carries attributes as Fabric CA writes them.
#[tokio::test]
async fn our_shim_reads_a_clients_attributes_as_gos_shim_did() {
    for vector in [
        include_str!("../vectors/v2.5.16-attributes.json"),
        include_str!("../vectors/v3.1.5-attributes.json"),
    ] {
        let vector: Vector = serde_json::from_str(vector).unwrap();
        let [call] = vector.calls.as_slice() else {
            panic!("{} calls", vector.calls.len());
        };
        let last = call.frames.last().unwrap().read().unwrap();
        let answer = String::from_utf8_lossy(&last.payload).into_owned();
        assert!(answer.contains("broker7"), "{answer}");
        played::replay(&vector).await;
    }
}

/// How many results a recorded peer, on CouchDB, gave to each query of a call; its answer's first message has them, or a refusal.
fn rich_answers(vector: &Vector, name: &str) -> Vec<usize> {
    let call = vector.calls.iter().find(|call| call.name == name).unwrap();
    let messages: Vec<_> = call.frames.iter().map(|frame| frame.read().unwrap()).collect();
    let answers = messages
        .windows(2)
        .filter(|pair| pair[0].r#type() == Type::GetQueryResult && pair[1].r#type() == Type::Response);
    answers
        .map(|pair| {
            QueryResponse::decode(pair[1].payload.as_slice())
                .unwrap()
                .results
                .len()
        })
        .collect()
}

#[tokio::test]
async fn our_shim_reads_rich_queries_as_gos_shim_did() {
    for vector in [
        include_str!("../vectors/v2.5.16-couchdb.json"),
        include_str!("../vectors/v3.1.5-couchdb.json"),
    ] {
        let vector: Vector = serde_json::from_str(vector).unwrap();
        assert_eq!(rich_answers(&vector, "a rich query of more than a page"), [100]);
        assert_eq!(rich_answers(&vector, "pages of rich queries"), [2, 4, 0, 120, 2]);
        assert_eq!(rich_answers(&vector, "rich queries that CouchDB refuses"), [0; 0]);
        played::replay(&vector).await;
    }
}

#[tokio::test]
async fn our_shim_tells_of_an_idemix_caller_what_gos_cid_package_did() {
    replay(include_str!("../vectors/v2.5.16-idemix.json")).await;
    replay(include_str!("../vectors/v3.1.5-idemix.json")).await;
}
