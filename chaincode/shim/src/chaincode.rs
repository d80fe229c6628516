//! What a chaincode is to the server.

use std::future::Future;
use std::pin::Pin;

pub use fabric_protos::protos::Response;

use crate::ChaincodeStub;

/// Status of a call that went well. 400 and above is a refusal, which no peer endorses.
pub const OK: i32 = 200;

/// What a call answers, sooner or later.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Response> + Send + 'a>>;

/// A chaincode: what the server calls with each transaction. [`Contracts`](crate::Contracts) is one made of contracts with
/// named functions; implement this trait for anything else.
///
/// Functions run concurrently, one task a transaction. What they write must depend on ledger and arguments alone. They must
/// not wait long: while one runs, its peer commits no block.
pub trait Chaincode: Send + Sync + 'static {
    /// Runs a transaction.
    fn invoke(&self, stub: ChaincodeStub) -> Answer<'_>;

    /// Runs an initialisation. As in Fabric's contract libraries: nothing to do if no function is named, otherwise a call
    /// like any other.
    fn init(&self, stub: ChaincodeStub) -> Answer<'_> {
        if stub.get_args().iter().all(Vec::is_empty) {
            return Box::pin(std::future::ready(success(Vec::new())));
        }
        self.invoke(stub)
    }

    /// Whether some function asks which organisation this peer belongs to; a server without `CORE_PEER_LOCALMSPID` then
    /// refuses to start.
    fn needs_local_mspid(&self) -> bool {
        false
    }
}

/// An answer that a peer endorses.
pub fn success(payload: Vec<u8>) -> Response {
    Response {
        status: OK,
        message: String::new(),
        payload,
    }
}

/// A refusal; `status` is 400 or above.
pub fn refusal(status: i32, message: impl Into<String>) -> Response {
    Response {
        status,
        message: message.into(),
        payload: Vec::new(),
    }
}
