//! Conformance of `chaincode-shim` with Fabric's own Go shim.
//!
//! [`script`](script()) is a list of calls that covers every stub method. A chaincode on the Go shim (outside this repository) and
//! [`ScriptedChaincode`] on ours do what each call says. [`Vector`] is what a real peer and the Go chaincode said to each other, message by
//! message, and what the peer endorsed; `tests/` replays it against our shim without Fabric.

mod answers;
mod chaincode;
mod method;
mod said;
mod script;
mod vector;

pub use self::chaincode::ScriptedChaincode;
pub use self::said::{Said, said};
pub use self::script::{ScriptedCall, attributes_script, couchdb_script, idemix_script, script};
pub use self::vector::{Frame, RecordedCall, Side, Vector, VectorError, essential};
