//! A chaincode that does what each call tells it, step by step.

use chaincode_shim::{
    Contract, ContractError, Contracts, Json, KeyEndorsementPolicy, TransactionContext, success,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tokio::sync::watch;

/// One thing for the chaincode to do. Each adds one element to the array that the call returns.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Step {
    Put(String, String),
    Get(String),
    GetMany(Vec<String>),
    Delete(String),
    Range(String, String),
    /// Without asking again at the peer's limit; gives how many there were.
    Count(String, String),
    Page(String, String, i32, String),
    History(String),
    /// So many keys with this prefix.
    PutMany(String, usize),
    PutPrivate(String, String, String),
    /// The value is the transient field of this name.
    PutTransient(String, String, String),
    GetPrivate(String, String),
    GetPrivateMany(String, Vec<String>),
    DeletePrivate(String, String),
    Purge(String, String),
    PrivateHash(String, String),
    PrivateRange(String, String, String),
    /// Reads from the implicit collection of whichever organisation runs this.
    GetOwnPrivate(String),
    /// Peers of all these organisations must endorse the key from now on.
    SetPolicy(String, Vec<String>),
    SetPrivatePolicy(String, String, Vec<String>),
    Event(String, String),
    Invoke(String, Vec<Step>),
    InvokeOn(String, String, Vec<Step>),
    /// Says that it is here and waits until the test opens the gate.
    Gate(String),
    Fail(i32, String),
    Panic,
    /// The organisation that runs this: different at each endorser.
    Whoami,
    /// The proposal's timestamp.
    Timestamp,
}

/// Gates at which calls wait for the test. A gate counts who has arrived.
#[derive(Clone, Default)]
pub struct Gates {
    gates: Arc<Mutex<BTreeMap<String, Gate>>>,
    /// What calls failed with, whether or not somebody still waits for their answers.
    failures: watch::Sender<Vec<String>>,
}

#[derive(Clone)]
struct Gate {
    arrived: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Gates {
    fn gate(&self, name: &str) -> Gate {
        let new = || Gate {
            arrived: watch::Sender::new(0),
            open: watch::Sender::new(false),
        };
        self.gates
            .lock()
            .unwrap()
            .entry(name.to_owned())
            .or_insert_with(new)
            .clone()
    }

    fn record(&self, failure: &str) {
        self.failures
            .send_modify(|failures| failures.push(failure.to_owned()));
    }

    /// Waits until a call has failed with a text that contains this.
    pub async fn failed(&self, text: &str) {
        let mut failures = self.failures.subscribe();
        let seen = failures.wait_for(|failures| failures.iter().any(|failure| failure.contains(text)));
        super::soon(seen).await.unwrap();
    }

    async fn wait_at(&self, name: &str) {
        let gate = self.gate(name);
        gate.arrived.send_modify(|count| *count += 1);
        gate.open.subscribe().wait_for(|open| *open).await.unwrap();
    }

    /// Waits until so many calls have arrived.
    pub async fn arrived(&self, name: &str, count: usize) {
        let mut arrived = self.gate(name).arrived.subscribe();
        super::soon(arrived.wait_for(|arrived| *arrived >= count))
            .await
            .unwrap();
    }

    pub fn open(&self, name: &str) {
        self.gate(name).open.send_replace(true);
    }
}

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
        Step::Page(start, end, size, bookmark) => {
            let page = stub
                .get_state_by_range_with_pagination(&start, &end, size, &bookmark)
                .await?;
            json!([keys(page.results), page.bookmark])
        }
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
