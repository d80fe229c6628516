//! The chaincode under test: a contract for each group of features, beside the step contract, which is the default one.

use std::sync::Arc;

use chaincode_shim::{
    Contract, ContractError, Contracts, Error, Function, Json, JsonSchema, KeyEndorsementPolicy as Policy,
    Raw, TransactionContext,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use step_chaincode::Gates;

#[derive(Serialize, Deserialize, JsonSchema)]
struct Lot {
    #[schemars(range(min = 1, max = 1000))]
    price: u64,
    #[schemars(length(min = 1, max = 8))]
    symbol: String,
}

/// A contract's own error.
struct Closed(String);

impl From<Closed> for ContractError {
    fn from(Closed(id): Closed) -> Self {
        Self::conflict(format!("listing {id} is closed"))
    }
}

async fn close(ctx: TransactionContext, id: String) -> Result<(), ContractError> {
    if ctx.stub().get_state(&id).await?.is_some() {
        return Err(Closed(id).into());
    }
    Ok(ctx.stub().put_state(&id, b"closed".to_vec()).await?)
}

async fn add(_: TransactionContext, a: u64, b: u64) -> Result<u64, ContractError> {
    a.checked_add(b)
        .ok_or_else(|| ContractError::bad_request("the sum is too large"))
}

async fn double(
    _: TransactionContext,
    Json(lot): Json<Lot>,
    times: Option<u32>,
) -> Result<Lot, ContractError> {
    let price = lot.price * 2 * u64::from(times.unwrap_or(1));
    Ok(Lot { price, ..lot })
}

async fn reverse(_: TransactionContext, Raw(mut bytes): Raw) -> Result<Raw, ContractError> {
    bytes.reverse();
    Ok(Raw(bytes))
}

async fn which(ctx: TransactionContext) -> Result<String, ContractError> {
    Ok(ctx.function().to_owned())
}

/// Typed arguments and answers, tags, and one function for the own organisation's clients alone.
fn sale() -> Contract {
    Contract::new("sale")
        .submit("Close", ["id"], close)
        .with(Function::evaluate("Add", ["a", "b"], add).returns::<u64>())
        .with(Function::evaluate("Double", ["lot", "times"], double).returns::<Lot>())
        .evaluate("Reverse", ["bytes"], reverse)
        .evaluate("Which", [], which)
        .with(Function::evaluate("Own", [], which).own_org())
}

/// What the hook before a function hands to it.
struct Visitor(String);

async fn visit(ctx: TransactionContext, place: String) -> Result<String, ContractError> {
    let visitor = ctx.attachment::<Visitor>();
    let visitor = visitor.ok_or_else(|| ContractError::internal("the hook did not run"))?;
    Ok(format!("{} at {place}", visitor.0))
}

/// Hooks around a function; what they write counts with the transaction.
fn guarded() -> Contract {
    Contract::new("guarded")
        .submit("Visit", ["place"], visit)
        .before(|ctx: TransactionContext| async move {
            if ctx.function() == "Stop" {
                return Err(ContractError::forbidden("stopped before it began"));
            }
            let visitor = ctx.client_identity()?.msp_id().to_owned();
            ctx.stub()
                .put_state("before", visitor.clone().into_bytes())
                .await?;
            ctx.attach(Visitor(visitor));
            Ok(())
        })
        .after(|ctx: TransactionContext, answer: Arc<[u8]>| async move {
            if answer.ends_with(b"nowhere") {
                return Err(ContractError::forbidden("stopped after it ended"));
            }
            Ok(ctx.stub().put_state("after", answer.to_vec()).await?)
        })
        .unknown(|ctx: TransactionContext| async move {
            let arguments = ctx.stub().get_args().len() - 1;
            Ok::<_, ContractError>(format!("{} with {arguments}", ctx.function()))
        })
}

async fn who(ctx: TransactionContext) -> Result<Value, ContractError> {
    let client = ctx.client_identity()?;
    Ok(json!({
        "id": client.id()?,
        "msp": client.msp_id(),
        "attributes": client.attributes(),
        "units": client.organizational_units(),
        "role": client.node_role().map(|role| format!("{role:?}")),
        "certificate": client.certificate().map(hex::encode),
    }))
}

async fn assert_attribute(ctx: TransactionContext, name: String, value: String) -> Result<(), ContractError> {
    Ok(ctx.client_identity()?.assert_attribute(&name, &value)?)
}

/// Who calls.
fn caller() -> Contract {
    Contract::new("caller")
        .evaluate("Who", [], who)
        .evaluate("Assert", ["name", "value"], assert_attribute)
}

/// Four calls to the peer at once.
async fn together(
    ctx: TransactionContext,
    a: String,
    b: String,
) -> Result<Vec<Option<Vec<u8>>>, ContractError> {
    let stub = ctx.stub();
    let all = tokio::join!(
        stub.get_state(&a),
        stub.get_state(&b),
        stub.get_state(&a),
        stub.get_state(&b)
    );
    Ok(vec![all.0?, all.1?, all.2?, all.3?])
}

/// What calls of the stub fail with, by what a contract can tell apart.
async fn failures(ctx: TransactionContext) -> Result<Vec<String>, ContractError> {
    let stub = ctx.stub();
    let told = |error: Option<Error>| match error {
        None => "no error".to_owned(),
        Some(Error::Peer { request, message }) => format!("{request} refused: {message}"),
        Some(error @ (Error::EmptyKey | Error::TooLarge { .. } | Error::SimpleKeyExpected { .. })) => {
            error.to_string()
        }
        Some(error) => format!("another: {error:?}"),
    };
    let too_large = vec![0; 101 * 1024 * 1024];
    Ok(vec![
        told(stub.get_query_result("{}").await.err()),
        told(stub.get_private_data("nobodys", "k").await.err()),
        told(stub.put_state("", b"v".to_vec()).await.err()),
        told(stub.put_state("k", too_large).await.err()),
        told(stub.get_state_by_range("\0a", "").await.err()),
    ])
}

/// As many bytes as are asked for.
async fn make(_: TransactionContext, bytes: u32) -> Result<Raw, ContractError> {
    Ok(Raw(vec![b'x'; usize::try_from(bytes).unwrap_or_default()]))
}

/// Writes so many bytes.
async fn keep(ctx: TransactionContext, key: String, bytes: u32) -> Result<(), ContractError> {
    let value = vec![b'v'; usize::try_from(bytes).unwrap_or_default()];
    Ok(ctx.stub().put_state(&key, value).await?)
}

/// The length of a value.
async fn measure(ctx: TransactionContext, key: String) -> Result<usize, ContractError> {
    Ok(ctx.stub().get_state(&key).await?.map_or(0, |value| value.len()))
}

/// How many keys a range has: by one query of the peer, and by all that it takes.
async fn count(ctx: TransactionContext, start: String, end: String) -> Result<Vec<usize>, ContractError> {
    let stub = ctx.stub();
    let once = stub.get_state_by_range(&start, &end).await?.collect().await?;
    let all = stub.range_all(&start, &end)?.collect().await?;
    Ok(vec![once.len(), all.len()])
}

/// Calls to the peer.
fn calls() -> Contract {
    Contract::new("calls")
        .evaluate("Together", ["a", "b"], together)
        .evaluate("Failures", [], failures)
        .evaluate("Make", ["bytes"], make)
        .submit("Keep", ["key", "bytes"], keep)
        .evaluate("Measure", ["key"], measure)
        .evaluate("Count", ["start", "end"], count)
}

/// A key that so many of these organisations' peers endorse.
async fn protect(
    ctx: TransactionContext,
    key: String,
    n: u32,
    organisations: Vec<String>,
) -> Result<(), ContractError> {
    let policy = Policy::n_of(
        usize::try_from(n).unwrap_or_default(),
        organisations.into_iter().map(Policy::peer),
    );
    ctx.stub().put_state(&key, b"protected".to_vec()).await?;
    Ok(ctx
        .stub()
        .set_state_validation_parameter(&key, policy.encode()?)
        .await?)
}

fn policies() -> Contract {
    Contract::new("policies").submit("Protect", ["key", "n", "organisations"], protect)
}

pub(crate) fn contracts(gates: Gates) -> Contracts {
    step_chaincode::contracts(gates)
        .with(sale())
        .with(guarded())
        .with(caller())
        .with(calls())
        .with(policies())
}
