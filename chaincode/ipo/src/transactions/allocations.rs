//! What each own order was allotted. It follows from the public outcome and the own orders alone, by the same rule that
//! every organisation was allotted by.

use order_commitments::allocation::{OrganisationOutcome, allocate_orders};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::orders;
use super::own_orders::{self, OrdersTouched};
use super::receipts;
use crate::error::ContractError;
use crate::identifier::{ListingId, MspId, OrderId};
use crate::keys::{Key, PrivateKey, own_collection};
use crate::ledger::{Ledger, Transaction};
use crate::record::allocation::PrivateAllocation;
use crate::record::listing::{Listing, Outcome};
use crate::record::private_order::PrivateOrder;
use crate::record::terms::Terms;

/// An own order's allocation as `ReadAllocation` answers it, always encrypted.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClearAllocation {
    /// The order.
    pub order_id: OrderId,
    /// The clearing price, minor units; none if the listing failed.
    pub clearing_price: Option<u64>,
    /// Shares.
    pub quantity: u64,
}

/// What everybody can know of an order's recorded allocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AllocationHash {
    /// Whose order.
    pub msp: MspId,
    /// The order.
    pub order_id: OrderId,
    /// SHA-256 of the private record, as the ledger has it, 64 hexadecimal digits ([`crate::record::allocation`]).
    pub hash: String,
}

/// One page of `QueryAllocationHashes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocationHashPage {
    /// The hashes, ascending by organisation and order; orders of which nothing is recorded are left out.
    pub hashes: Vec<AllocationHash>,
    /// What to ask the next page with; empty after the last.
    pub bookmark: String,
}

/// `RecordAllocations`: writes the allocation of every own order of the frozen book. All of them in every call: the keys that a
/// call writes are public by their hashes, so a call with the winners alone would tell who won.
///
/// # Errors
/// [`ContractError::BadArgument`] unless `ids` are exactly the frozen book's orders; [`ContractError::OrderMismatch`] when
/// this peer lacks one; a listing that is neither sold nor failed.
pub async fn record<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    mut ids: Vec<OrderId>,
) -> Result<OrdersTouched, ContractError> {
    const FUNCTION: &str = "RecordAllocations";
    let record: Listing = tx.read(Key::Listing(listing)).await?;
    record.require_participant(FUNCTION, &tx.caller)?;
    let outcome = record
        .outcome
        .as_ref()
        .ok_or_else(|| record.wrong_state(FUNCTION, "sold, failed"))?;
    let book = orders::counted(tx, listing, &tx.caller).await?;
    ids.sort();
    if !ids.iter().eq(book.iter().map(|order| &order.id)) {
        let odd = odd_one(&ids, book.iter().map(|order| &order.id));
        let allowed = format!("all {} orders of the frozen book, each once", book.len());
        return Err(ContractError::argument(
            "orderIds",
            format_args!("{} orders, {odd}", ids.len()),
            allowed,
        ));
    }
    let mut own = Vec::with_capacity(ids.len());
    for public in &book {
        let order = own_orders::submitted(tx, listing, public).await?;
        own.push((public.id.clone(), order));
    }
    let quantities = allot(&record.terms, outcome, tx.caller.as_str(), &own)?;
    let collection = tx.own_collection();
    for ((id, order), quantity) in own.iter().zip(quantities) {
        let allocation = PrivateAllocation::new(outcome.clearing_price, quantity, &order.salt());
        let key = PrivateKey::Allocation(listing, id);
        tx.ledger
            .put_private(&collection, key, &allocation.to_bytes())
            .await?;
    }
    Ok(OrdersTouched {
        listing: listing.clone(),
        order_ids: ids,
    })
}

/// `ReadAllocation`: what an own order was allotted, once it is recorded.
///
/// # Errors
/// [`ContractError::NotFound`].
pub async fn read<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    id: &OrderId,
) -> Result<ClearAllocation, ContractError> {
    let allocation = find(tx, listing, id)
        .await?
        .ok_or_else(|| ContractError::NotFound {
            what: "allocation",
            id: format!("{listing} {id}"),
        })?;
    Ok(ClearAllocation {
        order_id: id.clone(),
        clearing_price: allocation.price(),
        quantity: allocation.quantity(),
    })
}

/// `QueryAllocationHashes`: the hashes of the private records of the allocations on a page of so many order records, of one organisation or of
/// all. The ledger has them, so that whoever is shown an allocation can tell whether it is the one that was recorded.
///
/// # Errors
/// An unknown listing; a page size out of range; a bookmark that the peer does not take.
pub async fn hashes<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    msp: Option<&MspId>,
    size: u32,
    bookmark: &str,
) -> Result<AllocationHashPage, ContractError> {
    let page = receipts::page(tx, listing, msp, size, bookmark).await?;
    let mut hashes = Vec::new();
    for order in page.records {
        let key = PrivateKey::Allocation(listing, &order.id);
        let hash = tx
            .ledger
            .get_private_hash(&own_collection(&order.msp), key)
            .await?;
        hashes.extend(hash.map(|hash| AllocationHash {
            msp: order.msp,
            order_id: order.id,
            hash: hex::encode(hash),
        }));
    }
    let bookmark = page.bookmark;
    Ok(AllocationHashPage { hashes, bookmark })
}

/// An own order's allocation, if it is recorded.
///
/// # Errors
/// [`ContractError::UnreadableRecord`], or the peer's.
pub async fn find<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    id: &OrderId,
) -> Result<Option<PrivateAllocation>, ContractError> {
    let key = PrivateKey::Allocation(listing, id);
    let bytes = tx
        .ledger
        .get_private(&tx.own_collection(), key)
        .await?
        .map(Zeroizing::new);
    bytes
        .map(|bytes| {
            PrivateAllocation::from_bytes(&bytes).ok_or_else(|| ContractError::UnreadableRecord {
                key: key.to_string(),
                reason: "it is not an allocation of version 1".to_owned(),
            })
        })
        .transpose()
}

/// The shares of each of an organisation's orders, given ascending by id.
///
/// # Errors
/// [`ContractError::InconsistentOutcome`] when the outcome cannot follow from these orders.
pub fn allot(
    terms: &Terms,
    outcome: &Outcome,
    msp: &str,
    orders: &[(OrderId, PrivateOrder)],
) -> Result<Vec<u64>, ContractError> {
    let wrong = |reason: String| ContractError::InconsistentOutcome {
        listing: terms.id.to_string(),
        reason,
    };
    let rules = terms.order_rules()?;
    let schedules = orders
        .iter()
        .map(|(id, order)| order.schedule(id.as_str(), &rules))
        .collect::<Result<Vec<_>, _>>()?;
    let outcome = match outcome.clearing_price {
        None => OrganisationOutcome::Failed,
        Some(price) => {
            let level = terms
                .price
                .level(price)
                .ok_or_else(|| wrong(format!("price {price} is off the grid")))?;
            let allocation = outcome
                .allocations
                .iter()
                .find(|allocation| allocation.msp.as_str() == msp);
            let allocation = allocation.ok_or_else(|| wrong(format!("it has no allocation of {msp}")))?;
            OrganisationOutcome::Sold {
                level,
                allocation: allocation.quantity / terms.lot_size,
            }
        }
    };
    let schedules: Vec<_> = schedules.iter().collect();
    let lots =
        allocate_orders(terms.allocation, outcome, &schedules).map_err(|error| wrong(error.to_string()))?;
    lots.into_iter()
        .map(|lots| {
            lots.checked_mul(terms.lot_size).ok_or(ContractError::Overflow {
                what: "lots times lotSize",
            })
        })
        .collect()
}

/// The first id that is in one list only, for a message: both lists are ascending.
fn odd_one<'a>(ids: &[OrderId], book: impl Iterator<Item = &'a OrderId>) -> String {
    let book: Vec<_> = book.collect();
    if let Some(missing) = book.iter().find(|id| ids.binary_search(id).is_err()) {
        return format!("{missing} is missing");
    }
    match ids.iter().find(|id| book.binary_search(id).is_err()) {
        Some(extra) => format!("{extra} is not in the book"),
        None => "one of them twice".to_owned(),
    }
}
