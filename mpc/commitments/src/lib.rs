//! Demand curves and Pedersen vector commitments to them on P-256, and the public rules that the chaincode and
//! the sidecars share: the price grid, what an order may say, rationing, frozen books, the session id.
//!
//! The crate is pure: no input or output, no clock, no logging. Both sides of the ledger use it, so that what the
//! chaincode records is, byte for byte, what a sidecar checks.
//!
//! | module | what lives there |
//! |---|---|
//! | [`grid`] | the listing's price levels |
//! | [`schedule`] | one order: its steps and the rules they obey |
//! | [`curve`] | demand at every level, of an order or of a whole book |
//! | [`allocation`] | rationing by cumulative rounding |
//! | [`generators`] | the commitments' base points |
//! | [`commitment`] | an order's commitment and its opening |
//! | [`opening`] | many openings checked at once |
//! | [`binding`] | proofs that an organisation computes on its frozen book |
//! | [`book`] | an organisation's frozen book |
//! | [`session`] | the identity of one clearing |

pub mod allocation;
pub mod binding;
pub mod book;
pub mod commitment;
pub mod curve;
mod encoding;
pub mod generators;
pub mod grid;
pub mod opening;
pub mod salt;
pub mod schedule;
pub mod session;

pub use allocation::{AllocationRule, ration};
pub use book::{Book, BookCommitment, BookDigest};
pub use commitment::{BookContext, Commitment, OrderContext};
pub use curve::DemandCurve;
pub use grid::PriceGrid;
pub use opening::Opening;
pub use salt::Salt;
pub use schedule::{DemandSchedule, OrderRules, Price, Step};
pub use session::{Participant, Session, SessionId, SessionTerms};

/// The version of commitments, digests and session ids. It is part of every domain tag, so that a value of one
/// version is never mistaken for one of another.
///
/// As it enters the session's id, it also stands for what the organisations compute in a session: a change of a
/// circuit, of the schedule of probes or of the order of openings must raise it, or sidecars of different builds would
/// start a computation that they cannot end together.
pub const PROTOCOL_VERSION: u16 = 2;

/// A count of lots. A listing sells, and an order wants, fewer than 2^32; a book's demand stays below 2^49.
pub type Lots = u64;

/// A price level, `1..=PriceGrid::levels()`, ascending with the price.
pub type Level = usize;

/// The most price levels that a listing may have.
pub const MAX_LEVELS: usize = 1024;

/// The most steps that an order may have.
pub const MAX_STEPS: usize = 10;

/// The most lots that a listing may sell or an order may want.
pub const MAX_LOTS: Lots = u32::MAX as Lots;

/// The fewest organisations that take part in a listing.
pub const MIN_PARTICIPANTS: usize = 2;

/// The most organisations that take part in a listing.
pub const MAX_PARTICIPANTS: usize = 16;
