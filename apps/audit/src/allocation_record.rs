//! What was disclosed or told of an order's allocation, against the hash of its private record on the ledger.
//!
//! The record is salted with a hash of the order's own salt, so that its hash tells nothing to others and is computed by whoever
//! has the order ([`ipo_chaincode::record::allocation`]).

use ipo_chaincode::record::{allocation::PrivateAllocation, order::OrderRecord};
use order_commitments::Salt;
use sha2::{Digest, Sha256};

use crate::{Checked, Finding, LedgerState};

/// An allocation as it was disclosed or told: the clearing price, and shares.
pub(crate) type Told = (Option<u64>, u64);

/// Compares what was told of an order's allocation with the ledger.
pub(crate) fn check(
    state: &LedgerState,
    order: &OrderRecord,
    salt: &str,
    told: Option<Told>,
    checked: &mut Checked,
) {
    let on_ledger = state.allocation_hash(&order.msp, &order.id);
    match (told, on_ledger) {
        (None, None) => {}
        (None, Some(_)) => checked.find(Finding::AllocationKeptBack),
        (Some(_), None) => checked.find(Finding::AllocationNotRecorded),
        (Some((price, quantity)), Some(on_ledger)) => {
            if hash(price, quantity, salt).as_deref() != Some(on_ledger) {
                checked.find(Finding::AllocationHash);
            }
        }
    }
}

/// The hash that the ledger has if this was recorded. None for a salt that is none.
fn hash(price: Option<u64>, quantity: u64, salt: &str) -> Option<String> {
    let mut bytes = zeroize::Zeroizing::new([0; Salt::LENGTH]);
    hex::decode_to_slice(salt, &mut *bytes).ok()?;
    let record = PrivateAllocation::new(price, quantity, &Salt::new(*bytes));
    Some(hex::encode(Sha256::digest(record.to_bytes())))
}
