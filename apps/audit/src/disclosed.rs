//! An organisation's book in the clear, as it discloses it: the pages of `ExportBook`, joined.
//!
//! The form is that of [`ipo_chaincode::transactions::export`]. A book holds every investor's name and salt: keep the file as you
//! would keep the orders.

use std::{fmt, path::Path};

use order_commitments::{Book, Step};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{AuditError, state::read_json};
use ipo_chaincode::transactions::export::EXPORT_VERSION;

/// An organisation's book in the clear, or a page of it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DisclosedBook {
    /// The version of this form.
    pub version: u16,
    /// The channel.
    pub channel: String,
    /// The chaincode's name.
    pub chaincode: String,
    /// The listing.
    pub listing: String,
    /// Whose book.
    pub msp: String,
    /// The clearing's session, 64 hexadecimal digits.
    pub session_id: String,
    /// The frozen book as the organisation's peer has it.
    pub book: Book,
    /// The orders, ascending by id.
    pub orders: Vec<DisclosedOrder>,
    /// Where the next page begins; empty if there is none.
    #[serde(default)]
    pub bookmark: String,
}

/// One order in the clear. Erased when dropped.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DisclosedOrder {
    /// Its id.
    pub id: String,
    /// The investor's name.
    pub investor: String,
    /// Its demand schedule.
    pub steps: Vec<Step>,
    /// Its salt, 64 hexadecimal digits.
    pub salt: String,
    /// Its commitment, as the organisation's peer has it.
    pub commitment: String,
    /// The hash of its private record, as the organisation's peer has it.
    pub record_hash: String,
    /// When it was submitted.
    pub submitted_at: String,
    /// The transaction that submitted it.
    pub tx_id: String,
    /// What was recorded as its allocation; none as long as nothing was.
    pub allocation: Option<DisclosedAllocation>,
}

/// What was recorded as an order's allocation.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DisclosedAllocation {
    /// The clearing price, minor units; none if the listing failed.
    pub clearing_price: Option<u64>,
    /// Shares.
    pub quantity: u64,
}

impl fmt::Debug for DisclosedBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DisclosedBook")
            .field("msp", &self.msp)
            .field("listing", &self.listing)
            .finish_non_exhaustive()
    }
}

impl DisclosedBook {
    /// Reads a file.
    ///
    /// # Errors
    /// A file that is not there, not of this form and version, or whose last page is missing.
    pub fn read(path: &Path) -> Result<Self, AuditError> {
        let book: Self = read_json(path, "a book as `ipo-audit disclose` writes it")?;
        Self::join(vec![book])
    }

    /// One book from its pages, in order.
    ///
    /// # Errors
    /// No page, pages of another version or of different books, or none that is the last.
    pub fn join(pages: Vec<Self>) -> Result<Self, AuditError> {
        let mut pages = pages.into_iter();
        let mut book = pages.next().ok_or(AuditError::Pages {
            reason: "there is none",
        })?;
        check_version(&book)?;
        for mut page in pages {
            check_version(&page)?;
            let same = page.channel == book.channel
                && page.chaincode == book.chaincode
                && page.listing == book.listing
                && page.msp == book.msp
                && page.session_id == book.session_id
                && page.book == book.book;
            if !same {
                return Err(AuditError::Pages {
                    reason: "they are of different books",
                });
            }
            book.orders.append(&mut page.orders);
            book.bookmark = page.bookmark;
        }
        if !book.bookmark.is_empty() {
            return Err(AuditError::Pages {
                reason: "the last is missing",
            });
        }
        Ok(book)
    }
}

fn check_version(book: &DisclosedBook) -> Result<(), AuditError> {
    if book.version == EXPORT_VERSION {
        return Ok(());
    }
    Err(AuditError::Version {
        what: "a disclosed book",
        found: book.version,
        allowed: EXPORT_VERSION,
    })
}
