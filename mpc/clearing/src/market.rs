//! Small sessions for the crate's own tests.

use std::sync::Arc;

use order_commitments::{
    AllocationRule, Book, DemandCurve, Lots, Opening, OrderRules, PriceGrid, Session, SessionTerms,
};

use crate::{
    ClearingTerms, Outcome, OwnBook,
    ledger::{Frozen, orders_of},
    reference,
};

/// A session of three organisations.
pub(crate) struct Market {
    pub(crate) frozen: Frozen,
    pub(crate) terms: ClearingTerms,
    pub(crate) curves: Vec<DemandCurve>,
    /// In parts of how many bytes all publish their books, if not as always.
    pub(crate) part_bytes: Option<usize>,
    /// How often all repeat the parity check, if not as always.
    pub(crate) repetitions: Option<usize>,
}

impl Market {
    /// Three levels, demands of seven bits.
    pub(crate) fn small() -> Self {
        Self::new(60, 1, &[&[50, 40, 7], &[40, 20, 20], &[30, 0, 0]])
    }

    /// `lots` for sale, `fan_out` probes side by side.
    pub(crate) fn new(lots: Lots, fan_out: u32, demands: &[&[Lots]]) -> Self {
        let curves: Vec<_> = demands
            .iter()
            .map(|demand| DemandCurve::new(demand.to_vec()).unwrap())
            .collect();
        let grid = PriceGrid::new(1, curves[0].levels() as u64, 1).unwrap();
        let max_order = 100;
        let terms = SessionTerms {
            channel: "market".to_owned(),
            chaincode: "ipo".to_owned(),
            listing: "Estatia".to_owned(),
            grid,
            shares: lots,
            lot_size: 1,
            rule: AllocationRule::PricePriority,
            min_subscription: 0,
            max_order,
            fan_out,
        };
        let rules = OrderRules::new(grid, 1, max_order).unwrap();
        let books = curves
            .iter()
            .enumerate()
            .map(|(party, curve)| (format!("Org{party:02}MSP"), orders_of(curve, &rules).unwrap()));
        let frozen = Frozen::new(terms, books.collect()).unwrap();
        Self {
            terms: ClearingTerms::of(&frozen.session).unwrap(),
            frozen,
            curves,
            part_bytes: None,
            repetitions: None,
        }
    }

    /// The same books under other terms.
    pub(crate) fn with_terms(mut self, alter: impl FnOnce(&mut SessionTerms)) -> Self {
        let mut terms = self.frozen.session.terms().clone();
        alter(&mut terms);
        let participants = self.frozen.session.participants().to_vec();
        self.frozen.session = Arc::new(Session::new(terms, participants).unwrap());
        self.terms = ClearingTerms::of(&self.frozen.session).unwrap();
        self
    }

    /// The same with a party's book altered on the ledger, whatever commitments it holds then. Its demand remains to be told.
    pub(crate) fn with_book(mut self, party: usize, alter: impl FnOnce(&mut Vec<Opening>)) -> Self {
        let session = &self.frozen.session;
        let (terms, mut participants) = (session.terms().clone(), session.participants().to_vec());
        let openings = &mut self.frozen.openings[party];
        alter(openings);
        let orders = openings
            .iter()
            .map(|opening| (opening.order_id.as_str(), opening.commitment));
        let owner = session.book_context(&participants[party].msp);
        participants[party].book = Book::freeze(&owner, orders).unwrap();
        self.frozen.session = Arc::new(Session::new(terms, participants).unwrap());
        self.terms = ClearingTerms::of(&self.frozen.session).unwrap();
        self
    }

    pub(crate) fn own_book(&self, party: usize) -> OwnBook {
        let mut own = self.frozen.own_book(party);
        if let Some(bytes) = self.part_bytes {
            own = own.in_parts_of(bytes);
        }
        if let Some(repetitions) = self.repetitions {
            own = own.weakened(repetitions);
        }
        own
    }

    /// A party that brings other orders.
    pub(crate) fn own(&self, party: usize, openings: Vec<Opening>) -> OwnBook {
        OwnBook::new(self.frozen.session.clone(), party, openings)
    }

    pub(crate) fn expected(&self) -> Outcome {
        let ClearingTerms {
            lots,
            min_lots,
            rule,
            levels,
            ..
        } = self.terms;
        reference::outcome(lots, min_lots, rule, levels, &self.curves)
    }
}
