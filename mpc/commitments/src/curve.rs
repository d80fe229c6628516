//! Demand at every price level, of one order or of an organisation's whole book.

use std::fmt;

use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{DemandSchedule, Level, Lots, MAX_LEVELS};

/// The demand at each level `1..=levels()`, in lots; it does not rise with the level. Erased when dropped; `Debug`
/// prints nothing of it.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct DemandCurve {
    demand: Vec<Lots>,
}

/// Why numbers are not a demand curve, or two curves do not add up.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CurveError {
    /// No level, or too many.
    #[error("the demand curve has {found} levels, allowed are 1 to {MAX_LEVELS}")]
    Levels {
        /// How many levels came.
        found: usize,
    },
    /// The demand rises with the price.
    #[error("the demand at level {level} exceeds that at level {}", level - 1)]
    Rises {
        /// The level at which it rises.
        level: Level,
    },
    /// Two curves of different listings.
    #[error("a demand curve of {found} levels cannot be added to one of {expected}")]
    OtherLevels {
        /// How many levels the sum has.
        expected: usize,
        /// How many levels the addend has.
        found: usize,
    },
    /// A sum beyond 64 bits.
    #[error("the demand at level {level} exceeds 64 bits")]
    Overflow {
        /// The level.
        level: Level,
    },
}

impl DemandCurve {
    /// A curve from its demand at each level, lowest level first.
    ///
    /// # Errors
    /// No level or more than [`MAX_LEVELS`]; a demand that rises.
    pub fn new(demand: Vec<Lots>) -> Result<Self, CurveError> {
        let curve = Self { demand };
        if curve.demand.is_empty() || curve.demand.len() > MAX_LEVELS {
            return Err(CurveError::Levels {
                found: curve.demand.len(),
            });
        }
        let rise = curve
            .demand
            .iter()
            .zip(curve.demand.iter().skip(1))
            .position(|(low, high)| high > low);
        if let Some(index) = rise {
            return Err(CurveError::Rises { level: index + 2 });
        }
        Ok(curve)
    }

    /// A curve that may rise, which no book of honest orders has: a deviation. [`Self::increment`] is not for it.
    #[cfg(any(test, feature = "deviations"))]
    #[must_use]
    pub fn rising(demand: Vec<Lots>) -> Self {
        Self { demand }
    }

    /// No demand at any of `levels` levels: an empty book.
    ///
    /// # Errors
    /// No level or more than [`MAX_LEVELS`].
    pub fn zero(levels: usize) -> Result<Self, CurveError> {
        if levels == 0 || levels > MAX_LEVELS {
            return Err(CurveError::Levels { found: levels });
        }
        Ok(Self {
            demand: vec![0; levels],
        })
    }

    pub(crate) fn of_schedule(schedule: &DemandSchedule) -> Self {
        let mut demand = vec![0; schedule.levels()];
        let mut next = 0;
        for (level, lots) in schedule.levels_and_lots() {
            for at in demand.iter_mut().take(level).skip(next) {
                *at = lots;
            }
            next = level;
        }
        Self { demand }
    }

    /// How many levels there are, `1..=MAX_LEVELS`.
    #[must_use]
    pub fn levels(&self) -> usize {
        self.demand.len()
    }

    /// The demand at a level, in lots: zero above the highest level. Level 0 is no level and counts as the lowest.
    #[must_use]
    pub fn demand(&self, level: Level) -> Lots {
        self.demand.get(level.saturating_sub(1)).copied().unwrap_or(0)
    }

    /// By how many lots the demand falls from this level to the next.
    #[must_use]
    pub fn increment(&self, level: Level) -> Lots {
        self.demand(level) - self.demand(level + 1)
    }

    /// The demand at each level, lowest level first.
    #[must_use]
    pub fn as_slice(&self) -> &[Lots] {
        &self.demand
    }

    /// Adds another curve of the same listing, as a book adds up its orders.
    ///
    /// # Errors
    /// A curve of another number of levels; a sum beyond 64 bits. The curve is then unchanged.
    pub fn add(&mut self, other: &Self) -> Result<(), CurveError> {
        if self.levels() != other.levels() {
            return Err(CurveError::OtherLevels {
                expected: self.levels(),
                found: other.levels(),
            });
        }
        let mut sum = Vec::with_capacity(self.levels());
        for (index, (mine, others)) in self.demand.iter().zip(&other.demand).enumerate() {
            sum.push(
                mine.checked_add(*others)
                    .ok_or(CurveError::Overflow { level: index + 1 })?,
            );
        }
        self.demand.zeroize();
        self.demand = sum;
        Ok(())
    }
}

/// Prints nothing of the demand.
impl fmt::Debug for DemandCurve {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DemandCurve({} levels, ..)", self.levels())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{OrderRules, Price, PriceGrid, Step};

    #[test]
    fn refuses_what_is_no_curve() {
        assert_eq!(DemandCurve::new(vec![]), Err(CurveError::Levels { found: 0 }));
        assert_eq!(
            DemandCurve::new(vec![0; 1025]),
            Err(CurveError::Levels { found: 1025 })
        );
        assert_eq!(DemandCurve::zero(0), Err(CurveError::Levels { found: 0 }));
        assert_eq!(
            DemandCurve::new(vec![5, 5, 6, 2]),
            Err(CurveError::Rises { level: 3 })
        );
        let mut curve = DemandCurve::new(vec![u64::MAX, 1]).unwrap();
        assert_eq!(
            curve.add(&DemandCurve::zero(3).unwrap()),
            Err(CurveError::OtherLevels {
                expected: 2,
                found: 3
            })
        );
        assert_eq!(
            curve.add(&DemandCurve::new(vec![1, 1]).unwrap()),
            Err(CurveError::Overflow { level: 1 })
        );
        assert_eq!(curve.as_slice(), [u64::MAX, 1]);
    }

    #[test]
    fn debug_prints_nothing_of_the_demand() {
        assert_eq!(
            format!("{:?}", DemandCurve::new(vec![777, 77]).unwrap()),
            "DemandCurve(2 levels, ..)"
        );
    }

    proptest! {
        #[test]
        fn an_order_and_its_curve_say_the_same(lots in prop::collection::btree_map(1_u64..40, 1_u64..50, 1..=10)) {
            let rules = OrderRules::new(PriceGrid::new(1, 40, 1).unwrap(), 1, 1000).unwrap();
            let total: u64 = lots.values().sum();
            let mut left = total;
            let steps: Vec<_> = lots
                .iter()
                .map(|(price, fall)| {
                    let step = Step { price: Price::At(*price), quantity: left };
                    left -= fall;
                    step
                })
                .collect();
            let order = DemandSchedule::new(&steps, &rules).unwrap();
            let curve = order.curve();
            prop_assert_eq!(DemandCurve::new(curve.as_slice().to_vec()), Ok(curve.clone()));
            for level in 1..=41 {
                prop_assert_eq!(curve.demand(level), order.demand(level));
                let fall = lots.get(&(level as u64)).copied().unwrap_or(0);
                prop_assert_eq!(curve.increment(level), fall);
            }
        }
    }
}
