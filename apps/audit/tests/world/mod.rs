//! A sold listing made in memory, by the contract's own records and the plain auction; and copies of one that were tampered with.

#![allow(dead_code, unreachable_pub)] // each test program uses its part
#![allow(clippy::unwrap_used)] // as in every test; the lint does not see that this is one

use ipo_audit::{
    DisclosedBook, LedgerState, Report, audit,
    disclosed::{DisclosedAllocation, DisclosedOrder},
    report::Verdict,
    state::STATE_VERSION,
};
use ipo_chaincode::{
    identifier::{ListingId, MspId, OrderId},
    moment::Moment,
    record::{
        allocation::PrivateAllocation,
        book::{self, BookRecord},
        listing::{Allocation, Clearing, Listing, Outcome, Status},
        order::{OrderRecord, OrderStatus},
        private_order::PrivateOrder,
        roster::SidecarEntry,
        terms::{Proposal, Terms},
    },
    transactions::{
        allocations::{AllocationHash, allot},
        export::EXPORT_VERSION,
        listings::ListingView,
    },
};
use ipo_clearing::reference;
use order_commitments::{BookContext, Commitment, DemandCurve, PROTOCOL_VERSION};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const CHANNEL: &str = "ipochannel";
pub const CHAINCODE: &str = "ipo";
pub const BANK: &str = "USBankMSP";
pub const BROKERS: [&str; 2] = ["BrokerAMSP", "BrokerBMSP"];

/// An order: organisation, id, steps.
pub type Order<'a> = (&'a str, &'a str, Vec<(u64, u64)>);

/// What is offered, apart from what all offers here have in common.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    pub shares: u64,
    pub lot: u64,
    pub rule: &'a str,
    pub least: u64,
}

/// The sale of the original demonstration: 25000 shares in lots of one.
pub const DEMONSTRATION: Offer<'static> = Offer {
    shares: 25_000,
    lot: 1,
    rule: "price-priority",
    least: 0,
};

/// The three orders of the original demonstration.
pub fn demonstration() -> (LedgerState, Vec<DisclosedBook>) {
    let orders = [
        (BROKERS[0], "a1", vec![(500, 10_000), (700, 7_000), (1000, 4_500)]),
        (BROKERS[0], "a2", vec![(600, 9_000), (700, 9_000)]),
        (BROKERS[1], "b1", vec![(500, 15_000), (800, 12_000)]),
    ];
    sold(DEMONSTRATION, &orders)
}

/// A listing with these orders, cleared and with every allocation recorded, and the brokers' books.
pub fn sold(offer: Offer<'_>, orders: &[Order<'_>]) -> (LedgerState, Vec<DisclosedBook>) {
    let proposal: Proposal = serde_json::from_value(json!({
        "id": "Estatia", "symbol": "ESTA", "category": "Series A", "description": "Homes to let",
        "shares": offer.shares, "lotSize": offer.lot, "price": {"min": 500, "max": 1000, "tick": 100},
        "opensAt": "2027-03-01T00:00:00Z", "closesAt": "2027-03-08T00:00:00Z", "settlementDeadline": "2027-03-15T00:00:00Z",
        "allocation": offer.rule, "minSubscription": offer.least, "cashToken": "USD", "brokers": BROKERS,
    }))
    .unwrap();
    let moment = Moment::parse("2027-03-02T09:30:00Z").unwrap();
    let msp = |name: &str| MspId::parse("msp", name).unwrap();
    let terms = Terms::new(proposal, msp(BANK), moment).unwrap();
    let rules = terms.order_rules().unwrap();
    let listing_id = ListingId::parse("listing", "Estatia").unwrap();

    let mut private = Vec::new();
    let mut records: Vec<OrderRecord> = Vec::new();
    for (number, (owner, id, steps)) in orders.iter().enumerate() {
        let steps: Vec<_> = steps
            .iter()
            .map(|(price, quantity)| json!({"price": price, "quantity": quantity}))
            .collect();
        let salt = hex::encode([number as u8 + 1; 32]);
        let order = json!({"investor": format!("Investor {number}"), "steps": steps, "salt": salt});
        let order = PrivateOrder::from_transient("order", order.to_string().as_bytes()).unwrap();
        let schedule = order.schedule("order", &rules).unwrap();
        let context = book_context(owner);
        let commitment = Commitment::commit(&schedule, &context.order(id), &order.salt()).unwrap();
        records.push(OrderRecord {
            listing: listing_id.clone(),
            msp: msp(owner),
            id: OrderId::parse("orderId", id).unwrap(),
            commitment: commitment.to_string(),
            record_hash: hex::encode(order.hash()),
            status: OrderStatus::Submitted,
            submitted_at: moment,
            tx_id: format!("{number:064x}"),
            ended_at: None,
            replaced_by: None,
        });
        private.push((
            (*owner).to_owned(),
            OrderId::parse("orderId", id).unwrap(),
            order,
            schedule,
        ));
    }

    let (mut books, mut sidecars, mut curves) = (Vec::new(), Vec::new(), Vec::new());
    for participant in terms.participants() {
        let own: Vec<_> = records
            .iter()
            .filter(|it| it.msp == participant)
            .cloned()
            .collect();
        books.push(BookRecord {
            listing: listing_id.clone(),
            msp: participant.clone(),
            book: book::freeze(&book_context(participant.as_str()), &own).unwrap(),
        });
        let endpoint = format!("sidecar.{}:7060", participant.as_str().to_lowercase());
        sidecars.push(SidecarEntry::new(participant.clone(), &endpoint, &"ab".repeat(32), "").unwrap());
        let mut curve = DemandCurve::zero(terms.price.levels()).unwrap();
        for (_, _, _, schedule) in private.iter().filter(|it| it.0 == participant.as_str()) {
            curve.add(&schedule.curve()).unwrap();
        }
        curves.push(curve);
    }
    let session = book::session(CHANNEL, CHAINCODE, &terms, &books, &sidecars).unwrap();
    let session_id = session.id().to_string();
    let computed = reference::outcome(
        terms.lots(),
        terms.min_subscription / terms.lot_size,
        terms.allocation,
        terms.price.levels(),
        &curves,
    );
    let (clearing_price, lots) = match computed {
        ipo_clearing::Outcome::Failed => (None, vec![0; 3]),
        ipo_clearing::Outcome::Sold { level, allocations } => (terms.price.price(level), allocations),
    };
    let outcome = Outcome {
        clearing_price,
        sold: lots.iter().sum::<u64>() * terms.lot_size,
        allocations: terms
            .participants()
            .into_iter()
            .zip(lots)
            .map(|(msp, lots)| Allocation {
                msp,
                quantity: lots * terms.lot_size,
            })
            .collect(),
    };

    let mut allocation_hashes = Vec::new();
    let disclosed = BROKERS.map(|owner| {
        let own: Vec<_> = private.iter().filter(|it| it.0 == owner).collect();
        let pairs: Vec<_> = own.iter().map(|it| (it.1.clone(), it.2.clone())).collect();
        let quantities = allot(&terms, &outcome, owner, &pairs).unwrap();
        let of = |id: &OrderId| {
            records
                .iter()
                .find(|it| it.msp.as_str() == owner && it.id == *id)
                .unwrap()
        };
        for ((_, id, order, _), quantity) in own.iter().zip(&quantities) {
            let record = PrivateAllocation::new(clearing_price, *quantity, &order.salt());
            allocation_hashes.push(AllocationHash {
                msp: msp(owner),
                order_id: id.clone(),
                hash: hex::encode(Sha256::digest(record.to_bytes())),
            });
        }
        let orders = own
            .iter()
            .zip(quantities)
            .map(|((_, id, order, _), quantity)| DisclosedOrder {
                id: id.to_string(),
                investor: order.investor().to_owned(),
                steps: order.steps().to_vec(),
                salt: hex::encode(order.salt().expose()),
                commitment: of(id).commitment.clone(),
                record_hash: of(id).record_hash.clone(),
                submitted_at: moment.to_string(),
                tx_id: of(id).tx_id.clone(),
                allocation: Some(DisclosedAllocation {
                    clearing_price,
                    quantity,
                }),
            });
        DisclosedBook {
            version: EXPORT_VERSION,
            channel: CHANNEL.to_owned(),
            chaincode: CHAINCODE.to_owned(),
            listing: "Estatia".to_owned(),
            msp: owner.to_owned(),
            session_id: session_id.clone(),
            book: books
                .iter()
                .find(|book| book.msp.as_str() == owner)
                .unwrap()
                .book
                .clone(),
            orders: orders.collect(),
            bookmark: String::new(),
        }
    });
    let mut listing = Listing::new(terms);
    listing.status = if clearing_price.is_some() {
        Status::Sold
    } else {
        Status::Failed
    };
    listing.clearing = Some(Clearing {
        protocol_version: PROTOCOL_VERSION,
        session_id,
        sidecars,
    });
    listing.outcome = Some(outcome);
    let state = LedgerState {
        version: STATE_VERSION,
        channel: CHANNEL.to_owned(),
        chaincode: CHAINCODE.to_owned(),
        listing: ListingView {
            treasury: listing.terms.shares,
            listing,
            orders: records.len() as u64,
            settled: false,
            books,
            settlements: Vec::new(),
        },
        orders: records,
        allocation_hashes,
    };
    (state, disclosed.to_vec())
}

fn book_context(msp: &str) -> BookContext<'_> {
    BookContext {
        channel: CHANNEL,
        chaincode: CHAINCODE,
        listing: "Estatia",
        msp,
    }
}

/// A ledger and the brokers' books as JSON, to be altered.
pub type Files = (Value, Vec<Value>);

/// One tampered copy: what was done to it, and what the report must say.
pub struct Copy {
    pub what: &'static str,
    pub tamper: fn(&mut Files),
    pub reasons: &'static [&'static str],
}

fn add(value: &mut Value, more: i64) {
    *value = json!(value.as_i64().unwrap() + more);
}

fn flip(value: &mut Value) {
    let text = value.as_str().unwrap();
    let (head, last) = text.split_at(text.len() - 1);
    let other = if last == "0" { "1" } else { "0" };
    *value = json!(format!("{head}{other}"));
}

/// Tampered copies of a sold listing in lots of one share, of whose two books the first has two orders or more.
pub const COPIES: [Copy; 19] = [
    Copy {
        what: "one share more in one step of one order",
        tamper: |(_, books)| add(&mut books[0]["orders"][0]["steps"][0]["quantity"], 1),
        reasons: &[
            "the commitment on the ledger does not open to it",
            "the record hash",
        ],
    },
    Copy {
        what: "one digit of a salt",
        tamper: |(_, books)| flip(&mut books[0]["orders"][1]["salt"]),
        reasons: &["the commitment on the ledger does not open to it"],
    },
    Copy {
        what: "another investor",
        tamper: |(_, books)| books[1]["orders"][0]["investor"] = json!("Somebody Else"),
        reasons: &["the record hash on the ledger is not that of the order"],
    },
    Copy {
        what: "an order kept back",
        tamper: |(_, books)| drop(books[0]["orders"].as_array_mut().unwrap().remove(0)),
        reasons: &["it is in the frozen book and was not disclosed"],
    },
    Copy {
        what: "an order put in",
        tamper: |(_, books)| {
            let mut order = books[0]["orders"][0].clone();
            order["id"] = json!("zz-put-in");
            books[0]["orders"].as_array_mut().unwrap().push(order);
        },
        reasons: &["zz-put-in", "it was disclosed and is not in the frozen book"],
    },
    Copy {
        what: "another order's commitment on the ledger",
        tamper: |(state, _)| state["orders"][0]["commitment"] = state["orders"][1]["commitment"].clone(),
        reasons: &[
            "digest of the frozen book is",
            "the commitment on the ledger does not open to it",
        ],
    },
    Copy {
        what: "an order cancelled after the freeze",
        tamper: |(state, _)| state["orders"][1]["status"] = json!("cancelled"),
        reasons: &[
            "count of the frozen book is",
            "it was disclosed and is not in the frozen book",
        ],
    },
    Copy {
        what: "another frozen book",
        tamper: |(state, _)| {
            state["listing"]["books"][0]["book"]["commitment"] =
                state["listing"]["books"][1]["book"]["commitment"].clone();
        },
        reasons: &[
            "commitment of the frozen book is",
            "the session's id is",
            "book.commitment of the disclosed book",
        ],
    },
    Copy {
        what: "a clearing price one tick higher",
        tamper: |(state, _)| {
            let tick = state["listing"]["price"]["tick"].as_i64().unwrap();
            add(&mut state["listing"]["outcome"]["clearingPrice"], tick);
        },
        reasons: &["the clearing price is"],
    },
    Copy {
        what: "one share of one organisation for the other",
        tamper: |(state, _)| {
            add(&mut state["listing"]["outcome"]["allocations"][0]["quantity"], 1);
            add(&mut state["listing"]["outcome"]["allocations"][1]["quantity"], -1);
        },
        reasons: &[
            "the allocation of BrokerAMSP is",
            "the allocation of BrokerBMSP is",
        ],
    },
    Copy {
        what: "one share more in one recorded allocation",
        tamper: |(_, books)| add(&mut books[0]["orders"][0]["allocation"]["quantity"], 1),
        reasons: &[
            "quantity of its recorded allocation is",
            "the hash of its allocation's record on the ledger is not",
        ],
    },
    Copy {
        what: "another price in one recorded allocation",
        tamper: |(_, books)| add(&mut books[1]["orders"][0]["allocation"]["clearingPrice"], -1),
        reasons: &["clearingPrice of its recorded allocation is"],
    },
    Copy {
        what: "another allocation recorded on the ledger",
        tamper: |(state, _)| flip(&mut state["allocationHashes"][0]["hash"]),
        reasons: &["the hash of its allocation's record on the ledger is not"],
    },
    Copy {
        what: "an allocation that was never recorded",
        tamper: |(state, _)| drop(state["allocationHashes"].as_array_mut().unwrap().remove(0)),
        reasons: &["an allocation is disclosed, and none is recorded on the ledger"],
    },
    Copy {
        what: "a recorded allocation kept back",
        tamper: |(_, books)| books[0]["orders"][1]["allocation"] = Value::Null,
        reasons: &["an allocation is recorded on the ledger, and none was disclosed"],
    },
    Copy {
        what: "fewer shares for sale",
        tamper: |(state, _)| add(&mut state["listing"]["shares"], -1),
        reasons: &["the session's id is"],
    },
    Copy {
        what: "one digit of the session's id",
        tamper: |(state, _)| flip(&mut state["listing"]["clearing"]["sessionId"]),
        reasons: &["the session's id is", "sessionId of the disclosed book is"],
    },
    Copy {
        what: "a book of another listing",
        tamper: |(_, books)| books[1]["listing"] = json!("LightRocket"),
        reasons: &["listing of the disclosed book is LightRocket"],
    },
    Copy {
        what: "another time of submission",
        tamper: |(_, books)| books[0]["orders"][0]["submittedAt"] = json!("2027-03-09T00:00:00Z"),
        reasons: &["submittedAt is disclosed as 2027-03-09T00:00:00Z"],
    },
];

/// Audits files as the program reads them.
pub fn audit_files((state, books): &Files) -> Report {
    let state: LedgerState = serde_json::from_value(state.clone()).unwrap();
    let books: Vec<DisclosedBook> = books
        .iter()
        .map(|book| serde_json::from_value(book.clone()).unwrap())
        .collect();
    audit(&state, &books).unwrap()
}

/// Every tampered copy fails, for the reasons that it must, and nothing else is said of the listing's other orders.
pub fn every_copy_fails(files: &Files) {
    let untouched = audit_files(files);
    assert_eq!(untouched.verdict(), Verdict::Holds, "{untouched}");
    for copy in &COPIES {
        let mut files = files.clone();
        (copy.tamper)(&mut files);
        let report = audit_files(&files);
        assert_eq!(report.verdict(), Verdict::Fails, "{}:\n{report}", copy.what);
        let text = report.to_string();
        for reason in copy.reasons {
            assert!(text.contains(reason), "{}: no {reason:?} in\n{text}", copy.what);
        }
    }
}
