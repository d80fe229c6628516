//! Orders in the clear, in their organisation's own collection. Only that organisation's peers run these, for its own clients: the
//! contract's guard has refused everybody else before anything here is read.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use order_commitments::{Commitment, OrderContext, Step};

use super::check_batch;
use super::orders::{Submission, duplicate, require_taking_orders};
use crate::error::ContractError;
use crate::identifier::{ListingId, OrderId};
use crate::keys::{Key, PrivateKey};
use crate::ledger::{Ledger, Transaction, check_page_size};
use crate::record::listing::{Listing, Status};
use crate::record::order::OrderRecord;
use crate::record::private_order::PrivateOrder;
use crate::record::settlement::Settlement;

/// The transient field of `CreateOrder`.
pub const ORDER: &str = "order";
/// The transient field of `CreateOrders`.
pub const ORDERS: &str = "orders";
/// The transient field of `RestoreOrders` and, for lost orders, of `JoinClearing`.
pub const OPENINGS: &str = "openings";

/// The most own orders on one page.
pub const MAX_PAGE: u32 = 1_000;

/// An own order as `ReadOrder` and `QueryOrders` answer it, always encrypted. It has the form that `CreateOrders` takes.
#[derive(Serialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
pub struct ClearOrder {
    id: String,
    investor: String,
    steps: Vec<Step>,
    salt: String,
}

/// What `RestoreOrders` and `PurgeOrders` answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrdersTouched {
    /// The listing.
    pub listing: ListingId,
    /// The orders.
    pub order_ids: Vec<OrderId>,
}

/// The orders of a transient field, each with its id.
pub type WithIds = Vec<(OrderId, PrivateOrder)>;

/// Reads the transient field of `CreateOrder`.
///
/// # Errors
/// [`ContractError::MissingTransient`], or as [`PrivateOrder::from_transient`].
pub fn one_from_transient<L: Ledger>(tx: &Transaction<'_, L>, id: OrderId) -> Result<WithIds, ContractError> {
    let bytes = tx.transient(ORDER).ok_or(ContractError::MissingTransient {
        field: ORDER,
        allowed: r#"{"investor": "...", "steps": [{"price": ..., "quantity": ...}], "salt": "..."}"#,
    })?;
    Ok(vec![(id, PrivateOrder::from_transient(ORDER, bytes)?)])
}

/// Reads a transient field with several orders, each with its `id`.
///
/// # Errors
/// [`ContractError::MissingTransient`]; an id twice or none; or as [`PrivateOrder::list_from_transient`].
pub fn many_from_transient<L: Ledger>(
    tx: &Transaction<'_, L>,
    field: &'static str,
) -> Result<WithIds, ContractError> {
    let bytes = tx.transient(field).ok_or(ContractError::MissingTransient {
        field,
        allowed: r#"a list of {"id": "...", "investor": "...", "steps": [...], "salt": "..."}"#,
    })?;
    let mut orders = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, (id, order)) in PrivateOrder::list_from_transient(field, bytes)?
        .into_iter()
        .enumerate()
    {
        let argument = format!("{field}[{index}].id");
        let id = OrderId::parse(&argument, &id)?;
        if !seen.insert(id.clone()) {
            return Err(ContractError::argument(
                argument,
                format_args!("{id} a second time"),
                "each order once",
            ));
        }
        orders.push((id, order));
    }
    Ok(orders)
}

/// `CreateOrder` and `CreateOrders`: puts orders into the own collection. Answers what `SubmitOrders` takes.
///
/// # Errors
/// A caller that is no broker, a listing that takes no orders, an id that was used, a schedule that breaks the listing's rules.
pub async fn create<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    orders: &[(OrderId, PrivateOrder)],
) -> Result<Vec<Submission>, ContractError> {
    require_taking_orders(tx, "CreateOrder", listing).await?;
    check_batch(ORDERS, orders.len())?;
    let terms = tx.read::<Listing>(Key::Listing(listing)).await?.terms;
    let rules = terms.order_rules()?;
    let collection = tx.own_collection();
    let mut submissions = Vec::with_capacity(orders.len());
    for (index, (id, order)) in orders.iter().enumerate() {
        let argument = if orders.len() == 1 {
            ORDER.to_owned()
        } else {
            format!("{ORDERS}[{index}]")
        };
        let schedule = order.schedule(&argument, &rules)?;
        order.check_size(&argument, &terms)?;
        let key = PrivateKey::Order(listing, id);
        // The same order again, before it is submitted, gets the same answer: whoever lost the first one has no commitment to submit.
        let recorded = tx.ledger.get_private_hash(&collection, key).await?;
        let used = recorded.is_some_and(|hash| hash != order.hash())
            || tx
                .ledger
                .get(Key::Order(listing, &tx.caller, id))
                .await?
                .is_some();
        if used {
            return Err(duplicate(tx, listing, id));
        }
        let context = OrderContext {
            channel: &tx.channel,
            chaincode: &tx.chaincode,
            listing: listing.as_str(),
            msp: tx.caller.as_str(),
            order_id: id.as_str(),
        };
        let commitment = Commitment::commit(&schedule, &context, &order.salt()).map_err(|error| {
            ContractError::argument(
                format!("{argument}.salt"),
                "withheld",
                format!("another salt ({error})"),
            )
        })?;
        tx.ledger.put_private(&collection, key, &order.to_bytes()).await?;
        submissions.push(Submission {
            order_id: id.clone(),
            commitment: commitment.to_string(),
        });
    }
    Ok(submissions)
}

/// `ReadOrder`: an own order in the clear.
///
/// # Errors
/// [`ContractError::NotFound`].
pub async fn read<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    id: &OrderId,
) -> Result<ClearOrder, ContractError> {
    let order = find(tx, listing, id)
        .await?
        .ok_or_else(|| ContractError::NotFound {
            what: "private order",
            id: format!("{listing} {id}"),
        })?;
    Ok(ClearOrder::new(id, &order))
}

/// `QueryOrders`: every own order on a listing in the clear, submitted or not, ascending by id.
///
/// # Errors
/// [`ContractError::UnreadableRecord`], or the peer's.
pub async fn query<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
) -> Result<Vec<ClearOrder>, ContractError> {
    let orders = all(tx, listing).await?;
    Ok(orders
        .iter()
        .map(|(id, order)| ClearOrder::new(id, order))
        .collect())
}

/// One page of `QueryOrdersWithPagination`, always encrypted.
#[derive(Serialize)]
pub struct ClearOrderPage {
    orders: Vec<ClearOrder>,
    bookmark: String,
}

/// `QueryOrdersWithPagination`: the same, page by page; the bookmark is the last order's id.
///
/// # Errors
/// A page size out of range; a bookmark that is no order id; or as [`query`].
pub async fn page<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    size: u32,
    bookmark: &str,
) -> Result<ClearOrderPage, ContractError> {
    check_page_size(size, MAX_PAGE)?;
    let after = super::orders::bookmark(bookmark)?;
    // Fabric pages no private data, and its range costs little; the answer is what must not grow.
    let orders = all(tx, listing).await?;
    let mut rest = orders
        .iter()
        .filter(|(id, _)| after.as_ref().is_none_or(|after| id > after));
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let page: Vec<_> = rest.by_ref().take(size).collect();
    let more = rest.next().is_some();
    Ok(ClearOrderPage {
        bookmark: match page.last() {
            Some((id, _)) if more => id.to_string(),
            _ => String::new(),
        },
        orders: page
            .iter()
            .map(|(id, order)| ClearOrder::new(id, order))
            .collect(),
    })
}

/// `RestoreOrders`: puts back private records that a peer lost, bit for bit.
///
/// # Errors
/// [`ContractError::OrderMismatch`] when one is not what the ledger has the hash of.
pub async fn restore<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    ids: Vec<OrderId>,
    orders: &[(OrderId, PrivateOrder)],
) -> Result<OrdersTouched, ContractError> {
    tx.read::<Listing>(Key::Listing(listing))
        .await?
        .require_broker("RestoreOrders", &tx.caller)?;
    check_batch("orderIds", ids.len())?;
    if !ids.iter().eq(orders.iter().map(|(id, _)| id)) {
        let allowed = "an opening for each of orderIds, in their order, and no other";
        return Err(ContractError::argument(
            OPENINGS,
            format_args!("{} openings", orders.len()),
            allowed,
        ));
    }
    let collection = tx.own_collection();
    for (id, order) in orders {
        let key = PrivateKey::Order(listing, id);
        let reason = match tx.ledger.get_private_hash(&collection, key).await? {
            Some(hash) if hash == order.hash() => {
                tx.ledger.put_private(&collection, key, &order.to_bytes()).await?;
                continue;
            }
            Some(_) => "what was sent is not what the ledger has the hash of",
            None => "the ledger has no hash of it: it was never created, or was purged",
        };
        return Err(mismatch(tx, listing, id, reason));
    }
    Ok(OrdersTouched {
        listing: listing.clone(),
        order_ids: ids,
    })
}

/// `PurgeOrders`: removes own orders and their allocations from the own peers' disks, once nothing depends on them.
///
/// # Errors
/// [`ContractError::WrongState`] before the listing failed, was withdrawn, or was settled for this broker.
pub async fn purge<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    ids: Vec<OrderId>,
) -> Result<OrdersTouched, ContractError> {
    const FUNCTION: &str = "PurgeOrders";
    let record: Listing = tx.read(Key::Listing(listing)).await?;
    record.require_broker(FUNCTION, &tx.caller)?;
    let done = match record.status {
        Status::Failed | Status::Withdrawn => true,
        Status::Sold => {
            let (_, shares) = record.sold_to(FUNCTION, &tx.caller)?;
            shares == 0
                || tx
                    .find::<Settlement>(Key::Settlement(listing, &tx.caller))
                    .await?
                    .is_some()
        }
        _ => false,
    };
    if !done {
        return Err(record.wrong_state(FUNCTION, "settled for this broker, failed, withdrawn"));
    }
    check_batch("orderIds", ids.len())?;
    let collection = tx.own_collection();
    for id in &ids {
        if tx
            .ledger
            .get_private_hash(&collection, PrivateKey::Order(listing, id))
            .await?
            .is_none()
        {
            return Err(ContractError::NotFound {
                what: "private order",
                id: format!("{listing} {id}"),
            });
        }
        tx.ledger
            .purge_private(&collection, PrivateKey::Order(listing, id))
            .await?;
        tx.ledger
            .purge_private(&collection, PrivateKey::Allocation(listing, id))
            .await?;
    }
    Ok(OrdersTouched {
        listing: listing.clone(),
        order_ids: ids,
    })
}

/// An own order, if this peer has it.
///
/// # Errors
/// [`ContractError::UnreadableRecord`], or the peer's.
pub async fn find<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    id: &OrderId,
) -> Result<Option<PrivateOrder>, ContractError> {
    let key = PrivateKey::Order(listing, id);
    let bytes = tx
        .ledger
        .get_private(&tx.own_collection(), key)
        .await?
        .map(Zeroizing::new);
    bytes
        .map(|bytes| PrivateOrder::from_bytes(&bytes).ok_or_else(|| unreadable(key.to_string())))
        .transpose()
}

/// The private record behind an own order record: the one that was submitted.
///
/// # Errors
/// [`ContractError::OrderMismatch`] when this peer has none or another.
pub async fn submitted<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    public: &OrderRecord,
) -> Result<PrivateOrder, ContractError> {
    let wrong = |reason| mismatch(tx, listing, &public.id, reason);
    let order = find(tx, listing, &public.id).await?.ok_or_else(|| {
        wrong("this peer has no private record of it: it was purged, or is lost (call RestoreOrders)")
    })?;
    if hex::encode(order.hash()) == public.record_hash {
        Ok(order)
    } else {
        Err(wrong("its private record is not the one that was submitted"))
    }
}

/// Every own order on a listing, ascending by id. For queries.
///
/// # Errors
/// As [`find`].
pub async fn all<L: Ledger>(tx: &Transaction<'_, L>, listing: &ListingId) -> Result<WithIds, ContractError> {
    let entries = tx.ledger.private_orders(&tx.own_collection(), listing).await?;
    let mut orders = Vec::with_capacity(entries.len());
    for (attributes, bytes) in entries {
        let bytes = Zeroizing::new(bytes);
        let key = || format!("private order {}", attributes.join(" "));
        let id = attributes.last().ok_or_else(|| unreadable(key()))?;
        let id = OrderId::parse("orderId", id)?;
        orders.push((
            id,
            PrivateOrder::from_bytes(&bytes).ok_or_else(|| unreadable(key()))?,
        ));
    }
    orders.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(orders)
}

/// The refusal of a private order that the ledger contradicts.
#[must_use]
pub fn mismatch<L>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    id: &OrderId,
    reason: &'static str,
) -> ContractError {
    ContractError::OrderMismatch {
        listing: listing.to_string(),
        msp: tx.caller.to_string(),
        order: id.to_string(),
        reason,
    }
}

fn unreadable(key: String) -> ContractError {
    ContractError::UnreadableRecord {
        key,
        reason: "it is not an order of version 1".to_owned(),
    }
}

impl ClearOrder {
    fn new(id: &OrderId, order: &PrivateOrder) -> Self {
        Self {
            id: id.to_string(),
            investor: order.investor().to_owned(),
            steps: order.steps().to_vec(),
            salt: hex::encode(order.salt().expose()),
        }
    }
}
