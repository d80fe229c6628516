//! What the chaincode can be told, and doing it.

use chaincode_shim::{
    Contract, ContractError, Contracts, Json, JsonSchema, KeyEndorsementPolicy, TransactionContext, success,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Gates;

/// One thing for the chaincode to do. Each adds one element to the array that the call returns.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub enum Step {
    /// Key and value.
    Put(String, String),
    /// A key's value, or null.
    Get(String),
    /// Several at once.
    GetMany(Vec<String>),
    /// A key.
    Delete(String),
    /// The keys from the first up to but without the second.
    Range(String, String),
    /// Without asking again at the peer's limit; gives how many there were.
    Count(String, String),
    /// All composite keys of an object type, beyond the peer's limit; gives how many there are.
    CountAll(String),
    /// All composite keys of an object type, beyond the peer's limit, each with its value.
    All(String),
    /// As [`Step::Range`], a page of a size after a bookmark: gives the keys and the next bookmark.
    Page(String, String, i32, String),
    /// The keys of what a query of CouchDB's finds.
    Rich(String),
    /// Collection, and the same.
    PrivateRich(String, String),
    /// A key's changes, each with whether it was a deletion.
    History(String),
    /// So many keys with this prefix.
    PutMany(String, usize),
    /// Collection, key and value.
    PutPrivate(String, String, String),
    /// Collection and key; the value is the transient field of this name.
    PutTransient(String, String, String),
    /// Collection and key.
    GetPrivate(String, String),
    /// Several at once.
    GetPrivateMany(String, Vec<String>),
    /// Collection and key.
    DeletePrivate(String, String),
    /// Collection and key.
    Purge(String, String),
    /// Collection and key; gives the hash of the value, or null.
    PrivateHash(String, String),
    /// Collection, and as [`Step::Range`].
    PrivateRange(String, String, String),
    /// Collection and object type: all its composite keys, each with its value as hexadecimal digits.
    AllPrivate(String, String),
    /// Reads from the implicit collection of whichever organisation runs this.
    GetOwnPrivate(String),
    /// Peers of all these organisations must endorse the key from now on.
    SetPolicy(String, Vec<String>),
    /// The same for a collection's key.
    SetPrivatePolicy(String, String, Vec<String>),
    /// A key's own endorsement policy as hexadecimal digits, or null.
    GetPolicy(String),
    /// Name and payload.
    Event(String, String),
    /// Another chaincode of the channel, and what it is to do.
    Invoke(String, Vec<Step>),
    /// The same on another channel.
    InvokeOn(String, String, Vec<Step>),
    /// Says that it is here and waits until the test opens the gate.
    Gate(String),
    /// Refuses with this status and message.
    Fail(i32, String),
    /// As a programming error would.
    Panic,
    /// The organisation that runs this: different at each endorser.
    Whoami,
    /// The proposal's timestamp.
    Timestamp,
}

/// The contract, for a chaincode server.
#[must_use]
pub fn contracts(gates: Gates) -> Contracts {
    let run = move |context: TransactionContext, steps: Json<Vec<Step>>| {
        let gates = gates.clone();
        async move {
            let mut results = Vec::new();
            for step in steps.0 {
                let result = perform(&context, &gates, step).await;
                results.push(result.inspect_err(|error| gates.record(error.message()))?);
            }
            Ok::<Value, ContractError>(Value::Array(results))
        }
    };
    Contracts::new("steps", "1.0").with(Contract::new("steps").submit("Run", ["steps"], run))
}

fn text(value: Option<Vec<u8>>) -> Value {
    value.map_or(Value::Null, |value| {
        Value::String(String::from_utf8_lossy(&value).into_owned())
    })
}

fn all_peers(organisations: Vec<String>) -> Result<Vec<u8>, ContractError> {
    let peers = organisations.into_iter().map(KeyEndorsementPolicy::peer);
    Ok(KeyEndorsementPolicy::and(peers).encode()?)
}

async fn perform(context: &TransactionContext, gates: &Gates, step: Step) -> Result<Value, ContractError> {
    let stub = context.stub();
    let keys = |found: Vec<chaincode_shim::Kv>| {
        let keys = found.into_iter().map(|kv| Value::String(kv.key));
        Value::Array(keys.collect())
    };
    Ok(match step {
        Step::Put(key, value) => {
            stub.put_state(&key, value.into_bytes()).await?;
            Value::Null
        }
        Step::Get(key) => text(stub.get_state(&key).await?),
        Step::GetMany(keys) => stub
            .get_multiple_states(&keys)
            .await?
            .into_iter()
            .map(text)
            .collect(),
        Step::Delete(key) => {
            stub.del_state(&key).await?;
            Value::Null
        }
        Step::Range(start, end) => keys(stub.get_state_by_range(&start, &end).await?.collect().await?),
        Step::Count(start, end) => {
            json!(
                stub.get_state_by_range(&start, &end)
                    .await?
                    .collect()
                    .await?
                    .len()
            )
        }
        Step::CountAll(object_type) => {
            let all = stub.range_all_by_partial_composite_key::<&str>(&object_type, &[])?;
            json!(all.collect().await?.len())
        }
        Step::All(object_type) => {
            let all = stub.range_all_by_partial_composite_key::<&str>(&object_type, &[])?;
            let all = all.collect().await?.into_iter();
            all.map(|kv| json!([kv.key, text(Some(kv.value))])).collect()
        }
        Step::Page(start, end, size, bookmark) => {
            let page = stub
                .get_state_by_range_with_pagination(&start, &end, size, &bookmark)
                .await?;
            json!([keys(page.results), page.bookmark])
        }
        Step::Rich(query) => keys(stub.get_query_result(&query).await?.collect().await?),
        Step::PrivateRich(collection, query) => keys(
            stub.get_private_data_query_result(&collection, &query)
                .await?
                .collect()
                .await?,
        ),
        Step::History(key) => {
            let changes = stub.get_history_for_key(&key).await?.collect().await?;
            let change = |change: chaincode_shim::KeyModification| {
                json!([String::from_utf8_lossy(&change.value), change.is_delete])
            };
            changes.into_iter().map(change).collect()
        }
        Step::PutMany(prefix, count) => {
            for n in 0..count {
                stub.put_state(&format!("{prefix}{n:06}"), b"x".to_vec()).await?;
            }
            Value::Null
        }
        Step::PutPrivate(collection, key, value) => {
            stub.put_private_data(&collection, &key, value.into_bytes())
                .await?;
            Value::Null
        }
        Step::PutTransient(collection, key, name) => {
            let value = stub.get_transient().get(&name).cloned();
            let value = value.ok_or_else(|| ContractError::bad_request(format!("no transient {name}")))?;
            stub.put_private_data(&collection, &key, value).await?;
            Value::Null
        }
        Step::GetPrivate(collection, key) => text(stub.get_private_data(&collection, &key).await?),
        Step::GetPrivateMany(collection, keys) => {
            let values = stub.get_multiple_private_data(&collection, &keys).await?;
            values.into_iter().map(text).collect()
        }
        Step::DeletePrivate(collection, key) => {
            stub.del_private_data(&collection, &key).await?;
            Value::Null
        }
        Step::Purge(collection, key) => {
            stub.purge_private_data(&collection, &key).await?;
            Value::Null
        }
        Step::PrivateHash(collection, key) => stub
            .get_private_data_hash(&collection, &key)
            .await?
            .map_or(Value::Null, |hash| json!(hex::encode(hash))),
        Step::PrivateRange(collection, start, end) => keys(
            stub.get_private_data_by_range(&collection, &start, &end)
                .await?
                .collect()
                .await?,
        ),
        Step::AllPrivate(collection, object_type) => {
            let all =
                stub.private_range_all_by_partial_composite_key::<&str>(&collection, &object_type, &[])?;
            let all = all.collect().await?.into_iter();
            all.map(|kv| json!([kv.key, hex::encode(kv.value)])).collect()
        }
        Step::GetOwnPrivate(key) => {
            let collection = format!("_implicit_org_{}", stub.get_mspid()?);
            stub.get_private_data(&collection, &key).await?;
            Value::Null
        }
        Step::SetPolicy(key, organisations) => {
            stub.set_state_validation_parameter(&key, all_peers(organisations)?)
                .await?;
            Value::Null
        }
        Step::SetPrivatePolicy(collection, key, organisations) => {
            stub.set_private_data_validation_parameter(&collection, &key, all_peers(organisations)?)
                .await?;
            Value::Null
        }
        Step::GetPolicy(key) => stub
            .get_state_validation_parameter(&key)
            .await?
            .map_or(Value::Null, |policy| json!(hex::encode(policy))),
        Step::Event(name, payload) => {
            stub.set_event(&name, payload.into_bytes())?;
            Value::Null
        }
        Step::Invoke(chaincode, steps) => invoke(context, &chaincode, "", &steps).await?,
        Step::InvokeOn(channel, chaincode, steps) => invoke(context, &chaincode, &channel, &steps).await?,
        Step::Gate(name) => {
            gates.wait_at(&name).await;
            Value::Null
        }
        Step::Fail(status, message) => return Err(ContractError::new(status, message)),
        Step::Panic => panic!("as told"),
        Step::Whoami => json!(stub.get_mspid()?),
        Step::Timestamp => json!(stub.get_tx_timestamp()?.seconds),
    })
}

async fn invoke(
    context: &TransactionContext,
    chaincode: &str,
    channel: &str,
    steps: &[Step],
) -> Result<Value, ContractError> {
    let steps = serde_json::to_vec(steps).map_err(|error| ContractError::internal(error.to_string()))?;
    let response = context
        .stub()
        .invoke_chaincode(chaincode, vec![b"Run".to_vec(), steps], channel)
        .await?;
    if response.status == success(Vec::new()).status {
        Ok(serde_json::from_slice(&response.payload).unwrap_or(Value::Null))
    } else {
        Err(ContractError::new(response.status, response.message))
    }
}
