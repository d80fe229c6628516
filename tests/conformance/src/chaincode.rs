//! The chaincode that does what a call of the script says.

use chaincode_shim::{Answer, Chaincode, ChaincodeStub, Error, Response, refusal, success};
use serde_json::{Value, json};

use crate::method::{Arguments, perform};

/// Runs the methods of its second argument one after another, and answers with what each gave.
#[derive(Debug, Clone, Copy, Default)]
pub struct ScriptedChaincode;

impl Chaincode for ScriptedChaincode {
    fn invoke(&self, stub: ChaincodeStub) -> Answer<'_> {
        Box::pin(run(stub))
    }
}

async fn run(stub: ChaincodeStub) -> Response {
    let ops = stub.get_args().get(1).map(|ops| serde_json::from_slice(ops));
    let ops: Vec<Vec<Value>> = match ops {
        Some(Ok(ops)) => ops,
        Some(Err(error)) => return refusal(500, error.to_string()),
        None => return refusal(500, "a script is expected"),
    };
    let mut results = Vec::new();
    for op in ops {
        let arguments = Arguments(&op);
        let method = arguments.text(0);
        if method == "Return" {
            return Response {
                status: arguments.number(1),
                message: arguments.text(2).to_owned(),
                payload: arguments.text(3).as_bytes().to_vec(),
            };
        }
        let result = perform(&stub, method.trim_start_matches('!'), arguments).await;
        results.push(if method.starts_with('!') {
            json!(if result.is_err() { "refused" } else { "accepted" })
        } else {
            result.unwrap_or_else(|error| json!({"error": text(&error).replace(stub.get_tx_id(), "TX")}))
        });
    }
    success(Value::Array(results).to_string().into_bytes())
}

/// The peer's own words, as Go's shim gives them.
fn text(error: &Error) -> String {
    match error {
        Error::Peer { message, .. } => message.clone(),
        other => other.to_string(),
    }
}
