//! The own frozen book in the clear, for an audit that the organisation decides to undergo.
//!
//! `ExportBook` answers one page, always encrypted under the caller's `responseKey` ([`crate::sealed`]). Decrypted it is a JSON object:
//!
//! ```json
//! {
//!   "version": 1,
//!   "channel": "ipochannel", "chaincode": "ipo", "listing": "homes", "msp": "BrokerAMSP",
//!   "sessionId": "64 hexadecimal digits, SHA-256",
//!   "book": {"count": 2, "digest": "64 hexadecimal digits", "commitment": "66 hexadecimal digits, or 00 for an empty book"},
//!   "orders": [
//!     {
//!       "id": "a1", "investor": "Ann",
//!       "steps": [{"price": 500, "quantity": 9000}, {"price": "market", "quantity": 100}],
//!       "salt": "64 hexadecimal digits",
//!       "commitment": "66 hexadecimal digits", "recordHash": "64 hexadecimal digits",
//!       "submittedAt": "2027-03-01T09:30:00Z", "txId": "64 hexadecimal digits",
//!       "allocation": {"clearingPrice": 700, "quantity": 4800}
//!     }
//!   ],
//!   "bookmark": "a1"
//! }
//! ```
//!
//! - `version` is that of this form. `channel`, `chaincode`, `listing`, `msp` and an order's `id` are what its commitment is bound to.
//! - `book` is the record of the freeze, the same on every page; `sessionId` is the listing's `clearing.sessionId`.
//! - `orders` are those of the frozen book and no others, ascending by id (byte order). `investor`, `steps` and `salt` are the private
//!   record, as `CreateOrders` took it; prices are minor units of the cash token, quantities are shares, `"market"` is the highest level.
//! - `commitment`, `recordHash`, `submittedAt` and `txId` are the order's public record. `recordHash` is SHA-256 of the private record's
//!   stored bytes ([`crate::record::private_order`]).
//! - `allocation` is what `RecordAllocations` put down for the order: shares, and the price (null when the listing failed). It is null itself
//!   as long as nothing is recorded.
//! - `bookmark` is what the next page is asked with; empty on the last.
//!
//! Nothing here is proof in itself: an auditor compares it with the ledger, whose order records, books and outcome every participant endorsed.

use order_commitments::{Book, Step};
use serde::Serialize;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{allocations, clearing, orders, own_orders};
use crate::error::ContractError;
use crate::identifier::{ListingId, MspId, OrderId};
use crate::keys::Key;
use crate::ledger::{Ledger, Transaction, check_page_size};
use crate::moment::Moment;
use crate::record::book::BookRecord;
use crate::record::listing::Listing;
use crate::record::order::OrderRecord;
use crate::record::private_order::PrivateOrder;

/// The version of the exported form.
pub const EXPORT_VERSION: u16 = 1;
/// The most orders on one page: an answer of about 2 MB, which every client's default limits let through.
pub const MAX_PAGE: u32 = 1_000;

/// One page of the own frozen book.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BookPage {
    version: u16,
    channel: String,
    chaincode: String,
    listing: ListingId,
    msp: MspId,
    session_id: String,
    book: Book,
    orders: Vec<ExportedOrder>,
    bookmark: String,
}

#[derive(Serialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
struct ExportedOrder {
    #[zeroize(skip)]
    id: OrderId,
    investor: String,
    steps: Vec<Step>,
    salt: String,
    #[zeroize(skip)]
    commitment: String,
    #[zeroize(skip)]
    record_hash: String,
    #[zeroize(skip)]
    submitted_at: Moment,
    #[zeroize(skip)]
    tx_id: String,
    allocation: Option<ExportedAllocation>,
}

#[derive(Serialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
struct ExportedAllocation {
    clearing_price: Option<u64>,
    quantity: u64,
}

/// `ExportBook`: a page of the own frozen book in the clear, with what an auditor compares with the ledger. A query.
///
/// # Errors
/// A listing that is not frozen yet; a page size out of range; [`ContractError::BookMismatch`] or [`ContractError::OrderMismatch`] when the
/// ledger's records are not those of the freeze, or this peer's private ones not those that were submitted.
pub async fn book<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    page_size: u32,
    bookmark: &str,
) -> Result<BookPage, ContractError> {
    const FUNCTION: &str = "ExportBook";
    let record: Listing = tx.read(Key::Listing(listing)).await?;
    record.require_participant(FUNCTION, &tx.caller)?;
    let session_id = record.clearing(FUNCTION)?.session_id.clone();
    check_page_size(page_size, MAX_PAGE)?;
    let size = usize::try_from(page_size).unwrap_or(usize::MAX);
    let after = orders::bookmark(bookmark)?;
    let frozen: BookRecord = tx.read(Key::Book(listing, &tx.caller)).await?;
    let counted = clearing::own_frozen_orders(tx, listing, &frozen.book).await?;
    let rest = counted
        .iter()
        .filter(|order| after.as_ref().is_none_or(|after| order.id > *after))
        .collect::<Vec<_>>();
    let mut orders = Vec::with_capacity(size.min(rest.len()));
    for public in rest.iter().take(size) {
        orders.push(order(tx, listing, public).await?);
    }
    let bookmark = match orders.last() {
        Some(last) if rest.len() > size => last.id.to_string(),
        _ => String::new(),
    };
    Ok(BookPage {
        version: EXPORT_VERSION,
        channel: tx.channel.clone(),
        chaincode: tx.chaincode.clone(),
        listing: listing.clone(),
        msp: tx.caller.clone(),
        session_id,
        book: frozen.book,
        orders,
        bookmark,
    })
}

async fn order<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    public: &OrderRecord,
) -> Result<ExportedOrder, ContractError> {
    let private = own_orders::submitted(tx, listing, public).await?;
    let allocation = allocations::find(tx, listing, &public.id).await?;
    Ok(ExportedOrder::new(
        public,
        &private,
        allocation.map(|found| ExportedAllocation {
            clearing_price: found.price(),
            quantity: found.quantity(),
        }),
    ))
}

impl ExportedOrder {
    fn new(public: &OrderRecord, private: &PrivateOrder, allocation: Option<ExportedAllocation>) -> Self {
        Self {
            id: public.id.clone(),
            investor: private.investor().to_owned(),
            steps: private.steps().to_vec(),
            salt: hex::encode(private.salt().expose()),
            commitment: public.commitment.clone(),
            record_hash: public.record_hash.clone(),
            submitted_at: public.submitted_at,
            tx_id: public.tx_id.clone(),
            allocation,
        }
    }
}
