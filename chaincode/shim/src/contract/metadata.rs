//! The metadata that tools ask every chaincode for.
//!
//! Form: `contract-schema.json` of fabric-chaincode-node, which Fabric's contract libraries share.

use serde_json::{Map, Value, json};

use super::{Contract, Contracts, Function, GET_METADATA, SYSTEM};

const SCHEMA: &str = "https://hyperledger.github.io/fabric-chaincode-node/main/api/contract-schema.json";

pub(super) fn of(chaincode: &Contracts) -> Value {
    let info = json!({"title": chaincode.title, "version": chaincode.version});
    let mut contracts = Map::new();
    for (index, contract) in chaincode.contracts.iter().enumerate() {
        let mut described = contract_metadata(contract, &info);
        if index == 0 {
            described["default"] = json!(true);
        }
        contracts.insert(contract.name.clone(), described);
    }
    let system = json!({
        "name": SYSTEM,
        "info": info,
        "transactions": [{
            "name": GET_METADATA,
            "tag": ["evaluate", "EVALUATE"],
            "parameters": [],
            "returns": {"type": "string"},
        }],
    });
    contracts.insert(SYSTEM.to_owned(), system);
    json!({"$schema": SCHEMA, "info": info, "contracts": contracts, "components": {"schemas": {}}})
}

fn contract_metadata(contract: &Contract, info: &Value) -> Value {
    let transactions: Vec<_> = contract.functions.values().map(transaction).collect();
    json!({"name": contract.name, "info": info, "transactions": transactions})
}

fn transaction(function: &Function) -> Value {
    let tag = if function.is_submit() {
        ["submit", "SUBMIT"]
    } else {
        ["evaluate", "EVALUATE"]
    };
    let parameters: Vec<_> = function
        .parameters()
        .iter()
        .map(|(name, schema)| json!({"name": name, "schema": schema}))
        .collect();
    json!({"name": function.name(), "tag": tag, "parameters": parameters})
}
