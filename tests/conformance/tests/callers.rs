//! Callers of other kinds than the script's, on the embedded network: to the chaincode they are what they were on real peers.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod served;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use devnet::Network;
use devnet::client::Call;
use devnet::config::{NetworkConfig, Profile};
use devnet::identity::SigningIdentity;
use devnet::policy::Role;
use fabric_protos::protos::Response;
use prost::Message;
use serde_json::{Value, json};
use served::bounded;
use shim_conformance::{ScriptedCall, Vector, attributes_script, idemix_script};

const CHAINCODE: &str = "conformance";
const ANONYMOUS: &str = "IdemixMSP";

async fn network(profile: Profile) -> Network {
    let mut config = NetworkConfig::with_organisations(&["Org1MSP", "Org2MSP"]);
    config.profile = profile;
    config.anonymous = vec![ANONYMOUS.to_owned()];
    served::network(config, &[CHAINCODE]).await
}

/// The answers, but for those that belong to one identity or proposal.
fn common(call: &ScriptedCall, answer: &[u8]) -> Value {
    let own = [
        "GetCreator",
        "GetBinding",
        "GetSignedProposal",
        "cid.GetID",
        "cid.GetX509Certificate",
    ];
    let mut answer: Value = serde_json::from_slice(answer).unwrap();
    let answers = answer.as_array_mut().unwrap();
    assert_eq!(answers.len(), call.ops.len());
    for (op, answer) in call.ops.iter().zip(answers) {
        if own.contains(&op[0].as_str().unwrap()) && *answer != Value::Null {
            *answer = json!("of its own");
        }
    }
    answer
}

/// Has the caller make the script's one call, and a transaction.
async fn compare(network: &Network, caller: impl Fn() -> SigningIdentity, call: &ScriptedCall, vector: &str) {
    let vector: Vector = serde_json::from_str(vector).unwrap();
    let recorded = vector.calls[0].frames.last().unwrap().read().unwrap();
    let recorded = Response::decode(recorded.payload.as_slice()).unwrap();
    let client = bounded(network.client("Org1MSP", "User1")).await.unwrap();
    let query = call.call(CHAINCODE, "mychannel").organisations(&["Org1MSP"]);
    let answer = bounded(client.with_identity(caller()).evaluate(&query))
        .await
        .unwrap();
    assert_eq!(common(call, &recorded.payload), common(call, &answer));
    let put = Call::new(CHAINCODE, "Run").arg(json!([["PutState", "by", "somebody"]]).to_string());
    bounded(client.with_identity(caller()).submit_call(&put))
        .await
        .unwrap();
}

async fn an_anonymous_caller(profile: Profile, vector: &str) {
    let network = network(profile).await;
    let call = idemix_script().unwrap().remove(0);
    let pseudonym = || network.pseudonym(ANONYMOUS, "sales", false).unwrap();
    compare(&network, pseudonym, &call, vector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_anonymous_caller_is_what_an_idemix_one_was_on_v2_5() {
    an_anonymous_caller(Profile::V2_5, include_str!("../vectors/v2.5.16-idemix.json")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_anonymous_caller_is_what_an_idemix_one_was_on_v3() {
    an_anonymous_caller(Profile::V3, include_str!("../vectors/v3.1.5-idemix.json")).await;
}

async fn a_caller_with_attributes(profile: Profile, vector: &str) {
    let network = network(profile).await;
    let attributes: BTreeMap<String, String> = [
        ("role", "broker"),
        ("hf.EnrollmentID", "broker7"),
        ("hf.Affiliation", "org1.department1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let tomorrow = SystemTime::now() + Duration::from_secs(24 * 60 * 60);
    let organisation = network.material().organisation("Org1MSP").unwrap();
    let issued = organisation
        .issue_identity("broker7", Role::Client, &attributes, tomorrow)
        .unwrap();
    let call = attributes_script().unwrap().remove(0);
    compare(&network, || issued.clone(), &call, vector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_with_attributes_is_what_it_was_on_v2_5() {
    a_caller_with_attributes(Profile::V2_5, include_str!("../vectors/v2.5.16-attributes.json")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_with_attributes_is_what_it_was_on_v3() {
    a_caller_with_attributes(Profile::V3, include_str!("../vectors/v3.1.5-attributes.json")).await;
}
