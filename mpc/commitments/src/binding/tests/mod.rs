//! Honest parties are believed, and every deviation is caught by its check.

mod honest;
mod market;
