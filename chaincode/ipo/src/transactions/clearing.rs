//! From the close to the outcome: freezing the books, handing the own orders to the own sidecar, recording what it found.
//!
//! No function here waits for the computation. A chaincode call that waits holds a lock under which its peer commits no block.

use fabric_protos::ipo::sidecar::v1::{self as sidecar, State, outcome_response::Answer};
use order_commitments::{AllocationRule, Book, BookContext, PROTOCOL_VERSION, Price, Session};
use serde::{Deserialize, Serialize};

use super::orders;
use super::own_orders::{self, OPENINGS, WithIds};
use crate::error::ContractError;
use crate::identifier::{ListingId, MspId, OrderId};
use crate::keys::Key;
use crate::ledger::{Ledger, Transaction};
use crate::outcome;
use crate::record::book::{self, BookRecord};
use crate::record::listing::{Clearing, Listing, Move, Status};
use crate::record::order::OrderRecord;
use crate::record::private_order::PrivateOrder;
use crate::record::roster::SidecarEntry;
use crate::sidecar::{Sidecar, SidecarError};

/// The payload of `BooksFrozen`: what an application needs to call `JoinClearing`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FrozenEvent<'a> {
    id: &'a ListingId,
    session_id: &'a str,
    books: &'a [BookRecord],
}

/// How far the clearing is, as the own sidecar says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The listing.
    pub listing: ListingId,
    /// The session.
    pub session_id: String,
    /// `not-joined`, `waiting`, `running`, `done` or `failed`.
    pub state: String,
    /// Who has not joined yet or cannot be reached.
    pub waiting_for: Vec<String>,
    /// Attempts started.
    pub attempts: u32,
    /// Attempts allowed.
    pub max_attempts: u32,
    /// Why the last attempt failed; empty if none did.
    pub last_error: String,
    /// Whom the own sidecar suspects. Its own view, no proof.
    pub suspects: Vec<String>,
}

/// `FreezeBooks`: fixes what the clearing computes on. The listing is closed, so nobody adds to the order records while they are
/// ranged over.
///
/// # Errors
/// A listing that is not closed; a participant without a sidecar; [`ContractError::BookTooLarge`].
pub async fn freeze<L: Ledger>(tx: &Transaction<'_, L>, id: &ListingId) -> Result<Listing, ContractError> {
    let mut listing: Listing = tx.read(Key::Listing(id)).await?;
    listing.advance(Move::Freeze)?;
    let (mut books, mut sidecars) = (Vec::new(), Vec::new());
    for msp in listing.terms.participants() {
        sidecars.push(tx.read::<SidecarEntry>(Key::Sidecar(&msp)).await?);
        let orders = orders::counted(tx, id, &msp).await?;
        let book = book::freeze(&book_context(tx, id, &msp), &orders)?;
        let record = BookRecord {
            listing: id.clone(),
            msp,
            book,
        };
        tx.write(Key::Book(id, &record.msp), &record).await?;
        books.push(record);
    }
    let session = book::session(&tx.channel, &tx.chaincode, &listing.terms, &books, &sidecars)?;
    let session_id = session.id().to_string();
    let event = FrozenEvent {
        id,
        session_id: &session_id,
        books: &books,
    };
    tx.announce("BooksFrozen", &event).await?;
    let protocol_version = PROTOCOL_VERSION;
    listing.clearing = Some(Clearing {
        protocol_version,
        session_id,
        sidecars,
    });
    tx.write(Key::Listing(id), &listing).await?;
    Ok(listing)
}

/// `JoinClearing`: hands the own orders' openings and the roster to the own sidecar. Compares everything with the ledger
/// first. A query: it ranges over private data, so it cannot be submitted with a write.
///
/// # Errors
/// [`ContractError::BookMismatch`], [`ContractError::OrderMismatch`]: an own order is missing, added or altered;
/// [`ContractError::ClearingPending`] when the own sidecar does not answer.
pub async fn join<L: Ledger>(
    tx: &Transaction<'_, L>,
    sidecar: &impl Sidecar,
    id: &ListingId,
) -> Result<Progress, ContractError> {
    const FUNCTION: &str = "JoinClearing";
    let listing: Listing = tx.read(Key::Listing(id)).await?;
    listing.require_participant(FUNCTION, &tx.caller)?;
    if listing.status != Status::Frozen {
        return Err(listing.wrong_state(FUNCTION, "frozen"));
    }
    let session = frozen_session(tx, FUNCTION, &listing).await?;
    let frozen = session
        .party(tx.caller.as_str())
        .and_then(|place| session.participants().get(place))
        .ok_or_else(|| book_mismatch(tx, id, "the participants of the freeze"))?;
    let counted = own_frozen_orders(tx, id, &frozen.book).await?;
    let mut lost = match tx.transient(OPENINGS) {
        Some(_) => own_orders::many_from_transient(tx, OPENINGS)?,
        None => Vec::new(),
    };
    lost.sort_by(|(one, _), (other, _)| one.cmp(other));
    let own = own_orders::all(tx, id).await?;
    let openings = counted
        .iter()
        .map(|public| opening(tx, &listing, public, &own, &lost))
        .collect::<Result<Vec<_>, _>>()?;
    let request = join_request(&session, &tx.caller, openings);
    let response = sidecar.join(request).await.map_err(|error| refusal(tx, error))?;
    Ok(progress(
        id,
        &session.id().to_string(),
        response.status.unwrap_or_default(),
    ))
}

/// The caller's organisation's order records that make the frozen book, ascending by id.
///
/// # Errors
/// [`ContractError::BookMismatch`] when they do not make it any more.
pub async fn own_frozen_orders<L: Ledger>(
    tx: &Transaction<'_, L>,
    id: &ListingId,
    frozen: &Book,
) -> Result<Vec<OrderRecord>, ContractError> {
    let counted = orders::counted(tx, id, &tx.caller).await?;
    if *frozen == book::freeze(&book_context(tx, id, &tx.caller), &counted)? {
        Ok(counted)
    } else {
        Err(book_mismatch(tx, id, "this organisation's order records"))
    }
}

/// `ClearingStatus`: what the own sidecar says.
///
/// # Errors
/// A listing that is not frozen yet; [`ContractError::ClearingPending`] when the own sidecar does not answer.
pub async fn status<L: Ledger>(
    tx: &Transaction<'_, L>,
    sidecar: &impl Sidecar,
    id: &ListingId,
) -> Result<Progress, ContractError> {
    const FUNCTION: &str = "ClearingStatus";
    let listing: Listing = tx.read(Key::Listing(id)).await?;
    listing.require_participant(FUNCTION, &tx.caller)?;
    let clearing = listing.clearing(FUNCTION)?;
    let request = sidecar::StatusRequest {
        session_id: session_bytes(&listing, clearing)?,
    };
    let status = sidecar
        .status(request)
        .await
        .map_err(|error| refusal(tx, error))?;
    Ok(progress(id, &clearing.session_id, status))
}

/// `SellListing`: records the outcome that the own sidecar has. Each endorser asks its own; they agree or nothing is
/// recorded. Writes the listing's key alone, whose policy is all participants: nobody else is asked to endorse.
///
/// # Errors
/// [`ContractError::WrongEndorser`], [`ContractError::ClearingPending`], [`ContractError::ClearingFailed`], [`ContractError::InconsistentOutcome`].
pub async fn sell<L: Ledger>(
    tx: &Transaction<'_, L>,
    sidecar: &impl Sidecar,
    endorser: &MspId,
    id: &ListingId,
) -> Result<Listing, ContractError> {
    const FUNCTION: &str = "SellListing";
    let mut listing: Listing = tx.read(Key::Listing(id)).await?;
    listing.require_participant(FUNCTION, &tx.caller)?;
    listing.require_endorser(FUNCTION, endorser)?;
    if listing.status != Status::Frozen {
        return Err(listing.wrong_state(FUNCTION, "frozen"));
    }
    let clearing = listing.clearing(FUNCTION)?;
    let request = sidecar::OutcomeRequest {
        session_id: session_bytes(&listing, clearing)?,
    };
    let response = sidecar
        .outcome(request)
        .await
        .map_err(|error| pending(endorser, &error))?;
    let reported = match response.answer {
        Some(Answer::Outcome(outcome)) => outcome,
        Some(Answer::Pending(status)) => return Err(not_done(endorser, &status)),
        None => return Err(not_done(endorser, &sidecar::StatusResponse::default())),
    };
    let (step, outcome) = outcome::check(&listing.terms, clearing, &reported)?;
    listing.advance(step)?;
    listing.outcome = Some(outcome);
    tx.write(Key::Listing(id), &listing).await?;
    let event = if step == Move::Sell {
        "ListingSold"
    } else {
        "ListingFailed"
    };
    tx.announce(event, &listing).await?;
    Ok(listing)
}

fn book_context<'a, L>(tx: &'a Transaction<'_, L>, id: &'a ListingId, msp: &'a MspId) -> BookContext<'a> {
    BookContext {
        channel: &tx.channel,
        chaincode: &tx.chaincode,
        listing: id.as_str(),
        msp: msp.as_str(),
    }
}

/// The session of a frozen listing, made again from the books on the ledger and compared with what was frozen.
async fn frozen_session<L: Ledger>(
    tx: &Transaction<'_, L>,
    function: &'static str,
    listing: &Listing,
) -> Result<Session, ContractError> {
    let id = &listing.terms.id;
    let clearing = listing.clearing(function)?;
    let mut books = Vec::new();
    for msp in &listing.terms.participants() {
        books.push(tx.read::<BookRecord>(Key::Book(id, msp)).await?);
    }
    let session = book::session(
        &tx.channel,
        &tx.chaincode,
        &listing.terms,
        &books,
        &clearing.sidecars,
    )?;
    if clearing.protocol_version != PROTOCOL_VERSION || session.id().to_string() != clearing.session_id {
        return Err(book_mismatch(tx, id, "the session id of the freeze"));
    }
    Ok(session)
}

fn book_mismatch<L>(tx: &Transaction<'_, L>, id: &ListingId, with: &'static str) -> ContractError {
    ContractError::BookMismatch {
        listing: id.to_string(),
        msp: tx.caller.to_string(),
        with,
    }
}

/// What opens one order's commitment: the private record, or what the client sent in its place.
fn opening<L>(
    tx: &Transaction<'_, L>,
    listing: &Listing,
    public: &OrderRecord,
    own: &WithIds,
    lost: &WithIds,
) -> Result<sidecar::Opening, ContractError> {
    let id = &listing.terms.id;
    let wrong = |reason| own_orders::mismatch(tx, id, &public.id, reason);
    let matches = |order: &PrivateOrder| hex::encode(order.hash()) == public.record_hash;
    let find = |orders| find(orders, &public.id);
    let (private, sent) = (find(own), find(lost));
    let order = match (private, sent) {
        (Some(order), _) if matches(order) => order,
        (_, Some(order)) if matches(order) => order,
        (_, Some(_)) => return Err(wrong("what was sent is not what was submitted")),
        (Some(_), None) => return Err(wrong("its private record is not the one that was submitted")),
        (None, None) => {
            return Err(wrong(
                "it counts on the ledger, but this peer has no private record of it: \
                 send it in the transient field openings, or somebody else added it",
            ));
        }
    };
    // The sidecar checks it again, but would quote the order.
    order.schedule(public.id.as_str(), &listing.terms.order_rules()?)?;
    let highest = listing.terms.price.max();
    Ok(sidecar::Opening {
        order_id: public.id.to_string(),
        steps: order
            .steps()
            .iter()
            .map(|step| sidecar::Step {
                price: match step.price {
                    Price::At(price) => price,
                    Price::Market => highest,
                },
                quantity: step.quantity,
            })
            .collect(),
        salt: order.salt().expose().to_vec(),
        commitment: hex::decode(&public.commitment)
            .map_err(|_| wrong("its commitment is not hexadecimal"))?,
    })
}

/// An order among those given, which are ascending by id.
fn find<'a>(orders: &'a WithIds, id: &OrderId) -> Option<&'a PrivateOrder> {
    let place = orders.binary_search_by(|(own, _)| own.cmp(id)).ok()?;
    orders.get(place).map(|(_, order)| order)
}

fn join_request(session: &Session, own: &MspId, openings: Vec<sidecar::Opening>) -> sidecar::JoinRequest {
    let terms = session.terms();
    sidecar::JoinRequest {
        protocol_version: u32::from(PROTOCOL_VERSION),
        session_id: session.id().0.to_vec(),
        terms: Some(sidecar::Terms {
            channel: terms.channel.clone(),
            chaincode: terms.chaincode.clone(),
            listing: terms.listing.clone(),
            shares: terms.shares,
            lot_size: terms.lot_size,
            price: Some(sidecar::PriceGrid {
                min: terms.grid.min(),
                max: terms.grid.max(),
                tick: terms.grid.tick(),
            }),
            allocation: match terms.rule {
                AllocationRule::PricePriority => sidecar::AllocationRule::PricePriority,
                AllocationRule::ProRata => sidecar::AllocationRule::ProRata,
            }
            .into(),
            min_subscription: terms.min_subscription,
            max_order: terms.max_order,
            fan_out: terms.fan_out,
        }),
        participants: session
            .participants()
            .iter()
            .map(|participant| sidecar::Participant {
                msp: participant.msp.clone(),
                endpoint: participant.endpoint.clone(),
                key_hash: participant.key_hash.to_vec(),
                next_key_hash: participant
                    .next_key_hash
                    .map(|hash| hash.to_vec())
                    .unwrap_or_default(),
                book: Some(sidecar::Book {
                    count: participant.book.count,
                    digest: participant.book.digest.0.to_vec(),
                    commitment: participant.book.commitment.to_bytes(),
                }),
            })
            .collect(),
        msp: own.to_string(),
        openings,
    }
}

fn session_bytes(listing: &Listing, clearing: &Clearing) -> Result<Vec<u8>, ContractError> {
    hex::decode(&clearing.session_id).map_err(|error| ContractError::UnreadableRecord {
        key: format!("listing {}", listing.terms.id),
        reason: error.to_string(),
    })
}

fn progress(id: &ListingId, session_id: &str, status: sidecar::StatusResponse) -> Progress {
    let state = match status.state() {
        State::Unspecified => "unknown",
        State::NotJoined => "not-joined",
        State::Waiting => "waiting",
        State::Running => "running",
        State::Done => "done",
        State::Failed => "failed",
    };
    Progress {
        listing: id.clone(),
        session_id: session_id.to_owned(),
        state: state.to_owned(),
        waiting_for: status.waiting_for,
        attempts: status.attempts,
        max_attempts: status.max_attempts,
        last_error: status.last_error,
        suspects: status.suspects,
    }
}

fn refusal<L>(tx: &Transaction<'_, L>, error: SidecarError) -> ContractError {
    match error {
        SidecarError::Refused { reason } => ContractError::SidecarRefused {
            msp: tx.caller.to_string(),
            reason,
        },
        other => pending(&tx.caller, &other),
    }
}

fn pending(endorser: &MspId, error: &SidecarError) -> ContractError {
    ContractError::ClearingPending {
        who: format!("the sidecar of {endorser}"),
        why: error.to_string(),
    }
}

/// Why there is no outcome yet, or will be none.
fn not_done(endorser: &MspId, status: &sidecar::StatusResponse) -> ContractError {
    let sidecar = format!("the sidecar of {endorser}");
    let last = if status.last_error.is_empty() {
        String::new()
    } else {
        format!(
            "; attempt {} of {} failed: {}",
            status.attempts, status.max_attempts, status.last_error
        )
    };
    match status.state() {
        State::Failed => ContractError::ClearingFailed {
            who: if status.suspects.is_empty() {
                sidecar
            } else {
                status.suspects.join(", ")
            },
            why: format!("{} (as {endorser} sees it)", status.last_error),
        },
        State::NotJoined => ContractError::ClearingPending {
            who: endorser.to_string(),
            why: "it has not joined; call JoinClearing on its own peer".to_owned(),
        },
        State::Waiting => ContractError::ClearingPending {
            who: status.waiting_for.join(", "),
            why: format!("not joined, or not reached by {sidecar}{last}"),
        },
        State::Running | State::Done | State::Unspecified => ContractError::ClearingPending {
            who: sidecar,
            why: format!("the computation is running{last}"),
        },
    }
}
