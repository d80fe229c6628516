//! Bad arguments of every function, with the exact refusal of each: `bad_arguments.json`.

use std::collections::{BTreeMap, BTreeSet};

use devnet::client::Call;
use ipo_chaincode::sealed::RESPONSE_KEY;
use serde::Deserialize;
use serde_json::json;

use super::market::*;

/// One call that is refused.
#[derive(Deserialize)]
struct Case {
    function: String,
    /// The organisation, or `admin` for an administrator of the broker's.
    by: String,
    arguments: Vec<String>,
    /// What is sent beside the arguments; if nothing is said, a good order, no orders and a good key.
    transient: Option<BTreeMap<String, String>>,
    /// The words of the contract.
    refused: String,
}

/// `EST` takes orders and has the submitted a1, `SOLD` is sold with the order s1; A is the only broker of both. USD is the bank's.
async fn scene() -> Market {
    let market = Market::open().await;
    for id in ["EST", "SOLD"] {
        let mut terms = terms(id);
        terms["brokers"] = json!([A]);
        market
            .submit(BANK, "CreateListing", &[&terms.to_string()])
            .await
            .unwrap();
    }
    market.place(A, "EST", "a1", &[(700, 10)]).await;
    market.place(A, "SOLD", "s1", &[(700, 1_000)]).await;
    market.submit(BANK, "CloseListing", &["SOLD"]).await.unwrap();
    let frozen = market.submit(BANK, "FreezeBooks", &["SOLD"]).await.unwrap();
    let session = hex::decode(frozen["clearing"]["sessionId"].as_str().unwrap()).unwrap();
    let mut sold = outcome(session, 700, 1_000, 0);
    sold.allocations.remove(1);
    market.finish(&sold);
    market.submit(A, "SellListing", &["SOLD"]).await.unwrap();
    market
}

impl Market {
    /// What the contract says to a call that it refuses.
    async fn refusal(&self, case: &Case) -> String {
        let (msp, client) = match case.by.as_str() {
            "admin" => (A, self.admin(A)),
            BANK => (BANK, self.user(BANK)),
            _ => (A, self.user(A)),
        };
        let mut call = case
            .arguments
            .iter()
            .fold(Call::new(CC, &case.function), Call::arg)
            .organisations(&[msp]);
        call = match &case.transient {
            None => call
                .transient(RESPONSE_KEY, [1; 32])
                .transient("order", order("x1", &[(700, 10)]).to_string())
                .transient("orders", "[]")
                .transient("openings", "[]"),
            Some(fields) => fields
                .iter()
                .fold(call, |call, (field, value)| call.transient(field, value)),
        };
        let text = match soon(client.evaluate(&call)).await {
            Ok(answer) => panic!("{}: {}", case.function, String::from_utf8_lossy(&answer)),
            Err(error) => error.to_string(),
        };
        let (_, said) = text.split_once("chaincode response ").unwrap();
        // The endorser's details repeat it.
        let details = format!("; {msp} at ");
        said.split(&details).next().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bad_argument_is_refused_in_its_own_words() {
    let market = scene().await;
    let cases: Vec<Case> = serde_json::from_str(include_str!("bad_arguments.json")).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let said = market.refusal(case).await;
        if said != case.refused {
            wrong.push(format!("{} {:?}: {said}", case.function, case.arguments));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // No parameter of any function is left out, but for the bookmarks that the peer reads.
    let metadata = market
        .query(A, "org.hyperledger.fabric:GetMetadata", &[])
        .await
        .unwrap();
    let mut left_out = BTreeSet::new();
    for (contract, prefix) in [("ipo", ""), ("token", "token:")] {
        for function in metadata["contracts"][contract]["transactions"]
            .as_array()
            .unwrap()
        {
            let name = format!("{prefix}{}", function["name"].as_str().unwrap());
            for parameter in function["parameters"].as_array().into_iter().flatten() {
                let parameter = parameter["name"].as_str().unwrap();
                let named = |case: &Case| {
                    case.function == name
                        && [
                            format!("argument {parameter}"),
                            format!("argument \"{parameter}\""),
                        ]
                        .iter()
                        .any(|named| case.refused.contains(named))
                };
                if !cases.iter().any(named) {
                    left_out.insert(format!("{name} {parameter}"));
                }
            }
        }
    }
    let by_the_peer = [
        "QueryAllocationHashes bookmark",
        "QueryListings bookmark",
        "QueryOrderRecordsWithPagination bookmark",
        "token:QueryTokens bookmark",
        "token:TokensWithPagination bookmark",
    ];
    assert_eq!(left_out, by_the_peer.map(String::from).into());
    soon(market.network.shutdown()).await;
}
