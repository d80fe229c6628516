//! What every party knows before a run.

use order_commitments::{
    AllocationRule, Lots, MAX_LEVELS, MAX_LOTS, MAX_PARTICIPANTS, MIN_PARTICIPANTS, Session,
};
use thiserror::Error;

/// The widest demand of an organisation, in bits.
pub const MAX_DEMAND_BITS: usize = 49;

/// The public terms of one clearing. All of them are part of the session that the organisations agree on first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClearingTerms {
    /// The organisations' MSP ids in ascending byte order: party `i` is `participants[i]`.
    pub participants: Vec<String>,
    /// How many price levels the listing has, `1..=1024`.
    pub levels: usize,
    /// Lots for sale, `1..2^32`.
    pub lots: Lots,
    /// The fewest lots that may be sold, `0..=lots`.
    pub min_lots: Lots,
    /// How a surplus demand is rationed.
    pub rule: AllocationRule,
    /// The width of an organisation's demand in bits, `1..=49`; see [`demand_bits`].
    pub demand_bits: usize,
    /// How many levels are probed side by side in a round, `1..=1024`. 1 is bisection, which takes the fewest
    /// gates; more take fewer rounds. It also widens the search for the allocations.
    pub fan_out: usize,
}

/// Terms that cannot be cleared.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TermsError {
    /// Too few or too many organisations.
    #[error("the number of participants is {found}, allowed is {MIN_PARTICIPANTS} to {MAX_PARTICIPANTS}")]
    Participants {
        /// How many there are.
        found: usize,
    },
    /// The organisations are not in ascending order, or one of them comes twice.
    #[error("participants are not in strictly ascending byte order: '{second}' follows '{first}'")]
    Order {
        /// An organisation.
        first: String,
        /// The one that follows.
        second: String,
    },
    /// A number out of its range.
    #[error("{field} is {found}, allowed is {least} to {most}")]
    Range {
        /// The field's name.
        field: &'static str,
        /// Its value.
        found: u64,
        /// The least value allowed.
        least: u64,
        /// The greatest value allowed.
        most: u64,
    },
}

impl ClearingTerms {
    /// The terms of a session.
    ///
    /// # Errors
    /// A session that cannot be cleared: none that was checked when it was made.
    pub fn of(session: &Session) -> Result<Self, TermsError> {
        let (terms, participants) = (session.terms(), session.participants());
        let largest = participants
            .iter()
            .map(|participant| participant.book.count)
            .max();
        let terms = Self {
            participants: participants
                .iter()
                .map(|participant| participant.msp.clone())
                .collect(),
            levels: terms.grid.levels(),
            lots: session.lots(),
            min_lots: session.min_subscription_lots(),
            rule: terms.rule,
            demand_bits: demand_bits(
                largest.unwrap_or_default(),
                session.order_rules().max_order_lots(),
            ),
            fan_out: usize::try_from(terms.fan_out).unwrap_or(usize::MAX),
        };
        terms.check()?;
        Ok(terms)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// The first field that is out of its range.
    pub fn check(&self) -> Result<(), TermsError> {
        let found = self.participants.len();
        if !(MIN_PARTICIPANTS..=MAX_PARTICIPANTS).contains(&found) {
            return Err(TermsError::Participants { found });
        }
        for (first, second) in self.participants.iter().zip(self.participants.iter().skip(1)) {
            if first >= second {
                return Err(TermsError::Order {
                    first: first.clone(),
                    second: second.clone(),
                });
            }
        }
        range("levels", self.levels as u64, 1, MAX_LEVELS as u64)?;
        range("lots", self.lots, 1, MAX_LOTS)?;
        range("min_lots", self.min_lots, 0, self.lots)?;
        range("demand_bits", self.demand_bits as u64, 1, MAX_DEMAND_BITS as u64)?;
        range("fan_out", self.fan_out as u64, 1, MAX_LEVELS as u64)
    }

    /// How many organisations compute.
    #[must_use]
    pub fn parties(&self) -> usize {
        self.participants.len()
    }

    /// The least demand that sells an undersubscribed listing: nothing is not sold.
    #[must_use]
    pub fn least_sale(&self) -> Lots {
        self.min_lots.max(1)
    }

    /// The width of a total of all organisations' demands, in bits.
    pub(crate) fn total_bits(&self) -> usize {
        width_of(((1 << self.demand_bits) - 1) * self.parties() as u128)
    }

    /// The width of the lots for sale, in bits.
    pub(crate) fn lots_bits(&self) -> usize {
        width_of(self.lots.into())
    }

    /// Binary digits of an allocation that are found in one step: the comparisons of a step, one less than two to
    /// this power, are no more than `fan_out`.
    pub(crate) fn digits_a_step(&self) -> usize {
        ((self.fan_out + 1).ilog2() as usize).min(4)
    }
}

/// The width of an organisation's demand in bits: that of the greatest demand that a book of `orders` orders of at most
/// `max_order` lots can have; 1 for empty books.
#[must_use]
pub fn demand_bits(orders: u64, max_order: Lots) -> usize {
    width_of(u128::from(orders) * u128::from(max_order)).max(1)
}

pub(crate) fn width_of(number: u128) -> usize {
    (u128::BITS - number.leading_zeros()) as usize
}

fn range(field: &'static str, found: u64, least: u64, most: u64) -> Result<(), TermsError> {
    if (least..=most).contains(&found) {
        Ok(())
    } else {
        Err(TermsError::Range {
            field,
            found,
            least,
            most,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> ClearingTerms {
        ClearingTerms {
            participants: ["A", "B", "a"].map(String::from).to_vec(),
            levels: 128,
            lots: 25_000,
            min_lots: 0,
            rule: AllocationRule::PricePriority,
            demand_bits: 32,
            fan_out: 1,
        }
    }

    #[test]
    fn widths() {
        assert_eq!(demand_bits(0, 7), 1);
        assert_eq!(demand_bits(1, 7), 3);
        assert_eq!(demand_bits(1 << 17, MAX_LOTS), 49);
        assert_eq!((terms().total_bits(), terms().lots_bits()), (34, 15));
        for (fan_out, digits) in [(1, 1), (2, 1), (3, 2), (7, 3), (15, 4), (1024, 4)] {
            assert_eq!(ClearingTerms { fan_out, ..terms() }.digits_a_step(), digits);
        }
    }

    #[test]
    fn each_field_has_its_error() {
        assert_eq!(terms().check(), Ok(()));
        let refused = |change: &dyn Fn(&mut ClearingTerms)| {
            let mut terms = terms();
            change(&mut terms);
            terms.check().unwrap_err().to_string()
        };
        assert_eq!(
            refused(&|terms| terms.participants.truncate(1)),
            "the number of participants is 1, allowed is 2 to 16"
        );
        assert_eq!(
            refused(&|terms| terms.participants.swap(0, 1)),
            "participants are not in strictly ascending byte order: 'A' follows 'B'"
        );
        assert_eq!(
            refused(&|terms| terms.levels = 0),
            "levels is 0, allowed is 1 to 1024"
        );
        assert_eq!(
            refused(&|terms| terms.lots = 0),
            "lots is 0, allowed is 1 to 4294967295"
        );
        assert_eq!(
            refused(&|terms| terms.min_lots = 25_001),
            "min_lots is 25001, allowed is 0 to 25000"
        );
        assert_eq!(
            refused(&|terms| terms.demand_bits = 50),
            "demand_bits is 50, allowed is 1 to 49"
        );
        assert_eq!(
            refused(&|terms| terms.fan_out = 0),
            "fan_out is 0, allowed is 1 to 1024"
        );
    }
}
