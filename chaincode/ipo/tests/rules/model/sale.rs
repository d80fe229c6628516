//! The plain model of one listing: its state, its books, and the auction in a few lines of integers.

use std::collections::BTreeMap;

use ipo_chaincode::record::listing::Status;

use super::call::{IDS, SCHEDULES};
use crate::world::{A, B, BANK};

/// The parties of the clearing, ascending.
pub(crate) const PARTIES: [&str; 3] = [A, B, BANK];
/// The price levels.
pub(crate) const LEVELS: [u64; 6] = [500, 600, 700, 800, 900, 1000];
pub(crate) const LOT: u64 = 10;
pub(crate) const SHARES: u64 = 1_000;

/// How far an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Created,
    Counts,
    Out,
}

#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) schedule: usize,
    pub(crate) stage: Stage,
    pub(crate) commitment: String,
    /// Whether its private record was not purged.
    pub(crate) kept: bool,
}

impl Order {
    /// Shares wanted at a price.
    fn demand(&self, price: u64) -> u64 {
        let steps = SCHEDULES[self.schedule].iter();
        steps
            .filter(|(at, _)| *at >= price)
            .map(|(_, quantity)| *quantity)
            .next()
            .unwrap_or(0)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Sale {
    pub(crate) id: &'static str,
    pub(crate) pro_rata: bool,
    pub(crate) status: Status,
    pub(crate) orders: BTreeMap<(&'static str, usize), Order>,
    pub(crate) escrow: BTreeMap<&'static str, u128>,
    pub(crate) session: Vec<u8>,
    pub(crate) price: u64,
    pub(crate) allotted: BTreeMap<&'static str, u64>,
    /// Whether what the sidecars said follows from the books.
    pub(crate) follows: bool,
    /// How the allocations that ended did: paid or not.
    pub(crate) ended: BTreeMap<&'static str, bool>,
}

impl Sale {
    pub(crate) fn new(id: &'static str, pro_rata: bool) -> Self {
        Self {
            id,
            pro_rata,
            status: Status::Available,
            orders: BTreeMap::new(),
            escrow: BTreeMap::new(),
            session: Vec::new(),
            price: 0,
            allotted: BTreeMap::new(),
            follows: false,
            ended: BTreeMap::new(),
        }
    }

    /// The orders of one organisation that count, ascending.
    pub(crate) fn book(&self, msp: &str) -> Vec<(&'static str, &Order)> {
        let own = self.orders.iter().filter(|((owner, _), _)| *owner == msp);
        own.filter(|(_, order)| order.stage == Stage::Counts)
            .map(|((_, id), order)| (IDS[*id], order))
            .collect()
    }

    /// Whether every private record of a book is there.
    pub(crate) fn is_kept(&self, msp: &str) -> bool {
        self.book(msp).iter().all(|(_, order)| order.kept)
    }

    pub(crate) fn has_clearing(&self) -> bool {
        matches!(self.status, Status::Frozen | Status::Sold | Status::Failed)
    }

    /// Whether a broker owes nothing any more.
    pub(crate) fn is_done(&self, msp: &str) -> bool {
        matches!(self.status, Status::Failed | Status::Withdrawn)
            || self.allotted.get(msp) == Some(&0)
            || self.ended.contains_key(msp)
    }

    /// The auction: the clearing price, zero for a failure, and what each party gets, shares.
    pub(crate) fn outcome(&self) -> (u64, [u64; 3]) {
        let at = |price: u64| {
            PARTIES.map(|party| {
                let book = self.book(party);
                book.iter()
                    .map(|(_, order)| order.demand(price) / LOT)
                    .sum::<u64>()
            })
        };
        let lots = SHARES / LOT;
        let sum = |demand: [u64; 3]| demand.iter().sum::<u64>();
        let Some(level) = LEVELS.iter().rposition(|price| sum(at(*price)) >= lots) else {
            let all = at(LEVELS[0]);
            let price = if sum(all) == 0 { 0 } else { LEVELS[0] };
            return (price, all.map(|lots| lots * LOT));
        };
        let above = match LEVELS.get(level + 1) {
            Some(higher) if !self.pro_rata => at(*higher),
            _ => [0; 3],
        };
        let wanted = at(LEVELS[level]);
        let (rest, margin) = (lots - sum(above), sum(wanted) - sum(above));
        let mut cumulated = 0;
        let mut given = [0; 3];
        for party in 0..3 {
            let before = rest * cumulated / margin;
            cumulated += wanted[party] - above[party];
            given[party] = (above[party] + rest * cumulated / margin - before) * LOT;
        }
        (LEVELS[level], given)
    }
}
