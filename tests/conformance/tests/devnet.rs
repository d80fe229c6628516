//! The scripts on the embedded network: what its peers endorse is what real peers endorsed, read-write sets, responses and events.
//!
//! One thing is only compared for its use: the bookmarks of CouchDB's queries, which it compresses and the devnet does not. Where the script has a
//! recorded one, the devnet is given its own of the same place.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod served;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chaincode_shim::Response;
use devnet::Network;
use devnet::client::{Call, Client, EndorsedTransaction};
use devnet::config::{NetworkConfig, Profile, StateDatabase};
use fabric_protos::common::{ChannelHeader, Envelope, Header, Payload};
use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::{
    ChaincodeAction, ChaincodeActionPayload, ChaincodeEvent, Proposal, ProposalResponsePayload, Transaction,
};
use fabric_protos::rwset::TxReadWriteSet;
use prost::Message;
use serde_json::Value;
use served::bounded;
use shim_conformance::{RecordedCall, ScriptedCall, Vector, couchdb_script, script};

const ORGS: [&str; 2] = ["Org1MSP", "Org2MSP"];
const CHAINCODES: [&str; 2] = ["conformance", "other"];

/// Methods whose answers belong to one run: keys, certificates and the client's nonce.
const OWN: [&str; 6] = [
    "GetCreator",
    "GetBinding",
    "GetSignedProposal",
    "cid.GetID",
    "cid.GetX509Certificate",
    "GetArgsSlice",
];

async fn network(profile: Profile, state_database: StateDatabase, chaincodes: &[&str]) -> Network {
    let mut config = NetworkConfig::with_organisations(&ORGS);
    config.profile = profile;
    config.state_database = state_database;
    served::network(config, chaincodes).await
}

/// What a transaction is known by: its id and its client's time.
type Names = BTreeMap<String, String>;

/// What a peer endorsed, but for what belongs to one run.
#[derive(Debug, PartialEq)]
struct Endorsed {
    /// The encoded read-write set of each of the script's chaincodes.
    sets: BTreeMap<String, Vec<u8>>,
    status: i32,
    message: String,
    answer: Value,
    event: Option<(String, Vec<u8>)>,
}

fn endorsed(payload: &[u8], call: &ScriptedCall, names: &Names) -> Endorsed {
    let payload = ProposalResponsePayload::decode(payload).unwrap();
    let action = ChaincodeAction::decode(payload.extension.as_slice()).unwrap();
    let sets = TxReadWriteSet::decode(action.results.as_slice()).unwrap();
    let sets = sets
        .ns_rwset
        .into_iter()
        .filter(|set| CHAINCODES.contains(&set.namespace.as_str()));
    let event = ChaincodeEvent::decode(action.events.as_slice()).unwrap();
    let Response {
        status,
        message,
        payload,
    } = action.response.unwrap();
    let mut text = String::from_utf8(payload).unwrap();
    for (name, meaning) in names {
        text = text.replace(name, meaning);
    }
    let mut answer: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
    for (op, answer) in call.ops.iter().zip(answer.as_array_mut().into_iter().flatten()) {
        if OWN.contains(&op[0].as_str().unwrap()) {
            *answer = Value::Null;
        }
    }
    Endorsed {
        sets: sets
            .map(|set| (set.namespace.clone(), set.encode_to_vec()))
            .collect(),
        status,
        message,
        answer,
        event: (!event.event_name.is_empty()).then_some((event.event_name, event.payload)),
    }
}

fn remember(names: &mut Names, call: &str, header: &[u8]) {
    let header = Header::decode(header).unwrap();
    let channel = ChannelHeader::decode(header.channel_header.as_slice()).unwrap();
    let time = channel.timestamp.unwrap();
    names.insert(channel.tx_id, format!("id of {call}"));
    names.insert(
        format!("{}.{:09}", time.seconds, time.nanos),
        format!("time of {call}"),
    );
}

/// Names of the recorded call's transaction.
fn remember_recorded(names: &mut Names, recorded: &RecordedCall) {
    let transaction = recorded.frames[0].read().unwrap();
    assert_eq!(transaction.r#type(), Type::Transaction);
    let proposal = Proposal::decode(transaction.proposal.unwrap().proposal_bytes.as_slice()).unwrap();
    remember(names, &recorded.name, &proposal.header);
}

/// Header and endorsed payload of an endorsed transaction.
fn parts(envelope: &Envelope) -> (Vec<u8>, Vec<u8>) {
    let payload = Payload::decode(envelope.payload.as_slice()).unwrap();
    let transaction = Transaction::decode(payload.data.as_slice()).unwrap();
    let action = ChaincodeActionPayload::decode(transaction.actions[0].payload.as_slice()).unwrap();
    let header = payload.header.unwrap().encode_to_vec();
    (header, action.action.unwrap().proposal_response_payload)
}

async fn commit(client: &Client, transaction: &EndorsedTransaction) -> u64 {
    bounded(client.submit(transaction)).await.unwrap();
    let status = bounded(client.commit_status(&transaction.tx_id)).await.unwrap();
    assert_eq!(status.code.as_str_name(), "VALID");
    status.block
}

/// Transactions that write nothing, until the next block is this one: versions are block numbers, and they are in the read-write sets.
async fn fill_up_to(client: &Client, block: u64) {
    loop {
        let nothing = Call::new("conformance", "Run").arg("[]");
        let transaction = bounded(client.endorse(&nothing)).await.unwrap();
        let next = commit(client, &transaction).await + 1;
        assert!(next <= block, "block {block} is past");
        if next == block {
            return;
        }
    }
}

/// Bookmarks of rich queries: of a recorded one the devnet's.
#[derive(Default)]
struct Bookmarks {
    own: BTreeMap<String, String>,
}

impl Bookmarks {
    /// The call with the devnet's own bookmarks.
    fn translate(&self, call: &ScriptedCall) -> ScriptedCall {
        let mut call = call.clone();
        for argument in call.ops.iter_mut().flatten() {
            if let Some(own) = argument.as_str().and_then(|recorded| self.own.get(recorded)) {
                *argument = Value::from(own.as_str());
            }
        }
        call
    }

    /// Takes the bookmarks of both answers and puts the same into both: two that stand for one place must always do so.
    fn take(&mut self, call: &ScriptedCall, recorded: &mut Value, own: &mut Value) {
        let answers = recorded.as_array_mut().into_iter().flatten();
        let answers = answers.zip(own.as_array_mut().into_iter().flatten());
        for (op, (recorded, own)) in call.ops.iter().zip(answers) {
            if op[0] != "GetQueryResultWithPagination" {
                continue;
            }
            let (Some(recorded), Some(own)) = (recorded.get_mut("bookmark"), own.get_mut("bookmark")) else {
                continue;
            };
            // Without a result there is no place.
            if recorded == "nil" || recorded == "" {
                continue;
            }
            let (theirs, ours) = (recorded.as_str().unwrap(), own.as_str().unwrap());
            let known = self
                .own
                .entry(theirs.to_owned())
                .or_insert_with(|| ours.to_owned());
            assert_eq!(known, ours, "{}: a bookmark for {theirs}", call.name);
            let places: BTreeSet<_> = self.own.values().collect();
            assert_eq!(places.len(), self.own.len(), "one bookmark for two places");
            *own = recorded.clone();
        }
    }
}

async fn compare(profile: Profile, database: StateDatabase, script: &[ScriptedCall], vector: &str) {
    let vector: Vector = serde_json::from_str(vector).unwrap();
    assert_eq!(script.len(), vector.calls.len());
    // The network of the recordings on CouchDB had one chaincode, and so fewer blocks before the first call.
    let chaincodes = match database {
        StateDatabase::GoLevelDb => &CHAINCODES[..],
        StateDatabase::CouchDb => &CHAINCODES[..1],
    };
    let network = network(profile, database, chaincodes).await;
    let client = bounded(network.client("Org1MSP", "User1")).await.unwrap();
    let first = vector.calls.iter().find_map(|call| call.block).unwrap();
    fill_up_to(&client, first).await;

    let (mut theirs, mut ours) = (Names::new(), Names::new());
    let mut bookmarks = Bookmarks::default();
    'calls: for (call, recorded) in script.iter().zip(&vector.calls) {
        assert_eq!(call.name, recorded.name);
        remember_recorded(&mut theirs, recorded);
        let mut call = bookmarks.translate(call);
        let (theirs, ours_endorsed) = loop {
            let own = call.call("conformance", "mychannel").organisations(&["Org1MSP"]);
            let transaction = bounded(client.endorse(&own)).await;
            if recorded.status >= 400 {
                let error = format!("{:?}", transaction.err().unwrap());
                let expected = format!("{}, {}", recorded.status, recorded.message);
                assert!(error.contains(&expected), "{}: {error}", call.name);
                continue 'calls;
            }
            let (header, payload) = parts(&transaction.unwrap().envelope);
            remember(&mut ours, &call.name, &header);
            let mut theirs = endorsed(&STANDARD.decode(&recorded.endorsed).unwrap(), &call, &theirs);
            let mut ours = endorsed(&payload, &call, &ours);
            bookmarks.take(&call, &mut theirs.answer, &mut ours.answer);
            // A call may use a bookmark that it gives itself.
            let translated = bookmarks.translate(&call);
            if translated.ops == call.ops {
                break (theirs, ours);
            }
            call = translated;
        };
        assert!(
            theirs == ours_endorsed,
            "{}:\nreal:   {theirs:?}\ndevnet: {ours_endorsed:?}",
            call.name
        );
        if let Some(block) = recorded.block {
            let transaction = bounded(client.endorse(&call.call("conformance", "mychannel")))
                .await
                .unwrap();
            remember(&mut ours, &call.name, &parts(&transaction.envelope).0);
            assert_eq!(commit(&client, &transaction).await, block, "{}", call.name);
        }
    }
}

#[tokio::test]
async fn the_devnet_endorses_what_v2_5_peers_endorsed() {
    let vector = include_str!("../vectors/v2.5.16.json");
    compare(
        Profile::V2_5,
        StateDatabase::GoLevelDb,
        &script().unwrap(),
        vector,
    )
    .await;
}

#[tokio::test]
async fn the_devnet_endorses_what_v3_peers_endorsed() {
    let vector = include_str!("../vectors/v3.1.5.json");
    compare(Profile::V3, StateDatabase::GoLevelDb, &script().unwrap(), vector).await;
}

#[tokio::test]
async fn on_couchdb_the_devnet_endorses_what_v2_5_peers_endorsed() {
    let vector = include_str!("../vectors/v2.5.16-couchdb.json");
    compare(
        Profile::V2_5,
        StateDatabase::CouchDb,
        &couchdb_script().unwrap(),
        vector,
    )
    .await;
}

#[tokio::test]
async fn on_couchdb_the_devnet_endorses_what_v3_peers_endorsed() {
    let vector = include_str!("../vectors/v3.1.5-couchdb.json");
    compare(
        Profile::V3,
        StateDatabase::CouchDb,
        &couchdb_script().unwrap(),
        vector,
    )
    .await;
}
