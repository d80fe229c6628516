//! Hyperledger Fabric's chaincode shim in Rust.
//!
//! A peer dials the [`ChaincodeServer`], which speaks `protos.Chaincode/Connect` (chaincode as a service), or the [`ChaincodeClient`]
//! dials a peer (development mode); [`start`] does what the environment says. Each transaction is a task of its own. A contract
//! function gets a [`TransactionContext`]; its [`ChaincodeStub`] has the methods of Fabric's other shims under the same names.
//! [`Contracts`] routes `Contract:Function` calls to async functions with typed arguments; [`ClientIdentity`] says who called;
//! [`KeyEndorsementPolicy`] makes a key's own endorsement policy.
//!
//! Arguments, transient data, state and answers are never logged.
#![doc = include_str!("../GUIDE.md")]

mod chaincode;
mod client;
mod composite_key;
mod contract;
mod error;
mod identity;
mod line;
mod metrics;
mod policy;
mod server;
mod session;
mod stub;

pub use fabric_protos::protos::SignedProposal;
pub use fabric_protos::queryresult::{KeyModification, Kv};
pub use prost_types::Timestamp;
pub use schemars::{self, JsonSchema};

pub use self::chaincode::{Answer, Chaincode, OK, Response, refusal, success};
pub use self::client::{ChaincodeClient, ClientConfig, ClientError, ClientTls, StartError, start};
pub use self::composite_key::{create_composite_key, split_composite_key};
pub use self::contract::{
    Contract, ContractError, Contracts, FromArgument, Function, Handler, IntoAnswer, Json, Raw,
    TransactionContext,
};
pub use self::error::Error;
pub use self::identity::{ClientIdentity, NodeRole};
pub use self::policy::{KeyEndorsementPolicy, RoleType};
#[cfg(feature = "flags")]
pub use self::server::Flags;
pub use self::server::{ChaincodeServer, ConfigError, Pem, ServerConfig, ServerError, TlsConfig, log_filter};
pub use self::stub::{ChaincodeStub, HistoryIterator, Page, RangeAll, StateIterator};
