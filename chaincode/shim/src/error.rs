//! What can go wrong between a contract and its peer.

use fabric_protos::protos::chaincode_message::Type;

/// An error of a stub method, or of reading what came with a transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer refused the request; the text is the peer's.
    #[error("{message}")]
    Peer {
        /// What was asked.
        request: &'static str,
        /// The peer's own words.
        message: String,
    },
    /// The stream to the peer ended; nothing of this transaction will be recorded.
    #[error("the stream to the peer has ended")]
    Disconnected,
    /// The contract function has already returned, so the transaction takes no more calls.
    #[error("transaction {tx_id} is over: its function has returned")]
    TransactionOver {
        /// The transaction.
        tx_id: String,
    },
    /// The peer answered a request with something that is not an answer.
    #[error("the peer answered {request} with {got}, expected RESPONSE or ERROR")]
    UnexpectedReply {
        /// What was asked.
        request: &'static str,
        /// What came.
        got: &'static str,
    },
    /// Bytes that do not decode as the message they should be.
    #[error("malformed {what}: {reason}")]
    Malformed {
        /// What was to be decoded.
        what: &'static str,
        /// The decoder's reason.
        reason: String,
    },
    /// The peer answered a query for several keys with another number of values.
    #[error("the peer answered {got} values for {expected} keys")]
    WrongNumberOfValues {
        /// How many keys were asked for.
        expected: usize,
        /// How many values came.
        got: usize,
    },
    /// A page of a query was asked for and did not arrive: what follows it would leave a hole.
    #[error("the query was interrupted before its end")]
    QueryInterrupted,
    /// A message larger than peers accept.
    #[error("{what} of {size} bytes is over the limit of {limit} bytes for one message")]
    TooLarge {
        /// What was to be sent.
        what: &'static str,
        /// Its size.
        size: usize,
        /// The most that goes.
        limit: usize,
    },
    /// A key that is empty.
    #[error("key must not be an empty string")]
    EmptyKey,
    /// A private data collection's name that is empty, which would mean public state.
    #[error("collection must not be an empty string")]
    EmptyCollection,
    /// A range bound that lies among the composite keys.
    #[error("range bound {key:?} starts with U+0000, which is reserved for composite keys")]
    SimpleKeyExpected {
        /// The bound.
        key: String,
    },
    /// A part of a composite key with one of the two code points that delimit composite keys.
    #[error("composite key part {part:?} contains {found:?}; U+0000 and U+10FFFF are not allowed")]
    CompositeKeyPart {
        /// The object type or attribute.
        part: String,
        /// The offending code point.
        found: char,
    },
    /// A key that is not a composite one.
    #[error("{key:?} is not a composite key: {reason}")]
    NotCompositeKey {
        /// The key.
        key: String,
        /// What is missing.
        reason: &'static str,
    },
    /// An event without a name.
    #[error("event name must not be an empty string")]
    EmptyEventName,
    /// An argument that is not text, where text is asked for.
    #[error("argument {index} is not valid UTF-8")]
    ArgumentNotUtf8 {
        /// Its position, 0 being the function's name.
        index: usize,
    },
    /// The peer sent this transaction without a signed proposal, or without the part asked for.
    #[error("the transaction came without {missing}")]
    NoProposal {
        /// What is missing.
        missing: &'static str,
    },
    /// The channel header of the proposal is of a type that no chaincode is called with.
    #[error("invalid channel header type {got}: ENDORSER_TRANSACTION (3) or CONFIG (1) expected")]
    HeaderType {
        /// The type that came.
        got: i32,
    },
    /// The caller's identity is not an X.509 certificate in PEM, where one is needed.
    #[error("the caller's identity is not an X.509 certificate: {reason}")]
    NotX509 {
        /// Why not.
        reason: String,
    },
    /// An attribute of the caller's certificate is not there or has another value.
    #[error("attribute {name:?} of the caller is {}, {expected:?} expected", found.as_ref().map_or_else(|| "not there".to_owned(), |found| format!("{found:?}")))]
    Attribute {
        /// The attribute.
        name: String,
        /// Its value in the certificate.
        found: Option<String>,
        /// The value that was asserted.
        expected: String,
    },
    /// `CORE_PEER_LOCALMSPID` is not set, so the server does not know its own organisation.
    #[error("CORE_PEER_LOCALMSPID is not set")]
    LocalMspIdUnset,
    /// The caller belongs to another organisation than this peer.
    #[error(
        "caller of {caller} refused: only clients of {own}, the organisation of this peer, may call this function here"
    )]
    NotOwnOrg {
        /// The caller's MSP id.
        caller: String,
        /// The peer's MSP id.
        own: String,
    },
    /// A key-level endorsement policy that nobody or everybody could meet.
    #[error("endorsement policy asks for {n} of {of}; at least 1 and at most all are allowed")]
    PolicyThreshold {
        /// How many are asked for.
        n: usize,
        /// Of how many.
        of: usize,
    },
    /// A key-level endorsement policy that does not simply ask for all of some organisations.
    #[error(
        "organisations can be added and removed only where a policy asks for all of them, one endorsement each"
    )]
    PolicyNotAllOf,
}

impl Error {
    pub(crate) fn malformed(what: &'static str, reason: &impl ToString) -> Self {
        Self::Malformed {
            what,
            reason: reason.to_string(),
        }
    }

    pub(crate) fn unexpected(request: Type, got: Type) -> Self {
        Self::UnexpectedReply {
            request: request.as_str_name(),
            got: got.as_str_name(),
        }
    }
}
