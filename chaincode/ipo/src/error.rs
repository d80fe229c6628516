//! Every way in which the contract refuses a call.
//!
//! A refusal answers a status (as in HTTP) and a message that begins with the error's [code](ContractError::code),
//! so that a client can tell one from another without reading prose. Nothing is written when a call is refused: the
//! peer drops the whole simulation. No message ever holds the content of an order: what was found in one is withheld.

use thiserror::Error;

use crate::moment::Moment;
use crate::record::listing::Status;

/// Why a call was refused. `Display` is the text for people, [`code`](Self::code) the name for programs.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ContractError {
    /// An argument, or a field inside one, is not what it may be.
    #[error("argument {argument}: found {found}; allowed: {allowed}")]
    BadArgument {
        /// The argument, with the path of the field inside it.
        argument: String,
        /// What came, or that it is withheld.
        found: String,
        /// What may come.
        allowed: String,
    },
    /// An argument is not JSON of the expected form: a field is unknown, missing, given twice or of another type.
    #[error("argument {argument}: {reason}; allowed: {allowed}")]
    BadJson {
        /// The argument.
        argument: String,
        /// What is wrong, with the field's name.
        reason: String,
        /// The expected form.
        allowed: &'static str,
    },
    /// A transient field that the function needs was not sent.
    #[error("transient field {field} is missing; allowed: {allowed}")]
    MissingTransient {
        /// The field.
        field: &'static str,
        /// What it holds.
        allowed: &'static str,
    },
    /// An order came without the salt that hides it.
    #[error(
        "argument {argument}.salt: missing; allowed: 32 random bytes as 64 hexadecimal digits, new for every order"
    )]
    MissingSalt {
        /// The order.
        argument: String,
    },
    /// A step's price does not lie on the listing's price grid.
    #[error(
        "argument {argument}: this price is not on the listing's grid (found: withheld); allowed: from {min} to {max} in steps of {tick}, or \"market\""
    )]
    OffGridPrice {
        /// The step.
        argument: String,
        /// The lowest price, minor units.
        min: u64,
        /// The highest price, minor units.
        max: u64,
        /// The distance between prices, minor units.
        tick: u64,
    },
    /// A demand schedule wants more at a higher price.
    #[error(
        "argument {argument}: more is wanted here than at a lower price (found: withheld); allowed: quantities that do not rise with the price"
    )]
    RisingSchedule {
        /// The step, in ascending order of prices.
        argument: String,
    },
    /// The order id was used before on this listing, by this organisation.
    #[error(
        "argument orderId: {order} was used before by {msp} on listing {listing}; allowed: an id not used before"
    )]
    DuplicateOrder {
        /// The listing.
        listing: String,
        /// The organisation.
        msp: String,
        /// The id.
        order: String,
    },
    /// The listing takes no orders yet.
    #[error("listing {listing}: orders are taken from {opens_at}; the transaction's time is {now}")]
    TooEarly {
        /// The listing.
        listing: String,
        /// When it opens.
        opens_at: Moment,
        /// The transaction's timestamp.
        now: Moment,
    },
    /// The listing takes no orders, or no changes to them, any more.
    #[error("listing {listing}: orders were taken until {closes_at}; the transaction's time is {now}")]
    TooLate {
        /// The listing.
        listing: String,
        /// When it closed.
        closes_at: Moment,
        /// The transaction's timestamp.
        now: Moment,
    },
    /// The transaction's timestamp is too far from this endorser's clock for a function that depends on time.
    #[error(
        "the transaction's timestamp {timestamp} and this endorser's clock {clock} differ by more than {max_skew_seconds} s (IPO_MAX_SKEW)"
    )]
    ClockSkew {
        /// The transaction's timestamp, chosen by the client.
        timestamp: Moment,
        /// The endorser's clock.
        clock: Moment,
        /// The difference that is allowed.
        max_skew_seconds: u64,
    },
    /// A moment has to have passed first.
    #[error("listing {listing}: {function} is possible from {from} on; the transaction's time is {now}")]
    NotYet {
        /// The listing.
        listing: String,
        /// The function.
        function: &'static str,
        /// From when.
        from: Moment,
        /// The transaction's timestamp.
        now: Moment,
    },
    /// The caller's organisation, or its role, may not call this function.
    #[error("{function}: the caller is {caller}; allowed: {allowed}")]
    WrongRole {
        /// The function.
        function: &'static str,
        /// The caller's organisation, and its role where that matters.
        caller: String,
        /// Who may.
        allowed: String,
    },
    /// The peer that endorses belongs to nobody who takes part in the listing, and has no sidecar to ask.
    #[error(
        "{function}: {endorser} is asked to endorse and takes no part in listing {listing}; allowed: the peers of {participants}, \
         and no others"
    )]
    WrongEndorser {
        /// The function.
        function: &'static str,
        /// The endorser's organisation.
        endorser: String,
        /// The listing.
        listing: String,
        /// Who takes part, comma-separated.
        participants: String,
    },
    /// The listing's status does not allow the function.
    #[error("{function}: listing {listing} is {status}; allowed: {allowed}")]
    WrongState {
        /// The function.
        function: &'static str,
        /// The listing.
        listing: String,
        /// Its status.
        status: Status,
        /// The statuses in which the function is possible.
        allowed: &'static str,
    },
    /// The order's status does not allow the function.
    #[error("{function}: order {order} of {msp} is {status}; allowed: submitted")]
    WrongOrderState {
        /// The function.
        function: &'static str,
        /// The organisation.
        msp: String,
        /// The order.
        order: String,
        /// Its status.
        status: &'static str,
    },
    /// There is no such record.
    #[error("there is no {what} {id}")]
    NotFound {
        /// The kind of record.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// There is such a record already.
    #[error("there is a {what} {id} already; allowed: an id not used before")]
    AlreadyExists {
        /// The kind of record.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// The private record's hash is not on the ledger (yet): `SubmitOrder` came before `CreateOrder` was committed.
    #[error(
        "order {order} of {msp} on listing {listing}: this peer's ledger has no hash of it yet; call CreateOrder, wait until it is committed, and try again"
    )]
    OrderHashNotYetCommitted {
        /// The listing.
        listing: String,
        /// The organisation.
        msp: String,
        /// The order.
        order: String,
    },
    /// A private order record and what the ledger says of it do not agree.
    #[error("order {order} of {msp} on listing {listing}: {reason}")]
    OrderMismatch {
        /// The listing.
        listing: String,
        /// The organisation.
        msp: String,
        /// The order.
        order: String,
        /// What does not agree. Never the order's content.
        reason: &'static str,
    },
    /// The frozen book and the order records behind it do not agree.
    #[error("the frozen book of {msp} on listing {listing} does not agree with {with}")]
    BookMismatch {
        /// The listing.
        listing: String,
        /// The organisation.
        msp: String,
        /// What it was compared with.
        with: &'static str,
    },
    /// A book has so many orders that their demand could exceed the widest number the computation takes.
    #[error(
        "listing {listing}: the book of {msp} has {orders} orders of up to {max_order_lots} lots each, more than 2^49 lots in all"
    )]
    BookTooLarge {
        /// The listing.
        listing: String,
        /// The organisation.
        msp: String,
        /// Its number of orders.
        orders: u64,
        /// The largest order, lots.
        max_order_lots: u64,
    },
    /// The sidecars have not finished: nothing is recorded yet, the call may be repeated.
    #[error("clearing pending: {who}: {why}")]
    ClearingPending {
        /// Who is waited for.
        who: String,
        /// Why.
        why: String,
    },
    /// The sidecars' computation failed: nothing is recorded.
    #[error("clearing failed: {who}: {why}")]
    ClearingFailed {
        /// Whom this organisation's sidecar suspects, or itself.
        who: String,
        /// Why.
        why: String,
    },
    /// The own sidecar does not take what it was handed.
    #[error("the sidecar of {msp} refuses: {reason}")]
    SidecarRefused {
        /// The organisation.
        msp: String,
        /// The sidecar's own words.
        reason: String,
    },
    /// The own sidecar's outcome cannot be one of this listing.
    #[error("listing {listing}: the outcome of the own sidecar is inconsistent: {reason}")]
    InconsistentOutcome {
        /// The listing.
        listing: String,
        /// What is wrong.
        reason: String,
    },
    /// An input is not an unspent output of the caller: it was spent, or it never was the caller's.
    #[error("{owner} has no unspent {symbol} output {output}")]
    NotUnspent {
        /// The token.
        symbol: String,
        /// The caller's account.
        owner: String,
        /// The output, as `transaction.index`.
        output: String,
    },
    /// What goes in is not what comes out.
    #[error("inputs are worth {inputs} {symbol}, outputs {outputs}; allowed: equal sums")]
    UnequalSums {
        /// The token.
        symbol: String,
        /// The inputs' sum, minor units.
        inputs: u128,
        /// The outputs' sum, minor units.
        outputs: u128,
    },
    /// The inputs do not cover the amount.
    #[error("inputs are worth {inputs} {symbol}, less than {amount}")]
    InsufficientInputs {
        /// The token.
        symbol: String,
        /// The inputs' sum, minor units.
        inputs: u128,
        /// The amount wanted, minor units.
        amount: u64,
    },
    /// A sum leaves the range of amounts.
    #[error("{what} exceeds the largest amount, {max}", max = crate::token::MAX_AMOUNT)]
    Overflow {
        /// The sum.
        what: &'static str,
    },
    /// The escrow does not cover the payment.
    #[error(
        "the escrow of {msp} for listing {listing} holds {held} {symbol}, its allocation costs {due}: deposit {missing} more"
    )]
    InsufficientEscrow {
        /// The listing.
        listing: String,
        /// The broker.
        msp: String,
        /// The cash token.
        symbol: String,
        /// What is there, minor units.
        held: u128,
        /// What is due, minor units.
        due: u64,
        /// The difference, minor units.
        missing: u128,
    },
    /// The escrow is empty.
    #[error("{msp} has nothing in escrow for listing {listing}")]
    NothingInEscrow {
        /// The listing.
        listing: String,
        /// The broker.
        msp: String,
    },
    /// The allocation was settled before; nothing changes.
    #[error("already settled: the allocation of {msp} on listing {listing} was {how}")]
    AlreadySettled {
        /// The listing.
        listing: String,
        /// The broker.
        msp: String,
        /// `settled` or `defaulted`.
        how: &'static str,
    },
    /// There is nothing to be defaulted on: the allocation is empty, or the escrow covers it.
    #[error("{msp} is not in default on listing {listing}: {why}")]
    NotInDefault {
        /// The listing.
        listing: String,
        /// The broker.
        msp: String,
        /// Why.
        why: &'static str,
    },
    /// What is stored under a key cannot be read: it was not written by this contract, or by a newer version.
    #[error("the record {key} cannot be read: {reason}")]
    UnreadableRecord {
        /// The key's parts.
        key: String,
        /// Why. Never the content.
        reason: String,
    },
    /// The peer refused, or what came with the transaction cannot be read.
    #[error(transparent)]
    Peer(#[from] chaincode_shim::Error),
}

impl ContractError {
    /// The error's name: what a message begins with and a program matches on. Never changes once released.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadArgument { .. } => "BAD_ARGUMENT",
            Self::BadJson { .. } => "BAD_JSON",
            Self::MissingTransient { .. } => "MISSING_TRANSIENT",
            Self::MissingSalt { .. } => "MISSING_SALT",
            Self::OffGridPrice { .. } => "OFF_GRID_PRICE",
            Self::RisingSchedule { .. } => "RISING_SCHEDULE",
            Self::DuplicateOrder { .. } => "DUPLICATE_ORDER",
            Self::TooEarly { .. } => "TOO_EARLY",
            Self::TooLate { .. } => "TOO_LATE",
            Self::ClockSkew { .. } => "CLOCK_SKEW",
            Self::NotYet { .. } => "NOT_YET",
            Self::WrongRole { .. } => "WRONG_ROLE",
            Self::WrongEndorser { .. } => "WRONG_ENDORSER",
            Self::WrongState { .. } => "WRONG_STATE",
            Self::WrongOrderState { .. } => "WRONG_ORDER_STATE",
            Self::NotFound { .. } => "NOT_FOUND",
            Self::AlreadyExists { .. } => "ALREADY_EXISTS",
            Self::OrderHashNotYetCommitted { .. } => "ORDER_HASH_NOT_YET_COMMITTED",
            Self::OrderMismatch { .. } => "ORDER_MISMATCH",
            Self::BookMismatch { .. } => "BOOK_MISMATCH",
            Self::BookTooLarge { .. } => "BOOK_TOO_LARGE",
            Self::ClearingPending { .. } => "CLEARING_PENDING",
            Self::ClearingFailed { .. } => "CLEARING_FAILED",
            Self::SidecarRefused { .. } => "SIDECAR_REFUSED",
            Self::InconsistentOutcome { .. } => "INCONSISTENT_OUTCOME",
            Self::NotUnspent { .. } => "NOT_UNSPENT",
            Self::UnequalSums { .. } => "UNEQUAL_SUMS",
            Self::InsufficientInputs { .. } => "INSUFFICIENT_INPUTS",
            Self::Overflow { .. } => "OVERFLOW",
            Self::InsufficientEscrow { .. } => "INSUFFICIENT_ESCROW",
            Self::NothingInEscrow { .. } => "NOTHING_IN_ESCROW",
            Self::AlreadySettled { .. } => "ALREADY_SETTLED",
            Self::NotInDefault { .. } => "NOT_IN_DEFAULT",
            Self::UnreadableRecord { .. } => "UNREADABLE_RECORD",
            Self::Peer(_) => "PEER",
        }
    }

    /// The status of the answer, as in HTTP.
    #[must_use]
    pub fn status(&self) -> i32 {
        match self {
            Self::BadArgument { .. }
            | Self::BadJson { .. }
            | Self::MissingTransient { .. }
            | Self::MissingSalt { .. }
            | Self::OffGridPrice { .. }
            | Self::RisingSchedule { .. }
            | Self::UnequalSums { .. }
            | Self::InsufficientInputs { .. }
            | Self::Overflow { .. }
            | Self::ClockSkew { .. } => 400,
            Self::WrongRole { .. } | Self::WrongEndorser { .. } => 403,
            Self::NotFound { .. } | Self::NotUnspent { .. } | Self::NothingInEscrow { .. } => 404,
            Self::DuplicateOrder { .. }
            | Self::TooEarly { .. }
            | Self::TooLate { .. }
            | Self::NotYet { .. }
            | Self::WrongState { .. }
            | Self::WrongOrderState { .. }
            | Self::AlreadyExists { .. }
            | Self::OrderHashNotYetCommitted { .. }
            | Self::OrderMismatch { .. }
            | Self::BookMismatch { .. }
            | Self::BookTooLarge { .. }
            | Self::SidecarRefused { .. }
            | Self::InsufficientEscrow { .. }
            | Self::AlreadySettled { .. }
            | Self::NotInDefault { .. } => 409,
            Self::ClearingPending { .. } | Self::ClearingFailed { .. } => 503,
            Self::InconsistentOutcome { .. } | Self::UnreadableRecord { .. } => 500,
            Self::Peer(error) => chaincode_shim::ContractError::from(error.clone()).status(),
        }
    }

    /// An argument outside its range.
    #[expect(clippy::needless_pass_by_value, reason = "format_args! at the call sites")]
    pub(crate) fn argument(
        argument: impl Into<String>,
        found: impl ToString,
        allowed: impl Into<String>,
    ) -> Self {
        Self::BadArgument {
            argument: argument.into(),
            found: shorten(&found.to_string()),
            allowed: allowed.into(),
        }
    }
}

impl From<ContractError> for chaincode_shim::ContractError {
    fn from(error: ContractError) -> Self {
        Self::new(error.status(), format!("{}: {error}", error.code()))
    }
}

/// What was found is echoed, but not at any length a caller likes.
fn shorten(found: &str) -> String {
    const MOST: usize = 80;
    if found.chars().count() <= MOST {
        return found.to_owned();
    }
    let mut short: String = found.chars().take(MOST).collect();
    short.push('…');
    short
}
