//! An honest ledger passes, whatever its books; a tampered copy fails, with the reason named.

#![allow(clippy::unwrap_used)] // in a test a failure is a failure

mod world;

use ipo_audit::{
    AuditError, audit,
    receipt::{self, Receipt},
    report::Verdict,
};
use ipo_chaincode::record::{
    listing::Status,
    settlement::{Settlement, SettlementStatus},
};
use proptest::prelude::*;
use serde_json::json;
use world::{BROKERS, DEMONSTRATION, Offer, demonstration, every_copy_fails, sold};

#[test]
fn every_tampered_copy_fails_with_its_reason() {
    let (state, books) = demonstration();
    let books = books.iter().map(|book| serde_json::to_value(book).unwrap());
    every_copy_fails(&(serde_json::to_value(&state).unwrap(), books.collect()));
}

#[test]
fn the_report_has_a_line_for_everything() {
    let (state, books) = demonstration();
    let report = audit(&state, &books).unwrap();
    assert_eq!(
        report.to_string(),
        "listing Estatia on ipochannel/ipo: sold, 25000 shares at 700\n\
         ledger           holds\n\
         outcome          holds\n\
         BrokerAMSP       holds: 2 orders, 13000 shares\n\
         \x20 a1             holds: 6347 shares\n\
         \x20 a2             holds: 6653 shares\n\
         BrokerBMSP       holds: 1 order, 12000 shares\n\
         \x20 b1             holds: 12000 shares\n\
         USBankMSP        holds: 0 orders, 0 shares\n\
         verdict: holds\n"
    );
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["organisations"][0]["orders"][1]["order"]["verdict"], "holds");
    assert_eq!(
        (&json["organisations"][0]["verdict"], &json["verdict"]),
        (&json!("holds"), &json!("holds"))
    );
}

/// With some books, what they say is checked, and the report says what is not.
#[test]
fn some_books_are_checked_as_far_as_they_go() {
    let (state, books) = demonstration();
    for disclosed in [&books[..1], &books[1..], &[]] {
        let report = audit(&state, disclosed).unwrap();
        assert_eq!(report.verdict(), Verdict::HoldsInPart, "{report}");
        assert_eq!(report.ledger.verdict(), Verdict::Holds);
        let missing: Vec<_> = BROKERS
            .into_iter()
            .filter(|msp| disclosed.iter().all(|book| book.msp != *msp))
            .collect();
        let reason = &report.outcome.unchecked[0];
        assert!(reason.contains(&missing.join(", ")), "{reason}");
        for organisation in &report.organisations {
            let expected = if missing.contains(&organisation.msp.as_str()) {
                Verdict::HoldsInPart
            } else {
                Verdict::Holds
            };
            assert_eq!(organisation.verdict(), expected, "{report}");
        }
    }
}

/// One book alone can contradict the outcome.
#[test]
fn an_outcome_that_one_book_excludes_fails() {
    let order = |quantity| [(BROKERS[0], "a1", vec![(500, quantity), (700, quantity)])];
    let audited = |quantity: u64, shares: u64, change: &dyn Fn(&mut ipo_audit::LedgerState)| {
        let offer = Offer {
            shares,
            ..DEMONSTRATION
        };
        let mut orders = order(quantity).to_vec();
        orders.push((BROKERS[1], "b1", vec![(500, 1)]));
        let (mut state, books) = sold(offer, &orders);
        change(&mut state);
        let report = audit(&state, &books[..1]).unwrap();
        assert_eq!(report.verdict(), Verdict::Fails, "{report}");
        report.to_string()
    };
    // It covers all shares at 700, and the ledger says 600.
    let text = audited(100, 100, &|state| {
        state.listing.listing.outcome.as_mut().unwrap().clearing_price = Some(600);
    });
    assert!(text.contains("their demand at 700 covers all shares"), "{text}");
    // It is enough for a sale, and the ledger says that the listing failed.
    let text = audited(100, 100, &|state| {
        let outcome = state.listing.listing.outcome.as_mut().unwrap();
        (outcome.clearing_price, outcome.sold) = (None, 0);
        outcome.allocations.iter_mut().for_each(|it| it.quantity = 0);
        state.listing.listing.status = Status::Failed;
    });
    assert!(
        text.contains("their demand at the lowest price is enough for a sale"),
        "{text}"
    );
    // It covers all shares, and the ledger says that some were not wanted.
    let text = audited(100, 100, &|state| {
        let outcome = state.listing.listing.outcome.as_mut().unwrap();
        (outcome.clearing_price, outcome.sold) = (Some(500), 90);
        outcome.allocations[0].quantity = 90;
        outcome.allocations[1].quantity = 0;
    });
    assert!(text.contains("covers all shares"), "{text}");
    // It wants 10 shares at most, and got 99 of 100.
    let text = audited(10, 100, &|state| {
        let outcome = state.listing.listing.outcome.as_mut().unwrap();
        outcome.sold = 100;
        outcome.allocations[0].quantity = 99;
        outcome.allocations[1].quantity = 1;
    });
    assert!(text.contains("none that its own orders can have"), "{text}");
}

#[test]
fn settlements_are_those_of_the_outcome() {
    let (mut state, books) = demonstration();
    let listing = &state.listing.listing;
    let settlement = Settlement {
        listing: listing.terms.id.clone(),
        msp: listing.outcome.as_ref().unwrap().allocations[0].msp.clone(),
        status: SettlementStatus::Settled,
        symbol: listing.terms.symbol.clone(),
        shares: 13_000,
        price: 700,
        cash_token: listing.terms.cash_token.clone(),
        seller: listing.terms.seller.clone(),
        paid: 13_000 * 700,
        returned: 0,
        settled_at: listing.terms.closes_at,
        tx_id: "00".repeat(32),
    };
    state.listing.settlements.push(settlement);
    state.listing.treasury -= 13_000;
    assert_eq!(audit(&state, &books).unwrap().verdict(), Verdict::Holds);

    let found = &mut state.listing.settlements[0];
    found.paid -= 1;
    found.shares += 1;
    let text = audit(&state, &books).unwrap().to_string();
    for reason in [
        "paid of the settlement is",
        "shares of the settlement is 13001",
        "treasury of the settlement",
    ] {
        assert!(text.contains(reason), "{text}");
    }
}

#[test]
fn a_listing_on_its_way_says_what_is_not_there_yet() {
    let (mut state, _) = demonstration();
    state.listing.listing.outcome = None;
    state.listing.listing.status = Status::Frozen;
    let report = audit(&state, &[]).unwrap();
    assert_eq!(report.verdict(), Verdict::HoldsInPart);
    assert!(report.to_string().contains("there is no outcome yet"), "{report}");

    state.listing.listing.status = Status::Sold;
    let text = audit(&state, &[]).unwrap().to_string();
    assert!(
        text.contains("the listing's status is sold, but there is no outcome"),
        "{text}"
    );

    state.listing.listing.clearing = None;
    state.listing.listing.status = Status::Available;
    state.listing.books.clear();
    let report = audit(&state, &[]).unwrap();
    assert_eq!(report.ledger.unchecked, ["the books are not frozen"]);
}

#[test]
fn books_of_strangers_and_twins_are_refused() {
    let (state, books) = demonstration();
    let twice = [books[0].clone(), books[0].clone()];
    assert!(matches!(audit(&state, &twice), Err(AuditError::TwoBooks { msp }) if msp == BROKERS[0]));
    let mut strange = books[0].clone();
    strange.msp = "StrangerMSP".to_owned();
    let error = audit(&state, &[strange]).unwrap_err().to_string();
    assert!(
        error.contains("StrangerMSP") && error.contains("BrokerAMSP, BrokerBMSP, USBankMSP"),
        "{error}"
    );
}

fn receipt(broker: usize, order: usize, allocation: Option<u64>) -> Receipt {
    let (_, books) = demonstration();
    let order = &books[broker].orders[order];
    Receipt {
        msp: BROKERS[broker].to_owned(),
        id: order.id.clone(),
        investor: order.investor.clone(),
        steps: order.steps.clone(),
        salt: order.salt.clone(),
        allocation,
    }
}

#[test]
fn a_receipt_alone_is_checked() {
    let (mut state, _) = demonstration();
    // b1 wants 12000 at 800 and at 700 alike: it is filled whole, and nothing is left to the book.
    for told in [None, Some(12_000)] {
        let report = receipt::check(&state, &receipt(1, 0, told));
        assert_eq!(
            (report.order.verdict(), report.quantity),
            (Verdict::Holds, Some(12_000)),
            "{report}"
        );
    }
    // a1 wants 4500 above the price and 7000 at it: which of them it gets, its broker's book decides.
    let report = receipt::check(&state, &receipt(0, 0, Some(6_347)));
    assert_eq!(report.order.verdict(), Verdict::HoldsInPart, "{report}");
    assert!(report.to_string().contains("4500 to 7000"), "{report}");
    for told in [4_499, 7_001] {
        let report = receipt::check(&state, &receipt(0, 0, Some(told)));
        assert!(
            report
                .to_string()
                .contains(&format!("an allocation of {told} shares was told")),
            "{report}"
        );
    }
    // One that it could have got, and another was recorded.
    let report = receipt::check(&state, &receipt(0, 0, Some(6_348)));
    assert_eq!(report.order.verdict(), Verdict::Fails, "{report}");
    assert!(
        report
            .to_string()
            .contains("the hash of its allocation's record on the ledger is not"),
        "{report}"
    );
    let mut other = receipt(0, 0, None);
    other.steps[0].quantity -= 1;
    let report = receipt::check(&state, &other);
    assert!(report.to_string().contains("does not open to it"), "{report}");
    other.id = "a9".to_owned();
    let report = receipt::check(&state, &other);
    assert!(
        report
            .to_string()
            .contains("no order of this organisation and id"),
        "{report}"
    );
    state.orders[0].status = ipo_chaincode::record::order::OrderStatus::Cancelled;
    let report = receipt::check(&state, &receipt(0, 0, None));
    assert!(
        report.to_string().contains("it does not count: it is cancelled"),
        "{report}"
    );
}

/// A schedule on the grid of 500 to 1000 in hundreds, in lots.
fn steps() -> impl Strategy<Value = Vec<(u64, u64)>> {
    (
        prop::sample::subsequence(vec![500, 600, 700, 800, 900, 1000], 1..=4),
        prop::collection::vec(1_u64..40, 4),
    )
        .prop_map(|(prices, mut quantities)| {
            quantities.sort_unstable_by(|one, other| other.cmp(one));
            prices.into_iter().zip(quantities).collect()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the books and the rule are, honest records hold, and one lot more or less in one step of one order is found.
    #[test]
    fn honest_records_hold_and_one_changed_lot_is_found(
        first in prop::collection::vec(steps(), 0..4), second in prop::collection::vec(steps(), 1..4),
        shares in 1_u64..120, lot in prop::sample::select(vec![1_u64, 10]), pro_rata: bool, least in 0_u64..30, place: prop::sample::Index,
    ) {
        let offer = Offer {
            shares: shares * lot,
            lot,
            rule: if pro_rata { "pro-rata" } else { "price-priority" },
            least: least.min(shares) * lot,
        };
        let in_shares = |steps: &Vec<(u64, u64)>| -> Vec<(u64, u64)> {
            steps.iter().map(|(price, lots)| (*price, (*lots).min(shares) * lot)).collect()
        };
        let ids = ["o1", "o2", "o3", "o4"];
        let mut orders = Vec::new();
        for (broker, of_broker) in BROKERS.into_iter().zip([&first, &second]) {
            orders.extend(ids.iter().zip(of_broker).map(|(id, steps)| (broker, *id, in_shares(steps))));
        }
        let (state, books) = sold(offer, &orders);
        let report = audit(&state, &books).unwrap();
        prop_assert_eq!(report.verdict(), Verdict::Holds, "{}", report);
        for disclosed in [&books[..1], &books[1..]] {
            let report = audit(&state, disclosed).unwrap();
            prop_assert_ne!(report.verdict(), Verdict::Fails, "{}", report);
        }
        let (book, order) = (1, place.index(second.len()));
        let mut books = books;
        let step = &mut books[book].orders[order].steps[0];
        step.quantity = if step.quantity > lot { step.quantity - lot } else { step.quantity + lot };
        let report = audit(&state, &books).unwrap();
        let changed = &report.organisations[book].orders[order];
        prop_assert_eq!(changed.order.verdict(), Verdict::Fails, "{}", report);
    }
}
