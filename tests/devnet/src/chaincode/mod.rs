//! The peer's side of the chaincode protocol: coming to a chaincode, by dialling its server or by being dialled, and serving its requests
//! (Fabric's `core/chaincode`, `core/container/externalbuilder`).

mod access;
mod context;
mod dial;
mod handler;
mod program;
mod queries;
mod runtime;
mod stream;

pub(crate) use access::Access;
pub(crate) use context::{Invoker, Settings, SharedSimulator, TransactionContext};
pub(crate) use runtime::{ChaincodeRuntime, Listener, Package};
pub(crate) use stream::{Link, OUTGOING, registration};
