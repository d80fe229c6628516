//! Many openings checked at once.
//!
//! Instead of each equation `V_o = sum_k d_(o,k) G_k + r_o H`, one random combination of all is checked (Bellare, Garay
//! and Rabin, "Fast batch verification", 1998, the small exponents test): with weights of 128 bits that are a hash of
//! all that is checked, wrong openings pass one time in 2^128. A failing batch is halved until the order is found.

use p256::elliptic_curve::ops::LinearCombination;
use p256::{ProjectivePoint, Scalar};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::commitment::{BookContext, blinding};
use crate::encoding::Encoder;
use crate::{Commitment, DemandCurve, DemandSchedule, MAX_STEPS, Salt, generators};

/// An order and what opens its commitment.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The order's id.
    pub order_id: String,
    /// The order.
    pub schedule: DemandSchedule,
    /// Its salt.
    pub salt: Salt,
    /// Its commitment on the ledger.
    pub commitment: Commitment,
}

/// Openings that do not open their commitments.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpeningError {
    /// The first order whose commitment its steps and salt do not open.
    #[error("order {order_id:?}: its steps and salt do not open its commitment on the ledger")]
    DoesNotOpen {
        /// The order.
        order_id: String,
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
    /// Demand beyond 64 bits.
    #[error("order {order_id:?}: with it, the book's demand exceeds 64 bits")]
    Overflow {
        /// The order.
        order_id: String,
    },
}

/// Checks that every opening opens its commitment, and adds up the demand of the book.
///
/// Constant-time in the orders, but for the search after a failure. Time grows by about a tenth of a millisecond an
/// order.
///
/// # Errors
/// The first order that does not open its commitment, or belongs to a listing of other than `levels` levels.
pub fn open_book(
    owner: &BookContext<'_>,
    levels: usize,
    openings: &[Opening],
) -> Result<DemandCurve, OpeningError> {
    let mut demand = DemandCurve::zero(levels).map_err(|_| OpeningError::OtherLevels {
        order_id: openings
            .first()
            .map(|opening| opening.order_id.clone())
            .unwrap_or_default(),
        found: levels,
        levels,
    })?;
    for opening in openings {
        let found = opening.schedule.levels();
        if found != levels {
            return Err(OpeningError::OtherLevels {
                order_id: opening.order_id.clone(),
                found,
                levels,
            });
        }
    }
    if let Some(culprit) = first_wrong(owner, levels, openings) {
        return Err(OpeningError::DoesNotOpen {
            order_id: culprit.order_id.clone(),
        });
    }
    for opening in openings {
        demand
            .add(&opening.schedule.curve())
            .map_err(|_| OpeningError::Overflow {
                order_id: opening.order_id.clone(),
            })?;
    }
    Ok(demand)
}

fn first_wrong<'a>(owner: &BookContext<'_>, levels: usize, openings: &'a [Opening]) -> Option<&'a Opening> {
    // A batch multiplies every level's generator; a few orders are cheaper one by one.
    if openings.len() * (MAX_STEPS + 1) <= levels.max(MAX_STEPS + 1) {
        return openings.iter().find(|opening| {
            let context = owner.order(&opening.order_id);
            !opening
                .commitment
                .verify(&opening.schedule, &context, &opening.salt)
        });
    }
    if batch_opens(owner, levels, openings) {
        return None;
    }
    let (left, right) = openings.split_at(openings.len() / 2);
    first_wrong(owner, levels, left).or_else(|| first_wrong(owner, levels, right))
}

fn batch_opens(owner: &BookContext<'_>, levels: usize, openings: &[Opening]) -> bool {
    let weights = weights(owner, openings);
    let mut secret: Zeroizing<Vec<(ProjectivePoint, Scalar)>> = Zeroizing::new(
        std::iter::once(generators::blinding())
            .chain(generators::levels(levels))
            .map(|generator| (generator, Scalar::ZERO))
            .collect(),
    );
    let mut public = Vec::with_capacity(openings.len());
    for (opening, weight) in openings.iter().zip(&weights) {
        if let Some((_, sum)) = secret.first_mut() {
            *sum += *blinding(&owner.order(&opening.order_id), &opening.salt) * weight;
        }
        for (level, lots) in opening.schedule.increments() {
            if let Some((_, sum)) = secret.get_mut(level) {
                *sum += Scalar::from(lots) * weight;
            }
        }
        public.push((ProjectivePoint::from(*opening.commitment.as_affine()), *weight));
    }
    // The commitments and, once the openings are fixed, the weights are nothing that timing could tell an outsider.
    ProjectivePoint::lincomb_vartime(public.as_slice()) == ProjectivePoint::lincomb(secret.as_slice())
}

/// Weights of 128 bits from a hash of everything that the batch checks.
fn weights(owner: &BookContext<'_>, openings: &[Opening]) -> Vec<Scalar> {
    let mut encoder = Encoder::new("opening-weights");
    encoder
        .text(owner.channel)
        .text(owner.chaincode)
        .text(owner.listing)
        .text(owner.msp);
    for opening in openings {
        encoder
            .text(&opening.order_id)
            .bytes(opening.salt.expose())
            .bytes(&opening.commitment.to_bytes());
        for (level, lots) in opening.schedule.increments() {
            encoder.u64(level as u64).u64(lots);
        }
        encoder.u64(0);
    }
    let seed = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(encoder.as_slice())));
    (0..openings.len() as u64)
        .map(|index| {
            let mut encoder = Encoder::new("opening-weight");
            encoder.bytes(seed.as_slice()).u64(index);
            let digest: [u8; 32] = Sha256::digest(encoder.as_slice()).into();
            let low = digest
                .iter()
                .take(16)
                .fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
            Scalar::from(low)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OrderRules, Price, PriceGrid, Step};

    const OWNER: BookContext<'_> = BookContext {
        channel: "market",
        chaincode: "ipo",
        listing: "Estatia",
        msp: "AMSP",
    };
    const LEVELS: usize = 20;

    fn schedule(index: u64) -> DemandSchedule {
        let rules = OrderRules::new(PriceGrid::new(1, LEVELS as u64, 1).unwrap(), 1, 1 << 31).unwrap();
        let steps = [
            Step {
                price: Price::At(1 + index % 10),
                quantity: 100 + index,
            },
            Step {
                price: Price::At(11 + index % 10),
                quantity: 1 + index,
            },
        ];
        DemandSchedule::new(&steps, &rules).unwrap()
    }

    fn book(orders: u64) -> Vec<Opening> {
        (0..orders)
            .map(|index| {
                let (order_id, schedule) = (format!("{index:04}"), schedule(index));
                let salt = Salt::new([u8::try_from(index).unwrap(); 32]);
                let commitment = Commitment::commit(&schedule, &OWNER.order(&order_id), &salt).unwrap();
                Opening {
                    order_id,
                    schedule,
                    salt,
                    commitment,
                }
            })
            .collect()
    }

    #[test]
    fn a_right_book_opens_to_its_demand() {
        for orders in [0, 1, 2, 37] {
            let demand = open_book(&OWNER, LEVELS, &book(orders)).unwrap();
            for level in 1..=LEVELS {
                let expected: u64 = (0..orders).map(|index| schedule(index).demand(level)).sum();
                assert_eq!(demand.demand(level), expected);
            }
        }
    }

    #[test]
    fn each_wrong_order_is_named_wherever_it_is() {
        for orders in [1, 9, 37] {
            for wrong in [0, orders / 2, orders - 1] {
                let refused = |book: &[Opening]| open_book(&OWNER, LEVELS, book).unwrap_err();
                let expected = OpeningError::DoesNotOpen {
                    order_id: format!("{wrong:04}"),
                };
                let index = usize::try_from(wrong).unwrap();

                let mut altered = book(orders);
                altered[index].schedule = schedule(wrong + 10);
                assert_eq!(refused(&altered), expected);

                let mut salted = book(orders);
                salted[index].salt = Salt::new([255; 32]);
                assert_eq!(refused(&salted), expected);
            }
        }
    }

    #[test]
    fn errors_that_cancel_out_are_found() {
        let mut swapped = book(30);
        let first = swapped[3].schedule.clone();
        swapped[3].schedule = swapped[13].schedule.clone();
        swapped[13].schedule = first;
        let refused = open_book(&OWNER, LEVELS, &swapped).unwrap_err();
        assert_eq!(
            refused,
            OpeningError::DoesNotOpen {
                order_id: "0003".to_owned()
            }
        );
    }

    #[test]
    fn an_order_of_another_listing_is_named() {
        let refused = open_book(&OWNER, LEVELS + 1, &book(2)).unwrap_err();
        assert_eq!(
            refused,
            OpeningError::OtherLevels {
                order_id: "0000".to_owned(),
                found: 20,
                levels: 21
            }
        );
    }

    #[test]
    fn debug_prints_neither_order_nor_salt() {
        let printed = format!("{:?}", book(1)[0]);
        assert!(
            printed.contains("DemandSchedule(..)") && printed.contains("Salt(..)"),
            "{printed}"
        );
    }
}
