//! The metadata that tools ask every chaincode for.
//!
//! Form: `contract-schema.json` of fabric-chaincode-node, which Fabric's contract libraries share.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::{Contract, Contracts, Function, GET_METADATA, SYSTEM, schema};

const SCHEMA: &str = "https://hyperledger.github.io/fabric-chaincode-node/main/api/contract-schema.json";

pub(super) fn of(chaincode: &Contracts) -> Value {
    let info = json!({"title": chaincode.title, "version": chaincode.version});
    // One generator for all, which tells types of the same name apart.
    let mut schemas = schema::generator();
    let mut contracts = Map::new();
    for (index, contract) in chaincode.contracts.iter().enumerate() {
        let mut described = contract_metadata(contract, &info, &mut schemas);
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
    let mut named = schemas.take_definitions(true);
    for (name, schema) in &mut named {
        // The contract schema asks for both.
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("$id".to_owned(), json!(name));
            schema.entry("properties").or_insert_with(|| json!({}));
        }
    }
    let components = json!({"schemas": named});
    json!({"$schema": SCHEMA, "info": info, "contracts": contracts, "components": components})
}

fn contract_metadata(contract: &Contract, info: &Value, schemas: &mut SchemaGenerator) -> Value {
    let transactions: Vec<_> = contract
        .functions
        .values()
        .map(|function| transaction(function, schemas))
        .collect();
    json!({"name": contract.name, "info": info, "transactions": transactions})
}

fn transaction(function: &Function, schemas: &mut SchemaGenerator) -> Value {
    let tag = if function.is_submit() {
        ["submit", "SUBMIT"]
    } else {
        ["evaluate", "EVALUATE"]
    };
    let parameters: Vec<_> = function
        .parameters(schemas)
        .into_iter()
        .map(|(name, schema)| json!({"name": name, "schema": schema}))
        .collect();
    let mut described = json!({"name": function.name(), "tag": tag, "parameters": parameters});
    if let Some(returns) = function.answer_schema(schemas) {
        described["returns"] = returns;
    }
    described
}
