//! Escrow and delivery versus payment.
//!
//! Every key written here holds one broker's name: settlements, deposits and refunds of different brokers never
//! conflict, and none of them writes the listing. The treasury is never stored: it is the listing's shares less what was
//! delivered.

use serde::{Deserialize, Serialize};

use crate::error::ContractError;
use crate::identifier::{ListingId, MspId, Symbol};
use crate::keys::{Key, Prefix};
use crate::ledger::{Ledger, Transaction};
use crate::moment::Moment;
use crate::record::listing::{Listing, Status};
use crate::record::settlement::{Settlement, SettlementStatus};
use crate::record::token::{Amount, SupplyChange};
use crate::token::{self, CoinId};
use crate::transactions::tokens;

/// The payload of `EscrowDeposited` and `EscrowReleased`, and their functions' answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EscrowMoved {
    /// The listing.
    pub listing: ListingId,
    /// The broker.
    pub msp: MspId,
    /// The cash token.
    pub symbol: Symbol,
    /// How much was locked or came back, minor units.
    pub amount: u128,
}

/// `DepositEscrow`: locks `amount` of the caller's cash for the listing; the rest of the inputs comes back as change.
///
/// # Errors
/// A listing that is over or settled for this broker; inputs that are not the caller's or do not suffice.
pub async fn deposit<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    inputs: &[CoinId],
    amount: u64,
) -> Result<EscrowMoved, ContractError> {
    const FUNCTION: &str = "DepositEscrow";
    token::amount("amount", amount)?;
    let record: Listing = tx.read(Key::Listing(listing)).await?;
    record.require_broker(FUNCTION, &tx.caller)?;
    if matches!(record.status, Status::Failed | Status::Withdrawn) {
        return Err(record.wrong_state(FUNCTION, "available, closed, frozen, sold"));
    }
    require_unsettled(tx, listing, &tx.caller).await?;
    let symbol = record.terms.cash_token;
    let spent = tokens::spend(tx, &symbol, inputs).await?;
    let change = token::change(&symbol, spent, amount)?;
    tokens::make_split(tx, &symbol, &tx.caller, 0, change).await?;
    tx.write(Key::Escrow(listing, &tx.caller, &tx.id), &Amount { amount })
        .await?;
    let moved = EscrowMoved {
        listing: listing.clone(),
        msp: tx.caller.clone(),
        symbol,
        amount: u128::from(amount),
    };
    tx.announce("EscrowDeposited", &moved).await?;
    Ok(moved)
}

/// `ReleaseEscrow`: gives the caller's escrow back, once it is settled, owes nothing, or the listing failed or was withdrawn;
/// after the settlement deadline in any case.
///
/// # Errors
/// [`ContractError::NotYet`] before any of these; [`ContractError::NothingInEscrow`].
pub async fn release<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
) -> Result<EscrowMoved, ContractError> {
    const FUNCTION: &str = "ReleaseEscrow";
    let record: Listing = tx.read(Key::Listing(listing)).await?;
    record.require_broker(FUNCTION, &tx.caller)?;
    if !is_free(tx, &record).await? {
        require_past_deadline(tx, FUNCTION, &record)?;
    }
    let held = take_escrow(tx, listing, &tx.caller).await?;
    if held == 0 {
        return Err(ContractError::NothingInEscrow {
            listing: listing.to_string(),
            msp: tx.caller.to_string(),
        });
    }
    let symbol = record.terms.cash_token;
    tokens::make_split(tx, &symbol, &tx.caller, 0, held).await?;
    let moved = EscrowMoved {
        listing: listing.clone(),
        msp: tx.caller.clone(),
        symbol,
        amount: held,
    };
    tx.announce("EscrowReleased", &moved).await?;
    Ok(moved)
}

/// `EscrowOf`: what a broker has in escrow for a listing, minor units.
///
/// # Errors
/// An unknown listing.
pub async fn held<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    msp: &MspId,
) -> Result<u128, ContractError> {
    tx.read::<Listing>(Key::Listing(listing)).await?;
    let escrow: Vec<(_, Amount)> = tx.all(Prefix::Escrow(listing, msp)).await?;
    Ok(token::sum(escrow.iter().map(|(_, held)| held.amount)))
}

/// `Settle`: the broker's shares against the bank's cash, in one transaction; what the escrow holds beyond comes back.
///
/// # Errors
/// [`ContractError::AlreadySettled`], [`ContractError::InsufficientEscrow`]; a listing that is not sold; a caller that
/// is neither the seller nor this broker.
pub async fn settle<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    msp: &MspId,
) -> Result<Settlement, ContractError> {
    const FUNCTION: &str = "Settle";
    let now = tx.now()?;
    let record: Listing = tx.read(Key::Listing(listing)).await?;
    if tx.caller != *msp {
        record.require_seller(FUNCTION, &tx.caller)?;
    }
    let (price, shares) = record.sold_to(FUNCTION, msp)?;
    require_unsettled(tx, listing, msp).await?;
    let terms = &record.terms;
    let due = token::cost(price, shares)?;
    let held = take_escrow(tx, listing, msp).await?;
    let Some(rest) = held.checked_sub(u128::from(due)) else {
        return Err(ContractError::InsufficientEscrow {
            listing: listing.to_string(),
            msp: msp.to_string(),
            symbol: terms.cash_token.to_string(),
            held,
            due,
            missing: u128::from(due) - held,
        });
    };
    if shares > 0 {
        tokens::make(tx, &terms.symbol, msp, 0, shares).await?;
        tx.write(Key::Supply(&terms.symbol, &tx.id), &SupplyChange::minted(shares))
            .await?;
        tokens::make(tx, &terms.cash_token, &terms.seller, 0, due).await?;
    }
    tokens::make_split(tx, &terms.cash_token, msp, 1, rest).await?;
    let settlement = new_record(tx, &record, msp, SettlementStatus::Settled, price, now);
    let settlement = Settlement {
        shares,
        paid: due,
        returned: rest,
        ..settlement
    };
    tx.write(Key::Settlement(listing, msp), &settlement).await?;
    tx.announce("Settled", &settlement).await?;
    Ok(settlement)
}

/// `Default`: after the settlement deadline the seller records that a broker did not pay; its shares stay in the treasury.
///
/// # Errors
/// [`ContractError::NotYet`], [`ContractError::AlreadySettled`], or [`ContractError::NotInDefault`] when the escrow covers the
/// payment: then `Settle` is the way.
pub async fn default<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    msp: &MspId,
) -> Result<Settlement, ContractError> {
    const FUNCTION: &str = "Default";
    let record: Listing = tx.read(Key::Listing(listing)).await?;
    record.require_seller(FUNCTION, &tx.caller)?;
    let (price, shares) = record.sold_to(FUNCTION, msp)?;
    require_unsettled(tx, listing, msp).await?;
    let now = require_past_deadline(tx, FUNCTION, &record)?;
    let not_in_default = |why| ContractError::NotInDefault {
        listing: listing.to_string(),
        msp: msp.to_string(),
        why,
    };
    if shares == 0 {
        return Err(not_in_default("it was allotted nothing"));
    }
    let escrow: Vec<(_, Amount)> = tx.all(Prefix::Escrow(listing, msp)).await?;
    if token::sum(escrow.iter().map(|(_, held)| held.amount)) >= u128::from(token::cost(price, shares)?) {
        return Err(not_in_default("its escrow covers the payment; call Settle"));
    }
    let settlement = new_record(tx, &record, msp, SettlementStatus::Defaulted, price, now);
    tx.write(Key::Settlement(listing, msp), &settlement).await?;
    tx.announce("Defaulted", &settlement).await?;
    Ok(settlement)
}

/// `ReadSettlement`: how a broker's allocation ended.
///
/// # Errors
/// [`ContractError::NotFound`] as long as it did not.
pub async fn read<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    msp: &MspId,
) -> Result<Settlement, ContractError> {
    tx.read(Key::Settlement(listing, msp)).await
}

/// A settlement in which nothing moved.
fn new_record<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &Listing,
    msp: &MspId,
    status: SettlementStatus,
    price: u64,
    now: Moment,
) -> Settlement {
    Settlement {
        listing: listing.terms.id.clone(),
        msp: msp.clone(),
        status,
        symbol: listing.terms.symbol.clone(),
        shares: 0,
        price,
        cash_token: listing.terms.cash_token.clone(),
        seller: listing.terms.seller.clone(),
        paid: 0,
        returned: 0,
        settled_at: now,
        tx_id: tx.id.clone(),
    }
}

async fn require_unsettled<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    msp: &MspId,
) -> Result<(), ContractError> {
    match tx.find::<Settlement>(Key::Settlement(listing, msp)).await? {
        Some(settlement) => Err(settlement.already()),
        None => Ok(()),
    }
}

/// Whether the caller's escrow secures nothing any more, whatever the time.
async fn is_free<L: Ledger>(tx: &Transaction<'_, L>, listing: &Listing) -> Result<bool, ContractError> {
    Ok(match listing.status {
        Status::Failed | Status::Withdrawn => true,
        Status::Available | Status::Closed | Status::Frozen => false,
        Status::Sold => {
            let (_, shares) = listing.sold_to("ReleaseEscrow", &tx.caller)?;
            let key = Key::Settlement(&listing.terms.id, &tx.caller);
            shares == 0 || tx.find::<Settlement>(key).await?.is_some()
        }
    })
}

fn require_past_deadline<L: Ledger>(
    tx: &Transaction<'_, L>,
    function: &'static str,
    listing: &Listing,
) -> Result<Moment, ContractError> {
    let now = tx.now()?;
    let from = listing.terms.settlement_deadline;
    if now > from {
        Ok(now)
    } else {
        Err(ContractError::NotYet {
            listing: listing.terms.id.to_string(),
            function,
            from,
            now,
        })
    }
}

/// Empties a broker's escrow. Answers what it held.
async fn take_escrow<L: Ledger>(
    tx: &Transaction<'_, L>,
    listing: &ListingId,
    msp: &MspId,
) -> Result<u128, ContractError> {
    let prefix = Prefix::Escrow(listing, msp);
    let entries: Vec<(Vec<String>, Amount)> = tx.all(prefix).await?;
    let mut held = 0;
    for (attributes, Amount { amount }) in &entries {
        let tx_id = attributes.last().map_or("", String::as_str);
        tx.ledger.delete(Key::Escrow(listing, msp, tx_id)).await?;
        held += u128::from(*amount);
    }
    Ok(held)
}
