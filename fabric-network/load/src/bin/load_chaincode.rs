//! What the shims are compared with, on ours: the functions `Put KEY VALUE`, `Fill PREFIX COUNT VALUE` and `TenGets PREFIX`. Configured by
//! Fabric's usual environment variables.

use std::error::Error as StdError;

use chaincode_shim::{Answer, Chaincode, ChaincodeServer, ChaincodeStub, Error, Response, refusal, success};

struct Load;

impl Chaincode for Load {
    fn invoke(&self, stub: ChaincodeStub) -> Answer<'_> {
        Box::pin(async move { respond(&stub).await })
    }
}

async fn respond(stub: &ChaincodeStub) -> Response {
    match stub.get_function_and_parameters() {
        Ok(("Put", parameters)) => match parameters[..] {
            [key, value] => answer(stub.put_state(key, value.into()).await.map(|()| 0)),
            _ => refusal(400, "Put takes KEY and VALUE"),
        },
        Ok(("Fill", parameters)) => match parameters[..] {
            [prefix, count, value] => answer(fill(stub, prefix, count.parse().unwrap_or(0), value).await),
            _ => refusal(400, "Fill takes PREFIX, COUNT and VALUE"),
        },
        Ok(("TenGets", parameters)) => match parameters[..] {
            [prefix] => answer(ten_gets(stub, prefix).await),
            _ => refusal(400, "TenGets takes PREFIX"),
        },
        Ok((other, _)) => refusal(404, format!("there is no function {other}")),
        Err(error) => refusal(400, error.to_string()),
    }
}

fn answer(result: Result<usize, Error>) -> Response {
    match result {
        Ok(number) => success(number.to_string().into_bytes()),
        Err(error) => refusal(500, error.to_string()),
    }
}

fn key(prefix: &str, number: usize) -> String {
    format!("{prefix}{number:05}")
}

async fn fill(stub: &ChaincodeStub, prefix: &str, count: usize, value: &str) -> Result<usize, Error> {
    for number in 0..count {
        stub.put_state(&key(prefix, number), value.into()).await?;
    }
    Ok(count)
}

/// The values' lengths together.
async fn ten_gets(stub: &ChaincodeStub, prefix: &str) -> Result<usize, Error> {
    let mut total = 0;
    for number in 0..10 {
        total += stub
            .get_state(&key(prefix, number))
            .await?
            .map_or(0, |value| value.len());
    }
    Ok(total)
}

// Functions that wait for the peer and compute little are served by one thread at the least cost: no message changes threads.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn StdError>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    Ok(ChaincodeServer::from_env(Load)?.serve().await?)
}
