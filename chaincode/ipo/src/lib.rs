//! The IPO contract: listings, orders, clearing, tokens and settlement, on Hyperledger Fabric.
//!
//! A bank lists an IPO, brokers place orders that only their own organisation sees, the organisations' sidecars find the clearing price
//! among them, and this contract records the outcome and settles it.
//!
//! | module | what lives there |
//! |---|---|
//! | [`contract`] | the names of the functions, their parameters and guards |
//! | [`transactions`] | what the functions do, a file for each group |
//! | [`record`], [`keys`] | what stands on the ledger, and where |
//! | [`role`] | which functions a caller's certificate allows |
//! | [`identifier`], [`moment`], [`token`], [`outcome`] | the rules: names, time, amounts, what an outcome may be |
//! | [`ledger`], [`peer`] | what a transaction sees of its peer, and the real one |
//! | [`sealed`] | answers that only their caller can read |
//! | [`sidecar`] | asking the own organisation's sidecar |
//! | [`config`] | the server's variables |
//! | [`error`] | every refusal |
//!
//! What an endorser writes and answers depends on the ledger, the arguments and, for `SellListing`, on the outcome that all honest
//! sidecars share. The clock only vetoes.

pub mod config;
pub mod contract;
pub mod error;
pub mod identifier;
pub mod keys;
pub mod ledger;
pub mod moment;
pub mod outcome;
pub mod peer;
pub mod record;
pub mod role;
pub mod sealed;
pub mod sidecar;
pub mod token;
pub mod transactions;
