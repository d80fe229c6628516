//! A small session to prove things about.

use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::binding::{Expected, Prepared, Statement, Toss};
use crate::opening::open_book;
use crate::{
    AllocationRule, Book, BookContext, Commitment, DemandCurve, DemandSchedule, Opening, OrderRules,
    Participant, Price, PriceGrid, Salt, Session, SessionTerms, Step,
};

pub(super) const ATTEMPT: [u8; 32] = [7; 32];

pub(in crate::binding) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// Three organisations: A with some orders, B with one, and C with none.
pub(super) struct Market {
    pub(super) books: Vec<Vec<Opening>>,
    pub(super) session: Session,
    pub(super) statement: Arc<Statement>,
}

const MAX_ORDER: u64 = 5000;
const MSPS: [&str; 3] = ["AMSP", "BMSP", "CMSP"];

pub(super) fn owner(party: usize) -> BookContext<'static> {
    BookContext {
        channel: "market",
        chaincode: "ipo",
        listing: "Estatia",
        msp: MSPS[party],
    }
}

pub(super) fn order(levels: u64, party: usize, id: &str, steps: &[(u64, u64)]) -> Opening {
    order_of(MAX_ORDER, levels, party, id, steps)
}

/// An order by other rules than the listing's.
pub(super) fn order_of(max_order: u64, levels: u64, party: usize, id: &str, steps: &[(u64, u64)]) -> Opening {
    let rules = OrderRules::new(PriceGrid::new(1, levels, 1).unwrap(), 1, max_order).unwrap();
    let steps: Vec<_> = steps
        .iter()
        .map(|&(price, quantity)| Step {
            price: Price::At(price),
            quantity,
        })
        .collect();
    let schedule = DemandSchedule::new(&steps, &rules).unwrap();
    let salt = Salt::new([9; 32]);
    Opening {
        order_id: id.to_owned(),
        commitment: Commitment::commit(&schedule, &owner(party).order(id), &salt).unwrap(),
        schedule,
        salt,
    }
}

impl Market {
    pub(super) fn new(levels: u64) -> Self {
        Self::with_fan_out(levels, 3)
    }

    pub(super) fn with_fan_out(levels: u64, fan_out: u32) -> Self {
        let books = vec![
            vec![
                order(levels, 0, "a2", &[(1, 5000), (levels, 1)]),
                order(levels, 0, "a1", &[(2, 40), (3, 30), (levels - 1, 20)]),
            ],
            vec![order(levels, 1, "b", &[(levels / 2, 4096)])],
            Vec::new(),
        ];
        Self::with_all(levels, books, fan_out)
    }

    pub(super) fn with_books(levels: u64, books: Vec<Vec<Opening>>) -> Self {
        Self::with_all(levels, books, 3)
    }

    fn with_all(levels: u64, books: Vec<Vec<Opening>>, fan_out: u32) -> Self {
        let participants = books
            .iter()
            .enumerate()
            .map(|(party, openings)| {
                let mut orders: Vec<_> = openings
                    .iter()
                    .map(|opening| (opening.order_id.as_str(), opening.commitment))
                    .collect();
                orders.sort_by_key(|(id, _)| *id);
                Participant {
                    msp: MSPS[party].to_owned(),
                    endpoint: "localhost:1".to_owned(),
                    key_hash: [1; 32],
                    next_key_hash: None,
                    book: Book::freeze(&owner(party), orders).unwrap(),
                }
            })
            .collect();
        let terms = SessionTerms {
            channel: "market".to_owned(),
            chaincode: "ipo".to_owned(),
            listing: "Estatia".to_owned(),
            grid: PriceGrid::new(1, levels, 1).unwrap(),
            shares: 10_000,
            lot_size: 1,
            rule: AllocationRule::PricePriority,
            min_subscription: 0,
            max_order: MAX_ORDER,
            fan_out,
        };
        let session = Session::new(terms, participants).unwrap();
        Self {
            books,
            statement: Statement::new(&session),
            session,
        }
    }

    pub(super) fn demand(&self, party: usize) -> DemandCurve {
        open_book(&owner(party), self.statement.levels(), &self.books[party]).unwrap()
    }

    pub(super) fn prepared(&self, party: usize) -> Prepared {
        Prepared::new(
            Arc::clone(&self.statement),
            party,
            &self.books[party],
            Expected { rounds: 1, probes: 2 },
            &mut rng(party as u64),
        )
        .unwrap()
    }
}

pub(super) fn toss(seed: u64) -> Toss {
    let (mut coin, mut echoed) = ([0; 32], [0; 32]);
    let mut rng = rng(seed);
    rng.fill_bytes(&mut coin);
    rng.fill_bytes(&mut echoed);
    Toss { coin, echoed }
}

/// What the computation opens of the subsets of a party's inputs, whose last are the masks' parities.
pub(super) fn opened(subsets: &crate::binding::Subsets, inputs: &[bool]) -> Vec<bool> {
    let (bits, masks) = inputs.split_at(subsets.bits());
    subsets
        .iter()
        .zip(masks)
        .map(|(subset, &mask)| {
            bits.iter()
                .zip(subset)
                .fold(mask, |parity, (&bit, &chosen)| parity ^ (bit & chosen))
        })
        .collect()
}
