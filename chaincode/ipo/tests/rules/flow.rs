//! Whole flows: what an IPO leaves on the ledger at each step.

use fabric_protos::ipo::sidecar::v1 as proto;
use ipo_chaincode::keys::Key;
use ipo_chaincode::record::listing::Status;
use ipo_chaincode::record::order::OrderStatus;
use ipo_chaincode::token::{CoinId, Output};
use ipo_chaincode::transactions::listings::Filter;
use ipo_chaincode::transactions::{
    allocations, clearing, listings, orders, own_orders, receipts, settlement, tokens,
};
use order_commitments::{Commitment, OrderContext, OrderRules, Price, PriceGrid, Salt, Step};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::world::*;

/// Both brokers' orders, as the tests place them: 1000 shares sell at 7.00.
fn place_orders(world: &mut World) {
    world.place(A, "a1", &[(500, 1_000), (700, 600)]);
    world.place(A, "a2", &[(800, 300)]);
    world.place(B, "b1", &[(700, 400), (1000, 200)]);
}

#[test]
fn an_ipo_from_listing_to_settlement() {
    let mut world = World::listed();
    assert_eq!(world.endorsers(), [A, B, BANK].map(msp).into());
    place_orders(&mut world);
    let id = listing("Estatia");
    let coin = world.mint(A, 1_000_000);
    let deposited = world
        .call(A, async |tx| settlement::deposit(tx, &id, &[coin], 600_000).await)
        .unwrap();
    assert_eq!((deposited.amount, world.balance("USD", A)), (600_000, 400_000));
    let coin = world.mint(B, 280_000);
    world
        .call(B, async |tx| settlement::deposit(tx, &id, &[coin], 280_000).await)
        .unwrap();

    world.sell(700, [700, 300, 0]);
    assert_eq!(world.event.as_ref().unwrap().0, "ListingSold");
    let view = world
        .call(CENTRAL, async |tx| listings::read(tx, &id).await)
        .unwrap();
    assert_eq!((view.orders, view.treasury, view.settled), (3, 1_000, false));
    assert_eq!(
        view.books.iter().map(|book| book.book.count).collect::<Vec<_>>(),
        [2, 1, 0]
    );

    let settled = world
        .call(BANK, async |tx| settlement::settle(tx, &id, &msp(A)).await)
        .unwrap();
    assert_eq!((settled.shares, settled.paid, settled.price), (700, 490_000, 700));
    world
        .call(B, async |tx| settlement::settle(tx, &id, &msp(B)).await)
        .unwrap();
    assert_eq!((world.balance("EST", A), world.balance("EST", B)), (700, 300));
    assert_eq!(
        (world.balance("USD", A), world.balance("USD", B)),
        (510_000, 70_000)
    );
    assert_eq!(world.balance("USD", BANK), 700_000);
    let supply = world
        .call(A, async |tx| tokens::total_supply(tx, &symbol("EST")).await)
        .unwrap();
    assert_eq!(supply, 1_000);
    let view = world
        .call(CENTRAL, async |tx| listings::read(tx, &id).await)
        .unwrap();
    assert_eq!(
        (view.treasury, view.settled, view.listing.status),
        (0, true, Status::Sold)
    );
    let again = world
        .call(BANK, async |tx| settlement::settle(tx, &id, &msp(A)).await)
        .unwrap_err();
    assert!(again.to_string().starts_with("already settled"), "{again}");
}

#[test]
fn the_commitment_answered_is_that_of_the_order_and_no_content_is_public() {
    let mut world = World::listed();
    let created = world.create_order(A, "a1", &[(700, 600)]).unwrap();
    let rules = OrderRules::new(PriceGrid::new(500, 1000, 100).unwrap(), 10, 1_000).unwrap();
    let steps = [Step {
        price: Price::At(700),
        quantity: 600,
    }];
    let schedule = order_commitments::DemandSchedule::new(&steps, &rules).unwrap();
    let context = OrderContext {
        channel: "market",
        chaincode: "ipo",
        listing: "Estatia",
        msp: A,
        order_id: "a1",
    };
    let salt = Salt::try_from(hex::decode(salt("a1")).unwrap().as_slice()).unwrap();
    let expected = Commitment::commit(&schedule, &context, &salt).unwrap();
    assert_eq!(created[0].commitment, expected.to_string());
    world
        .call(A, async |tx| {
            orders::submit(tx, &listing("Estatia"), &created).await
        })
        .unwrap();
    assert!(
        !world.public_contains(b"Investor") && !world.public_contains(super::world::salt("a1").as_bytes())
    );
    assert!(world.public_contains(created[0].commitment.as_bytes()));
}

#[test]
fn join_hands_over_exactly_the_frozen_book() {
    let mut world = World::listed();
    place_orders(&mut world);
    // Created but never submitted: does not count.
    world.create_order(A, "a3", &[(500, 10)]).unwrap();
    world
        .call(A, async |tx| {
            orders::cancel(tx, &listing("Estatia"), &[order("a2")]).await
        })
        .unwrap();
    world.transient(
        "order",
        &json!({"investor": "x", "steps": [{"price": "market", "quantity": 20}], "salt": salt("a4")}),
    );
    let created = world
        .call(A, async |tx| {
            let orders = own_orders::one_from_transient(tx, order("a4"))?;
            own_orders::create(tx, &listing("Estatia"), &orders).await
        })
        .unwrap();
    world
        .call(A, async |tx| {
            orders::submit(tx, &listing("Estatia"), &created).await
        })
        .unwrap();
    let session_id = world.freeze();
    let sidecar = Told::default();
    world
        .call(A, async |tx| {
            clearing::join(tx, &sidecar, &listing("Estatia")).await
        })
        .unwrap();
    let joined = sidecar.joined.lock().unwrap().take().unwrap();
    assert_eq!((joined.session_id, joined.msp.as_str()), (session_id, A));
    assert_eq!(
        joined
            .openings
            .iter()
            .map(|opening| opening.order_id.as_str())
            .collect::<Vec<_>>(),
        ["a1", "a4"]
    );
    assert_eq!(
        joined.openings[0].steps,
        [(500, 1_000), (700, 600)].map(|(price, quantity)| proto::Step { price, quantity })
    );
    assert_eq!(
        joined.openings[1].steps,
        [proto::Step {
            price: 1_000,
            quantity: 20
        }]
    );
    assert_eq!(hex::encode(&joined.openings[1].salt), salt("a4"));
    assert_eq!(hex::encode(&joined.openings[1].commitment), created[0].commitment);
    let roster: Vec<_> = joined
        .participants
        .iter()
        .map(|party| (party.msp.as_str(), party.endpoint.as_str()))
        .collect();
    assert_eq!(
        roster,
        [
            (A, "BrokerAMSP:7001"),
            (B, "BrokerBMSP:7002"),
            (BANK, "USBankMSP:7000")
        ]
    );
    assert_eq!(joined.participants[2].book.as_ref().unwrap().commitment, [0]);
    // The seller has an empty book, and joins like everybody.
    world
        .call(BANK, async |tx| {
            clearing::join(tx, &sidecar, &listing("Estatia")).await
        })
        .unwrap();
    assert!(sidecar.joined.lock().unwrap().take().unwrap().openings.is_empty());
}

#[test]
fn join_refuses_a_ledger_that_was_tampered_with_after_the_freeze() {
    let (id, msp_a, a1) = (listing("Estatia"), msp(A), order("a1"));
    let join = |tamper: &dyn Fn(&mut World)| {
        let mut world = World::listed();
        place_orders(&mut world);
        world.freeze();
        tamper(&mut world);
        let sidecar = Told::default();
        let refused = world
            .call(A, async |tx| clearing::join(tx, &sidecar, &id).await)
            .unwrap_err();
        assert!(sidecar.joined.lock().unwrap().is_none());
        refused
    };
    let record = Key::Order(&id, &msp_a, &a1);
    let removed = join(&|world| world.tamper(record, None));
    assert_eq!(removed.code(), "BOOK_MISMATCH");
    let cancelled = join(&|world| world.tamper(record, Some(("submitted", "cancelled"))));
    assert_eq!(cancelled.code(), "BOOK_MISMATCH");
    let hash = join(&|world| world.tamper(record, Some(("\"recordHash\":\"", "\"recordHash\":\"00"))));
    assert_eq!(hash.code(), "ORDER_MISMATCH");
    let book = join(&|world| world.tamper(Key::Book(&id, &msp_a), Some(("\"count\":2", "\"count\":3"))));
    assert_eq!(book.code(), "BOOK_MISMATCH");
    let terms = join(&|world| world.tamper(Key::Listing(&id), Some(("\"fanOut\":1", "\"fanOut\":2"))));
    assert_eq!(terms.code(), "BOOK_MISMATCH");
    let roster = join(&|world| world.tamper(Key::Listing(&id), Some((":7002", ":7003"))));
    assert_eq!(roster.code(), "BOOK_MISMATCH");
}

#[test]
fn lost_orders_are_sent_again_or_restored_and_altered_ones_are_refused() {
    let mut world = World::listed();
    place_orders(&mut world);
    world.freeze();
    world.lose(A, "a2");
    let id = listing("Estatia");
    let sidecar = Told::default();
    let lost = world
        .call(A, async |tx| clearing::join(tx, &sidecar, &id).await)
        .unwrap_err();
    assert_eq!(lost.code(), "ORDER_MISMATCH");
    assert!(lost.to_string().contains("a2"), "{lost}");
    let with_id = |steps: &[(u64, u64)]| {
        let mut order = json_order("a2", steps);
        order["id"] = json!("a2");
        json!([order])
    };
    let ids = || vec![order("a2")];
    world.transient("openings", &with_id(&[(800, 310)]));
    let altered = world
        .call(A, async |tx| clearing::join(tx, &sidecar, &id).await)
        .unwrap_err();
    assert_eq!(altered.code(), "ORDER_MISMATCH");
    let altered = world
        .call(A, async |tx| {
            let orders = own_orders::many_from_transient(tx, "openings")?;
            own_orders::restore(tx, &id, ids(), &orders).await
        })
        .unwrap_err();
    assert_eq!(altered.code(), "ORDER_MISMATCH");
    world.transient("openings", &with_id(&[(800, 300)]));
    world
        .call(A, async |tx| clearing::join(tx, &sidecar, &id).await)
        .unwrap();
    assert_eq!(sidecar.joined.lock().unwrap().take().unwrap().openings.len(), 2);
    world
        .call(A, async |tx| {
            let orders = own_orders::many_from_transient(tx, "openings")?;
            own_orders::restore(tx, &id, ids(), &orders).await
        })
        .unwrap();
    world.transient.clear();
    world
        .call(A, async |tx| clearing::join(tx, &sidecar, &id).await)
        .unwrap();
}

#[test]
fn allocations_are_recorded_for_every_order_and_read_by_their_owner() {
    let mut world = World::listed();
    place_orders(&mut world);
    world.sell(700, [700, 300, 0]);
    let id = listing("Estatia");
    let all = || vec![order("a2"), order("a1")];
    for (ids, named) in [
        (vec![order("a2")], "a1 is missing"),
        (
            vec![order("a1"), order("a2"), order("a3")],
            "a3 is not in the book",
        ),
    ] {
        let refused = world
            .call(A, async |tx| allocations::record(tx, &id, ids).await)
            .unwrap_err()
            .to_string();
        assert!(refused.contains(named), "{refused}");
    }
    world
        .call(A, async |tx| allocations::record(tx, &id, all()).await)
        .unwrap();
    // At 7.00, 300 + 0 above the price; the marginal demand is a1's 600 alone, of which 400 are left.
    for (order_id, quantity) in [("a1", 400), ("a2", 300)] {
        let read = world
            .call(A, async |tx| allocations::read(tx, &id, &order(order_id)).await)
            .unwrap();
        assert_eq!((read.clearing_price, read.quantity), (Some(700), quantity));
    }
    // Everybody knows the hashes of what was recorded, page by page, and of nothing else.
    let page = |world: &mut World, size, bookmark: &str| {
        let bookmark = bookmark.to_owned();
        let id = id.clone();
        world
            .call(B, async |tx| {
                allocations::hashes(tx, &id, None, size, &bookmark).await
            })
            .unwrap()
    };
    let all = page(&mut world, 9, "");
    let of: Vec<_> = all
        .hashes
        .iter()
        .map(|it| (it.msp.as_str(), it.order_id.as_str()))
        .collect();
    assert_eq!(of, [(A, "a1"), (A, "a2")]);
    let recorded = world
        .call(A, async |tx| allocations::find(tx, &id, &order("a1")).await)
        .unwrap()
        .unwrap();
    assert_eq!(
        all.hashes[0].hash,
        hex::encode(Sha256::digest(recorded.to_bytes()))
    );
    let first = page(&mut world, 1, "");
    assert_eq!(first.hashes, all.hashes[..1]);
    assert_eq!(page(&mut world, 9, &first.bookmark).hashes, all.hashes[1..]);
    let foreign = world
        .call(B, async |tx| allocations::read(tx, &id, &order("a1")).await)
        .err()
        .unwrap();
    assert_eq!(foreign.code(), "NOT_FOUND");
}

#[test]
fn orders_are_purged_only_when_nothing_depends_on_them() {
    let mut world = World::listed();
    place_orders(&mut world);
    let id = listing("Estatia");
    let ids = || vec![order("a1"), order("a2")];
    assert_eq!(
        world
            .call(A, async |tx| own_orders::purge(tx, &id, ids()).await)
            .unwrap_err()
            .code(),
        "WRONG_STATE"
    );
    world.sell(700, [700, 300, 0]);
    assert_eq!(
        world
            .call(A, async |tx| own_orders::purge(tx, &id, ids()).await)
            .unwrap_err()
            .code(),
        "WRONG_STATE"
    );
    let coin = world.mint(A, 490_000);
    world
        .call(A, async |tx| settlement::deposit(tx, &id, &[coin], 490_000).await)
        .unwrap();
    world
        .call(A, async |tx| settlement::settle(tx, &id, &msp(A)).await)
        .unwrap();
    world
        .call(A, async |tx| own_orders::purge(tx, &id, ids()).await)
        .unwrap();
    assert_eq!(
        world
            .call(A, async |tx| own_orders::read(tx, &id, &order("a1")).await)
            .err()
            .unwrap()
            .code(),
        "NOT_FOUND"
    );
    assert_eq!(
        world
            .call(A, async |tx| own_orders::purge(tx, &id, ids()).await)
            .unwrap_err()
            .code(),
        "NOT_FOUND"
    );
}

#[test]
fn an_order_is_cancelled_or_replaced_before_the_close() {
    let mut world = World::listed();
    place_orders(&mut world);
    let id = listing("Estatia");
    let new = world.create_order(A, "a9", &[(900, 50)]).unwrap().remove(0);
    let receipt = world
        .call(A, async |tx| {
            orders::replace(tx, &id, &[replacement("a1", new)]).await
        })
        .unwrap()
        .remove(0);
    assert_eq!(
        (receipt.id, receipt.status),
        (order("a9"), OrderStatus::Submitted)
    );
    let again = world
        .call(A, async |tx| orders::cancel(tx, &id, &[order("a1")]).await)
        .unwrap_err();
    assert_eq!(again.code(), "WRONG_ORDER_STATE");
    let records = world
        .call(B, async |tx| receipts::all(tx, &id, Some(&msp(A))).await)
        .unwrap();
    let records: Vec<_> = records
        .iter()
        .map(|record| (record.id.as_str(), record.status.as_str()))
        .collect();
    assert_eq!(
        records,
        [("a1", "replaced"), ("a2", "submitted"), ("a9", "submitted")]
    );
    world.freeze();
    let late = world
        .call(A, async |tx| orders::cancel(tx, &id, &[order("a9")]).await)
        .unwrap_err();
    assert_eq!(late.code(), "WRONG_STATE");
}

#[test]
fn many_orders_go_in_one_transaction_each() {
    let mut world = World::listed();
    let orders: Vec<Value> = (0..500)
        .map(|n| {
            let mut order = json_order(&format!("n{n:03}"), &[(500 + n % 6 * 100, 10)]);
            order["id"] = json!(format!("n{n:03}"));
            order
        })
        .collect();
    world.transient("orders", &Value::from(orders));
    let created = world
        .call(A, async |tx| {
            let orders = own_orders::many_from_transient(tx, "orders")?;
            own_orders::create(tx, &listing("Estatia"), &orders).await
        })
        .unwrap();
    let receipts = world
        .call(A, async |tx| {
            orders::submit(tx, &listing("Estatia"), &created).await
        })
        .unwrap();
    assert_eq!(receipts.len(), 500);
    world.freeze();
    let view = world
        .call(B, async |tx| listings::read(tx, &listing("Estatia")).await)
        .unwrap();
    assert_eq!(view.orders, 500);
}

#[test]
fn a_failed_listing_returns_all_escrow() {
    let mut world = World::listed();
    let id = listing("Estatia");
    let coin = world.mint(A, 1_000);
    world
        .call(A, async |tx| settlement::deposit(tx, &id, &[coin], 900).await)
        .unwrap();
    let early = world
        .call(A, async |tx| settlement::release(tx, &id).await)
        .unwrap_err();
    assert_eq!(early.code(), "NOT_YET");
    world.sell(0, [0, 0, 0]);
    assert_eq!(world.event.as_ref().unwrap().0, "ListingFailed");
    world
        .call(A, async |tx| settlement::release(tx, &id).await)
        .unwrap();
    assert_eq!(world.balance("USD", A), 1_000);
    let empty = world
        .call(A, async |tx| settlement::release(tx, &id).await)
        .unwrap_err();
    assert_eq!(empty.code(), "NOTHING_IN_ESCROW");
}

#[test]
fn after_the_deadline_escrow_is_free_in_any_state_and_the_unpaid_are_in_default() {
    let mut world = World::listed();
    place_orders(&mut world);
    let id = listing("Estatia");
    let coin = world.mint(A, 490_000);
    world
        .call(A, async |tx| settlement::deposit(tx, &id, &[coin], 490_000).await)
        .unwrap();
    world.sell(700, [700, 300, 0]);
    let early = world
        .call(BANK, async |tx| settlement::default(tx, &id, &msp(B)).await)
        .unwrap_err();
    assert_eq!(early.code(), "NOT_YET");
    world.clock = at("2027-03-03T17:00:00.000000001Z");
    let covered = world
        .call(BANK, async |tx| settlement::default(tx, &id, &msp(A)).await)
        .unwrap_err();
    assert_eq!(covered.code(), "NOT_IN_DEFAULT");
    world
        .call(BANK, async |tx| settlement::default(tx, &id, &msp(B)).await)
        .unwrap();
    let late = world
        .call(B, async |tx| settlement::settle(tx, &id, &msp(B)).await)
        .unwrap_err();
    assert!(late.to_string().contains("defaulted"), "{late}");
    world
        .call(A, async |tx| settlement::release(tx, &id).await)
        .unwrap();
    let view = world.call(A, async |tx| listings::read(tx, &id).await).unwrap();
    assert_eq!((view.treasury, view.settled), (1_000, false));
    world
        .call(BANK, async |tx| settlement::default(tx, &id, &msp(A)).await)
        .unwrap();
    let view = world.call(A, async |tx| listings::read(tx, &id).await).unwrap();
    assert_eq!((view.treasury, view.settled), (1_000, true));
}

#[test]
fn the_table_of_listings_is_filtered_and_paged() {
    let mut world = World::listed();
    for n in 0..5 {
        let mut terms = proposal();
        terms["id"] = json!(format!("L{n}"));
        terms["symbol"] = json!(format!("S{}", n % 2));
        let terms = terms.to_string();
        world
            .call(BANK, async |tx| listings::create(tx, &terms).await)
            .unwrap();
    }
    let mut query = |filter: &str, size, bookmark: &str| {
        let filter = Filter::parse(filter).unwrap();
        world
            .call(A, async |tx| listings::query(tx, &filter, size, bookmark).await)
            .unwrap()
    };
    let ids = |page: &listings::ListingPage| -> Vec<String> {
        page.listings
            .iter()
            .map(|view| view.listing.terms.id.to_string())
            .collect()
    };
    let all = query("", 200, "");
    assert_eq!(
        (ids(&all), all.bookmark.as_str()),
        (
            ["Estatia", "L0", "L1", "L2", "L3", "L4"].map(String::from).into(),
            ""
        )
    );
    let first = query(r#"{"symbol":"S0"}"#, 2, "");
    assert_eq!(ids(&first), ["L0", "L2"]);
    let second = query(r#"{"symbol":"S0"}"#, 2, &first.bookmark);
    assert_eq!(
        (ids(&second), second.bookmark.as_str()),
        (vec!["L4".to_owned()], "")
    );
    assert!(query(r#"{"status":"sold"}"#, 10, "").listings.is_empty());
}

#[test]
fn events_say_who_what_and_how_much() {
    let mut world = World::listed();
    let usd = symbol("USD");
    let said = |world: &World| world.event.clone().unwrap();
    let coin = world.mint(A, 100);
    let (name, minted) = said(&world);
    assert_eq!(
        (name.as_str(), minted),
        (
            "Transfer",
            json!({
                "version": 1, "symbol": "USD", "from": null, "to": A, "value": 100,
                "transfers": [{"from": null, "to": A, "value": 100}],
            })
        )
    );
    let mut pay = |coins: &[&CoinId], outputs: &[(&str, u64)]| {
        let inputs: Vec<_> = coins.iter().map(|coin| (*coin).clone()).collect();
        let outputs: Vec<_> = outputs
            .iter()
            .map(|(owner, amount)| Output {
                owner: msp(owner),
                amount: *amount,
            })
            .collect();
        let made = world
            .call(A, async |tx| tokens::transfer(tx, &usd, &inputs, &outputs).await)
            .unwrap();
        let (_, event) = world.event.clone().unwrap();
        (made, event)
    };
    // The change does not count.
    let (made, event) = pay(&[&coin], &[(B, 60), (A, 40)]);
    assert_eq!(
        (&event["from"], &event["to"], &event["value"]),
        (&json!(A), &json!(B), &json!(60))
    );
    assert_eq!(event["transfers"].as_array().unwrap().len(), 2);
    let (made, event) = pay(&[&made[1].id], &[(B, 10), (BANK, 20), (A, 10)]);
    assert_eq!((&event["to"], &event["value"]), (&json!(null), &json!(30)));
    let (_, event) = pay(&[&made[2].id], &[(A, 4), (A, 6)]);
    assert_eq!((&event["to"], &event["value"]), (&json!(A), &json!(10)));

    let coin = world.mint(CENTRAL, 50);
    world
        .call(CENTRAL, async |tx| tokens::burn(tx, &usd, &[coin], 30).await)
        .unwrap();
    let (_, event) = said(&world);
    assert_eq!(
        (&event["from"], &event["to"], &event["value"]),
        (&json!(CENTRAL), &json!(null), &json!(30))
    );

    let id = listing("Estatia");
    let coin = world.mint(A, 500_000);
    world
        .call(A, async |tx| settlement::deposit(tx, &id, &[coin], 500_000).await)
        .unwrap();
    world.sell(700, [700, 300, 0]);
    world
        .call(BANK, async |tx| settlement::settle(tx, &id, &msp(A)).await)
        .unwrap();
    let (name, event) = said(&world);
    assert_eq!(name, "Settled");
    for (field, value) in [
        ("listing", json!("Estatia")),
        ("msp", json!(A)),
        ("seller", json!(BANK)),
        ("symbol", json!("EST")),
        ("shares", json!(700)),
        ("cashToken", json!("USD")),
        ("paid", json!(490_000)),
        ("returned", json!(10_000)),
    ] {
        assert_eq!(event[field], value, "{field}");
    }
}
