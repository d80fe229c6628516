//! Who gets how many lots at the clearing price.
//!
//! The rules are those of a uniform-price sale: at the clearing level k*, the demand that would also pay more is
//! filled whole under `price-priority`, and what is left is shared among the marginal demand at k*; under
//! `pro-rata` all demand at k* shares alike. Sharing is by cumulative rounding, among organisations in ascending
//! order of MSP id, and again inside an organisation in ascending order of order id (byte order both).

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{DemandSchedule, Level, Lots};

/// How lots are shared when the demand at the clearing price exceeds what is for sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AllocationRule {
    /// Demand above the clearing level is filled whole; the rest is shared among the demand at the margin.
    PricePriority,
    /// All demand at or above the clearing level shares alike.
    ProRata,
}

/// What the listing's public outcome says of one organisation, from which its own orders' allocations follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrganisationOutcome {
    /// The listing failed: nobody gets anything.
    Failed,
    /// The listing sold.
    Sold {
        /// The clearing level. An undersubscribed listing sells at level 1, where every order is filled; the same
        /// rule says so, because the organisation's allocation is then its whole demand.
        level: Level,
        /// What the organisation was allotted.
        allocation: Lots,
    },
}

/// An organisation's allocation that its own orders contradict.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AllocationError {
    /// The clearing level is not one of the listing's.
    #[error("the clearing level is {level}, allowed is 1 to {levels}")]
    Level {
        /// The level.
        level: Level,
        /// How many levels the listing has.
        levels: usize,
    },
    /// No sale by the rule gives the orders this many lots in all.
    #[error("the organisation's allocation of {allocation} lots is not one that its own orders can have")]
    Inconsistent {
        /// The organisation's allocation.
        allocation: Lots,
    },
}

impl std::fmt::Debug for AllocationError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, formatter)
    }
}

/// Shares `lots` among `marginal` demands by cumulative rounding: with `c_i` the sum of the first `i` demands and
/// `M` of all, the `i`-th gets `floor(lots c_i / M) - floor(lots c_(i-1) / M)`. If `lots <= M`, the shares add up to
/// `lots`, none exceeds its demand, and none misses its fair share by a lot or more. Without any demand all shares
/// are zero. Not constant-time: the organisation's own data, on its own machine.
#[must_use]
pub fn ration(lots: Lots, marginal: &[Lots]) -> Vec<Lots> {
    let total: u128 = marginal.iter().map(|&demand| u128::from(demand)).sum();
    let mut before = 0_u128;
    let mut cumulative = 0_u128;
    marginal
        .iter()
        .map(|&demand| {
            cumulative += u128::from(demand);
            // The product stays below 2^128: lots < 2^64, and at most 2^64 demands below 2^64 are not summed here
            // in any listing (fewer than 2^32 orders of fewer than 2^32 lots).
            let now = (u128::from(lots) * cumulative).checked_div(total).unwrap_or(0);
            let share = now - before;
            before = now;
            u64::try_from(share).unwrap_or(Lots::MAX)
        })
        .collect()
}

/// The allocation of each of an organisation's orders, given in ascending order of order id, from the listing's
/// public outcome. The result has the orders' order.
///
/// # Errors
/// A clearing level that the listing does not have; an allocation that is less than what the rule fills whole, or
/// more than the orders want.
pub fn allocate_orders(
    rule: AllocationRule,
    outcome: OrganisationOutcome,
    orders: &[&DemandSchedule],
) -> Result<Vec<Lots>, AllocationError> {
    let OrganisationOutcome::Sold { level, allocation } = outcome else {
        return Ok(vec![0; orders.len()]);
    };
    if let Some(levels) = orders
        .iter()
        .map(|order| order.levels())
        .find(|&levels| level == 0 || level > levels)
    {
        return Err(AllocationError::Level { level, levels });
    }
    let filled: Vec<Lots> = orders
        .iter()
        .map(|order| match rule {
            AllocationRule::PricePriority => order.demand(level + 1),
            AllocationRule::ProRata => 0,
        })
        .collect();
    let marginal: Vec<Lots> = orders
        .iter()
        .zip(&filled)
        .map(|(order, filled)| order.demand(level) - filled)
        .collect();
    let inconsistent = AllocationError::Inconsistent { allocation };
    let Some(left) = allocation.checked_sub(filled.iter().sum()) else {
        return Err(inconsistent);
    };
    if left > marginal.iter().sum() {
        return Err(inconsistent);
    }
    Ok(ration(left, &marginal)
        .iter()
        .zip(&filled)
        .map(|(share, filled)| share + filled)
        .collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{OrderRules, Price, PriceGrid, Step};

    fn order(steps: &[(u64, u64)]) -> DemandSchedule {
        let rules = OrderRules::new(PriceGrid::new(500, 1000, 100).unwrap(), 1, 1 << 31).unwrap();
        let steps: Vec<_> = steps
            .iter()
            .map(|&(price, quantity)| Step {
                price: Price::At(price),
                quantity,
            })
            .collect();
        DemandSchedule::new(&steps, &rules).unwrap()
    }

    #[test]
    fn rations_by_cumulative_rounding() {
        assert_eq!(ration(10, &[7, 7, 7]), [3, 3, 4]);
        assert_eq!(ration(0, &[7, 0]), [0, 0]);
        assert_eq!(ration(0, &[]), [0; 0]);
        assert_eq!(ration(0, &[0, 0]), [0, 0]);
        assert_eq!(
            ration(u64::from(u32::MAX), &[1 << 49, 1 << 49]),
            [(1 << 31) - 1, 1 << 31]
        );
    }

    #[test]
    fn the_demand_above_the_price_is_filled_first_under_price_priority_alone() {
        let first = order(&[(500, 10_000), (700, 7000), (1000, 4500)]);
        let second = order(&[(600, 9000), (700, 9000)]);
        let sold = OrganisationOutcome::Sold {
            level: 3,
            allocation: 13_000,
        };
        let orders = [&first, &second];
        let priority = allocate_orders(AllocationRule::PricePriority, sold, &orders).unwrap();
        assert_eq!(priority, [6347, 6653]);
        let pro_rata = allocate_orders(AllocationRule::ProRata, sold, &orders).unwrap();
        assert_eq!(pro_rata, [5687, 7313]);
        let failed = allocate_orders(AllocationRule::ProRata, OrganisationOutcome::Failed, &orders).unwrap();
        assert_eq!(failed, [0, 0]);
    }

    #[test]
    fn an_undersubscribed_listing_fills_every_order() {
        let orders = [&order(&[(500, 400), (600, 100)]), &order(&[(900, 250)])];
        let sold = OrganisationOutcome::Sold {
            level: 1,
            allocation: 650,
        };
        for rule in [AllocationRule::PricePriority, AllocationRule::ProRata] {
            assert_eq!(allocate_orders(rule, sold, &orders).unwrap(), [400, 250]);
        }
    }

    #[test]
    fn refuses_what_the_orders_contradict() {
        let only = order(&[(600, 10), (700, 4)]);
        let allot = |level, allocation| {
            let sold = OrganisationOutcome::Sold { level, allocation };
            allocate_orders(AllocationRule::PricePriority, sold, &[&only])
        };
        assert_eq!(
            allot(2, 11),
            Err(AllocationError::Inconsistent { allocation: 11 })
        );
        assert_eq!(allot(2, 3), Err(AllocationError::Inconsistent { allocation: 3 }));
        assert_eq!(allot(0, 1), Err(AllocationError::Level { level: 0, levels: 6 }));
        assert_eq!(allot(7, 0), Err(AllocationError::Level { level: 7, levels: 6 }));
        assert_eq!(allot(2, 4), Ok(vec![4]));
    }

    #[test]
    fn names_in_json() {
        assert_eq!(
            serde_json::to_string(&AllocationRule::PricePriority).unwrap(),
            "\"price-priority\""
        );
        assert_eq!(
            serde_json::from_str::<AllocationRule>("\"pro-rata\"").unwrap(),
            AllocationRule::ProRata
        );
    }

    proptest! {
        #[test]
        fn shares_add_up_and_miss_the_fair_share_by_less_than_a_lot(
            marginal in prop::collection::vec(0..1_u64 << 49, 1..20), seed: u64
        ) {
            let total: u64 = marginal.iter().sum();
            let lots = if total == 0 { 0 } else { seed % (total + 1) };
            let shares = ration(lots, &marginal);
            prop_assert_eq!(shares.iter().sum::<u64>(), lots);
            for (share, demand) in shares.iter().zip(&marginal) {
                prop_assert!(share <= demand);
                let fair = u128::from(lots) * u128::from(*demand);
                let got = u128::from(*share) * u128::from(total);
                prop_assert!(total == 0 || got.abs_diff(fair) < u128::from(total));
            }
        }

        #[test]
        fn rationing_in_two_tiers_sums_to_the_organisation(
            falls in prop::collection::vec((0_u64..100, 1_u64..100), 1..8), seed: u64, pro_rata: bool
        ) {
            let orders: Vec<_> = falls.iter().map(|(more, high)| order(&[(600, more + high), (800, *high)])).collect();
            let orders: Vec<_> = orders.iter().collect();
            let (rule, filled) = if pro_rata {
                (AllocationRule::ProRata, 0)
            } else {
                (AllocationRule::PricePriority, orders.iter().map(|order| order.demand(3)).sum::<u64>())
            };
            let wanted: u64 = orders.iter().map(|order| order.demand(2)).sum();
            let allocation = filled + seed % (wanted - filled + 1);
            let sold = OrganisationOutcome::Sold { level: 2, allocation };
            let shares = allocate_orders(rule, sold, &orders).unwrap();
            prop_assert_eq!(shares.iter().sum::<u64>(), allocation);
            for (share, order) in shares.iter().zip(&orders) {
                prop_assert!(*share <= order.demand(2));
                prop_assert!(pro_rata || *share >= order.demand(3));
            }
        }
    }
}
