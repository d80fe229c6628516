//! A whole network on one machine, and the IPO of the original demonstration played on it.
//!
//! | module | what lives there |
//! |---|---|
//! | [`story`] | who sells what, who wants it |
//! | [`play`] | the IPO from listing to settlement, as people at their desks do it |
//! | [`desk`] | one person's calls through the Gateway |
//! | [`network`] | the devnet, and each organisation's chaincode server and sidecar |
//! | [`program`] | a process of the network |
//! | `addresses` | where each is to listen |
//! | [`table`] | what is printed |

mod addresses;
pub mod desk;
mod error;
pub mod network;
pub mod play;
pub mod program;
pub mod story;
pub mod table;

pub use error::DemoError;
