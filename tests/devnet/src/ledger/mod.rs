//! A peer's ledger: versioned state, simulation into read-write sets, and their validation and application
//! (Fabric's `core/ledger/kvledger`).

mod apply;
pub(crate) mod blocks;
mod couchdb;
mod mango;
mod mvcc;
mod private;
mod range;
mod rwset;
mod simulator;
mod state;

pub(crate) use apply::{BlockUpdates, CommittedTransaction};
pub use blocks::{CommittedBlock, TransactionRecord};
pub(crate) use mvcc::Validator;
pub(crate) use private::PrivateStore;
pub(crate) use range::QueryCursor;
pub(crate) use rwset::{PrivateWrite, PrivateWriteSets, ReadWriteSet, SimulationResults, TransactionWrites};
pub(crate) use simulator::{RichQuery, Simulator, VALIDATION_PARAMETER};
pub(crate) use state::{CollectionKey, LedgerState, hash};
pub use state::{StateEntry, Version};

#[cfg(test)]
mod tests;
