//! The public side of orders: which of them count. Every organisation endorses these; none sees what an order says.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use order_commitments::Commitment;

use super::{check_batch, parse};
use crate::error::ContractError;
use crate::identifier::{ListingId, MspId, OrderId};
use crate::keys::{Key, Prefix, PrivateKey};
use crate::ledger::{Ledger, Transaction};
use crate::moment::Moment;
use crate::record::listing::Listing;
use crate::record::order::{OrderRecord, OrderStatus};

/// An order to be submitted: its id and its commitment, as `CreateOrder` answered it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Submission {
    /// The order's id.
    pub order_id: OrderId,
    /// 33 bytes, compressed SEC1, as 66 hexadecimal digits.
    pub commitment: String,
}

/// An order to be put in another's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Replacement {
    /// The order that counts so far.
    pub old_id: OrderId,
    /// The order that counts from here on.
    pub new_id: OrderId,
    /// The new order's commitment, as `CreateOrder` answered it.
    pub commitment: String,
}

/// The payload of `OrderSubmitted` and `OrderCancelled`: nothing that is not in the order records.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OrdersEvent<'a> {
    listing: &'a ListingId,
    msp: &'a MspId,
    order_ids: Vec<&'a OrderId>,
}

/// The payload of `OrderReplaced`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ReplacedEvent<'a> {
    listing: &'a ListingId,
    msp: &'a MspId,
    orders: Vec<ReplacedOrder<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ReplacedOrder<'a> {
    old_order_id: &'a OrderId,
    order_id: &'a OrderId,
}

/// Reads the argument of `SubmitOrders`.
///
/// # Errors
/// [`ContractError::BadJson`].
pub fn parse_submissions(text: &str) -> Result<Vec<Submission>, ContractError> {
    parse(
        "orders",
        text,
        r#"a list of {"orderId": "...", "commitment": "..."}"#,
    )
}

/// Reads the argument of `ReplaceOrders`.
///
/// # Errors
/// [`ContractError::BadJson`].
pub fn parse_replacements(text: &str) -> Result<Vec<Replacement>, ContractError> {
    parse(
        "replacements",
        text,
        r#"a list of {"oldId": "...", "newId": "...", "commitment": "..."}"#,
    )
}

/// Reads a list of order ids.
///
/// # Errors
/// [`ContractError::BadJson`], or [`ContractError::BadArgument`] for an id given twice.
pub fn parse_ids(text: &str) -> Result<Vec<OrderId>, ContractError> {
    let ids: Vec<OrderId> = parse("orderIds", text, "a list of order ids")?;
    let mut seen = BTreeSet::new();
    for (index, id) in ids.iter().enumerate() {
        if !seen.insert(id) {
            let argument = format!("orderIds[{index}]");
            return Err(ContractError::argument(
                argument,
                format_args!("{id} a second time"),
                "each order once",
            ));
        }
    }
    Ok(ids)
}

/// `SubmitOrder` and `SubmitOrders`: from here on these orders count. The records are the receipts.
///
/// # Errors
/// [`ContractError::DuplicateOrder`], [`ContractError::OrderHashNotYetCommitted`], [`ContractError::TooLate`] and so on; a
/// commitment that is not canonical or the identity.
pub async fn submit<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    orders: &[Submission],
) -> Result<Vec<OrderRecord>, ContractError> {
    let now = require_taking_orders(tx, "SubmitOrder", listing).await?;
    check_batch("orders", orders.len())?;
    let mut records = Vec::with_capacity(orders.len());
    let mut seen = BTreeSet::new();
    for (index, order) in orders.iter().enumerate() {
        // A transaction does not see its own writes.
        if !seen.insert(&order.order_id) {
            return Err(duplicate(tx, listing, &order.order_id));
        }
        let argument = commitment_of("orders", index, orders.len());
        records.push(submit_one(tx, listing, order, now, &argument).await?);
    }
    let order_ids = records.iter().map(|record: &OrderRecord| &record.id).collect();
    tx.announce(
        "OrderSubmitted",
        &OrdersEvent {
            listing,
            msp: &tx.caller,
            order_ids,
        },
    )
    .await?;
    Ok(records)
}

/// `CancelOrder` and `CancelOrders`: the orders count no more. Their ids stay used.
///
/// # Errors
/// As [`submit`], and [`ContractError::WrongOrderState`] when one did not count.
pub async fn cancel<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    ids: &[OrderId],
) -> Result<Vec<OrderRecord>, ContractError> {
    const FUNCTION: &str = "CancelOrder";
    let now = require_taking_orders(tx, FUNCTION, listing).await?;
    check_batch("orderIds", ids.len())?;
    let mut records = Vec::with_capacity(ids.len());
    for id in ids {
        records.push(end(tx, FUNCTION, listing, id, now, None).await?);
    }
    let event = OrdersEvent {
        listing,
        msp: &tx.caller,
        order_ids: ids.iter().collect(),
    };
    tx.announce("OrderCancelled", &event).await?;
    Ok(records)
}

/// `ReplaceOrder` and `ReplaceOrders`: orders out, others, created before, in their places, at once. Answers the new ones' receipts.
///
/// # Errors
/// As [`submit`] and [`cancel`]; an order that is replaced twice or comes in twice.
pub async fn replace<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    replacements: &[Replacement],
) -> Result<Vec<OrderRecord>, ContractError> {
    const FUNCTION: &str = "ReplaceOrder";
    let now = require_taking_orders(tx, FUNCTION, listing).await?;
    check_batch("replacements", replacements.len())?;
    let (mut out, mut into) = (BTreeSet::new(), BTreeSet::new());
    let mut records = Vec::with_capacity(replacements.len());
    for (
        index,
        Replacement {
            old_id,
            new_id,
            commitment,
        },
    ) in replacements.iter().enumerate()
    {
        // A transaction does not see its own writes.
        if !out.insert(old_id) {
            return Err(ContractError::argument(
                format!("replacements[{index}].oldId"),
                format_args!("{old_id} a second time"),
                "each order once",
            ));
        }
        if !into.insert(new_id) {
            return Err(duplicate(tx, listing, new_id));
        }
        end(tx, FUNCTION, listing, old_id, now, Some(new_id.clone())).await?;
        let order = Submission {
            order_id: new_id.clone(),
            commitment: commitment.clone(),
        };
        let argument = commitment_of("replacements", index, replacements.len());
        records.push(submit_one(tx, listing, &order, now, &argument).await?);
    }
    let replaced = replacements.iter().map(|replacement| ReplacedOrder {
        old_order_id: &replacement.old_id,
        order_id: &replacement.new_id,
    });
    let event = ReplacedEvent {
        listing,
        msp: &tx.caller,
        orders: replaced.collect(),
    };
    tx.announce("OrderReplaced", &event).await?;
    Ok(records)
}

/// Takes the bookmark of a query whose pages end with an order: that order's id, or nothing for the first page.
///
/// # Errors
/// [`ContractError::BadArgument`].
pub fn bookmark(text: &str) -> Result<Option<OrderId>, ContractError> {
    (!text.is_empty())
        .then(|| OrderId::parse("bookmark", text))
        .transpose()
}

/// One organisation's order records on a listing that count, ascending by id.
///
/// # Errors
/// The peer's.
pub async fn counted<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    msp: &MspId,
) -> Result<Vec<OrderRecord>, ContractError> {
    let records: Vec<(_, OrderRecord)> = tx.all(Prefix::OrdersOf(listing, msp)).await?;
    let mut records: Vec<_> = records.into_iter().map(|(_, record)| record).collect();
    records.retain(|record| record.status == OrderStatus::Submitted);
    records.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(records)
}

/// Requires that the caller may place orders on the listing now. Answers the time.
///
/// # Errors
/// A caller that is none of its brokers; a listing that takes no orders; [`ContractError::ClockSkew`].
pub async fn require_taking_orders<L: Ledger>(
    tx: &Transaction<'_, L>,
    function: &'static str,
    listing: &ListingId,
) -> Result<Moment, ContractError> {
    let record: Listing = tx.read(Key::Listing(listing)).await?;
    record.require_broker(function, &tx.caller)?;
    let now = tx.now()?;
    record.require_taking_orders(function, now)?;
    Ok(now)
}

/// The refusal of an order id that was used before.
#[must_use]
pub fn duplicate<L>(tx: &Transaction<'_, L>, listing: &ListingId, id: &OrderId) -> ContractError {
    ContractError::DuplicateOrder {
        listing: listing.to_string(),
        msp: tx.caller.to_string(),
        order: id.to_string(),
    }
}

/// The path of a commitment in a message: that of a call with one order has no list around it.
fn commitment_of(list: &str, index: usize, length: usize) -> String {
    if length == 1 {
        "commitment".to_owned()
    } else {
        format!("{list}[{index}].commitment")
    }
}

async fn submit_one<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    order: &Submission,
    now: Moment,
    argument: &str,
) -> Result<OrderRecord, ContractError> {
    let commitment: Commitment = order.commitment.parse().map_err(|error| {
        let allowed = format!("66 hexadecimal digits, as CreateOrder answers them ({error})");
        ContractError::argument(argument, format_args!("{:?}", order.commitment), allowed)
    })?;
    let id = &order.order_id;
    let key = Key::Order(listing, &tx.caller, id);
    if tx.ledger.get(key).await?.is_some() {
        return Err(duplicate(tx, listing, id));
    }
    let hash = tx
        .ledger
        .get_private_hash(&tx.own_collection(), PrivateKey::Order(listing, id))
        .await?;
    let hash = hash.ok_or_else(|| ContractError::OrderHashNotYetCommitted {
        listing: listing.to_string(),
        msp: tx.caller.to_string(),
        order: id.to_string(),
    })?;
    let record = OrderRecord {
        listing: listing.clone(),
        msp: tx.caller.clone(),
        id: id.clone(),
        commitment: commitment.to_string(),
        record_hash: hex::encode(hash),
        status: OrderStatus::Submitted,
        submitted_at: now,
        tx_id: tx.id.clone(),
        ended_at: None,
        replaced_by: None,
    };
    tx.write(key, &record).await?;
    Ok(record)
}

async fn end<L: Ledger>(
    tx: &Transaction<'_, L>,
    function: &'static str,
    listing: &ListingId,
    id: &OrderId,
    now: Moment,
    replaced_by: Option<OrderId>,
) -> Result<OrderRecord, ContractError> {
    let key = Key::Order(listing, &tx.caller, id);
    let mut record: OrderRecord = tx.read(key).await?;
    record.end(function, now, replaced_by)?;
    tx.write(key, &record).await?;
    Ok(record)
}
