//! The identity of one clearing: everything public that its outcome depends on, in one hash.
//!
//! Sidecars compare the session id before anything else, and the ledger records it when the books are frozen, so that
//! no two of them compute on different terms, books or participants, nor search the price in another way.

use std::fmt;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::encoding::Encoder;
use crate::grid::PriceGrid;
use crate::schedule::RulesError;
use crate::{
    AllocationRule, Book, BookContext, Lots, MAX_LEVELS, MAX_LOTS, MAX_PARTICIPANTS, MIN_PARTICIPANTS,
    OrderRules,
};

/// The most lots that a book can want: every demand has at most 49 bits.
pub const MAX_BOOK_LOTS: Lots = (1 << 49) - 1;

/// A listing's terms, as far as they enter its clearing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionTerms {
    /// The channel.
    pub channel: String,
    /// The chaincode's name.
    pub chaincode: String,
    /// The listing's id.
    pub listing: String,
    /// Its prices.
    pub grid: PriceGrid,
    /// Shares for sale, a multiple of the lot.
    pub shares: u64,
    /// Shares in a lot.
    pub lot_size: u64,
    /// How lots are shared at the margin.
    pub rule: AllocationRule,
    /// Shares below which the listing fails; 0 if there is no such bound.
    pub min_subscription: u64,
    /// The largest order in shares, a multiple of the lot.
    pub max_order: u64,
    /// How many probes of the price search run side by side, 1 or more. With the grid it fixes the whole schedule of
    /// probes.
    pub fan_out: u32,
}

/// One organisation that takes part, as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// Its MSP id.
    pub msp: String,
    /// Where its sidecar answers: `host:port`.
    pub endpoint: String,
    /// SHA-256 of its sidecar's public key (DER `SubjectPublicKeyInfo`).
    pub key_hash: [u8; 32],
    /// The same of the key that comes next, if one is announced.
    pub next_key_hash: Option<[u8; 32]>,
    /// Its frozen book.
    pub book: Book,
}

/// SHA-256 over a session's terms and participants. In text, hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 32]);

/// A clearing's terms and participants, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    terms: SessionTerms,
    participants: Vec<Participant>,
    rules: OrderRules,
    id: SessionId,
}

/// Why terms and participants are not a session.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// A name is empty.
    #[error("{field} is empty, allowed is a name")]
    Empty {
        /// The field.
        field: &'static str,
    },
    /// The lot or the largest order is wrong.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// The shares are not a positive multiple of the lot.
    #[error("shares is {shares}, allowed is a positive multiple of lotSize ({lot_size})")]
    SharesOffLot {
        /// Shares for sale.
        shares: u64,
        /// Shares in a lot.
        lot_size: u64,
    },
    /// Too many lots for sale.
    #[error("shares is {lots} lots, allowed are at most {MAX_LOTS}")]
    TooManyLots {
        /// Lots for sale.
        lots: u64,
    },
    /// The listing could never sell.
    #[error("minSubscription is {min_subscription}, allowed is at most shares ({shares})")]
    MinSubscription {
        /// The bound.
        min_subscription: u64,
        /// Shares for sale.
        shares: u64,
    },
    /// No probe, or more than there are levels.
    #[error("fanOut is {fan_out}, allowed is 1 to {MAX_LEVELS}")]
    FanOut {
        /// Probes side by side.
        fan_out: u32,
    },
    /// Too few participants, or too many.
    #[error("participants has {found} entries, allowed are {MIN_PARTICIPANTS} to {MAX_PARTICIPANTS}")]
    ParticipantCount {
        /// How many there are.
        found: usize,
    },
    /// Participants out of order, or one twice.
    #[error(
        "participant {msp:?} comes after {previous:?}, allowed are distinct MSP ids in ascending byte order"
    )]
    ParticipantOrder {
        /// The participant.
        msp: String,
        /// The one before it.
        previous: String,
    },
    /// A book could want more lots than a demand has bits for.
    #[error(
        "participant {msp:?} has {count} orders of up to {max_order_lots} lots each, allowed are {MAX_BOOK_LOTS} lots in all"
    )]
    BookTooLarge {
        /// The participant.
        msp: String,
        /// How many orders it has.
        count: u64,
        /// The largest order, in lots.
        max_order_lots: Lots,
    },
}

impl Session {
    /// Checks terms and participants, which come in ascending byte order of their MSP ids.
    ///
    /// # Errors
    /// The field that is wrong, what it says and what is allowed.
    pub fn new(terms: SessionTerms, participants: Vec<Participant>) -> Result<Self, SessionError> {
        let rules = check_terms(&terms)?;
        check_participants(&participants, &rules)?;
        let id = session_id(&terms, &participants);
        Ok(Self {
            terms,
            participants,
            rules,
            id,
        })
    }

    /// The session's id.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The listing's terms.
    #[must_use]
    pub fn terms(&self) -> &SessionTerms {
        &self.terms
    }

    /// The participants, ascending by MSP id; their places are the parties' indices in the computation.
    #[must_use]
    pub fn participants(&self) -> &[Participant] {
        &self.participants
    }

    /// The place of an organisation among the participants.
    #[must_use]
    pub fn party(&self, msp: &str) -> Option<usize> {
        self.participants
            .iter()
            .position(|participant| participant.msp == msp)
    }

    /// What the listing asks of its orders.
    #[must_use]
    pub fn order_rules(&self) -> &OrderRules {
        &self.rules
    }

    /// Whose book an organisation's is in this session.
    #[must_use]
    pub fn book_context<'a>(&'a self, msp: &'a str) -> BookContext<'a> {
        BookContext {
            channel: &self.terms.channel,
            chaincode: &self.terms.chaincode,
            listing: &self.terms.listing,
            msp,
        }
    }

    /// Lots for sale, `1..2^32`.
    #[must_use]
    pub fn lots(&self) -> Lots {
        self.terms.shares / self.terms.lot_size
    }

    /// The fewest lots whose demand lets the listing sell, 0 if there is no such bound.
    #[must_use]
    pub fn min_subscription_lots(&self) -> Lots {
        self.terms.min_subscription.div_ceil(self.terms.lot_size)
    }

    /// The most lots that any book of this session can want at a level, by its number of orders and the largest order
    /// allowed: public, below 2^49.
    #[must_use]
    pub fn max_book_lots(&self) -> Lots {
        let largest = self
            .participants
            .iter()
            .map(|participant| participant.book.count)
            .max()
            .unwrap_or(0);
        largest * self.rules.max_order_lots()
    }
}

fn check_terms(terms: &SessionTerms) -> Result<OrderRules, SessionError> {
    for (field, value) in [
        ("channel", &terms.channel),
        ("chaincode", &terms.chaincode),
        ("listing", &terms.listing),
    ] {
        if value.is_empty() {
            return Err(SessionError::Empty { field });
        }
    }
    let rules = OrderRules::new(terms.grid, terms.lot_size, terms.max_order)?;
    if terms.shares == 0 || !terms.shares.is_multiple_of(terms.lot_size) {
        return Err(SessionError::SharesOffLot {
            shares: terms.shares,
            lot_size: terms.lot_size,
        });
    }
    let lots = terms.shares / terms.lot_size;
    if lots > MAX_LOTS {
        return Err(SessionError::TooManyLots { lots });
    }
    if terms.min_subscription > terms.shares {
        return Err(SessionError::MinSubscription {
            min_subscription: terms.min_subscription,
            shares: terms.shares,
        });
    }
    if !(1..=MAX_LEVELS).contains(&usize::try_from(terms.fan_out).unwrap_or(usize::MAX)) {
        return Err(SessionError::FanOut {
            fan_out: terms.fan_out,
        });
    }
    Ok(rules)
}

fn check_participants(participants: &[Participant], rules: &OrderRules) -> Result<(), SessionError> {
    if !(MIN_PARTICIPANTS..=MAX_PARTICIPANTS).contains(&participants.len()) {
        return Err(SessionError::ParticipantCount {
            found: participants.len(),
        });
    }
    for participant in participants {
        if participant.msp.is_empty() {
            return Err(SessionError::Empty {
                field: "participants.msp",
            });
        }
        if participant.endpoint.is_empty() {
            return Err(SessionError::Empty {
                field: "participants.endpoint",
            });
        }
        let count = participant.book.count;
        let max_order_lots = rules.max_order_lots();
        if count
            .checked_mul(max_order_lots)
            .is_none_or(|lots| lots > MAX_BOOK_LOTS)
        {
            return Err(SessionError::BookTooLarge {
                msp: participant.msp.clone(),
                count,
                max_order_lots,
            });
        }
    }
    for (previous, next) in participants.iter().zip(participants.iter().skip(1)) {
        if previous.msp.as_bytes() >= next.msp.as_bytes() {
            return Err(SessionError::ParticipantOrder {
                msp: next.msp.clone(),
                previous: previous.msp.clone(),
            });
        }
    }
    Ok(())
}

fn session_id(terms: &SessionTerms, participants: &[Participant]) -> SessionId {
    let mut encoder = Encoder::new("session");
    encoder
        .text(&terms.channel)
        .text(&terms.chaincode)
        .text(&terms.listing)
        .u64(terms.grid.min())
        .u64(terms.grid.max())
        .u64(terms.grid.tick())
        .u64(terms.shares)
        .u64(terms.lot_size)
        .u64(match terms.rule {
            AllocationRule::PricePriority => 1,
            AllocationRule::ProRata => 2,
        })
        .u64(terms.min_subscription)
        .u64(terms.max_order)
        .u64(u64::from(terms.fan_out))
        .u64(participants.len() as u64);
    for participant in participants {
        encoder
            .text(&participant.msp)
            .text(&participant.endpoint)
            .bytes(&participant.key_hash)
            .bytes(
                participant
                    .next_key_hash
                    .as_ref()
                    .map_or(&[], |hash| hash.as_slice()),
            )
            .u64(participant.book.count)
            .bytes(&participant.book.digest.0)
            .bytes(&participant.book.commitment.to_bytes());
    }
    SessionId(Sha256::digest(encoder.as_slice()).into())
}

impl fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SessionId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BookCommitment, BookDigest};

    fn terms() -> SessionTerms {
        SessionTerms {
            channel: "market".to_owned(),
            chaincode: "ipo".to_owned(),
            listing: "Estatia".to_owned(),
            grid: PriceGrid::new(500, 1000, 100).unwrap(),
            shares: 25_000,
            lot_size: 10,
            rule: AllocationRule::PricePriority,
            min_subscription: 1005,
            max_order: 25_000,
            fan_out: 3,
        }
    }

    fn participants() -> Vec<Participant> {
        ["AMSP", "BMSP"]
            .map(|msp| Participant {
                msp: msp.to_owned(),
                endpoint: format!("{msp}.example:7060"),
                key_hash: [1; 32],
                next_key_hash: None,
                book: Book {
                    count: 3,
                    digest: BookDigest([2; 32]),
                    commitment: BookCommitment::IDENTITY,
                },
            })
            .into()
    }

    fn with_terms(change: impl Fn(&mut SessionTerms)) -> Result<Session, SessionError> {
        let mut terms = terms();
        change(&mut terms);
        Session::new(terms, participants())
    }

    fn with_participants(change: impl Fn(&mut Vec<Participant>)) -> Result<Session, SessionError> {
        let mut participants = participants();
        change(&mut participants);
        Session::new(terms(), participants)
    }

    #[test]
    fn every_field_enters_the_id() {
        let session = Session::new(terms(), participants()).unwrap();
        let others = [
            with_terms(|terms| terms.channel.push('x')),
            with_terms(|terms| terms.chaincode.push('x')),
            with_terms(|terms| terms.listing.push('x')),
            with_terms(|terms| {
                terms.channel = "marketi".to_owned();
                terms.chaincode = "po".to_owned();
            }),
            with_terms(|terms| terms.grid = PriceGrid::new(400, 1000, 100).unwrap()),
            with_terms(|terms| terms.grid = PriceGrid::new(500, 1100, 100).unwrap()),
            with_terms(|terms| terms.grid = PriceGrid::new(500, 1000, 50).unwrap()),
            with_terms(|terms| terms.shares += 10),
            with_terms(|terms| terms.lot_size = 5),
            with_terms(|terms| terms.rule = AllocationRule::ProRata),
            with_terms(|terms| terms.min_subscription += 1),
            with_terms(|terms| terms.max_order -= 10),
            with_terms(|terms| terms.fan_out = 1),
            with_participants(|all| all[1].msp.push('x')),
            with_participants(|all| all[1].endpoint.push('x')),
            with_participants(|all| all[1].key_hash[31] ^= 1),
            with_participants(|all| all[1].next_key_hash = Some([0; 32])),
            with_participants(|all| all[1].book.count += 1),
            with_participants(|all| all[1].book.digest.0[0] ^= 1),
            with_participants(|all| {
                all.push(Participant {
                    msp: "CMSP".to_owned(),
                    ..all[1].clone()
                });
            }),
        ];
        let mut ids: Vec<_> = others.into_iter().map(|other| other.unwrap().id()).collect();
        ids.push(session.id());
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }

    #[test]
    fn each_wrong_field_is_named() {
        let refusals = [
            (with_terms(|terms| terms.channel.clear()), "channel"),
            (with_terms(|terms| terms.chaincode.clear()), "chaincode"),
            (with_terms(|terms| terms.listing.clear()), "listing"),
            (with_terms(|terms| terms.lot_size = 0), "lotSize is 0"),
            (with_terms(|terms| terms.max_order = 15), "maxOrder is 15"),
            (with_terms(|terms| terms.shares = 25_005), "shares is 25005"),
            (with_terms(|terms| terms.shares = 0), "shares is 0"),
            (
                with_terms(|terms| terms.shares = 10 << 32),
                "shares is 4294967296 lots",
            ),
            (
                with_terms(|terms| terms.min_subscription = 25_001),
                "minSubscription is 25001",
            ),
            (with_terms(|terms| terms.fan_out = 0), "fanOut is 0"),
            (with_terms(|terms| terms.fan_out = 1025), "fanOut is 1025"),
            (with_participants(|all| all.truncate(1)), "participants has 1"),
            (
                with_participants(|all| *all = vec![all[0].clone(); 17]),
                "participants has 17",
            ),
            (
                with_participants(|all| all.swap(0, 1)),
                "participant \"AMSP\" comes after \"BMSP\"",
            ),
            (
                with_participants(|all| all[1] = all[0].clone()),
                "participant \"AMSP\" comes after",
            ),
            (with_participants(|all| all[0].msp.clear()), "participants.msp"),
            (
                with_participants(|all| all[0].endpoint.clear()),
                "participants.endpoint",
            ),
            (
                with_participants(|all| all[1].book.count = u64::MAX),
                "participant \"BMSP\" has",
            ),
        ];
        for (refused, expected) in refusals {
            let message = refused.unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn what_follows_from_the_terms() {
        let session = Session::new(terms(), participants()).unwrap();
        assert_eq!(
            (
                session.lots(),
                session.min_subscription_lots(),
                session.max_book_lots()
            ),
            (2500, 101, 7500)
        );
        assert_eq!((session.party("BMSP"), session.party("CMSP")), (Some(1), None));
        assert_eq!(session.book_context("BMSP").order("7").listing, "Estatia");
    }
}
