//! A listing's public records, in one file.
//!
//! ```json
//! {"version": 2, "channel": "ipochannel", "chaincode": "ipo", "listing": {...}, "orders": [{...}, ...], "allocationHashes": [{...}, ...]}
//! ```
//!
//! `listing` is what `ReadListing` answers: the listing with its outcome, its frozen books and its settlements. `orders` are all
//! its order records, those that were cancelled or replaced too, as `QueryOrderRecords` answers them. `allocationHashes` are the hashes of the
//! private records of the orders' allocations, as `QueryAllocationHashes` answers them.

use std::{fs, path::Path};

use ipo_chaincode::{
    identifier::{MspId, OrderId},
    record::order::{OrderRecord, OrderStatus},
    transactions::{allocations::AllocationHash, listings::ListingView},
};
use order_commitments::BookContext;
use serde::{Deserialize, Serialize};

use crate::AuditError;

/// The version of the file's form.
pub const STATE_VERSION: u16 = 2;

/// A listing's public records. Nothing in them is secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LedgerState {
    /// The version of this form.
    pub version: u16,
    /// The channel.
    pub channel: String,
    /// The chaincode's name on the channel.
    pub chaincode: String,
    /// The listing with its books and settlements.
    pub listing: ListingView,
    /// Every order record, ascending by organisation and id.
    pub orders: Vec<OrderRecord>,
    /// What is recorded of the orders' allocations, ascending by organisation and id.
    pub allocation_hashes: Vec<AllocationHash>,
}

impl LedgerState {
    /// Reads a file.
    ///
    /// # Errors
    /// A file that is not there, or not of this form and version.
    pub fn read(path: &Path) -> Result<Self, AuditError> {
        let state: Self = read_json(path, "a listing's records as `ipo-audit export` writes them")?;
        if state.version != STATE_VERSION {
            return Err(AuditError::Version {
                what: "the listing's records",
                found: state.version,
                allowed: STATE_VERSION,
            });
        }
        Ok(state)
    }

    /// Whose book in which listing.
    #[must_use]
    pub fn book_context<'a>(&'a self, msp: &'a str) -> BookContext<'a> {
        BookContext {
            channel: &self.channel,
            chaincode: &self.chaincode,
            listing: self.listing.listing.terms.id.as_str(),
            msp,
        }
    }

    /// The hash of the private record of an order's allocation, if one is recorded.
    #[must_use]
    pub fn allocation_hash(&self, msp: &MspId, id: &OrderId) -> Option<&str> {
        let mut hashes = self.allocation_hashes.iter();
        let of_order = hashes.find(|it| it.msp == *msp && it.order_id == *id);
        of_order.map(|it| it.hash.as_str())
    }

    /// An organisation's orders that count, in the order of the records.
    pub fn counted<'a>(&'a self, msp: &'a str) -> impl Iterator<Item = &'a OrderRecord> {
        let counts =
            move |order: &&OrderRecord| order.msp.as_str() == msp && order.status == OrderStatus::Submitted;
        self.orders.iter().filter(counts)
    }
}

/// Reads a JSON file; says where its form breaks, and nothing of what it holds.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(
    path: &Path,
    allowed: &'static str,
) -> Result<T, AuditError> {
    let text = zeroize::Zeroizing::new(fs::read(path).map_err(|source| AuditError::File {
        path: path.to_owned(),
        source,
    })?);
    serde_json::from_slice(&text).map_err(|error| AuditError::Form {
        path: path.to_owned(),
        allowed,
        line: error.line(),
        column: error.column(),
    })
}
