//! Whether what the own sidecar reports can be this listing's outcome, before the contract vouches for it.

use fabric_protos::ipo::sidecar::v1 as sidecar;

use crate::error::ContractError;
use crate::identifier::MspId;
use crate::record::listing::{Allocation, Clearing, Move, Outcome};
use crate::record::terms::Terms;

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
    let wrong = |reason: String| ContractError::InconsistentOutcome {
        listing: terms.id.to_string(),
        reason,
    };
    let session = hex::encode(&reported.session_id);
    if session != clearing.session_id {
        return Err(wrong(format!(
            "it is of session {session}, the listing's is {}",
            clearing.session_id
        )));
    }
    let participants = terms.participants();
    if !participants
        .iter()
        .map(MspId::as_str)
        .eq(reported.allocations.iter().map(|a| a.msp.as_str()))
    {
        return Err(wrong(
            "its allocations are not those of the participants in ascending order".to_owned(),
        ));
    }
    let sum: u128 = reported
        .allocations
        .iter()
        .map(|allocation| u128::from(allocation.quantity))
        .sum();
    if sum != u128::from(reported.sold) {
        return Err(wrong(format!(
            "its allocations add up to {sum}, it says {} are sold",
            reported.sold
        )));
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
        .map(|(msp, allocation)| Allocation {
            msp,
            quantity: allocation.quantity,
        })
        .collect();
    let step = if reported.is_sold { Move::Sell } else { Move::Fail };
    Ok((
        step,
        Outcome {
            clearing_price,
            sold: reported.sold,
            allocations,
        },
    ))
}

fn check_sale(terms: &Terms, reported: &sidecar::Outcome) -> Result<(), String> {
    let sidecar::Outcome {
        clearing_price: price,
        sold,
        ..
    } = *reported;
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
    if let Some(odd) = reported
        .allocations
        .iter()
        .find(|allocation| allocation.quantity % terms.lot_size != 0)
    {
        return Err(format!(
            "{} shares for {} are not a multiple of the lot, {}",
            odd.quantity, odd.msp, terms.lot_size
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::terms::tests::terms;

    fn clearing() -> Clearing {
        Clearing {
            protocol_version: 1,
            session_id: "ab".repeat(32),
            sidecars: Vec::new(),
        }
    }

    fn reported(price: u64, quantities: [u64; 3]) -> sidecar::Outcome {
        let names = ["BrokerAMSP", "BrokerBMSP", "USBankMSP"];
        sidecar::Outcome {
            session_id: vec![0xab; 32],
            is_sold: price > 0,
            clearing_price: price,
            sold: quantities.iter().sum(),
            allocations: names
                .into_iter()
                .zip(quantities)
                .map(|(msp, quantity)| sidecar::Allocation {
                    msp: msp.to_owned(),
                    quantity,
                })
                .collect(),
        }
    }

    fn reason(outcome: &sidecar::Outcome) -> String {
        check(&terms(), &clearing(), outcome).unwrap_err().to_string()
    }

    #[test]
    fn a_sale_and_a_failure_are_told_apart() {
        let (step, outcome) = check(&terms(), &clearing(), &reported(700, [13_000, 12_000, 0])).unwrap();
        assert_eq!(
            (step, outcome.clearing_price, outcome.sold),
            (Move::Sell, Some(700), 25_000)
        );
        let (step, outcome) = check(&terms(), &clearing(), &reported(0, [0, 0, 0])).unwrap();
        assert_eq!(
            (step, outcome.clearing_price, outcome.sold),
            (Move::Fail, None, 0)
        );
        // Undersubscribed, at the lowest price, with the minimum reached.
        assert!(check(&terms(), &clearing(), &reported(500, [5_000, 0, 0])).is_ok());
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_reason() {
        assert!(reason(&reported(750, [25_000, 0, 0])).contains("750 is not on the listing's grid"));
        assert!(reason(&reported(700, [25_010, 0, 0])).contains("25010 shares"));
        assert!(reason(&reported(700, [24_000, 0, 0])).contains("lowest price, 500"));
        assert!(reason(&reported(500, [4_990, 0, 0])).contains("4990 shares"));
        assert!(reason(&reported(500, [0, 0, 0])).contains("it sells 0"));
        assert!(reason(&reported(700, [24_995, 5, 0])).contains("BrokerAMSP are not a multiple of the lot"));
        let good = reported(700, [13_000, 12_000, 0]);
        let mut other = good.clone();
        other.session_id = vec![0xac; 32];
        assert!(reason(&other).contains("session"));
        let mut other = good.clone();
        other.sold = 24_990;
        assert!(reason(&other).contains("add up to 25000"));
        let mut other = good.clone();
        other.allocations.swap(0, 1);
        assert!(reason(&other).contains("ascending"));
        let mut other = good.clone();
        other.allocations.pop();
        assert!(reason(&other).contains("participants"));
        let mut other = good;
        other.is_sold = false;
        assert!(reason(&other).contains("failed"));
    }

    proptest! {
        #[test]
        fn what_is_accepted_adds_up(price in 0u64..1200, quantities in prop::array::uniform3(0u64..30_000), sold: u64, honest: bool) {
            let mut outcome = reported(price, quantities);
            if !honest {
                outcome.sold = sold;
            }
            if let Ok((step, accepted)) = check(&terms(), &clearing(), &outcome) {
                let sum: u64 = accepted.allocations.iter().map(|allocation| allocation.quantity).sum();
                prop_assert_eq!(sum, accepted.sold);
                prop_assert!(accepted.sold <= terms().shares);
                prop_assert_eq!(accepted.clearing_price.is_some(), step == Move::Sell);
                prop_assert!(accepted.clearing_price.is_none_or(|price| terms().price.level(price).is_some()));
            }
        }
    }
}
