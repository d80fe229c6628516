//! The script.

use std::collections::BTreeMap;

use devnet::client::Call;
use serde::Deserialize;
use serde_json::{Value, json};

/// A call of the script: a transaction of one or more stub methods.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptedCall {
    /// What it is about.
    pub name: String,
    /// Arguments beside the list of methods.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Transient data.
    #[serde(default)]
    pub transient: BTreeMap<String, String>,
    /// Whether the transaction is committed, so that later calls see what it wrote.
    #[serde(default)]
    pub submit: bool,
    /// Who endorses; nobody named is whoever the policy asks for.
    #[serde(default)]
    pub organisations: Vec<String>,
    /// The methods, each with its arguments: `["PutState", "key", "value"]`. A name after `!` is to be refused by the shim itself.
    pub ops: Vec<Vec<Value>>,
}

impl ScriptedCall {
    /// The call as a client makes it on this channel.
    pub fn call(&self, chaincode: &str, channel: &str) -> Call {
        let ops = json!(self.ops).to_string().replace("CHANNEL", channel);
        let mut call = Call::new(chaincode, "Run").arg(ops);
        for argument in &self.arguments {
            call = call.arg(argument);
        }
        for (name, value) in &self.transient {
            call = call.transient(name, value);
        }
        let organisations: Vec<_> = self.organisations.iter().map(String::as_str).collect();
        call.organisations(&organisations)
    }
}

/// The script, `script.json`.
///
/// # Errors
/// If the file is not what it should be.
pub fn script() -> Result<Vec<ScriptedCall>, serde_json::Error> {
    serde_json::from_str(include_str!("../script.json"))
}

/// The calls for peers on CouchDB, `script-couchdb.json`: queries in its own language, and what differs there.
///
/// # Errors
/// If the file is not what it should be.
pub fn couchdb_script() -> Result<Vec<ScriptedCall>, serde_json::Error> {
    serde_json::from_str(include_str!("../script-couchdb.json"))
}

/// The calls for an Idemix caller, `script-idemix.json`.
///
/// # Errors
/// If the file is not what it should be.
pub fn idemix_script() -> Result<Vec<ScriptedCall>, serde_json::Error> {
    serde_json::from_str(include_str!("../script-idemix.json"))
}

/// The call by a client with attributes, `script-attributes.json`.
///
/// # Errors
/// If the file is not what it should be.
pub fn attributes_script() -> Result<Vec<ScriptedCall>, serde_json::Error> {
    serde_json::from_str(include_str!("../script-attributes.json"))
}
