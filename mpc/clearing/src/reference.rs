//! The auction in the clear: what the secure protocol must compute.

use order_commitments::{AllocationRule, DemandCurve, Level, Lots, ration};

use crate::Outcome;

/// The outcome of a sale of `lots` lots, at least `min_lots` of them, over `levels` price levels; the organisations'
/// demand curves come in ascending byte order of their MSP ids.
///
/// - The clearing level is the highest level at which the total demand is at least `lots`.
/// - If there is none and the demand at level 1 is at least `max(1, min_lots)`, that demand is sold at level 1,
///   everybody's whole; otherwise the sale has failed.
/// - Under [`AllocationRule::PricePriority`] the demand above the clearing level is filled whole and the rest rationed
///   among the marginal demand; under [`AllocationRule::ProRata`] all demand at the level is rationed.
#[must_use]
pub fn outcome(
    lots: Lots,
    min_lots: Lots,
    rule: AllocationRule,
    levels: usize,
    curves: &[DemandCurve],
) -> Outcome {
    let demands = |level: Level| -> Vec<Lots> { curves.iter().map(|curve| curve.demand(level)).collect() };
    let total = |level: Level| -> u128 { curves.iter().map(|curve| u128::from(curve.demand(level))).sum() };
    let Some(level) = (1..=levels).rev().find(|&level| total(level) >= lots.into()) else {
        if total(1) < min_lots.max(1).into() {
            return Outcome::Failed;
        }
        return Outcome::Sold {
            level: 1,
            allocations: demands(1),
        };
    };
    let above = match rule {
        AllocationRule::PricePriority => demands(level + 1),
        AllocationRule::ProRata => vec![0; curves.len()],
    };
    let marginal: Vec<Lots> = demands(level)
        .iter()
        .zip(&above)
        .map(|(at, above)| at - above)
        .collect();
    // The demand above the clearing level is less than what is for sale.
    let left = lots - above.iter().sum::<Lots>();
    let allocations = ration(left, &marginal)
        .iter()
        .zip(&above)
        .map(|(share, above)| share + above)
        .collect();
    Outcome::Sold { level, allocations }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: [AllocationRule; 2] = [AllocationRule::PricePriority, AllocationRule::ProRata];

    fn cleared(lots: Lots, min_lots: Lots, rule: AllocationRule, curves: &[&[Lots]]) -> Outcome {
        let curves: Vec<_> = curves
            .iter()
            .map(|demand| DemandCurve::new(demand.to_vec()).unwrap())
            .collect();
        outcome(lots, min_lots, rule, curves[0].levels(), &curves)
    }

    fn sold(level: Level, allocations: &[Lots]) -> Outcome {
        Outcome::Sold {
            level,
            allocations: allocations.to_vec(),
        }
    }

    #[test]
    fn price_priority_fills_the_demand_above_first() {
        let curves: [&[Lots]; 2] = [&[10, 8, 5], &[9, 6, 0]];
        // D = 19, 14, 5: level 2; above 5 and 0, marginal 3 and 6, left 7 of 12.
        assert_eq!(
            cleared(12, 0, AllocationRule::PricePriority, &curves),
            sold(2, &[7, 5])
        );
        // 12 lots over 8 and 6: floor(96 / 14) = 6.
        assert_eq!(cleared(12, 0, AllocationRule::ProRata, &curves), sold(2, &[6, 6]));
    }

    #[test]
    fn ties_leave_the_remainder_to_the_last() {
        for rule in RULES {
            assert_eq!(cleared(10, 0, rule, &[&[7], &[7], &[7]]), sold(1, &[3, 3, 4]));
        }
    }

    #[test]
    fn the_highest_level_has_nothing_above() {
        for rule in RULES {
            assert_eq!(cleared(4, 0, rule, &[&[9, 5], &[1, 0]]), sold(2, &[4, 0]));
        }
    }

    #[test]
    fn undersubscribed_sells_everything_wanted_or_fails() {
        for rule in RULES {
            let curves: [&[Lots]; 2] = [&[4, 0], &[3, 2]];
            assert_eq!(cleared(8, 0, rule, &curves), sold(1, &[4, 3]));
            assert_eq!(cleared(8, 7, rule, &curves), sold(1, &[4, 3]));
            assert_eq!(cleared(8, 8, rule, &curves), Outcome::Failed);
            assert_eq!(cleared(7, 7, rule, &curves), sold(1, &[4, 3]));
            assert_eq!(cleared(8, 0, rule, &[&[0, 0], &[0, 0]]), Outcome::Failed);
        }
    }

    #[test]
    fn one_broker_gets_all() {
        for rule in RULES {
            assert_eq!(cleared(8, 0, rule, &[&[9, 3], &[0, 0]]), sold(1, &[8, 0]));
            assert_eq!(cleared(8, 0, rule, &[&[9, 3]]), sold(1, &[8]));
        }
    }

    #[test]
    fn huge_quantities_do_not_overflow() {
        let lots = u32::MAX.into();
        let most: Lots = (1 << 49) - 1;
        for rule in RULES {
            let outcome = cleared(lots, lots, rule, &[&[most] as &[Lots]; 16]);
            assert_eq!(outcome.sold(), lots);
            let Outcome::Sold { allocations, .. } = outcome else {
                panic!()
            };
            assert!(allocations.iter().all(|share| share.abs_diff(lots / 16) <= 1));
        }
    }
}
