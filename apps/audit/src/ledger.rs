//! What the public records say of each other: the books follow from the order records, the session's id from the books, the
//! outcome obeys the terms, and the settlements are those of the outcome.

use std::collections::{BTreeMap, BTreeSet};

use fabric_protos::ipo::sidecar::v1 as wire;
use ipo_chaincode::{
    outcome,
    record::{
        book::{self, BookRecord},
        listing::{Listing, Outcome, Status},
        order::{OrderRecord, OrderStatus},
        settlement::{Settlement, SettlementStatus},
    },
};
use order_commitments::{Commitment, OrderRules, PROTOCOL_VERSION};

use crate::{Checked, Finding, LedgerState};

/// What the public records say.
pub(crate) struct Public {
    /// Of the listing as a whole.
    pub(crate) ledger: Checked,
    /// Of each organisation's frozen book.
    pub(crate) books: BTreeMap<String, Checked>,
    /// What the listing asks of its orders; none if its terms are none.
    pub(crate) rules: Option<OrderRules>,
}

/// Checks the public records among themselves.
pub(crate) fn check(state: &LedgerState) -> Public {
    let mut ledger = Checked::default();
    let rules = match state.listing.listing.terms.order_rules() {
        Ok(rules) => Some(rules),
        Err(error) => {
            ledger.find(Finding::Terms {
                reason: error.to_string(),
            });
            None
        }
    };
    orders(state, &mut ledger);
    let books = if state.listing.listing.clearing.is_some() {
        let books = frozen_books(state, &mut ledger);
        session(state, &mut ledger);
        books
    } else {
        not_frozen(state, &mut ledger);
        BTreeMap::new()
    };
    if rules.is_some() {
        sale(state, &mut ledger);
    }
    Public { ledger, books, rules }
}

fn orders(state: &LedgerState, ledger: &mut Checked) {
    let record = &state.listing.listing;
    let participants = record.terms.participants();
    for (index, order) in state.orders.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| state.orders.get(before));
        if let Some(reason) = stray(record, &participants, order, before) {
            ledger.find(Finding::StrayRecord {
                msp: order.msp.to_string(),
                id: order.id.to_string(),
                reason,
            });
        }
    }
    let counted = state
        .orders
        .iter()
        .filter(|order| order.status == OrderStatus::Submitted);
    let found = counted.count() as u64;
    if found != state.listing.orders {
        ledger.find(Finding::OrderCount {
            found,
            told: state.listing.orders,
        });
    }
}

fn stray(
    listing: &Listing,
    participants: &BTreeSet<ipo_chaincode::identifier::MspId>,
    order: &OrderRecord,
    before: Option<&OrderRecord>,
) -> Option<String> {
    if order.listing != listing.terms.id {
        return Some(format!("is of listing {}", order.listing));
    }
    if !participants.contains(&order.msp) {
        return Some("is of no participant".to_owned());
    }
    if before.is_some_and(|before| (&before.msp, &before.id) >= (&order.msp, &order.id)) {
        return Some("is out of order, or comes twice".to_owned());
    }
    let commitment = order.commitment.parse::<Commitment>();
    commitment
        .err()
        .map(|error| format!("has no commitment: {error}"))
}

fn not_frozen(state: &LedgerState, ledger: &mut Checked) {
    let record = &state.listing.listing;
    if matches!(
        record.status,
        Status::Available | Status::Closed | Status::Withdrawn
    ) {
        ledger.leave("the books are not frozen");
    } else {
        status(record, "but its books are not frozen", ledger);
    }
    if !state.listing.books.is_empty() {
        status(record, "but there are frozen books", ledger);
    }
}

fn status(record: &Listing, reason: &'static str, ledger: &mut Checked) {
    ledger.find(Finding::Status {
        found: record.status.to_string(),
        reason,
    });
}

/// Freezes every participant's order records once more, and compares.
fn frozen_books(state: &LedgerState, ledger: &mut Checked) -> BTreeMap<String, Checked> {
    let record = &state.listing.listing;
    let names = |names: Vec<String>| names.join(", ");
    let participants: Vec<_> = record
        .terms
        .participants()
        .iter()
        .map(ToString::to_string)
        .collect();
    let found: Vec<_> = state
        .listing
        .books
        .iter()
        .map(|book| book.msp.to_string())
        .collect();
    let of_listing = |book: &BookRecord| book.listing == record.terms.id;
    if found != participants || !state.listing.books.iter().all(of_listing) {
        ledger.find(Finding::Books {
            found: names(found),
            allowed: names(participants.clone()),
        });
    }
    let mut checked = BTreeMap::new();
    for msp in participants {
        let Some(frozen) = state.listing.books.iter().find(|book| book.msp.as_str() == msp) else {
            continue;
        };
        let mut of_book = Checked::default();
        let orders: Vec<OrderRecord> = state.counted(&msp).cloned().collect();
        match book::freeze(&state.book_context(&msp), &orders) {
            Ok(computed) => {
                let frozen = &frozen.book;
                for (field, found, computed) in [
                    ("count", frozen.count.to_string(), computed.count.to_string()),
                    (
                        "digest",
                        hex::encode(frozen.digest.0),
                        hex::encode(computed.digest.0),
                    ),
                    (
                        "commitment",
                        frozen.commitment.to_string(),
                        computed.commitment.to_string(),
                    ),
                ] {
                    if found != computed {
                        of_book.find(Finding::FrozenBook {
                            field,
                            found,
                            computed,
                        });
                    }
                }
            }
            Err(error) => of_book.find(Finding::Terms {
                reason: error.to_string(),
            }),
        }
        checked.insert(msp, of_book);
    }
    checked
}

fn session(state: &LedgerState, ledger: &mut Checked) {
    let record = &state.listing.listing;
    let Some(clearing) = &record.clearing else { return };
    if clearing.protocol_version != PROTOCOL_VERSION {
        ledger.leave(format!(
            "the session's id: the books were frozen under version {} of the protocol, this program knows version \
             {PROTOCOL_VERSION}",
            clearing.protocol_version
        ));
        return;
    }
    let session = book::session(
        &state.channel,
        &state.chaincode,
        &record.terms,
        &state.listing.books,
        &clearing.sidecars,
    );
    match session {
        Ok(session) => {
            let computed = session.id().to_string();
            if computed != clearing.session_id {
                ledger.find(Finding::SessionId {
                    found: clearing.session_id.clone(),
                    computed,
                });
            }
        }
        Err(error) => ledger.find(Finding::Terms {
            reason: error.to_string(),
        }),
    }
}

/// The outcome against the terms, and the settlements against the outcome.
fn sale(state: &LedgerState, ledger: &mut Checked) {
    let record = &state.listing.listing;
    let Some(outcome) = &record.outcome else {
        if matches!(record.status, Status::Sold | Status::Failed) {
            status(record, "but there is no outcome", ledger);
        } else if record.clearing.is_some() {
            ledger.leave("there is no outcome yet");
        }
        if !state.listing.settlements.is_empty() {
            status(record, "but there are settlements without an outcome", ledger);
        }
        return;
    };
    let expected = if outcome.clearing_price.is_some() {
        Status::Sold
    } else {
        Status::Failed
    };
    if record.status != expected {
        status(record, "which does not fit the outcome", ledger);
    }
    let Some(clearing) = &record.clearing else { return };
    let reported = wire::Outcome {
        session_id: hex::decode(&clearing.session_id).unwrap_or_default(),
        is_sold: outcome.clearing_price.is_some(),
        clearing_price: outcome.clearing_price.unwrap_or(0),
        sold: outcome.sold,
        allocations: outcome
            .allocations
            .iter()
            .map(|allocation| wire::Allocation {
                msp: allocation.msp.to_string(),
                quantity: allocation.quantity,
            })
            .collect(),
    };
    if let Err(error) = outcome::check(&record.terms, clearing, &reported) {
        ledger.find(Finding::OutcomeForm {
            reason: error.to_string(),
        });
    }
    for settlement in &state.listing.settlements {
        self::settlement(record, outcome, settlement, ledger);
    }
    let delivered: u64 = state
        .listing
        .settlements
        .iter()
        .fold(0, |sum, settlement| sum.saturating_add(settlement.shares));
    let treasury = record.terms.shares.saturating_sub(delivered);
    if state.listing.treasury != treasury {
        ledger.find(Finding::Settlement {
            field: "treasury",
            found: state.listing.treasury.to_string(),
            computed: treasury.to_string(),
        });
    }
}

fn settlement(record: &Listing, outcome: &Outcome, found: &Settlement, ledger: &mut Checked) {
    let terms = &record.terms;
    let price = outcome.clearing_price.unwrap_or(0);
    let allotted = outcome
        .allocations
        .iter()
        .find(|allocation| allocation.msp == found.msp)
        .map_or(0, |allocation| allocation.quantity);
    let shares = match found.status {
        SettlementStatus::Settled => allotted,
        SettlementStatus::Defaulted => 0,
    };
    let paid = u128::from(shares) * u128::from(price);
    for (field, found, computed) in [
        ("listing", found.listing.to_string(), terms.id.to_string()),
        ("shares", found.shares.to_string(), shares.to_string()),
        ("price", found.price.to_string(), price.to_string()),
        ("paid", found.paid.to_string(), paid.to_string()),
        ("symbol", found.symbol.to_string(), terms.symbol.to_string()),
        (
            "cashToken",
            found.cash_token.to_string(),
            terms.cash_token.to_string(),
        ),
        ("seller", found.seller.to_string(), terms.seller.to_string()),
    ] {
        if found != computed {
            ledger.find(Finding::Settlement {
                field,
                found,
                computed,
            });
        }
    }
}
