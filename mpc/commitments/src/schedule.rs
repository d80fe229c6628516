//! One order: a demand schedule of a few steps, and the rules that it obeys.
//!
//! A step `{"price": 700, "quantity": 7000}` says "at any price up to 7.00 I want 7000 shares in all".

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{DemandCurve, Level, Lots, MAX_LOTS, MAX_STEPS, PriceGrid};

/// The price of a step. `Debug` prints nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Zeroize)]
pub enum Price {
    /// A price in minor units of the cash token, on the listing's grid.
    At(u64),
    /// The highest price of the listing's grid; `"market"` in JSON.
    Market,
}

/// One step of an order: at any price up to `price`, `quantity` shares in all. `Debug` prints nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Zeroize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The highest price at which the quantity is wanted.
    pub price: Price,
    /// Shares wanted in all, a multiple of the listing's lot.
    pub quantity: u64,
}

/// What a listing asks of its orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderRules {
    grid: PriceGrid,
    lot_size: u64,
    max_order: u64,
}

/// Why a lot size and a largest order do not go together.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RulesError {
    /// A lot of no shares.
    #[error("lotSize is 0, allowed is 1 or more")]
    ZeroLot,
    /// The largest order is not a positive multiple of the lot.
    #[error("maxOrder is {max_order}, allowed is a positive multiple of lotSize ({lot_size})")]
    MaxOrderOffLot {
        /// The largest order, in shares.
        max_order: u64,
        /// The lot, in shares.
        lot_size: u64,
    },
    /// The largest order has too many lots.
    #[error("maxOrder is {lots} lots, allowed are at most {MAX_LOTS}")]
    TooManyLots {
        /// The largest order, in lots.
        lots: u64,
    },
}

/// An order that obeys its listing's [`OrderRules`]: for each step its level and lots, ascending by level.
/// Erased when dropped; `Debug` prints nothing of it.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct DemandSchedule {
    levels: usize,
    steps: Vec<LevelStep>,
}

#[derive(Clone, Copy, PartialEq, Eq, Zeroize)]
struct LevelStep {
    level: Level,
    lots: Lots,
}

/// Which rule an order breaks. Steps are counted from zero, as in JSON. The message quotes the order: it is for the
/// order's own client and no one else.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// No step, or too many.
    #[error("steps has {found} entries, allowed are 1 to {MAX_STEPS}")]
    StepCount {
        /// How many steps came.
        found: usize,
    },
    /// A price that the listing does not have.
    #[error(
        "steps[{step}].price is {price}, allowed is \"market\" or {} to {} in steps of {}",
        grid.min(), grid.max(), grid.tick()
    )]
    PriceOffGrid {
        /// The step.
        step: usize,
        /// Its price.
        price: u64,
        /// The prices allowed.
        grid: PriceGrid,
    },
    /// A price that an earlier step has already; `"market"` is the highest price of the grid.
    #[error("steps[{step}].price is {price}, the same as steps[{earlier}]; allowed are distinct prices")]
    RepeatedPrice {
        /// The later step.
        step: usize,
        /// The earlier one.
        earlier: usize,
        /// Their price.
        price: u64,
    },
    /// A quantity that is not a positive multiple of the lot.
    #[error("steps[{step}].quantity is {quantity}, allowed is a positive multiple of lotSize ({lot_size})")]
    QuantityOffLot {
        /// The step.
        step: usize,
        /// Its quantity, in shares.
        quantity: u64,
        /// The lot, in shares.
        lot_size: u64,
    },
    /// A quantity above the listing's largest order.
    #[error("steps[{step}].quantity is {quantity}, allowed is at most maxOrder ({max_order})")]
    QuantityAboveMaxOrder {
        /// The step.
        step: usize,
        /// Its quantity, in shares.
        quantity: u64,
        /// The largest order, in shares.
        max_order: u64,
    },
    /// A quantity that rises with the price.
    #[error(
        "steps[{step}].quantity is {quantity}, allowed is at most {allowed}, the quantity at the lower price of steps[{lower}]"
    )]
    QuantityRises {
        /// The step at the higher price.
        step: usize,
        /// Its quantity, in shares.
        quantity: u64,
        /// The step at the next lower price.
        lower: usize,
        /// Its quantity, in shares.
        allowed: u64,
    },
}

impl OrderRules {
    /// The rules of a listing: its grid, its lot in shares and its largest order in shares.
    ///
    /// # Errors
    /// A zero lot; a largest order that is not a positive multiple of the lot or exceeds [`MAX_LOTS`] lots.
    pub fn new(grid: PriceGrid, lot_size: u64, max_order: u64) -> Result<Self, RulesError> {
        if lot_size == 0 {
            return Err(RulesError::ZeroLot);
        }
        if max_order == 0 || !max_order.is_multiple_of(lot_size) {
            return Err(RulesError::MaxOrderOffLot { max_order, lot_size });
        }
        let lots = max_order / lot_size;
        if lots > MAX_LOTS {
            return Err(RulesError::TooManyLots { lots });
        }
        Ok(Self {
            grid,
            lot_size,
            max_order,
        })
    }

    /// The listing's prices.
    #[must_use]
    pub fn grid(&self) -> &PriceGrid {
        &self.grid
    }

    /// Shares in a lot.
    #[must_use]
    pub fn lot_size(&self) -> u64 {
        self.lot_size
    }

    /// The largest order, in shares.
    #[must_use]
    pub fn max_order(&self) -> u64 {
        self.max_order
    }

    /// The largest order, in lots.
    #[must_use]
    pub fn max_order_lots(&self) -> Lots {
        self.max_order / self.lot_size
    }

    fn check(&self, index: usize, step: &Step) -> Result<LevelStep, ScheduleError> {
        let level = match step.price {
            Price::Market => self.grid.levels(),
            Price::At(price) => self.grid.level(price).ok_or(ScheduleError::PriceOffGrid {
                step: index,
                price,
                grid: self.grid,
            })?,
        };
        let quantity = step.quantity;
        if quantity == 0 || !quantity.is_multiple_of(self.lot_size) {
            return Err(ScheduleError::QuantityOffLot {
                step: index,
                quantity,
                lot_size: self.lot_size,
            });
        }
        if quantity > self.max_order {
            return Err(ScheduleError::QuantityAboveMaxOrder {
                step: index,
                quantity,
                max_order: self.max_order,
            });
        }
        Ok(LevelStep {
            level,
            lots: quantity / self.lot_size,
        })
    }
}

impl DemandSchedule {
    /// Checks an order's steps, given in any order, against its listing's rules.
    ///
    /// # Errors
    /// The rule that the steps break, with the step, what came and what is allowed.
    pub fn new(steps: &[Step], rules: &OrderRules) -> Result<Self, ScheduleError> {
        if steps.is_empty() || steps.len() > MAX_STEPS {
            return Err(ScheduleError::StepCount { found: steps.len() });
        }
        let mut indexed = Vec::with_capacity(steps.len());
        for (index, step) in steps.iter().enumerate() {
            indexed.push((index, rules.check(index, step)?));
        }
        // Stable: of two steps at one price the later one is reported.
        indexed.sort_by_key(|(_, step)| step.level);
        for ((lower, below), (step, above)) in indexed.iter().zip(indexed.iter().skip(1)) {
            if below.level == above.level {
                let price = rules.grid.price(above.level).unwrap_or_default();
                return Err(ScheduleError::RepeatedPrice {
                    step: *step,
                    earlier: *lower,
                    price,
                });
            }
            if above.lots > below.lots {
                return Err(ScheduleError::QuantityRises {
                    step: *step,
                    quantity: above.lots * rules.lot_size,
                    lower: *lower,
                    allowed: below.lots * rules.lot_size,
                });
            }
        }
        let sorted = indexed.iter().map(|(_, step)| *step).collect();
        for (_, step) in &mut indexed {
            step.zeroize();
        }
        Ok(Self {
            levels: rules.grid.levels(),
            steps: sorted,
        })
    }

    /// How many levels the listing has.
    #[must_use]
    pub fn levels(&self) -> usize {
        self.levels
    }

    /// The demand at a level, in lots: the quantity of the lowest step at or above it, zero above the highest.
    #[must_use]
    pub fn demand(&self, level: Level) -> Lots {
        self.steps
            .iter()
            .find(|step| step.level >= level)
            .map_or(0, |step| step.lots)
    }

    /// The levels at which the demand may fall, ascending, with the lots by which it does:
    /// `demand(k) - demand(k + 1)`. At most [`MAX_STEPS`]; every other level's increment is zero.
    pub(crate) fn increments(&self) -> impl Iterator<Item = (Level, Lots)> + '_ {
        let above = self.steps.iter().skip(1).map(|step| step.lots).chain([0]);
        self.steps
            .iter()
            .zip(above)
            .map(|(step, above)| (step.level, step.lots - above))
    }

    /// Each step's level and lots, ascending by level.
    pub(crate) fn levels_and_lots(&self) -> impl Iterator<Item = (Level, Lots)> + '_ {
        self.steps.iter().map(|step| (step.level, step.lots))
    }

    /// The demand at every level.
    #[must_use]
    pub fn curve(&self) -> DemandCurve {
        DemandCurve::of_schedule(self)
    }
}

/// Prints nothing of the price.
impl fmt::Debug for Price {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Price(..)")
    }
}

/// Prints nothing of the step.
impl fmt::Debug for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Step(..)")
    }
}

/// Prints nothing of the order.
impl fmt::Debug for DemandSchedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DemandSchedule(..)")
    }
}

/// Says which rule was broken and at which step, not what the order says.
impl fmt::Debug for ScheduleError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StepCount { .. } => formatter.write_str("StepCount(..)"),
            Self::PriceOffGrid { step, .. } => write!(formatter, "PriceOffGrid(step {step}, ..)"),
            Self::RepeatedPrice { step, .. } => write!(formatter, "RepeatedPrice(step {step}, ..)"),
            Self::QuantityOffLot { step, .. } => write!(formatter, "QuantityOffLot(step {step}, ..)"),
            Self::QuantityAboveMaxOrder { step, .. } => {
                write!(formatter, "QuantityAboveMaxOrder(step {step}, ..)")
            }
            Self::QuantityRises { step, .. } => write!(formatter, "QuantityRises(step {step}, ..)"),
        }
    }
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::At(price) => serializer.serialize_u64(*price),
            Self::Market => serializer.serialize_str("market"),
        }
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PriceVisitor;

        impl de::Visitor<'_> for PriceVisitor {
            type Value = Price;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a price in minor units (a whole number, 0 or more) or \"market\"")
            }

            fn visit_u64<E: de::Error>(self, price: u64) -> Result<Price, E> {
                Ok(Price::At(price))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Price, E> {
                if text == "market" {
                    Ok(Price::Market)
                } else {
                    Err(E::invalid_value(de::Unexpected::Str(text), &self))
                }
            }
        }

        deserializer.deserialize_any(PriceVisitor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules() -> OrderRules {
        OrderRules::new(PriceGrid::new(500, 1000, 100).unwrap(), 10, 20_000).unwrap()
    }

    fn steps(steps: &[(u64, u64)]) -> Vec<Step> {
        steps
            .iter()
            .map(|&(price, quantity)| Step {
                price: Price::At(price),
                quantity,
            })
            .collect()
    }

    fn refusal(pairs: &[(u64, u64)]) -> ScheduleError {
        DemandSchedule::new(&steps(pairs), &rules()).unwrap_err()
    }

    #[test]
    fn demand_is_that_of_the_lowest_step_at_or_above() {
        let order =
            DemandSchedule::new(&steps(&[(900, 4500), (500, 10_000), (700, 7000)]), &rules()).unwrap();
        let demand: Vec<_> = (1..=7).map(|level| order.demand(level)).collect();
        assert_eq!(demand, [1000, 700, 700, 450, 450, 0, 0]);
        assert_eq!(
            order.increments().collect::<Vec<_>>(),
            [(1, 300), (3, 250), (5, 450)]
        );
    }

    #[test]
    fn market_is_the_highest_level() {
        let market = [Step {
            price: Price::Market,
            quantity: 30,
        }];
        assert_eq!(DemandSchedule::new(&market, &rules()).unwrap().demand(6), 3);
        let both = [
            market[0],
            Step {
                price: Price::At(1000),
                quantity: 30,
            },
        ];
        let refused = DemandSchedule::new(&both, &rules()).unwrap_err();
        assert_eq!(
            refused,
            ScheduleError::RepeatedPrice {
                step: 1,
                earlier: 0,
                price: 1000
            }
        );
    }

    #[test]
    fn each_rule_has_its_error() {
        assert_eq!(refusal(&[]), ScheduleError::StepCount { found: 0 });
        assert_eq!(refusal(&[(500, 10); 11]), ScheduleError::StepCount { found: 11 });
        assert_eq!(
            refusal(&[(500, 10), (650, 10)]).to_string(),
            "steps[1].price is 650, allowed is \"market\" or 500 to 1000 in steps of 100"
        );
        assert_eq!(
            refusal(&[(600, 20), (500, 10)]),
            ScheduleError::QuantityRises {
                step: 0,
                quantity: 20,
                lower: 1,
                allowed: 10
            }
        );
        assert_eq!(
            refusal(&[(500, 15)]),
            ScheduleError::QuantityOffLot {
                step: 0,
                quantity: 15,
                lot_size: 10
            }
        );
        assert_eq!(
            refusal(&[(500, 0)]),
            ScheduleError::QuantityOffLot {
                step: 0,
                quantity: 0,
                lot_size: 10
            }
        );
        assert_eq!(
            refusal(&[(500, 20_010)]),
            ScheduleError::QuantityAboveMaxOrder {
                step: 0,
                quantity: 20_010,
                max_order: 20_000
            }
        );
        assert_eq!(
            refusal(&[(500, 20), (600, 20), (600, 20)]),
            ScheduleError::RepeatedPrice {
                step: 2,
                earlier: 1,
                price: 600
            }
        );
    }

    #[test]
    fn rules_are_checked() {
        let grid = PriceGrid::new(1, 1, 1).unwrap();
        assert_eq!(OrderRules::new(grid, 0, 1), Err(RulesError::ZeroLot));
        assert_eq!(
            OrderRules::new(grid, 2, 3),
            Err(RulesError::MaxOrderOffLot {
                max_order: 3,
                lot_size: 2
            })
        );
        assert_eq!(
            OrderRules::new(grid, 1, 1 << 32),
            Err(RulesError::TooManyLots { lots: 1 << 32 })
        );
        assert_eq!(
            OrderRules::new(grid, 2, (1 << 33) - 2).unwrap().max_order_lots(),
            MAX_LOTS
        );
    }

    #[test]
    fn json_form_and_its_refusals() {
        let text = r#"[{"price":700,"quantity":7000},{"price":"market","quantity":20}]"#;
        let parsed: Vec<Step> = serde_json::from_str(text).unwrap();
        assert!(parsed[0].price == Price::At(700) && parsed[1].price == Price::Market);
        assert_eq!(serde_json::to_string(&parsed).unwrap(), text);
        for bad in ["\"Market\"", "-1", "7.5", "null", "[700]", "18446744073709551616"] {
            let refused = serde_json::from_str::<Price>(bad).unwrap_err().to_string();
            assert!(refused.contains("or \"market\""), "{bad}: {refused}");
        }
    }

    #[test]
    fn debug_prints_nothing_of_an_order() {
        let order = DemandSchedule::new(&steps(&[(700, 7770)]), &rules()).unwrap();
        let printed = format!(
            "{order:?} {:?} {:?}",
            steps(&[(700, 7770)]),
            refusal(&[(777, 7770)])
        );
        assert!(!printed.contains('7'), "{printed}");
    }

    proptest! {
        #[test]
        fn any_steps_are_refused_or_give_a_demand_that_does_not_rise(
            pairs in prop::collection::vec((4_u64..12, 0_u64..8), 0..12)
        ) {
            let steps = steps(&pairs.iter().map(|(price, lots)| (price * 100, lots * 10)).collect::<Vec<_>>());
            if let Ok(order) = DemandSchedule::new(&steps, &rules()) {
                let demand: Vec<_> = (1..=7).map(|level| order.demand(level)).collect();
                prop_assert!(demand.windows(2).all(|pair| pair[0] >= pair[1]));
                prop_assert_eq!(demand[6], 0);
                for step in &steps {
                    let Price::At(price) = step.price else { unreachable!() };
                    prop_assert_eq!(order.demand(rules().grid().level(price).unwrap()) * 10, step.quantity);
                }
                let total: u64 = order.increments().map(|(_, lots)| lots).sum();
                prop_assert_eq!(total, order.demand(1));
            }
        }
    }
}
