//! The service beside an organisation's chaincode that takes part in clearings.
//!
//! The chaincode hands over a frozen listing with the organisation's own orders and is answered at once; the sidecar
//! checks them against the book on the ledger, keeps them, meets the other participants' sidecars, runs the clearing with
//! them and keeps the outcome. A restart loses nothing.
//!
//! Trust: the organisation trusts its own sidecar and the machine it runs on with its orders. Other participants may
//! deviate at will: their messages are checked, and an attempt with a false one fails. But nothing yet binds what they
//! enter to their orders on the ledger; what that means, and why attempts are few, is told at
//! [`AttemptsConfig::max`](config::AttemptsConfig::max).
//!
//! | module | what lives there |
//! |---|---|
//! | [`config`] | the configuration file |
//! | [`tls`], `tls_files` | who the others are, and the files that say so |
//! | [`join`] | what the chaincode hands over, checked |
//! | [`store`] | what survives a restart |
//! | `service` | the chaincode's calls |
//! | `sessions`, `clearing_task`, `progress` | joined sessions, and the task that clears each |
//! | `exchange` | streams between sidecars, from greeting to transport |
//! | `computation` | one attempt |
//! | `operations`, `metrics` | health and metrics over HTTP |
//! | [`server`], `listener` | all of it, running |

mod clearing_task;
mod computation;
pub mod config;
mod exchange;
pub mod join;
mod listener;
mod metrics;
mod operations;
mod progress;
pub mod server;
mod service;
mod sessions;
pub mod store;
pub mod tls;
mod tls_files;

pub use config::Config;
pub use server::Sidecar;
pub use tls::Credentials;
