//! What a check of a peer's proofs says, and what is wrong with one's own input to them.

use thiserror::Error;

use super::statement::MAX_ORDER_ID;
use crate::Level;

/// A peer's proof, commitment or message that does not hold. It names the party and the check, and carries no secret.
///
/// It is the local suspicion of whoever checked: the peer's messages are signed by nobody.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BindingError {
    /// Bytes that are not the one encoding of what is due.
    #[error("party {party}: {field} is {found}, allowed is {allowed}")]
    Encoding {
        /// Whose message it is.
        party: usize,
        /// The field.
        field: &'static str,
        /// What came.
        found: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// More bytes than a book of so many orders can take.
    #[error("party {party}: check 'book length' failed: its book goes on beyond {allowed} bytes")]
    BookLength {
        /// Whose book it is.
        party: usize,
        /// How long the book message can be, in bytes.
        allowed: usize,
    },
    /// Another number of orders than the frozen book has.
    #[error("party {party}: check 'book count' failed: {found} orders, the frozen book has {expected}")]
    BookCount {
        /// Whose book it is.
        party: usize,
        /// How many orders came.
        found: u64,
        /// How many the ledger says.
        expected: u64,
    },
    /// Orders that are not those of the frozen book.
    #[error("party {party}: check 'book digest' failed: the orders are not those of the frozen book")]
    BookDigest {
        /// Whose book it is.
        party: usize,
    },
    /// Orders whose commitments do not add up to the frozen book's.
    #[error(
        "party {party}: check 'book sum' failed: the orders do not add up to the frozen book's commitment"
    )]
    BookSum {
        /// Whose book it is.
        party: usize,
    },
    /// The party did not show that it can open every order's commitment.
    #[error(
        "party {party}: check 'opening' failed: it does not show that it can open its orders' commitments"
    )]
    Opening {
        /// The party.
        party: usize,
    },
    /// The commitments to the demand at each level are not shown to follow from the book.
    #[error("party {party}: check 'tie' failed: its level commitments do not follow from its frozen book")]
    Tie {
        /// The party.
        party: usize,
    },
    /// The party did not show that it can open a round's rows.
    #[error(
        "party {party}: check 'rows' failed in round {round}: it does not show that it can open its rows"
    )]
    Rows {
        /// The party.
        party: usize,
        /// The round.
        round: u32,
    },
    /// Something else than bits is committed to.
    #[error(
        "party {party}: check 'bits' failed in round {round}: what it committed to is not shown to be bits"
    )]
    Bits {
        /// The party.
        party: usize,
        /// The round.
        round: u32,
    },
    /// The bits do not make the demand that the party committed to.
    #[error(
        "party {party}: check 'level sum' failed in round {round}: its bits are not shown to be its demand at the probes"
    )]
    LevelSum {
        /// The party.
        party: usize,
        /// The round.
        round: u32,
    },
    /// A masked sum out of its range. Without this check the parity check is void.
    #[error("party {party}: check 'mask range' failed in round {round}, repetition {repetition}")]
    MaskRange {
        /// The party.
        party: usize,
        /// The round.
        round: u32,
        /// Which of the masked sums, from 0.
        repetition: usize,
    },
    /// The masked sums are not those of the bits and masks committed to.
    #[error(
        "party {party}: check 'mask opening' failed in round {round}: its masked sums are not shown to be right"
    )]
    MaskOpening {
        /// The party.
        party: usize,
        /// The round.
        round: u32,
    },
    /// What the computation opened is not the parity of the masked sum: the party put in other bits than it committed
    /// to.
    #[error("party {party}: check 'parity' failed in round {round}, repetition {repetition}")]
    Parity {
        /// The party.
        party: usize,
        /// The round.
        round: u32,
        /// Which of the masked sums, from 0.
        repetition: usize,
    },
}

impl BindingError {
    /// The party whose message or proof it is.
    #[must_use]
    pub const fn party(&self) -> usize {
        match self {
            Self::Encoding { party, .. }
            | Self::BookLength { party, .. }
            | Self::BookCount { party, .. }
            | Self::BookDigest { party }
            | Self::BookSum { party }
            | Self::Opening { party }
            | Self::Tie { party }
            | Self::Rows { party, .. }
            | Self::Bits { party, .. }
            | Self::LevelSum { party, .. }
            | Self::MaskRange { party, .. }
            | Self::MaskOpening { party, .. }
            | Self::Parity { party, .. } => *party,
        }
    }

    /// The check's name.
    #[must_use]
    pub const fn check(&self) -> &'static str {
        match self {
            Self::Encoding { .. } => "encoding",
            Self::BookLength { .. } => "book length",
            Self::BookCount { .. } => "book count",
            Self::BookDigest { .. } => "book digest",
            Self::BookSum { .. } => "book sum",
            Self::Opening { .. } => "opening",
            Self::Tie { .. } => "tie",
            Self::Rows { .. } => "rows",
            Self::Bits { .. } => "bits",
            Self::LevelSum { .. } => "level sum",
            Self::MaskRange { .. } => "mask range",
            Self::MaskOpening { .. } => "mask opening",
            Self::Parity { .. } => "parity",
        }
    }
}

/// One's own input that does not fit the statement. It carries no secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UseError {
    /// No such party.
    #[error("party is {found}, allowed is 0 to {}", parties - 1)]
    Party {
        /// The index that was given.
        found: usize,
        /// How many parties there are.
        parties: usize,
    },
    /// The orders are not those of the own frozen book.
    #[error(
        "the orders given are not those of the own frozen book ({found} orders, the book has {expected})"
    )]
    NotTheFrozenBook {
        /// How many orders were given.
        found: u64,
        /// How many the frozen book has.
        expected: u64,
    },
    /// An order of another listing.
    #[error("order {order_id:?} has {found} price levels, allowed are the listing's {levels}")]
    OtherLevels {
        /// The order.
        order_id: String,
        /// How many levels it has.
        found: usize,
        /// How many the listing has.
        levels: usize,
    },
    /// An order's id is too long to be sent.
    #[error("an order's id has {found} bytes, allowed are at most {MAX_ORDER_ID}")]
    OrderId {
        /// How many bytes it has.
        found: usize,
    },
    /// The book's demand has more bits than the session allows.
    #[error("the own demand is wider than {width} bits")]
    TooWide {
        /// The width allowed.
        width: usize,
    },
    /// A round without probes, or probes that are not ascending levels of the listing.
    #[error("probes are {found:?}, allowed are ascending levels of 1 to {levels}, at least one")]
    Probes {
        /// What was given.
        found: Vec<Level>,
        /// How many levels the listing has.
        levels: usize,
    },
}
