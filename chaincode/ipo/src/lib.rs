//! The IPO contract: listings, orders, clearing, tokens and settlement.

pub mod error;
pub mod identifier;
pub mod keys;
pub mod moment;
pub mod record;
pub mod sealed;
pub mod token;
