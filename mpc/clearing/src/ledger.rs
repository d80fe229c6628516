//! What the ledger does before a clearing, for runs without one: commits to orders and freezes books.

use std::sync::Arc;

use order_commitments::{
    Book, BookContext, Commitment, DemandCurve, DemandSchedule, Level, Lots, MAX_STEPS, Opening, OrderRules,
    Participant, Price, Salt, Session, SessionTerms, Step, book::BookError, commitment::CommitmentError,
    schedule::ScheduleError, session::SessionError,
};
use thiserror::Error;

use crate::OwnBook;

/// An organisation's orders with their ids, ascending.
pub type Orders = Vec<(String, DemandSchedule)>;

/// A session with everybody's openings of its frozen books. `Debug` prints nothing of the orders.
#[derive(Debug, Clone)]
pub struct Frozen {
    /// The session.
    pub session: Arc<Session>,
    /// What opens each participant's book.
    pub openings: Vec<Vec<Opening>>,
}

/// Why orders cannot be frozen.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FreezeError {
    /// The operating system gave no randomness.
    #[error("no randomness: {0}")]
    Randomness(#[from] getrandom::Error),
    /// An order's commitment is the identity.
    #[error(transparent)]
    Commitment(#[from] CommitmentError),
    /// Orders out of order.
    #[error(transparent)]
    Book(#[from] BookError),
    /// Terms or participants are wrong.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl Frozen {
    /// Commits to every order with a fresh salt, freezes the books and makes the session of them. The books are those of
    /// the organisations in ascending order of their MSP ids.
    ///
    /// # Errors
    /// Terms that are no session's; orders that are not ascending by id; no randomness.
    pub fn new(terms: SessionTerms, books: Vec<(String, Orders)>) -> Result<Self, FreezeError> {
        let (mut participants, mut openings) = (Vec::new(), Vec::new());
        for (msp, orders) in books {
            let context = BookContext {
                channel: &terms.channel,
                chaincode: &terms.chaincode,
                listing: &terms.listing,
                msp: &msp,
            };
            let own = orders
                .into_iter()
                .map(|(order_id, schedule)| commit(&context, order_id, schedule))
                .collect::<Result<Vec<_>, _>>()?;
            let commitments = own
                .iter()
                .map(|opening| (opening.order_id.as_str(), opening.commitment));
            let book = Book::freeze(&context, commitments)?;
            openings.push(own);
            participants.push(Participant {
                msp,
                endpoint: "within this process".to_owned(),
                key_hash: [0; 32],
                next_key_hash: None,
                book,
            });
        }
        Ok(Self {
            session: Arc::new(Session::new(terms, participants)?),
            openings,
        })
    }

    /// What participant number `party` brings to the session; nothing for a party that there is not.
    #[must_use]
    pub fn own_book(&self, party: usize) -> OwnBook {
        let openings = self.openings.get(party).cloned().unwrap_or_default();
        OwnBook::new(self.session.clone(), party, openings)
    }
}

fn commit(
    context: &BookContext<'_>,
    order_id: String,
    schedule: DemandSchedule,
) -> Result<Opening, FreezeError> {
    let mut salt = [0; Salt::LENGTH];
    getrandom::fill(&mut salt)?;
    let salt = Salt::new(salt);
    let commitment = Commitment::commit(&schedule, &context.order(&order_id), &salt)?;
    Ok(Opening {
        order_id,
        schedule,
        salt,
        commitment,
    })
}

/// Orders that add up to a demand curve, as few as the rules allow.
///
/// # Errors
/// A curve of more levels than the rules have.
pub fn orders_of(curve: &DemandCurve, rules: &OrderRules) -> Result<Orders, ScheduleError> {
    let most = rules.max_order_lots();
    let mut parts: Vec<Vec<(Level, Lots)>> = Vec::new();
    let mut room = 0;
    for level in 1..=curve.levels() {
        let mut left = curve.increment(level);
        while left > 0 {
            if room == 0 || parts.last().is_none_or(|part| part.len() == MAX_STEPS) {
                parts.push(Vec::new());
                room = most;
            }
            let taken = left.min(room);
            if let Some(part) = parts.last_mut() {
                part.push((level, taken));
            }
            left -= taken;
            room -= taken;
        }
    }
    parts
        .iter()
        .enumerate()
        .map(|(index, part)| {
            let mut lots = 0;
            let steps: Vec<Step> = part
                .iter()
                .rev()
                .map(|&(level, increment)| {
                    lots += increment;
                    Step {
                        price: Price::At(rules.grid().price(level).unwrap_or_default()),
                        quantity: lots * rules.lot_size(),
                    }
                })
                .collect();
            Ok((format!("{index:06}"), DemandSchedule::new(&steps, rules)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use order_commitments::PriceGrid;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn orders_add_up_to_their_curve(increments in prop::collection::vec(0..500_u64, 1..40), most in 1..900_u64) {
            let levels = increments.len();
            let demand = (0..levels).map(|level| increments[level..].iter().sum()).collect();
            let curve = DemandCurve::new(demand).unwrap();
            let rules = OrderRules::new(PriceGrid::new(5, 5 * levels as u64, 5).unwrap(), 3, 3 * most).unwrap();
            let mut sum = DemandCurve::zero(levels).unwrap();
            for (_, schedule) in orders_of(&curve, &rules).unwrap() {
                sum.add(&schedule.curve()).unwrap();
            }
            prop_assert_eq!(sum, curve);
        }
    }
}
