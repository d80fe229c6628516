//! Whether what the own sidecar reports can be this listing's outcome, before the contract vouches for it.

use fabric_protos::ipo::sidecar::v1 as sidecar;

use crate::error::ContractError;
use crate::record::listing::{Allocation, Clearing, Move, Outcome, Terms};

/// Checks a sidecar's outcome against the listing: the session, the price grid, the lots, the sums. Says what it makes of
/// the listing.
///
/// # Errors
/// [`ContractError::InconsistentOutcome`], saying what is wrong.
pub fn check(
    terms: &Terms,
    clearing: &Clearing,
    reported: &sidecar::Outcome,
) -> Result<(Move, Outcome), ContractError> {
    let wrong = |reason: String| ContractError::InconsistentOutcome { listing: terms.id.to_string(), reason };
    let session = hex::encode(&reported.session_id);
    if session != clearing.session_id {
        return Err(wrong(format!("it is of session {session}, the listing's is {}", clearing.session_id)));
    }
    let participants = terms.participants();
    if !participants.iter().map(|msp| msp.as_str()).eq(reported.allocations.iter().map(|a| a.msp.as_str())) {
        return Err(wrong("its allocations are not those of the participants in ascending order".to_owned()));
    }
    let sum: u128 = reported.allocations.iter().map(|allocation| u128::from(allocation.quantity)).sum();
    if sum != u128::from(reported.sold) {
        return Err(wrong(format!("its allocations add up to {sum}, it says {} are sold", reported.sold)));
    }
    let clearing_price = if reported.is_sold {
        check_sale(terms, reported).map_err(wrong)?;
        Some(reported.clearing_price)
    } else {
        if reported.sold != 0 || reported.clearing_price != 0 {
            return Err(wrong("it has failed, but has a price or shares".to_owned()));
        }
        None
    };
    let allocations = participants
        .into_iter()
        .zip(&reported.allocations)
        .map(|(msp, allocation)| Allocation { msp, quantity: allocation.quantity })
        .collect();
    let step = if reported.is_sold { Move::Sell } else { Move::Fail };
    Ok((step, Outcome { clearing_price, sold: reported.sold, allocations }))
}

fn check_sale(terms: &Terms, reported: &sidecar::Outcome) -> Result<(), String> {
    let sidecar::Outcome { clearing_price: price, sold, .. } = *reported;
    if terms.price.level(price).is_none() {
        return Err(format!("its price {price} is not on the listing's grid"));
    }
    if sold == 0 || sold > terms.shares || sold < terms.min_subscription {
        return Err(format!(
            "it sells {sold} shares; possible are {} to {}",
            terms.min_subscription.max(1),
            terms.shares
        ));
    }
    if sold < terms.shares && price != terms.price.min() {
        return Err(format!(
            "it sells {sold} of {} shares at {price}; an undersubscribed listing sells at the lowest price, {}",
            terms.shares,
            terms.price.min()
        ));
    }
    if let Some(odd) = reported.allocations.iter().find(|allocation| allocation.quantity % terms.lot_size != 0) {
        return Err(format!("{} shares for {} are not a multiple of the lot, {}", odd.quantity, odd.msp, terms.lot_size));
    }
    Ok(())
}
