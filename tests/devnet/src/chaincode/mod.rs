//! The peer's side of the chaincode protocol: dialling a chaincode server and serving its requests
//! (Fabric's `core/chaincode`, `core/container/externalbuilder`).

mod context;
mod dial;
mod handler;
mod queries;
mod runtime;
mod stream;

pub(crate) use context::{Invoker, Settings, SharedSimulator, TransactionContext};
pub(crate) use runtime::ChaincodeRuntime;
