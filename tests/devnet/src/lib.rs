//! A stand-in for a Fabric network in one process, for tests and for machines without Fabric.
//!
//! A [`Network`] has a channel, organisations with a peer each, an ordering service and chaincode definitions. Its peers dial
//! chaincode servers (chaincode as a service) or are dialled by chaincodes, as Fabric's do, and serve Fabric's Gateway, all over real
//! sockets, so that official SDKs, chaincode shims and this crate's own [`client::Client`] work with it unchanged.
//!
//! ```text
//!  client ──Gateway──> peer ──Chaincode/Connect──> chaincode server
//!                        │ endorsed transactions
//!                        v
//!                     orderer ──blocks──> every peer: endorsements, private data, MVCC, state
//! ```
//!
//! What it keeps from Fabric: versioned state and read-write sets with phantom detection, private data collections with their
//! dissemination, chaincode, collection and key-level endorsement policies, X.509 identities with NodeOUs and checked signatures,
//! validation codes, events, CouchDB's rich queries, and the commit lock that a running simulation holds. What it leaves out: gossip, Raft, channel
//! configuration transactions, the lifecycle's own transactions (definitions are committed by [`Network::define_chaincode`]), block
//! delivery services.

mod causes;
mod chaincode;
mod channel;
pub mod client;
pub mod config;
pub mod duration;
mod gateway;
pub mod identity;
mod ledger;
mod network;
mod orderer;
mod peer;
pub mod policy;
mod transaction;

pub use ledger::{CommittedBlock, StateEntry, TransactionRecord, Version};
pub use network::{GatewayAddress, Network, NetworkError, PeerView, generate_material};
