//! Bounded load on a network that runs, and how long it takes. Prints figures; judges nothing.

mod error;
pub mod flight;
pub mod ipo;
pub mod machine;
pub mod network;
pub mod order;
pub mod shims;
pub mod table;

pub use error::LoadError;
