//! The listing's price levels: an arithmetic grid of prices in minor units of the cash token.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Level, MAX_LEVELS};

/// Prices `min, min + tick, ..., max`, in minor units of the cash token; level 1 is `min`. There are at least one
/// and at most [`MAX_LEVELS`] of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct PriceGrid {
    min: u64,
    max: u64,
    tick: u64,
}

/// Why three numbers are not a price grid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GridError {
    /// The lowest price is zero.
    #[error("price.min is 0, allowed is 1 or more")]
    ZeroMin,
    /// The step between prices is zero.
    #[error("price.tick is 0, allowed is 1 or more")]
    ZeroTick,
    /// The highest price is below the lowest.
    #[error("price.max is {max}, allowed is price.min ({min}) or more")]
    MaxBelowMin {
        /// The lowest price.
        min: u64,
        /// The highest price.
        max: u64,
    },
    /// The highest price is not on the grid that starts at the lowest.
    #[error("price.max is {max}, allowed is price.min ({min}) plus a multiple of price.tick ({tick})")]
    MaxOffGrid {
        /// The lowest price.
        min: u64,
        /// The highest price.
        max: u64,
        /// The step between prices.
        tick: u64,
    },
    /// There are too many prices between the lowest and the highest.
    #[error("price has {levels} levels, allowed are at most {MAX_LEVELS}")]
    TooManyLevels {
        /// How many prices there are.
        levels: u128,
    },
}

impl PriceGrid {
    /// A grid from `min` to `max` in steps of `tick`.
    ///
    /// # Errors
    /// A zero, a `max` below `min` or off the grid, more than [`MAX_LEVELS`] prices.
    pub fn new(min: u64, max: u64, tick: u64) -> Result<Self, GridError> {
        if min == 0 {
            return Err(GridError::ZeroMin);
        }
        if tick == 0 {
            return Err(GridError::ZeroTick);
        }
        let Some(width) = max.checked_sub(min) else {
            return Err(GridError::MaxBelowMin { min, max });
        };
        if !width.is_multiple_of(tick) {
            return Err(GridError::MaxOffGrid { min, max, tick });
        }
        let levels = u128::from(width / tick) + 1;
        if levels > MAX_LEVELS as u128 {
            return Err(GridError::TooManyLevels { levels });
        }
        Ok(Self { min, max, tick })
    }

    /// The lowest price.
    #[must_use]
    pub fn min(&self) -> u64 {
        self.min
    }

    /// The highest price.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The step between neighbouring prices.
    #[must_use]
    pub fn tick(&self) -> u64 {
        self.tick
    }

    /// How many levels there are, `1..=MAX_LEVELS`.
    #[must_use]
    pub fn levels(&self) -> usize {
        // At most MAX_LEVELS by construction.
        usize::try_from((self.max - self.min) / self.tick).map_or(MAX_LEVELS, |steps| steps + 1)
    }

    /// The price of a level, `None` outside `1..=levels()`.
    #[must_use]
    pub fn price(&self, level: Level) -> Option<u64> {
        if level == 0 || level > self.levels() {
            return None;
        }
        u64::try_from(level - 1)
            .ok()
            .map(|steps| self.min + steps * self.tick)
    }

    /// The level of a price, `None` if it is not on the grid.
    #[must_use]
    pub fn level(&self, price: u64) -> Option<Level> {
        let above = price.checked_sub(self.min)?;
        if price > self.max || !above.is_multiple_of(self.tick) {
            return None;
        }
        usize::try_from(above / self.tick).ok().map(|steps| steps + 1)
    }
}

/// What the grid looks like in JSON, before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    min: u64,
    max: u64,
    tick: u64,
}

impl TryFrom<Unchecked> for PriceGrid {
    type Error = GridError;

    fn try_from(unchecked: Unchecked) -> Result<Self, GridError> {
        Self::new(unchecked.min, unchecked.max, unchecked.tick)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_what_is_no_grid() {
        assert_eq!(PriceGrid::new(0, 10, 1), Err(GridError::ZeroMin));
        assert_eq!(PriceGrid::new(1, 10, 0), Err(GridError::ZeroTick));
        assert_eq!(
            PriceGrid::new(10, 9, 1),
            Err(GridError::MaxBelowMin { min: 10, max: 9 })
        );
        assert_eq!(
            PriceGrid::new(10, 15, 2),
            Err(GridError::MaxOffGrid {
                min: 10,
                max: 15,
                tick: 2
            })
        );
        assert_eq!(
            PriceGrid::new(1, 1025, 1),
            Err(GridError::TooManyLevels { levels: 1025 })
        );
        assert_eq!(
            PriceGrid::new(1, u64::MAX, 1),
            Err(GridError::TooManyLevels {
                levels: u128::from(u64::MAX)
            })
        );
    }

    #[test]
    fn takes_the_corners() {
        assert_eq!(PriceGrid::new(1, 1024, 1).unwrap().levels(), 1024);
        assert_eq!(PriceGrid::new(u64::MAX, u64::MAX, u64::MAX).unwrap().levels(), 1);
        let grid = PriceGrid::new(500, 1000, 100).unwrap();
        assert_eq!(
            (grid.levels(), grid.price(3), grid.level(700)),
            (6, Some(700), Some(3))
        );
        assert_eq!(
            (grid.price(0), grid.price(7), grid.level(400), grid.level(1100)),
            (None, None, None, None)
        );
    }

    #[test]
    fn json_is_checked_on_the_way_in() {
        let grid: PriceGrid = serde_json::from_str(r#"{"min":500,"max":1000,"tick":100}"#).unwrap();
        assert_eq!(
            serde_json::to_string(&grid).unwrap(),
            r#"{"min":500,"max":1000,"tick":100}"#
        );
        let refused = serde_json::from_str::<PriceGrid>(r#"{"min":500,"max":1050,"tick":100}"#).unwrap_err();
        assert!(refused.to_string().contains("price.max is 1050"), "{refused}");
    }

    proptest! {
        #[test]
        fn price_and_level_are_inverse(min in 1..u64::MAX / 2, tick in 1..1_u64 << 40, steps in 0..1024_u64, probe: u64) {
            let grid = PriceGrid::new(min, min + tick * steps, tick).unwrap();
            for level in 1..=grid.levels() {
                prop_assert_eq!(grid.level(grid.price(level).unwrap()), Some(level));
            }
            if let Some(level) = grid.level(probe) {
                prop_assert_eq!(grid.price(level), Some(probe));
            }
        }
    }
}
