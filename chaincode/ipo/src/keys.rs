//! Where each record stands: composite keys in the public state, and those in an organisation's own collection.
//!
//! No key is shared by two brokers but those that a change of a listing's status writes: receipts, escrows, orders and
//! settlements of different owners never conflict.

use std::fmt;

use crate::identifier::{ListingId, MspId, OrderId, Symbol};
use crate::token::CoinId;

/// A record's place in the public state.
#[derive(Clone, Copy, Debug)]
pub enum Key<'a> {
    /// A listing.
    Listing(&'a ListingId),
    /// An order's public record.
    Order(&'a ListingId, &'a MspId, &'a OrderId),
    /// A frozen book.
    Book(&'a ListingId, &'a MspId),
    /// How an allocation was settled.
    Settlement(&'a ListingId, &'a MspId),
    /// A token.
    Token(&'a Symbol),
    /// How a transaction changed a token's supply.
    Supply(&'a Symbol, &'a str),
    /// An unspent output: the owner is part of the key, so that naming another's coin finds nothing.
    Utxo(&'a Symbol, &'a MspId, &'a CoinId),
    /// What a transaction put into escrow.
    Escrow(&'a ListingId, &'a MspId, &'a str),
    /// An organisation's sidecar.
    Sidecar(&'a MspId),
}

/// A record's place in the own organisation's implicit collection.
#[derive(Clone, Copy, Debug)]
pub enum PrivateKey<'a> {
    /// An order in the clear.
    Order(&'a ListingId, &'a OrderId),
    /// What an order was allotted.
    Allocation(&'a ListingId, &'a OrderId),
}

/// All keys of one kind that begin alike.
#[derive(Clone, Copy, Debug)]
pub enum Prefix<'a> {
    /// All listings.
    Listings,
    /// The orders on a listing.
    Orders(&'a ListingId),
    /// One organisation's orders on a listing.
    OrdersOf(&'a ListingId, &'a MspId),
    /// A listing's settlements.
    Settlements(&'a ListingId),
    /// All tokens.
    Tokens,
    /// All changes of a token's supply.
    Supply(&'a Symbol),
    /// An owner's unspent outputs of a token.
    Utxos(&'a Symbol, &'a MspId),
    /// One broker's escrow for a listing.
    Escrow(&'a ListingId, &'a MspId),
}

impl Key<'_> {
    /// The composite key's type and attributes.
    #[must_use]
    pub fn parts(&self) -> (&'static str, Vec<String>) {
        match *self {
            Self::Listing(listing) => ("listing", vec![listing.to_string()]),
            Self::Order(listing, msp, id) => (
                "order",
                vec![listing.to_string(), msp.to_string(), id.to_string()],
            ),
            Self::Book(listing, msp) => ("book", vec![listing.to_string(), msp.to_string()]),
            Self::Settlement(listing, msp) => ("settlement", vec![listing.to_string(), msp.to_string()]),
            Self::Token(symbol) => ("token", vec![symbol.to_string()]),
            Self::Supply(symbol, tx_id) => ("supply", vec![symbol.to_string(), tx_id.to_owned()]),
            Self::Utxo(symbol, owner, coin) => (
                "utxo",
                vec![
                    symbol.to_string(),
                    owner.to_string(),
                    coin.tx_id.clone(),
                    coin.index.to_string(),
                ],
            ),
            Self::Escrow(listing, msp, tx_id) => (
                "escrow",
                vec![listing.to_string(), msp.to_string(), tx_id.to_owned()],
            ),
            Self::Sidecar(msp) => ("sidecar", vec![msp.to_string()]),
        }
    }
}

impl PrivateKey<'_> {
    /// The composite key's type and attributes.
    #[must_use]
    pub fn parts(&self) -> (&'static str, Vec<String>) {
        match *self {
            Self::Order(listing, id) => ("order", vec![listing.to_string(), id.to_string()]),
            Self::Allocation(listing, id) => ("allocation", vec![listing.to_string(), id.to_string()]),
        }
    }
}

impl Prefix<'_> {
    /// The composite keys' type and first attributes.
    #[must_use]
    pub fn parts(&self) -> (&'static str, Vec<String>) {
        match *self {
            Self::Listings => ("listing", vec![]),
            Self::Orders(listing) => ("order", vec![listing.to_string()]),
            Self::OrdersOf(listing, msp) => ("order", vec![listing.to_string(), msp.to_string()]),
            Self::Settlements(listing) => ("settlement", vec![listing.to_string()]),
            Self::Tokens => ("token", vec![]),
            Self::Supply(symbol) => ("supply", vec![symbol.to_string()]),
            Self::Utxos(symbol, owner) => ("utxo", vec![symbol.to_string(), owner.to_string()]),
            Self::Escrow(listing, msp) => ("escrow", vec![listing.to_string(), msp.to_string()]),
        }
    }
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, attributes) = self.parts();
        write!(f, "{kind} {}", attributes.join(" "))
    }
}

impl fmt::Display for PrivateKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, attributes) = self.parts();
        write!(f, "private {kind} {}", attributes.join(" "))
    }
}

/// An organisation's own collection, which Fabric provides without any definition.
#[must_use]
pub fn own_collection(msp: &MspId) -> String {
    format!("_implicit_org_{msp}")
}
