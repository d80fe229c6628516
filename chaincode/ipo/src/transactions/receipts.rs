//! What the ledger says of an order, to everybody, and whether it says so of an order that somebody holds in his hands.
//!
//! An order's public record is its receipt. An investor who was handed it, and who kept the order with its salt, checks it without
//! trusting the broker: the record's commitment opens to the order under the salt, and its `recordHash` is the hash of the
//! order's stored form. `CheckReceipt` does that at a peer that the investor trusts; the form is in
//! [`crate::record::private_order`], the commitment in the crate `order-commitments`.

use order_commitments::{Commitment, OrderContext};
use serde::{Deserialize, Serialize};

use crate::error::ContractError;
use crate::identifier::{ListingId, MspId, OrderId};
use crate::keys::{Key, Prefix};
use crate::ledger::{Ledger, Transaction};
use crate::moment::Moment;
use crate::record::listing::Listing;
use crate::record::order::{OrderRecord, OrderStatus};
use crate::record::private_order::PrivateOrder;

/// The most order records on one page.
pub const MAX_PAGE: u32 = 1_000;

/// An order record as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderView {
    /// The record.
    #[serde(flatten)]
    pub record: OrderRecord,
    /// Whether it is in the frozen book: what the clearing computes on, or has. None as long as nothing is frozen, or if nothing ever will
    /// be because the listing was withdrawn.
    pub in_frozen_book: Option<bool>,
}

/// One page of `QueryOrderRecordsWithPagination`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRecordPage {
    /// The records, ascending by organisation and id.
    pub records: Vec<OrderRecord>,
    /// What to ask the next page with; empty after the last.
    pub bookmark: String,
}

/// What an order's record was after one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderChange {
    /// The transaction.
    pub tx_id: String,
    /// The timestamp that its client chose.
    pub timestamp: Option<Moment>,
    /// The record.
    pub record: Option<OrderRecord>,
}

/// What `CheckReceipt` found. Nothing of the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The ledger's record of the order.
    #[serde(flatten)]
    pub view: OrderView,
    /// Whether its commitment opens to the order that was sent.
    pub commitment_opens: bool,
    /// Whether its record hash is that of the order that was sent.
    pub record_hash_matches: bool,
    /// Whether both do and the order counts: the broker has placed this order.
    pub valid: bool,
}

/// `ReadOrderRecord`: the receipt of one order, of any organisation.
///
/// # Errors
/// [`ContractError::NotFound`].
pub async fn read<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    msp: &MspId,
    id: &OrderId,
) -> Result<OrderView, ContractError> {
    let terms: Listing = tx.read(Key::Listing(listing)).await?;
    view(tx, &terms, msp, id).await
}

/// `CheckReceipt`: whether the order that the caller sends is the one that an organisation placed under an id.
///
/// # Errors
/// [`ContractError::NotFound`]; an order that the listing's rules exclude, by field.
pub async fn check<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    msp: &MspId,
    id: &OrderId,
    order: &PrivateOrder,
) -> Result<Verdict, ContractError> {
    let record: Listing = tx.read(Key::Listing(listing)).await?;
    let view = view(tx, &record, msp, id).await?;
    let schedule = order.schedule("order", &record.terms.order_rules()?)?;
    let context = OrderContext {
        channel: &tx.channel,
        chaincode: &tx.chaincode,
        listing: listing.as_str(),
        msp: msp.as_str(),
        order_id: id.as_str(),
    };
    let commitment: Result<Commitment, _> = view.record.commitment.parse();
    let commitment_opens =
        commitment.is_ok_and(|commitment| commitment.verify(&schedule, &context, &order.salt()));
    let record_hash_matches = hex::encode(order.hash()) == view.record.record_hash;
    let counts = view.record.status == OrderStatus::Submitted;
    Ok(Verdict {
        view,
        commitment_opens,
        record_hash_matches,
        valid: commitment_opens && record_hash_matches && counts,
    })
}

/// `OrderHistory`: what an order's record was after each transaction that wrote it, as far as this peer knows.
///
/// # Errors
/// [`ContractError::NotFound`].
pub async fn history<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    msp: &MspId,
    id: &OrderId,
) -> Result<Vec<OrderChange>, ContractError> {
    let changes = tx.history(Key::Order(listing, msp, id)).await?.into_iter();
    Ok(changes
        .map(|change| OrderChange {
            tx_id: change.tx_id,
            timestamp: change.timestamp,
            record: change.record,
        })
        .collect())
}

/// `QueryOrderRecords`: the order records of one organisation on a listing, or of all, ascending by organisation and id.
///
/// # Errors
/// An unknown listing.
pub async fn all<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    msp: Option<&MspId>,
) -> Result<Vec<OrderRecord>, ContractError> {
    tx.read::<Listing>(Key::Listing(listing)).await?;
    let records = tx.all(prefix(listing, msp)).await?;
    Ok(records.into_iter().map(|(_, record)| record).collect())
}

/// `QueryOrderRecordsWithPagination`: the same, page by page.
///
/// # Errors
/// An unknown listing; a page size out of range; a bookmark that the peer does not take.
pub async fn page<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    msp: Option<&MspId>,
    size: u32,
    bookmark: &str,
) -> Result<OrderRecordPage, ContractError> {
    tx.read::<Listing>(Key::Listing(listing)).await?;
    let (records, bookmark) = tx.page(prefix(listing, msp), size, MAX_PAGE, bookmark).await?;
    let records = records.into_iter().map(|(_, record)| record).collect();
    Ok(OrderRecordPage { records, bookmark })
}

fn prefix<'a>(listing: &'a ListingId, msp: Option<&'a MspId>) -> Prefix<'a> {
    msp.map_or(Prefix::Orders(listing), |msp| Prefix::OrdersOf(listing, msp))
}

async fn view<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &Listing,
    msp: &MspId,
    id: &OrderId,
) -> Result<OrderView, ContractError> {
    let record: OrderRecord = tx.read(Key::Order(&listing.terms.id, msp, id)).await?;
    // From the freeze on no order changes its status, so what counts now is what was frozen.
    let counts = record.status == OrderStatus::Submitted;
    Ok(OrderView {
        in_frozen_book: listing.clearing.as_ref().map(|_| counts),
        record,
    })
}
