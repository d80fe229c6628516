//! Contracts through the wire: routing, arguments, refusals, guards, metadata.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chaincode_shim::{
    ChaincodeServer, Contract, ContractError, Contracts, Error, Function, Json, JsonSchema, Raw, Response,
    ServerConfig, TransactionContext,
};
use fabric_protos::protos::GetState;
use fabric_protos::protos::chaincode_message::Type;
use prost::Message;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::certificates::Authority;
use crate::peer::{Peer, Running, config, proposal};

#[derive(Serialize, Deserialize, JsonSchema)]
struct Step {
    #[schemars(range(max = 1000))]
    price: u64,
}

/// A contract's own error.
struct Closed(&'static str);

impl From<Closed> for ContractError {
    fn from(closed: Closed) -> Self {
        Self::conflict(format!("listing {} is closed", closed.0))
    }
}

async fn add(_: TransactionContext, a: u64, b: u64) -> Result<u64, ContractError> {
    a.checked_add(b)
        .ok_or_else(|| ContractError::bad_request("the sum is too large"))
}

async fn close(_: TransactionContext, id: String) -> Result<(), Closed> {
    if id == "l1" { Err(Closed("l1")) } else { Ok(()) }
}

async fn double(_: TransactionContext, Json(step): Json<Step>, times: Option<u32>) -> Result<Step, Error> {
    Ok(Step {
        price: step.price * 2 * u64::from(times.unwrap_or(1)),
    })
}

async fn read(ctx: TransactionContext, id: String) -> Result<String, Error> {
    Ok(ctx
        .stub()
        .get_state(&id)
        .await?
        .map(|value| String::from_utf8_lossy(&value).into_owned())
        .unwrap_or_default())
}

async fn which(ctx: TransactionContext) -> Result<String, ContractError> {
    Ok(ctx.function().to_owned())
}

fn contracts() -> Contracts {
    let first = Contract::new("sale")
        .submit("Close", ["id"], close)
        .submit("Add", ["a", "b"], add)
        .with(Function::evaluate("Double", ["step", "times"], double).returns::<Step>())
        .evaluate("Read", ["id"], read)
        .evaluate("Which", [], which);
    let second = Contract::new("token").with(Function::evaluate("Which", [], which));
    Contracts::new("sales", "0.1").with(first).with(second)
}

async fn start(contracts: Contracts) -> (Running, Peer) {
    let server = Running::start(config(), contracts).await;
    let peer = server.peer().await;
    (server, peer)
}

async fn call(peer: &mut Peer, args: &[&str]) -> Response {
    peer.invoke("tx", args).await;
    peer.completed("tx").await
}

fn text(response: &Response) -> (i32, String) {
    let payload = String::from_utf8(response.payload.clone()).unwrap();
    (
        response.status,
        if payload.is_empty() {
            response.message.clone()
        } else {
            payload
        },
    )
}

#[tokio::test]
async fn calls_reach_the_function_they_name() {
    let (_server, mut peer) = start(contracts()).await;
    let cases: [(&[&str], &str); 8] = [
        (&["Add", "2", "3"], "5"),
        (&["sale:Add", "2", "3"], "5"),
        (&["sale:add", "2", "3"], "5"),
        (&["add", "2", "3"], "5"),
        (&["Double", r#"{"price": 4}"#, ""], r#"{"price":8}"#),
        (&["Double", r#"{"price": 4}"#, "3"], r#"{"price":24}"#),
        (&["token:which"], "Which"),
        (&["Close", "l2"], ""),
    ];
    for (args, expected) in cases {
        assert_eq!(
            text(&call(&mut peer, args).await),
            (200, expected.to_owned()),
            "{args:?}"
        );
    }
}

#[tokio::test]
async fn refusals_have_a_status_and_say_why() {
    let (_server, mut peer) = start(contracts()).await;
    let cases: [(&[&str], i32, &str); 9] = [
        (&["Close", "l1"], 409, "listing l1 is closed"),
        (
            &["Add", "x", "3"],
            400,
            r#"argument "a" is "x"; an integer from 0 to 18446744073709551615 is allowed"#,
        ),
        (&["Add", "18446744073709551615", "1"], 400, "the sum is too large"),
        (&["Add", "1"], 400, "Add takes 2 arguments (a, b), got 1"),
        (&["Which", "1"], 400, "Which takes 0 arguments (), got 1"),
        (
            &["Buy"],
            404,
            r#"no function "Buy"; contract "sale" has: Add, Close, Double, Read, Which"#,
        ),
        (
            &["token:Add"],
            404,
            r#"no function "token:Add"; contract "token" has: Which"#,
        ),
        (
            &["bank:Add"],
            404,
            r#"no contract "bank"; there are: sale, token"#,
        ),
        (
            &[],
            404,
            r#"no function ""; contract "sale" has: Add, Close, Double, Read, Which"#,
        ),
    ];
    for (args, status, message) in cases {
        assert_eq!(
            text(&call(&mut peer, args).await),
            (status, message.to_owned()),
            "{args:?}"
        );
    }
    peer.invoke_as(Type::Transaction, "tx", vec![b"\xff".to_vec()], None)
        .await;
    assert_eq!(peer.completed("tx").await.status, 400);
    peer.invoke_as(
        Type::Transaction,
        "tx",
        vec![b"Read".to_vec(), b"\xff".to_vec()],
        None,
    )
    .await;
    let response = peer.completed("tx").await;
    assert_eq!(
        text(&response),
        (
            400,
            r#"argument "id" is not valid UTF-8; text is allowed"#.to_owned()
        )
    );
}

#[tokio::test]
async fn functions_reach_the_ledger_and_pass_its_errors_on() {
    let (_server, mut peer) = start(contracts()).await;
    let get = GetState {
        key: "k".to_owned(),
        collection: String::new(),
    }
    .encode_to_vec();
    peer.invoke("tx", &["Read", "k"]).await;
    peer.answer(Type::GetState, get, b"value".to_vec()).await;
    assert_eq!(peer.completed("tx").await.payload, b"value");
    peer.invoke("tx", &["Read", "k"]).await;
    peer.refuse(Type::GetState, "GET_STATE failed: no").await;
    assert_eq!(
        text(&peer.completed("tx").await),
        (500, "GET_STATE failed: no".to_owned())
    );
}

#[tokio::test]
async fn init_calls_a_function_or_nothing() {
    let (_server, mut peer) = start(contracts()).await;
    peer.invoke_as(Type::Init, "tx", vec![b"Which".to_vec()], None)
        .await;
    assert_eq!(peer.completed("tx").await.payload, b"Which");
    peer.invoke_as(Type::Init, "tx", Vec::new(), None).await;
    assert_eq!(text(&peer.completed("tx").await), (200, String::new()));
}

#[tokio::test]
async fn an_init_that_fails_ends_as_fabrics_shims_end_it() {
    let contract = Contract::new("t").submit("Fail", ["status"], fail_with);
    let (_server, mut peer) = start(Contracts::new("t", "1").with(contract)).await;
    let args = |status: &str| vec![b"Fail".to_vec(), status.as_bytes().to_vec()];
    peer.invoke_as(Type::Init, "tx", args("500"), None).await;
    let failed = peer.receive().await;
    assert_eq!(
        (failed.r#type(), failed.payload.as_slice()),
        (Type::Error, &b"on purpose"[..])
    );
    peer.invoke_as(Type::Init, "tx", args("499"), None).await;
    assert_eq!(text(&peer.completed("tx").await), (499, "on purpose".to_owned()));
    peer.invoke_as(Type::Transaction, "tx", args("500"), None).await;
    assert_eq!(text(&peer.completed("tx").await), (500, "on purpose".to_owned()));
}

async fn fail_with(_: TransactionContext, status: i32) -> Result<(), ContractError> {
    Err(ContractError::new(status, "on purpose"))
}

#[tokio::test]
async fn the_before_hook_comes_first_and_can_refuse() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let contract = Contract::new("sale")
        .evaluate("Which", [], which)
        .evaluate("Stop", ["n"], add_one)
        .before(move |ctx: TransactionContext| {
            let count = Arc::clone(&count);
            async move {
                count.fetch_add(1, Ordering::Relaxed);
                if ctx.function() == "Stop" {
                    Err(ContractError::forbidden("stopped"))
                } else {
                    Ok(())
                }
            }
        });
    let (_server, mut peer) = start(Contracts::new("t", "1").with(contract)).await;
    assert_eq!(
        text(&call(&mut peer, &["Which"]).await),
        (200, "Which".to_owned())
    );
    // Before the arguments: they would be refused as well.
    assert_eq!(
        text(&call(&mut peer, &["Stop", "x"]).await),
        (403, "stopped".to_owned())
    );
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

async fn add_one(_: TransactionContext, n: u8) -> Result<u16, ContractError> {
    Ok(u16::from(n) + 1)
}

#[tokio::test]
async fn own_organisation_functions_refuse_everybody_else() {
    let contract = Contract::new("own").with(Function::evaluate("Secret", ["n"], add_one).own_org());
    let (_server, mut peer) = start(Contracts::new("t", "1").with(contract)).await;
    let ca = Authority::new("ca");
    let args = || vec![b"Secret".to_vec(), b"1".to_vec()];

    let own = proposal(&ca.creator("Org1MSP", &[], None), &[]);
    peer.invoke_as(Type::Transaction, "tx", args(), Some(own)).await;
    assert_eq!(text(&peer.completed("tx").await), (200, "2".to_owned()));

    let other = proposal(&ca.creator("Org2MSP", &[], None), &[]);
    for args in [args(), vec![b"Secret".to_vec(), b"not a number".to_vec()]] {
        peer.invoke_as(Type::Transaction, "tx", args, Some(other.clone()))
            .await;
        let (status, message) = text(&peer.completed("tx").await);
        assert_eq!(status, 403);
        assert!(
            message.starts_with("caller of Org2MSP refused: only clients of Org1MSP"),
            "{message}"
        );
    }
    peer.invoke_as(Type::Transaction, "tx", args(), None).await;
    assert_eq!(peer.completed("tx").await.status, 500);
}

#[tokio::test]
async fn a_chaincode_with_own_organisation_functions_needs_to_know_its_own() {
    let contracts = || {
        let contract = Contract::new("own").with(Function::evaluate("Secret", ["n"], add_one).own_org());
        Contracts::new("t", "1").with(contract)
    };
    let error = ChaincodeServer::new(ServerConfig::new("id", "127.0.0.1:0"), contracts())
        .err()
        .unwrap();
    assert_eq!(error.to_string(), "CORE_PEER_LOCALMSPID is not set");
    assert!(ChaincodeServer::new(config(), contracts()).is_ok());
}

#[tokio::test]
async fn metadata_names_contracts_functions_and_parameters() {
    let (_server, mut peer) = start(contracts()).await;
    let response = call(&mut peer, &["org.hyperledger.fabric:GetMetadata"]).await;
    let metadata: Value = serde_json::from_slice(&response.payload).unwrap();
    assert_eq!(metadata["info"], json!({"title": "sales", "version": "0.1"}));
    let sale = &metadata["contracts"]["sale"];
    assert_eq!(sale["default"], true);
    let add = json!({
        "name": "Add",
        "tag": ["submit", "SUBMIT"],
        "parameters": [
            {"name": "a", "schema": {"type": "integer", "format": "uint64", "minimum": 0}},
            {"name": "b", "schema": {"type": "integer", "format": "uint64", "minimum": 0}},
        ],
    });
    assert_eq!(sale["transactions"][0], add);
    assert_eq!(sale["transactions"][2]["tag"][0], "evaluate");
    let step = &sale["transactions"][2]["parameters"][0];
    assert_eq!(
        *step,
        json!({"name": "step", "schema": {"$ref": "#/components/schemas/Step"}})
    );
    assert_eq!(
        sale["transactions"][2]["returns"],
        json!({"$ref": "#/components/schemas/Step"})
    );
    assert_eq!(
        metadata["components"]["schemas"]["Step"]["properties"]["price"]["maximum"],
        1000
    );
    assert_eq!(metadata["components"]["schemas"]["Step"]["$id"], "Step");
    assert_eq!(sale["transactions"][2]["parameters"][1]["name"], "times");
    assert!(metadata["contracts"]["token"].get("default").is_none());
    let system = &metadata["contracts"]["org.hyperledger.fabric"];
    assert_eq!(system["transactions"][0]["name"], "GetMetadata");
}

#[tokio::test]
async fn arguments_are_checked_against_their_schema() {
    let (_server, mut peer) = start(contracts()).await;
    let cases = [
        (
            r#"{"price": 1001}"#,
            "(at price: a number of at most 1000 is allowed)",
        ),
        (
            r#"{"price": -1}"#,
            "(at price: a number of at least 0 is allowed)",
        ),
        (r#"{"price": "1"}"#, r#"(at price: type "integer" is allowed)"#),
        ("{}", r#"(an object with "price" is allowed)"#),
        ("[1]", r#"(an object with "price" is allowed)"#),
    ];
    for (step, reason) in cases {
        let (status, message) = text(&call(&mut peer, &["Double", step, ""]).await);
        assert_eq!(status, 400);
        assert!(
            message.starts_with("argument \"step\" is ") && message.ends_with(reason),
            "{message}"
        );
    }
}

#[tokio::test]
async fn an_answer_other_than_the_metadata_says_is_an_error() {
    let (_server, mut peer) = start(contracts()).await;
    let response = call(&mut peer, &["Double", r#"{"price": 600}"#, ""]).await;
    let expected = "the answer of Double is not as described: at price: a number of at most 1000 is allowed";
    assert_eq!(text(&response), (500, expected.to_owned()));
    let contract = Contract::new("t")
        .with(Function::evaluate("Text", [], which).returns::<String>())
        .with(Function::evaluate("Wrong", [], which).returns::<u8>());
    let (_server, mut peer) = start(Contracts::new("t", "1").with(contract)).await;
    assert_eq!(text(&call(&mut peer, &["Text"]).await), (200, "Text".to_owned()));
    assert_eq!(call(&mut peer, &["Wrong"]).await.status, 500);
}

#[test]
#[should_panic(expected = r#"Take: values are not checked for "pattern", which a schema asks for"#)]
fn a_schema_that_nobody_would_check_is_refused_at_the_start() {
    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code, reason = "only its schema matters")]
    struct Named {
        #[schemars(regex(pattern = r"^a+$"))]
        name: String,
    }
    async fn take(_: TransactionContext, _: Json<Named>) -> Result<(), ContractError> {
        Ok(())
    }
    let _ = Contract::new("t").submit("Take", ["named"], take);
}

#[tokio::test]
async fn the_after_hook_sees_the_answer_and_can_refuse() {
    let contract = Contract::new("sale")
        .evaluate("AddOne", ["n"], add_one)
        .submit("Close", ["id"], close)
        .before(|ctx: TransactionContext| async move {
            assert!(ctx.attach(7_u32).is_none());
            assert_eq!(ctx.attach(8_u32).as_deref(), Some(&7));
            Ok::<_, ContractError>(())
        })
        .after(|ctx: TransactionContext, answer: Arc<[u8]>| async move {
            assert_eq!(ctx.attachment::<u32>().as_deref(), Some(&8));
            assert_eq!(ctx.attachment::<String>(), None);
            match &*answer {
                b"13" => Err(ContractError::forbidden(format!("{} said 13", ctx.function()))),
                b"" => Err(ContractError::internal("after a refusal")),
                _ => Ok(()),
            }
        });
    let (_server, mut peer) = start(Contracts::new("t", "1").with(contract)).await;
    assert_eq!(
        text(&call(&mut peer, &["AddOne", "1"]).await),
        (200, "2".to_owned())
    );
    assert_eq!(
        text(&call(&mut peer, &["AddOne", "12"]).await),
        (403, "AddOne said 13".to_owned())
    );
    // Not after a refusal.
    assert_eq!(
        text(&call(&mut peer, &["Close", "l1"]).await),
        (409, "listing l1 is closed".to_owned())
    );
}

#[tokio::test]
async fn the_unknown_hook_answers_for_functions_that_are_not_there() {
    let contract = Contract::new("sale")
        .submit("Close", ["id"], close)
        .before(|ctx: TransactionContext| async move {
            if ctx.function() == "Stop" {
                return Err(ContractError::forbidden("stopped"));
            }
            Ok(())
        })
        .unknown(|ctx: TransactionContext| async move {
            let args = ctx.stub().get_args().len();
            Ok::<_, ContractError>(format!("{} with {}", ctx.function(), args - 1))
        });
    let (_server, mut peer) = start(Contracts::new("t", "1").with(contract)).await;
    assert_eq!(
        text(&call(&mut peer, &["buy", "1", "2"]).await),
        (200, "buy with 2".to_owned())
    );
    assert_eq!(
        text(&call(&mut peer, &["sale:Sell"]).await),
        (200, "Sell with 0".to_owned())
    );
    assert_eq!(
        text(&call(&mut peer, &["Stop"]).await),
        (403, "stopped".to_owned())
    );
    assert_eq!(
        text(&call(&mut peer, &["Close", "l2"]).await),
        (200, String::new())
    );
    assert_eq!(call(&mut peer, &["token:Sell"]).await.status, 404);
}

#[tokio::test]
async fn raw_bytes_go_in_and_out_as_they_are() {
    async fn reverse(_: TransactionContext, Raw(mut bytes): Raw) -> Result<Raw, ContractError> {
        bytes.reverse();
        Ok(Raw(bytes))
    }
    let contract = Contract::new("t").evaluate("Reverse", ["bytes"], reverse);
    let (_server, mut peer) = start(Contracts::new("t", "1").with(contract)).await;
    let args = vec![b"Reverse".to_vec(), b"\xff\0\x01".to_vec()];
    peer.invoke_as(Type::Transaction, "tx", args, None).await;
    assert_eq!(peer.completed("tx").await.payload, b"\x01\0\xff");
}

#[tokio::test]
async fn metadata_of_ones_own_takes_the_place_of_the_generated() {
    let own = json!({"info": {"title": "mine"}, "contracts": {}});
    let (_server, mut peer) = start(contracts().with_metadata(own.clone())).await;
    let response = call(&mut peer, &["org.hyperledger.fabric:GetMetadata"]).await;
    assert_eq!(serde_json::from_slice::<Value>(&response.payload).unwrap(), own);
}

#[test]
#[should_panic(expected = "contract \"sums\": there are two functions named \"Add\"")]
fn two_functions_of_a_name_do_not_start() {
    let _ = Contract::new("sums")
        .evaluate("Add", ["a", "b"], add)
        .submit("Add", ["a", "b"], add);
}

#[test]
#[should_panic(expected = "a function is named \"a:b\"")]
fn a_function_that_nobody_could_call_does_not_start() {
    let _ = Contract::new("sums").evaluate("a:b", ["a", "b"], add);
}

#[test]
#[should_panic(expected = "there are two contracts named \"sums\"")]
fn two_contracts_of_a_name_do_not_start() {
    let _ = Contracts::new("t", "1")
        .with(Contract::new("sums"))
        .with(Contract::new("sums"));
}
