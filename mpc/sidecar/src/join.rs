//! What the chaincode hands over, checked: that it is a session this sidecar can take part in, that every opening opens
//! its own order's commitment, and that together they are exactly the organisation's frozen book.

use fabric_protos::ipo::sidecar::v1 as wire;
use order_commitments::book::BookError;
use order_commitments::commitment::CommitmentError;
use order_commitments::grid::GridError;
use order_commitments::opening::{OpeningError, open_book};
use order_commitments::salt::SaltError;
use order_commitments::schedule::ScheduleError;
use order_commitments::session::SessionError;
use order_commitments::{
    AllocationRule, Book, BookCommitment, BookDigest, Commitment, DemandSchedule, Opening, PROTOCOL_VERSION,
    Participant, Price, PriceGrid, Salt, Session, SessionId, SessionTerms, Step,
};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// A session that this organisation has joined, with its own input. `Debug` prints nothing of the input.
#[derive(Debug)]
pub struct Joined {
    /// The session.
    pub session: Session,
    /// The own place among the participants.
    pub party: usize,
    /// What opens the own frozen book.
    pub openings: Vec<Opening>,
}

/// Why a session is not joined. The messages are for the organisation's own chaincode: they may quote its own orders.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JoinError {
    /// Another version of the protocol.
    #[error("protocol_version is {found}, allowed is {PROTOCOL_VERSION}")]
    Version {
        /// The version that came.
        found: u32,
    },
    /// A further part of a book that says something else.
    #[error("a part after the first has other fields than openings, allowed are openings alone")]
    Part,
    /// A field that is missing.
    #[error("{field} is missing")]
    Missing {
        /// The field.
        field: String,
    },
    /// Bytes of a wrong length.
    #[error("{field} is {found} bytes long, allowed is {allowed}")]
    Length {
        /// The field.
        field: String,
        /// The length that came.
        found: usize,
        /// The lengths allowed.
        allowed: &'static str,
    },
    /// An unknown allocation rule.
    #[error("terms.allocation is {found}, allowed is 1 (price-priority) or 2 (pro-rata)")]
    Rule {
        /// The number that came.
        found: i32,
    },
    /// The prices are not a grid.
    #[error("terms.{0}")]
    Grid(#[from] GridError),
    /// A book's commitment is not a point.
    #[error("the book of {msp:?}: {source}")]
    BookCommitment {
        /// Whose book.
        msp: String,
        /// What is wrong.
        source: CommitmentError,
    },
    /// Terms or participants are wrong.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The session id is not that of the terms and participants.
    #[error("session_id is {found}, but the terms and participants have {derived}")]
    SessionId {
        /// The id that came.
        found: SessionId,
        /// The id that they have.
        derived: SessionId,
    },
    /// The chaincode speaks for another organisation.
    #[error("msp is {found:?}, allowed is this sidecar's own organisation {own:?}")]
    OtherOrganisation {
        /// The organisation that came.
        found: String,
        /// This sidecar's.
        own: String,
    },
    /// The own organisation does not take part.
    #[error("this sidecar's organisation {own:?} is not a participant of the listing")]
    NotParticipant {
        /// This sidecar's organisation.
        own: String,
    },
    /// The ledger names another key for this sidecar.
    #[error("the ledger has another public key for this sidecar: register {own_key_hash}")]
    OwnKey {
        /// SHA-256 of this sidecar's public key.
        own_key_hash: String,
    },
    /// Another participant cannot be authenticated.
    #[error("peers.ca of this sidecar has no certificate authority of participant {msp:?}")]
    NoAuthority {
        /// The participant.
        msp: String,
    },
    /// The listing was joined before under other terms or books.
    #[error("listing {listing:?} was joined as session {joined}, not {found}: a listing is cleared once")]
    OtherSession {
        /// The listing's id.
        listing: String,
        /// The session that was joined.
        joined: SessionId,
        /// The session that came.
        found: SessionId,
    },
    /// An order breaks the listing's rules.
    #[error("order {order_id:?}: {source}")]
    Schedule {
        /// The order.
        order_id: String,
        /// The rule.
        source: ScheduleError,
    },
    /// An order's salt has a wrong length.
    #[error("order {order_id:?}: {source}")]
    Salt {
        /// The order.
        order_id: String,
        /// Its length.
        source: SaltError,
    },
    /// An order's commitment is not a point.
    #[error("order {order_id:?}: {source}")]
    Commitment {
        /// The order.
        order_id: String,
        /// What is wrong.
        source: CommitmentError,
    },
    /// An order does not open its commitment.
    #[error(transparent)]
    Opening(#[from] OpeningError),
    /// Orders out of order, or one twice.
    #[error("openings: {0}")]
    Order(#[from] BookError),
    /// An order of the frozen book is missing.
    #[error(
        "openings has {found} orders, the frozen book {expected}: missing is the order with commitment {missing}"
    )]
    MissingOrder {
        /// How many came.
        found: u64,
        /// How many there are.
        expected: u64,
        /// The missing orders' commitments: one order's, or the sum of several.
        missing: BookCommitment,
    },
    /// There is an order that the frozen book does not have.
    #[error("openings has {found} orders, the frozen book {expected}: {added}")]
    AddedOrder {
        /// How many came.
        found: u64,
        /// How many there are.
        expected: u64,
        /// Which one.
        added: Added,
    },
    /// As many orders as the frozen book has, but others.
    #[error(
        "openings are not the frozen book: order ids or commitments differ ({digest}, the ledger has {expected})"
    )]
    OtherBook {
        /// The digest of what came.
        digest: BookDigest,
        /// The digest on the ledger.
        expected: BookDigest,
    },
}

/// The orders that the frozen book does not have, as far as they can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// This order.
    Order(String),
    /// Several.
    Several,
}

impl std::fmt::Display for Added {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Order(id) => write!(formatter, "it does not have order {id:?}"),
            Self::Several => formatter.write_str("it does not have some of them"),
        }
    }
}

impl JoinError {
    /// Whether the message is about the organisation's own orders, and may quote them.
    #[must_use]
    pub fn concerns_orders(&self) -> bool {
        matches!(
            self,
            Self::Schedule { .. }
                | Self::Salt { .. }
                | Self::Commitment { .. }
                | Self::Opening(_)
                | Self::Order(_)
                | Self::MissingOrder { .. }
                | Self::AddedOrder { .. }
                | Self::OtherBook { .. }
        )
    }

    /// Whether the request itself is malformed, rather than in contradiction with the ledger.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        matches!(
            self,
            Self::Version { .. }
                | Self::Part
                | Self::Missing { .. }
                | Self::Length { .. }
                | Self::Rule { .. }
                | Self::Grid(_)
                | Self::BookCommitment { .. }
                | Self::Session(_)
                | Self::SessionId { .. }
                | Self::Salt { .. }
                | Self::Commitment { .. }
                | Self::Order(_)
        )
    }
}

/// Checks a request for the organisation `own`. Takes about a tenth of a millisecond an order.
///
/// # Errors
/// The field, participant or order that is wrong.
pub fn check(request: &wire::JoinRequest, own: &str) -> Result<Joined, JoinError> {
    let session = session(request)?;
    if request.msp != own {
        return Err(JoinError::OtherOrganisation {
            found: request.msp.clone(),
            own: own.to_owned(),
        });
    }
    let party = session
        .party(own)
        .ok_or_else(|| JoinError::NotParticipant { own: own.to_owned() })?;
    let openings = request
        .openings
        .iter()
        .map(|opening| parse_opening(opening, &session))
        .collect::<Result<Vec<_>, _>>()?;
    let context = session.book_context(own);
    let given = Book::freeze(
        &context,
        openings
            .iter()
            .map(|opening| (opening.order_id.as_str(), opening.commitment)),
    )?;
    open_book(&context, session.terms().grid.levels(), &openings)?;
    if let Some(participant) = session.participants().get(party) {
        compare_books(&given, &participant.book, &openings)?;
    }
    Ok(Joined {
        session,
        party,
        openings,
    })
}

/// Erases what is secret in an opening.
pub fn erase(opening: &mut wire::Opening) {
    opening.salt.zeroize();
    for step in &mut opening.steps {
        step.price.zeroize();
        step.quantity.zeroize();
    }
}

/// The session that a request is for, checked but for the own orders.
///
/// # Errors
/// The field or participant that is wrong.
pub fn session(request: &wire::JoinRequest) -> Result<Session, JoinError> {
    if request.protocol_version != u32::from(PROTOCOL_VERSION) {
        return Err(JoinError::Version {
            found: request.protocol_version,
        });
    }
    let missing = |field: &str| JoinError::Missing {
        field: field.to_owned(),
    };
    let terms = request.terms.as_ref().ok_or_else(|| missing("terms"))?;
    let price = terms.price.as_ref().ok_or_else(|| missing("terms.price"))?;
    let rule = match terms.allocation() {
        wire::AllocationRule::PricePriority => AllocationRule::PricePriority,
        wire::AllocationRule::ProRata => AllocationRule::ProRata,
        wire::AllocationRule::Unspecified => {
            return Err(JoinError::Rule {
                found: terms.allocation,
            });
        }
    };
    let terms = SessionTerms {
        channel: terms.channel.clone(),
        chaincode: terms.chaincode.clone(),
        listing: terms.listing.clone(),
        grid: PriceGrid::new(price.min, price.max, price.tick)?,
        shares: terms.shares,
        lot_size: terms.lot_size,
        rule,
        min_subscription: terms.min_subscription,
        max_order: terms.max_order,
        fan_out: terms.fan_out,
    };
    let participants = request
        .participants
        .iter()
        .map(parse_participant)
        .collect::<Result<Vec<_>, _>>()?;
    let session = Session::new(terms, participants)?;
    let found = SessionId(array("session_id", &request.session_id)?);
    if found != session.id() {
        return Err(JoinError::SessionId {
            found,
            derived: session.id(),
        });
    }
    Ok(session)
}

fn parse_participant(participant: &wire::Participant) -> Result<Participant, JoinError> {
    let msp = &participant.msp;
    let field = |name: &str| format!("{name} of participant {msp:?}");
    let book = participant
        .book
        .as_ref()
        .ok_or_else(|| JoinError::Missing { field: field("book") })?;
    let next_key_hash = if participant.next_key_hash.is_empty() {
        None
    } else {
        Some(array(&field("next_key_hash"), &participant.next_key_hash)?)
    };
    Ok(Participant {
        msp: msp.clone(),
        endpoint: participant.endpoint.clone(),
        key_hash: array(&field("key_hash"), &participant.key_hash)?,
        next_key_hash,
        book: Book {
            count: book.count,
            digest: BookDigest(array(&field("book.digest"), &book.digest)?),
            commitment: BookCommitment::from_bytes(&book.commitment).map_err(|source| {
                JoinError::BookCommitment {
                    msp: msp.clone(),
                    source,
                }
            })?,
        },
    })
}

fn parse_opening(opening: &wire::Opening, session: &Session) -> Result<Opening, JoinError> {
    let order_id = || opening.order_id.clone();
    let steps: Zeroizing<Vec<Step>> = Zeroizing::new(
        opening
            .steps
            .iter()
            .map(|step| Step {
                price: Price::At(step.price),
                quantity: step.quantity,
            })
            .collect(),
    );
    let schedule =
        DemandSchedule::new(&steps, session.order_rules()).map_err(|source| JoinError::Schedule {
            order_id: order_id(),
            source,
        })?;
    let salt = Salt::try_from(opening.salt.as_slice()).map_err(|source| JoinError::Salt {
        order_id: order_id(),
        source,
    })?;
    let commitment = Commitment::from_bytes(&opening.commitment).map_err(|source| JoinError::Commitment {
        order_id: order_id(),
        source,
    })?;
    Ok(Opening {
        order_id: order_id(),
        schedule,
        salt,
        commitment,
    })
}

fn compare_books(given: &Book, frozen: &Book, openings: &[Opening]) -> Result<(), JoinError> {
    let (found, expected) = (given.count, frozen.count);
    if found < expected {
        let missing = frozen.commitment.minus(&given.commitment);
        return Err(JoinError::MissingOrder {
            found,
            expected,
            missing,
        });
    }
    if found > expected {
        let surplus = given.commitment.minus(&frozen.commitment).to_bytes();
        let added = openings
            .iter()
            .find(|opening| opening.commitment.to_bytes().as_slice() == surplus)
            .map_or(Added::Several, |opening| Added::Order(opening.order_id.clone()));
        return Err(JoinError::AddedOrder {
            found,
            expected,
            added,
        });
    }
    if given != frozen {
        return Err(JoinError::OtherBook {
            digest: given.digest,
            expected: frozen.digest,
        });
    }
    Ok(())
}

fn array(field: &str, bytes: &[u8]) -> Result<[u8; 32], JoinError> {
    bytes.try_into().map_err(|_| JoinError::Length {
        field: field.to_owned(),
        found: bytes.len(),
        allowed: "32 bytes",
    })
}
