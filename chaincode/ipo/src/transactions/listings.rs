//! Listings: from the offer to the close, and what everybody may read of them.

use serde::{Deserialize, Serialize};

use super::{orders, parse};
use crate::error::ContractError;
use crate::identifier::{ListingId, MspId, Symbol};
use crate::keys::{Key, Prefix};
use crate::ledger::{Ledger, Transaction, check_page_size, decode_entry};
use crate::moment::Moment;
use crate::record::book::BookRecord;
use crate::record::listing::{Listing, Move, Status};
use crate::record::settlement::Settlement;
use crate::record::terms::{Proposal, Terms};
use crate::record::token::{Kind, Token};

/// The most listings on one page of `QueryListings`.
pub const MAX_PAGE: u32 = 200;

/// A listing as people see it: the record, and what follows from other records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListingView {
    /// The record.
    #[serde(flatten)]
    pub listing: Listing,
    /// How many orders count, of all brokers.
    pub orders: u64,
    /// Shares that were not delivered: all, less those settled.
    pub treasury: u64,
    /// Whether every allocation was settled or is in default.
    pub settled: bool,
    /// The frozen books, ascending by organisation; none before the freeze.
    pub books: Vec<BookRecord>,
    /// The settlements so far, ascending by organisation.
    pub settlements: Vec<Settlement>,
}

/// One page of `QueryListings`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListingPage {
    /// The listings that the filter lets through, in the order of their ids.
    pub listings: Vec<ListingView>,
    /// What to ask the next page with; empty after the last.
    pub bookmark: String,
}

/// What a listing's record was after one transaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListingChange {
    /// The transaction.
    pub tx_id: String,
    /// The timestamp that its client chose.
    pub timestamp: Option<Moment>,
    /// The record.
    pub listing: Option<Listing>,
}

/// The filter of `QueryListings`: a listing passes if it has every value that is given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filter {
    status: Option<Status>,
    symbol: Option<Symbol>,
    category: Option<String>,
    seller: Option<MspId>,
    broker: Option<MspId>,
}

impl Filter {
    /// Reads the argument: JSON, or nothing.
    ///
    /// # Errors
    /// [`ContractError::BadJson`].
    pub fn parse(text: &str) -> Result<Self, ContractError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        parse(
            "filter",
            text,
            r#"nothing, or any of {"status", "symbol", "category", "seller", "broker"}"#,
        )
    }

    fn passes(&self, listing: &Listing) -> bool {
        let terms = &listing.terms;
        self.status.is_none_or(|status| status == listing.status)
            && self.symbol.as_ref().is_none_or(|symbol| *symbol == terms.symbol)
            && self
                .category
                .as_ref()
                .is_none_or(|category| *category == terms.category)
            && self.seller.as_ref().is_none_or(|seller| *seller == terms.seller)
            && self
                .broker
                .as_ref()
                .is_none_or(|broker| terms.brokers.contains(broker))
    }
}

/// `CreateListing`: the caller's organisation offers shares. Their token comes into being with the first listing of its symbol.
///
/// # Errors
/// Terms out of range, by field; an id that is taken; a symbol that is another token; an unknown cash token.
pub async fn create<L: Ledger>(tx: &Transaction<'_, L>, listing: &str) -> Result<Listing, ContractError> {
    let proposal: Proposal = parse(
        "listing",
        listing,
        "a JSON object with id, symbol, category, description, shares, lotSize, price {min, max, tick}, opensAt, closesAt, \
         allocation, minSubscription, settlementDeadline, cashToken, brokers and, optional, minOrder, maxOrder, maxSteps, fanOut",
    )?;
    let terms = Terms::new(proposal, tx.caller.clone(), tx.now()?)?;
    let listing = Listing::new(terms);
    let terms = &listing.terms;
    let key = Key::Listing(&terms.id);
    tx.require_absent(key).await?;
    let cash: Option<Token> = tx.find(Key::Token(&terms.cash_token)).await?;
    if cash.is_none_or(|cash| cash.kind != Kind::Cash) {
        let allowed = "the symbol of a token made by CreateToken";
        return Err(ContractError::argument(
            "listing.cashToken",
            &terms.cash_token,
            allowed,
        ));
    }
    create_share_token(tx, terms).await?;
    tx.write(key, &listing).await?;
    tx.ledger.require_endorsers(key, &terms.participants()).await?;
    tx.announce("ListingCreated", &listing).await?;
    Ok(listing)
}

/// Makes the share token of a listing, unless an earlier listing of the same shares did.
async fn create_share_token<L: Ledger>(tx: &Transaction<'_, L>, terms: &Terms) -> Result<(), ContractError> {
    let name = format!("{} {}", terms.symbol, terms.category);
    let token = Token::new(terms.symbol.clone(), &name, 0, terms.seller.clone(), Kind::Share)?;
    let key = Key::Token(&terms.symbol);
    match tx.find::<Token>(key).await? {
        None => tx.write(key, &token).await,
        Some(existing) if existing == token => Ok(()),
        Some(existing) => Err(ContractError::argument(
            "listing.symbol",
            format_args!(
                "{}, which is {:?} of {}",
                terms.symbol, existing.name, existing.issuer
            ),
            format!("a new symbol, or that of the caller's own shares {name:?}"),
        )),
    }
}

/// `CloseListing`: no order is taken from here on. The seller may close at any time, anybody once `closesAt` has passed.
///
/// # Errors
/// [`ContractError::NotYet`] for another caller before `closesAt`; [`ContractError::WrongState`].
pub async fn close<L: Ledger>(tx: &Transaction<'_, L>, id: &ListingId) -> Result<Listing, ContractError> {
    let mut listing: Listing = tx.read(Key::Listing(id)).await?;
    if listing.terms.seller != tx.caller {
        let (now, from) = (tx.now()?, listing.terms.closes_at);
        if now < from {
            return Err(ContractError::NotYet {
                listing: id.to_string(),
                function: "CloseListing",
                from,
                now,
            });
        }
    }
    listing.advance(Move::Close)?;
    tx.write(Key::Listing(id), &listing).await?;
    tx.announce("ListingClosed", &listing).await?;
    Ok(listing)
}

/// `WithdrawListing`: the seller takes the listing back, as long as nobody can have seen an outcome.
///
/// # Errors
/// A caller that is not the seller; [`ContractError::WrongState`] from the freeze on.
pub async fn withdraw<L: Ledger>(tx: &Transaction<'_, L>, id: &ListingId) -> Result<Listing, ContractError> {
    let mut listing: Listing = tx.read(Key::Listing(id)).await?;
    listing.require_seller("WithdrawListing", &tx.caller)?;
    listing.advance(Move::Withdraw)?;
    tx.write(Key::Listing(id), &listing).await?;
    tx.announce("ListingWithdrawn", &listing).await?;
    Ok(listing)
}

/// `ReadListing`: one listing.
///
/// # Errors
/// [`ContractError::NotFound`].
pub async fn read<L: Ledger>(tx: &Transaction<'_, L>, id: &ListingId) -> Result<ListingView, ContractError> {
    view(tx, tx.read(Key::Listing(id)).await?).await
}

/// `QueryListings`: a page of the listings that a filter lets through.
///
/// # Errors
/// A page size out of range; a filter that is none; a bookmark that the peer does not take.
pub async fn query<L: Ledger>(
    tx: &Transaction<'_, L>,
    filter: &Filter,
    page_size: u32,
    bookmark: &str,
) -> Result<ListingPage, ContractError> {
    check_page_size(page_size, MAX_PAGE)?;
    let mut page = ListingPage {
        bookmark: bookmark.to_owned(),
        ..ListingPage::default()
    };
    // What the filter keeps out does not count, so the next page begins right after the last listing of this one.
    let mut wanted = page_size;
    while wanted > 0 {
        let found = tx.ledger.page(Prefix::Listings, wanted, &page.bookmark).await?;
        page.bookmark = found.bookmark;
        for (attributes, value) in found.entries {
            let (_, listing): (_, Listing) = decode_entry(Prefix::Listings, attributes, &value)?;
            if filter.passes(&listing) {
                wanted = wanted.saturating_sub(1);
                page.listings.push(view(tx, listing).await?);
            }
        }
        if page.bookmark.is_empty() {
            break;
        }
    }
    Ok(page)
}

/// `ListingHistory`: what the listing's record was after each transaction that wrote it, as far as this peer knows.
///
/// # Errors
/// [`ContractError::NotFound`].
pub async fn history<L: Ledger>(
    tx: &Transaction<'_, L>,
    id: &ListingId,
) -> Result<Vec<ListingChange>, ContractError> {
    let changes = tx.history(Key::Listing(id)).await?.into_iter();
    Ok(changes
        .map(|change| ListingChange {
            tx_id: change.tx_id,
            timestamp: change.timestamp,
            listing: change.record,
        })
        .collect())
}

async fn view<L: Ledger>(tx: &Transaction<'_, L>, listing: Listing) -> Result<ListingView, ContractError> {
    let id = &listing.terms.id;
    let (mut books, mut orders) = (Vec::new(), 0);
    for msp in &listing.terms.participants() {
        if listing.clearing.is_some() {
            let book: BookRecord = tx.read(Key::Book(id, msp)).await?;
            orders += book.book.count;
            books.push(book);
        } else {
            orders += orders::counted(tx, id, msp).await?.len() as u64;
        }
    }
    let settlements: Vec<(_, Settlement)> = tx.all(Prefix::Settlements(id)).await?;
    let settlements: Vec<_> = settlements
        .into_iter()
        .map(|(_, settlement)| settlement)
        .collect();
    let delivered: u64 = settlements.iter().map(|settlement| settlement.shares).sum();
    let settled = listing.status == Status::Sold
        && listing
            .outcome
            .iter()
            .flat_map(|outcome| &outcome.allocations)
            .all(|allocation| {
                allocation.quantity == 0
                    || settlements
                        .iter()
                        .any(|settlement| settlement.msp == allocation.msp)
            });
    let treasury = listing.terms.shares.saturating_sub(delivered);
    Ok(ListingView {
        orders,
        treasury,
        settled,
        books,
        settlements,
        listing,
    })
}
