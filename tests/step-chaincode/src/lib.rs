//! A chaincode whose one function, `Run`, takes a list of [`Step`]s and performs them: with it a test says in its own text what the
//! chaincode does on a network. It knows nothing of any application.

mod gates;
mod steps;

pub use gates::Gates;
pub use steps::{Step, contracts};
