//! Several contracts, their functions' arguments and answers, hooks, metadata.

use devnet::client::Call;
use serde_json::{Value, json};
use step_chaincode::Step;

use crate::bench::{Bench, CHAINCODE, ORG, OTHER, call, soon, steps};
use crate::contract;

async fn metadata(bench: &Bench) -> Value {
    let answer = bench
        .answer(call("org.hyperledger.fabric:GetMetadata", &[]))
        .await;
    serde_json::from_str(&answer).unwrap()
}

pub(crate) async fn contracts_and_functions_are_called_by_name(bench: &Bench) {
    // The first contract is the default one; a function's first letter may be lower case.
    assert_eq!(bench.answer(steps(&[Step::Whoami])).await, r#"["Org1MSP"]"#);
    for function in ["sale:Which", "sale:which"] {
        assert_eq!(bench.answer(call(function, &[])).await, "Which");
    }
    let refused = bench.refusal(call("bank:Which", &[])).await;
    assert!(
        refused.starts_with(r#"404, no contract "bank"; there are: steps, sale"#),
        "{refused}"
    );
}

pub(crate) async fn functions_are_hidden_unless_registered(bench: &Bench) {
    for function in ["sale:contracts", "sale:Lot", "sale:", ""] {
        let refused = bench.refusal(call(function, &[])).await;
        assert!(refused.starts_with("404, no function"), "{function}: {refused}");
    }
}

pub(crate) async fn the_before_hook_runs_first_and_can_refuse(bench: &Bench) {
    let committed = bench.submit(&call("guarded:Visit", &["home"])).await.unwrap();
    assert_eq!(committed.result, b"Org1MSP at home");
    assert_eq!(
        bench.answer(steps(&[Step::Get("before".into())])).await,
        r#"["Org1MSP"]"#
    );
    let refused = bench.refusal(call("guarded:Stop", &[])).await;
    assert_eq!(refused, "403, stopped before it began");
}

pub(crate) async fn the_after_hook_sees_the_answer_and_can_refuse(bench: &Bench) {
    bench.submit(&call("guarded:Visit", &["work"])).await.unwrap();
    let kept = || bench.answer(steps(&[Step::Get("after".into())]));
    assert_eq!(kept().await, r#"["Org1MSP at work"]"#);
    // Nothing of a transaction counts that the hook refuses.
    let refused = bench
        .submit(&call("guarded:Visit", &["nowhere"]))
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("403, stopped after it ended"),
        "{refused}"
    );
    assert_eq!(kept().await, r#"["Org1MSP at work"]"#);
}

pub(crate) async fn the_unknown_hook_answers_for_functions_that_are_not_there(bench: &Bench) {
    assert_eq!(
        bench.answer(call("guarded:Look", &["a", "b"])).await,
        "Look with 2"
    );
    let refused = bench.refusal(call("sale:Look", &[])).await;
    assert!(
        refused.starts_with(r#"404, no function "sale:Look""#),
        "{refused}"
    );
}

pub(crate) async fn hooks_hand_attachments_to_functions(bench: &Bench) {
    let call = call("guarded:Visit", &["home"]).organisations(&[OTHER]);
    let answer = soon(bench.client(OTHER).evaluate(&call)).await.unwrap();
    assert_eq!(answer, b"Org2MSP at home");
}

pub(crate) async fn arguments_and_answers_are_typed(bench: &Bench) {
    assert_eq!(bench.answer(call("sale:Add", &["2", "3"])).await, "5");
    let refused = bench.refusal(call("sale:Add", &["x", "3"])).await;
    assert_eq!(
        refused,
        r#"400, argument "a" is "x"; an integer from 0 to 18446744073709551615 is allowed"#
    );
    let refused = bench.refusal(call("sale:Add", &["1"])).await;
    assert_eq!(refused, "400, Add takes 2 arguments (a, b), got 1");
    let refused = bench
        .refusal(call("sale:Add", &["18446744073709551615", "1"]))
        .await;
    assert_eq!(refused, "400, the sum is too large");
    // A contract's own error, by what is on the ledger.
    bench.submit(&call("sale:Close", &["l1"])).await.unwrap();
    assert_eq!(
        bench.refusal(call("sale:Close", &["l1"])).await,
        "409, listing l1 is closed"
    );
}

pub(crate) async fn arguments_are_checked_against_their_schema(bench: &Bench) {
    let lot = r#"{"price": 4, "symbol": "ACME"}"#;
    assert_eq!(
        bench.answer(call("sale:Double", &[lot, ""])).await,
        r#"{"price":8,"symbol":"ACME"}"#
    );
    assert_eq!(
        bench.answer(call("sale:Double", &[lot, "3"])).await,
        r#"{"price":24,"symbol":"ACME"}"#
    );
    for (lot, reason) in [
        (
            r#"{"price": 0, "symbol": "ACME"}"#,
            "(at price: a number of at least 1 is allowed)",
        ),
        (
            r#"{"price": 1001, "symbol": "ACME"}"#,
            "(at price: a number of at most 1000 is allowed)",
        ),
        (
            r#"{"price": "1", "symbol": "ACME"}"#,
            r#"(at price: type "integer" is allowed)"#,
        ),
        ("{}", r#"(an object with "price" is allowed)"#),
        ("[]", r#"(an object with "price" is allowed)"#),
    ] {
        let refused = bench.refusal(call("sale:Double", &[lot, ""])).await;
        assert!(
            refused.starts_with("400, argument \"lot\" is ") && refused.ends_with(reason),
            "{refused}"
        );
    }
}

pub(crate) async fn answers_are_checked_against_their_schema(bench: &Bench) {
    let lot = r#"{"price": 600, "symbol": "ACME"}"#;
    let refused = bench.refusal(call("sale:Double", &[lot, ""])).await;
    assert_eq!(
        refused,
        "500, the answer of Double is not as described: at price: a number of at most 1000 is allowed"
    );
}

pub(crate) async fn raw_bytes_go_in_and_out_as_they_are(bench: &Bench) {
    let call = Call::new(CHAINCODE, "sale:Reverse").arg(b"\xff\0\x01");
    assert_eq!(bench.evaluate(call).await.unwrap(), b"\x01\0\xff");
}

pub(crate) async fn tags_say_what_to_submit_and_what_to_evaluate(bench: &Bench) {
    let metadata = metadata(bench).await;
    let functions = metadata["contracts"]["sale"]["transactions"].as_array().unwrap();
    let tag = |name: &str| {
        &functions
            .iter()
            .find(|function| function["name"] == name)
            .unwrap()["tag"][0]
    };
    assert_eq!(tag("Close"), "submit");
    for name in ["Add", "Double", "Own", "Reverse", "Which"] {
        assert_eq!(tag(name), "evaluate", "{name}");
    }
    // Tags are for tools: a client may submit what is for queries.
    let submitted = bench.submit(&call("sale:Add", &["20", "22"])).await.unwrap();
    assert_eq!(submitted.result, b"42");
}

pub(crate) async fn metadata_names_contracts_functions_and_parameters(bench: &Bench) {
    let metadata = metadata(bench).await;
    let contracts = metadata["contracts"].as_object().unwrap();
    let names: Vec<_> = contracts.keys().map(String::as_str).collect();
    assert!(
        ["caller", "guarded", "org.hyperledger.fabric", "sale", "steps"]
            .iter()
            .all(|name| names.contains(name)),
        "{names:?}"
    );
    assert_eq!(contracts["steps"]["default"], true);
    let functions = contracts["sale"]["transactions"].as_array().unwrap();
    let double = functions
        .iter()
        .find(|function| function["name"] == "Double")
        .unwrap();
    let lot = json!({"$ref": "#/components/schemas/Lot"});
    assert_eq!(double["parameters"][0], json!({"name": "lot", "schema": lot}));
    assert_eq!(double["parameters"][1]["name"], "times");
    assert_eq!(double["returns"], lot);
    assert_eq!(
        metadata["components"]["schemas"]["Lot"]["properties"]["price"]["maximum"],
        1000
    );
}

pub(crate) async fn metadata_of_ones_own_takes_the_place_of_the_generated(bench: &Bench) {
    let own = json!({"info": {"title": "mine", "version": "9"}, "contracts": {}});
    bench
        .serve(
            |_| (),
            contract::contracts(bench.gates.clone()).with_metadata(own.clone()),
        )
        .await;
    assert_eq!(metadata(bench).await, own);
    bench.serve_as_before().await;
    assert_ne!(metadata(bench).await, own);
}

pub(crate) async fn own_organisation_functions_refuse_everybody_else(bench: &Bench) {
    assert_eq!(bench.answer(call("sale:Own", &[])).await, "Own");
    // Any member's client may ask any peer.
    let call = call("sale:Own", &[]).organisations(&[ORG]);
    let refused = soon(bench.client(OTHER).evaluate(&call)).await.unwrap_err();
    let refused = refused.to_string();
    assert!(
        refused.contains("403, caller of Org2MSP refused: only clients of Org1MSP"),
        "{refused}"
    );
}
