//! Honest parties are believed, and every deviation is caught by its check.

mod cheats;
mod copied;
mod honest;
pub(super) mod market;
mod masks;
mod mutations;
mod run;
