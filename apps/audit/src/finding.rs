//! What an audit can find. Each says what was found and what it must be, and never what an order says.

use thiserror::Error;

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Finding {
    // The public records among themselves.
    /// The listing's terms or the books' sizes are none that the contract accepts.
    #[error("the listing's records are none that can be cleared: {reason}")]
    Terms {
        /// Why.
        reason: String,
    },
    /// A record that should not be among the listing's orders.
    #[error("order record {msp} {id} {reason}")]
    StrayRecord {
        /// Whose it says it is.
        msp: String,
        /// Its id.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// How many orders count.
    #[error("{found} orders count by their records, the listing says {told}")]
    OrderCount {
        /// By the records.
        found: u64,
        /// By the listing.
        told: u64,
    },
    /// The frozen books are not one for each participant.
    #[error("the frozen books are those of {found}, the participants are {allowed}")]
    Books {
        /// Whose books there are.
        found: String,
        /// Whose there must be.
        allowed: String,
    },
    /// A field of a frozen book that does not follow from the order records.
    #[error("{field} of the frozen book is {found}, by the order records it is {computed}")]
    FrozenBook {
        /// `count`, `digest` or `commitment`.
        field: &'static str,
        /// On the ledger.
        found: String,
        /// Computed.
        computed: String,
    },
    /// The session's id does not follow from the terms, books and sidecars.
    #[error("the session's id is {found}, by the terms, books and sidecars it is {computed}")]
    SessionId {
        /// On the ledger.
        found: String,
        /// Computed.
        computed: String,
    },
    /// The listing's status does not fit what else it says.
    #[error("the listing's status is {found}, {reason}")]
    Status {
        /// The status.
        found: String,
        /// What it does not fit.
        reason: &'static str,
    },
    /// The outcome is none that the terms allow.
    #[error("the outcome cannot be: {reason}")]
    OutcomeForm {
        /// Why.
        reason: String,
    },
    /// A settlement that is not of the outcome.
    #[error("{field} of the settlement is {found}, by the outcome it is {computed}")]
    Settlement {
        /// Which field.
        field: &'static str,
        /// On the ledger.
        found: String,
        /// By the outcome.
        computed: String,
    },
    // A disclosed book against the records.
    /// The book says that it is of something else.
    #[error("{field} of the disclosed book is {found}, the ledger's is {ledger}")]
    BookField {
        /// Which field.
        field: &'static str,
        /// In the disclosed book.
        found: String,
        /// On the ledger.
        ledger: String,
    },
    /// An order of the frozen book that was not disclosed.
    #[error("it is in the frozen book and was not disclosed")]
    NotDisclosed,
    /// A disclosed order that is not in the frozen book.
    #[error("it was disclosed and is not in the frozen book")]
    NotInBook,
    /// A disclosed order that comes twice.
    #[error("it was disclosed {times} times")]
    Repeated {
        /// How often.
        times: usize,
    },
    /// The order is none that the listing takes.
    #[error("it is no order that the listing takes: {reason}")]
    Rules {
        /// Why, by field.
        reason: String,
    },
    /// The order and its salt do not open the commitment on the ledger.
    #[error("the commitment on the ledger does not open to it")]
    Commitment,
    /// The private record's hash is another.
    #[error("the record hash on the ledger is not that of the order")]
    RecordHash,
    /// A copy of a public field that differs from the ledger.
    #[error("{field} is disclosed as {found}, on the ledger it is {ledger}")]
    OrderField {
        /// Which field.
        field: &'static str,
        /// In the disclosed book.
        found: String,
        /// On the ledger.
        ledger: String,
    },
    // The outcome against the books.
    /// A figure of the outcome that does not follow from all books.
    #[error("{field} is {found} on the ledger, by all books it is {computed}")]
    Outcome {
        /// Which figure.
        field: String,
        /// On the ledger.
        found: String,
        /// By the plain auction.
        computed: String,
    },
    /// The outcome contradicts the disclosed books, whatever the others hold.
    #[error("the outcome contradicts the disclosed books, whatever the others hold: {reason}")]
    Contradiction {
        /// How.
        reason: String,
    },
    /// The organisation's allocation is none that its own orders can have.
    #[error("its allocation of {found} shares is none that its own orders can have at this price")]
    OrganisationAllocation {
        /// On the ledger.
        found: u64,
    },
    /// The recorded allocation of an order is another than the rule gives.
    #[error("{field} of its recorded allocation is {found}, by the outcome and its book it is {computed}")]
    Allocation {
        /// `quantity` or `clearingPrice`.
        field: &'static str,
        /// As recorded.
        found: String,
        /// By the rule.
        computed: String,
    },
    /// Another allocation is recorded than the disclosed one.
    #[error("the hash of its allocation's record on the ledger is not that of the allocation disclosed")]
    AllocationHash,
    /// An allocation is disclosed that the ledger does not have.
    #[error("an allocation is disclosed, and none is recorded on the ledger")]
    AllocationNotRecorded,
    /// The ledger has an allocation that is not disclosed.
    #[error("an allocation is recorded on the ledger, and none was disclosed")]
    AllocationKeptBack,
    /// An order's allocation, told to an investor, that its order cannot have.
    #[error(
        "an allocation of {found} shares was told, the order gets {least} to {most} at the clearing price"
    )]
    AllocationRange {
        /// As told.
        found: u64,
        /// At least.
        least: u64,
        /// At most.
        most: u64,
    },
    /// A receipt for an order that does not count.
    #[error("it does not count: it is {status}")]
    DoesNotCount {
        /// Its status.
        status: &'static str,
    },
    /// A receipt for an order that the ledger does not know.
    #[error("the ledger has no order of this organisation and id")]
    Unknown,
}
