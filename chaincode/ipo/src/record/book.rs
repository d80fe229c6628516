//! The frozen books, and the session that they make.

use order_commitments::session::SessionError;
use order_commitments::{Book, BookContext, Commitment, Participant, Session, SessionTerms};
use serde::{Deserialize, Serialize};

use super::order::{OrderRecord, OrderStatus};
use super::roster::SidecarEntry;
use super::terms::Terms;
use crate::error::ContractError;
use crate::identifier::{ListingId, MspId};

/// The record behind the `book` key: what one organisation brings to the clearing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BookRecord {
    /// The listing.
    pub listing: ListingId,
    /// The organisation.
    pub msp: MspId,
    /// The number of its orders, their digest, the sum of their commitments.
    pub book: Book,
}

/// Freezes one organisation's book: of its order records, in any order, those that count.
///
/// # Errors
/// [`ContractError::UnreadableRecord`] when a record holds no commitment or two have one id.
pub fn freeze(owner: &BookContext<'_>, orders: &[OrderRecord]) -> Result<Book, ContractError> {
    let mut counted = Vec::with_capacity(orders.len());
    for order in orders
        .iter()
        .filter(|order| order.status == OrderStatus::Submitted)
    {
        let commitment: Commitment = order
            .commitment
            .parse()
            .map_err(|error| unreadable(owner, order.id.as_str(), &error))?;
        counted.push((order.id.as_str(), commitment));
    }
    counted.sort_by_key(|(id, _)| *id);
    Book::freeze(owner, counted).map_err(|error| unreadable(owner, "records", &error))
}

fn unreadable(owner: &BookContext<'_>, id: &str, error: &dyn std::error::Error) -> ContractError {
    ContractError::UnreadableRecord {
        key: format!("order {} {} {id}", owner.listing, owner.msp),
        reason: error.to_string(),
    }
}

/// What the clearing of a listing depends on, checked, with its session id. `books` and `sidecars` are ascending by
/// organisation, one of each for every participant.
///
/// # Errors
/// [`ContractError::BookTooLarge`]; [`ContractError::UnreadableRecord`] for anything that the records' own checks exclude.
pub fn session(
    channel: &str,
    chaincode: &str,
    terms: &Terms,
    books: &[BookRecord],
    sidecars: &[SidecarEntry],
) -> Result<Session, ContractError> {
    let unreadable = |reason: String| ContractError::UnreadableRecord {
        key: format!("listing {}", terms.id),
        reason,
    };
    if books.len() != sidecars.len() {
        return Err(unreadable(format!(
            "it has {} books and {} sidecars",
            books.len(),
            sidecars.len()
        )));
    }
    let mut participants = Vec::with_capacity(books.len());
    for (book, sidecar) in books.iter().zip(sidecars) {
        if book.msp != sidecar.msp {
            return Err(unreadable(format!(
                "the book of {} meets the sidecar of {}",
                book.msp, sidecar.msp
            )));
        }
        participants.push(Participant {
            msp: book.msp.to_string(),
            endpoint: sidecar.endpoint.clone(),
            key_hash: sidecar.key_hash()?,
            next_key_hash: sidecar.next_key_hash()?,
            book: book.book.clone(),
        });
    }
    let session_terms = SessionTerms {
        channel: channel.to_owned(),
        chaincode: chaincode.to_owned(),
        listing: terms.id.to_string(),
        grid: terms.price,
        shares: terms.shares,
        lot_size: terms.lot_size,
        rule: terms.allocation,
        min_subscription: terms.min_subscription,
        max_order: terms.max_order,
        fan_out: u32::from(terms.fan_out),
    };
    Session::new(session_terms, participants).map_err(|error| match error {
        SessionError::BookTooLarge {
            msp,
            count,
            max_order_lots,
        } => ContractError::BookTooLarge {
            listing: terms.id.to_string(),
            msp,
            orders: count,
            max_order_lots,
        },
        other => unreadable(other.to_string()),
    })
}
