//! The outcome against the books: with all of them the plain auction is run again; with some, what they alone say is checked.

use ipo_chaincode::record::{listing::Outcome, terms::Terms};
use ipo_clearing::reference;
use order_commitments::{
    AllocationRule, DemandCurve, Level, Lots, OrderRules,
    allocation::{OrganisationOutcome, allocate_orders},
};

use crate::{Checked, Finding, LedgerState, book::Audited, disclosed::DisclosedAllocation};

/// An outcome in lots and levels, as the auction has it.
struct Sale<'a> {
    terms: &'a Terms,
    outcome: &'a Outcome,
    /// None when the listing failed.
    level: Option<Level>,
}

/// Checks the outcome against the organisations' books, and every order's allocation against the outcome.
pub(crate) fn check(
    state: &LedgerState,
    rules: Option<&OrderRules>,
    organisations: &mut [Audited],
) -> Checked {
    let mut checked = Checked::default();
    let record = &state.listing.listing;
    let (Some(outcome), Some(_)) = (&record.outcome, rules) else {
        checked.leave("there is no outcome yet");
        return checked;
    };
    let terms = &record.terms;
    let level = match outcome.clearing_price.map(|price| terms.price.level(price)) {
        None => None,
        Some(Some(level)) => Some(level),
        Some(None) => {
            checked.leave("its price is none of the listing's");
            return checked;
        }
    };
    let sale = Sale {
        terms,
        outcome,
        level,
    };
    for organisation in organisations.iter_mut() {
        sale.allocate(organisation);
    }
    let levels = terms.price.levels();
    let curves: Vec<Option<DemandCurve>> = organisations.iter().map(|it| it.curve(levels)).collect();
    let missing: Vec<_> = organisations
        .iter()
        .zip(&curves)
        .filter(|(_, curve)| curve.is_none())
        .map(|(organisation, _)| organisation.report.msp.as_str())
        .collect();
    if missing.is_empty() {
        let curves: Vec<_> = curves.into_iter().flatten().collect();
        sale.recompute(&curves, organisations, &mut checked);
    } else {
        let counts: Vec<u64> = organisations
            .iter()
            .map(|organisation| organisation.report.orders_counted as u64)
            .collect();
        sale.contradictions(&curves, &counts, &mut checked);
        checked.leave(format!(
            "without the whole books of {}: whether the price is the highest at which the demand covers the shares, and how the \
             shares were divided among the organisations",
            missing.join(", ")
        ));
    }
    checked
}

impl Sale<'_> {
    fn lots(&self) -> Lots {
        self.terms.lots()
    }

    fn allotted(&self, msp: &str) -> u64 {
        let of_msp = self.outcome.allocations.iter().find(|it| it.msp.as_str() == msp);
        of_msp.map_or(0, |allocation| allocation.quantity)
    }

    /// What each order of a disclosed book gets, and whether that was recorded.
    fn allocate(&self, organisation: &mut Audited) {
        let Some(orders) = organisation.opened.as_ref() else {
            for order in &mut organisation.report.orders {
                order
                    .order
                    .leave("its allocation: not every order of the book was opened");
            }
            return;
        };
        let found = self.allotted(&organisation.report.msp);
        let of_organisation = match self.level {
            None => OrganisationOutcome::Failed,
            Some(level) => OrganisationOutcome::Sold {
                level,
                allocation: found / self.terms.lot_size,
            },
        };
        let schedules: Vec<_> = orders.iter().collect();
        let Ok(lots) = allocate_orders(self.terms.allocation, of_organisation, &schedules) else {
            organisation
                .report
                .book
                .find(Finding::OrganisationAllocation { found });
            return;
        };
        // Without orders the rule has nothing to contradict.
        if orders.is_empty() && found != 0 {
            organisation
                .report
                .book
                .find(Finding::OrganisationAllocation { found });
        }
        let reports = organisation.report.orders.iter_mut();
        for ((lots, recorded), order) in lots.into_iter().zip(&organisation.recorded).zip(reports) {
            let quantity = lots.saturating_mul(self.terms.lot_size);
            order.quantity = Some(quantity);
            self.compare(recorded.as_ref(), quantity, &mut order.order);
        }
    }

    fn compare(&self, recorded: Option<&DisclosedAllocation>, quantity: u64, order: &mut Checked) {
        let Some(recorded) = recorded else {
            order.leave("no allocation was recorded");
            return;
        };
        let price = |price: Option<u64>| price.map_or_else(|| "none".to_owned(), |price| price.to_string());
        for (field, found, computed) in [
            ("quantity", recorded.quantity.to_string(), quantity.to_string()),
            (
                "clearingPrice",
                price(recorded.clearing_price),
                price(self.outcome.clearing_price),
            ),
        ] {
            if found != computed {
                order.find(Finding::Allocation {
                    field,
                    found,
                    computed,
                });
            }
        }
    }

    /// The plain auction over all books.
    fn recompute(&self, curves: &[DemandCurve], organisations: &[Audited], checked: &mut Checked) {
        let terms = self.terms;
        let min_lots = terms.min_subscription.div_ceil(terms.lot_size);
        let computed = reference::outcome(
            self.lots(),
            min_lots,
            terms.allocation,
            terms.price.levels(),
            curves,
        );
        let (price, allocations) = match computed {
            ipo_clearing::Outcome::Failed => (None, vec![0; curves.len()]),
            ipo_clearing::Outcome::Sold { level, allocations } => (terms.price.price(level), allocations),
        };
        let text = |price: Option<u64>| price.map_or_else(|| "none".to_owned(), |price| price.to_string());
        let sold: Lots = allocations.iter().sum();
        let mut figures = vec![
            (
                "the clearing price".to_owned(),
                text(self.outcome.clearing_price),
                text(price),
            ),
            (
                "the number of shares sold".to_owned(),
                self.outcome.sold.to_string(),
                (sold * terms.lot_size).to_string(),
            ),
        ];
        for (organisation, lots) in organisations.iter().zip(allocations) {
            let msp = &organisation.report.msp;
            figures.push((
                format!("the allocation of {msp}"),
                self.allotted(msp).to_string(),
                (lots * terms.lot_size).to_string(),
            ));
        }
        for (field, found, computed) in figures {
            if found != computed {
                checked.find(Finding::Outcome {
                    field,
                    found,
                    computed,
                });
            }
        }
    }

    /// What the known books exclude, whatever the others hold.
    fn contradictions(&self, curves: &[Option<DemandCurve>], counts: &[u64], checked: &mut Checked) {
        let terms = self.terms;
        let known = |level: Level| -> u128 {
            let curves = curves.iter().flatten();
            curves.map(|curve| u128::from(curve.demand(level))).sum()
        };
        // The others' orders cannot want more than the listing allows.
        let largest = u128::from(terms.max_order / terms.lot_size);
        let others: u128 = curves
            .iter()
            .zip(counts)
            .filter(|(curve, _)| curve.is_none())
            .map(|(_, count)| u128::from(*count) * largest)
            .sum();
        let lots = u128::from(self.lots());
        let least = u128::from(terms.min_subscription.div_ceil(terms.lot_size).max(1));
        let reason = match self.level {
            None if known(1) >= least => {
                Some("their demand at the lowest price is enough for a sale".to_owned())
            }
            None => None,
            Some(_) if self.outcome.sold < terms.shares => (known(1) >= lots).then(|| {
                "it is undersubscribed, but their demand at the lowest price covers all shares".to_owned()
            }),
            Some(level) if level < terms.price.levels() && known(level + 1) >= lots => {
                let higher = terms.price.price(level + 1).unwrap_or_default();
                Some(format!("their demand at {higher} covers all shares"))
            }
            Some(level) if known(level) + others < lots => Some(
                "even with the largest orders of the others the demand does not cover the shares".to_owned(),
            ),
            Some(_) => None,
        };
        if let Some(reason) = reason {
            checked.find(Finding::Contradiction { reason });
        }
    }
}

/// The least and the most that an order can get by the outcome, in shares, whatever else its organisation's book holds.
pub(crate) fn range(
    terms: &Terms,
    outcome: &Outcome,
    schedule: &order_commitments::DemandSchedule,
) -> Option<(u64, u64)> {
    let Some(price) = outcome.clearing_price else {
        return Some((0, 0));
    };
    let level = terms.price.level(price)?;
    let most = schedule.demand(level);
    let filled_whole = outcome.sold < terms.shares;
    let least = match terms.allocation {
        _ if filled_whole => most,
        AllocationRule::PricePriority => schedule.demand(level + 1),
        AllocationRule::ProRata => 0,
    };
    Some((least * terms.lot_size, most * terms.lot_size))
}
