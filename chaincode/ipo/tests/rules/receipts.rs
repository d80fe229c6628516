//! What an order's record says, and to whom it proves that it was placed.

use ipo_chaincode::identifier::OrderId;
use ipo_chaincode::record::private_order::PrivateOrder;
use ipo_chaincode::transactions::{listings, orders, own_orders, receipts};
use serde_json::{Value, json};

use super::world::*;

fn sent(order: &Value) -> PrivateOrder {
    PrivateOrder::from_transient("order", order.to_string().as_bytes()).unwrap()
}

fn check(world: &mut World, msp_id: &str, id: &str, order: &Value) -> receipts::Verdict {
    let (id, sent) = (super::world::order(id), sent(order));
    world
        .call(CENTRAL, async |tx| {
            receipts::check(tx, &listing("Estatia"), &msp(msp_id), &id, &sent).await
        })
        .unwrap()
}

#[test]
fn a_receipt_is_good_for_the_order_that_was_placed_and_no_other() {
    let mut world = World::listed();
    world.place(A, "a1", &[(500, 1_000), (700, 600)]);
    let mine = json_order("a1", &[(500, 1_000), (700, 600)]);
    let verdict = check(&mut world, A, "a1", &mine);
    assert!(verdict.valid && verdict.commitment_opens && verdict.record_hash_matches);
    assert_eq!(verdict.view.in_frozen_book, None);

    let fewer = check(
        &mut world,
        A,
        "a1",
        &json_order("a1", &[(500, 1_000), (700, 590)]),
    );
    assert!(!fewer.valid && !fewer.commitment_opens && !fewer.record_hash_matches);
    let mut salted = mine.clone();
    salted["salt"] = json!(salt("a2"));
    assert!(!check(&mut world, A, "a1", &salted).commitment_opens);
    // The commitment says nothing of the investor, the record's hash does.
    let mut renamed = mine.clone();
    renamed["investor"] = json!("Somebody else");
    let other = check(&mut world, A, "a1", &renamed);
    assert!(other.commitment_opens && !other.record_hash_matches && !other.valid);
    // The same steps in another order are the same demand, but not the same record.
    let turned = check(
        &mut world,
        A,
        "a1",
        &json_order("a1", &[(700, 600), (500, 1_000)]),
    );
    assert!(turned.commitment_opens && !turned.valid);

    world.freeze();
    let verdict = check(&mut world, A, "a1", &mine);
    assert_eq!((verdict.valid, verdict.view.in_frozen_book), (true, Some(true)));
}

#[test]
fn an_order_that_does_not_count_says_so() {
    let mut world = World::listed();
    for id in ["a1", "a2", "a3"] {
        world.place(A, id, &[(700, 100)]);
    }
    let new = world.create_order(A, "a9", &[(900, 50)]).unwrap().remove(0);
    world
        .call(A, async |tx| {
            orders::replace(tx, &listing("Estatia"), &[replacement("a1", new)]).await
        })
        .unwrap();
    world
        .call(A, async |tx| {
            orders::cancel(tx, &listing("Estatia"), &[order("a2")]).await
        })
        .unwrap();
    assert!(!check(&mut world, A, "a1", &json_order("a1", &[(700, 100)])).valid);
    world.freeze();
    for (id, status, counts) in [
        ("a1", "replaced", false),
        ("a2", "cancelled", false),
        ("a3", "submitted", true),
        ("a9", "submitted", true),
    ] {
        let view = world
            .call(B, async |tx| {
                receipts::read(tx, &listing("Estatia"), &msp(A), &order(id)).await
            })
            .unwrap();
        assert_eq!(
            (view.record.status.as_str(), view.in_frozen_book),
            (status, Some(counts)),
            "{id}"
        );
    }
    let missing = world.call(B, async |tx| {
        receipts::read(tx, &listing("Estatia"), &msp(B), &order("a1")).await
    });
    assert_eq!(missing.unwrap_err().code(), "NOT_FOUND");
}

#[test]
fn nothing_is_in_the_book_of_a_listing_that_was_withdrawn() {
    let mut world = World::listed();
    world.place(A, "a1", &[(700, 100)]);
    let id = listing("Estatia");
    world
        .call(BANK, async |tx| listings::withdraw(tx, &id).await)
        .unwrap();
    let view = world
        .call(A, async |tx| receipts::read(tx, &id, &msp(A), &order("a1")).await)
        .unwrap();
    assert_eq!(view.in_frozen_book, None);
}

#[test]
fn records_and_own_orders_are_read_page_by_page() {
    let mut world = World::listed();
    for (broker, id) in [(A, "a1"), (A, "a2"), (A, "a3"), (B, "b1")] {
        world.place(broker, id, &[(700, 10)]);
    }
    let mut page = |msp_id: Option<&str>, size: u32, bookmark: &str| {
        let msp_id = msp_id.map(msp);
        let page = world
            .call(B, async |tx| {
                receipts::page(tx, &listing("Estatia"), msp_id.as_ref(), size, bookmark).await
            })
            .unwrap();
        let ids: Vec<_> = page.records.iter().map(|record| record.id.to_string()).collect();
        (ids, page.bookmark)
    };
    let (first, bookmark) = page(None, 3, "");
    assert_eq!(first, ["a1", "a2", "a3"]);
    assert_eq!(page(None, 3, &bookmark), (vec!["b1".to_owned()], String::new()));
    assert_eq!(page(Some(B), 3, "").0, ["b1"]);

    let mut own = |size: u32, bookmark: &str| {
        let page = world
            .call(A, async |tx| {
                own_orders::page(tx, &listing("Estatia"), size, bookmark).await
            })
            .unwrap();
        let page = serde_json::to_value(&page).unwrap();
        let orders = page["orders"].as_array().unwrap();
        let ids: Vec<_> = orders
            .iter()
            .map(|order| order["id"].as_str().unwrap().to_owned())
            .collect();
        (ids, page["bookmark"].as_str().unwrap().to_owned())
    };
    assert_eq!(
        own(2, ""),
        (vec!["a1".to_owned(), "a2".to_owned()], "a2".to_owned())
    );
    assert_eq!(own(2, "a2"), (vec!["a3".to_owned()], String::new()));
    assert_eq!(own(3, "").1, "");
}

#[test]
fn orders_leave_and_change_in_batches_whole_or_not_at_all() {
    let mut world = World::listed();
    let id = listing("Estatia");
    for order in ["a1", "a2", "a3"] {
        world.place(A, order, &[(700, 10)]);
    }
    let cancel = |ids: &[&str]| ids.iter().map(|id| order(id)).collect::<Vec<OrderId>>();
    let gone = world.call(A, async |tx| {
        orders::cancel(tx, &id, &cancel(&["a1", "a9"])).await
    });
    assert_eq!(gone.unwrap_err().code(), "NOT_FOUND");
    let none = world.call(A, async |tx| orders::cancel(tx, &id, &[]).await);
    assert_eq!(none.unwrap_err().code(), "BAD_ARGUMENT");
    let [n1, n2] = ["n1", "n2"].map(|new| world.create_order(A, new, &[(800, 10)]).unwrap().remove(0));
    let replace = |world: &mut World, pairs: [(&str, &orders::Submission); 2]| {
        let all = pairs.map(|(old, new)| replacement(old, new.clone()));
        world.call(A, async |tx| orders::replace(tx, &id, &all).await)
    };
    for (pairs, code) in [
        ([("a1", &n1), ("a1", &n2)], "BAD_ARGUMENT"),
        ([("a1", &n1), ("a2", &n1)], "DUPLICATE_ORDER"),
        ([("a1", &n1), ("n1", &n2)], "NOT_FOUND"),
    ] {
        assert_eq!(replace(&mut world, pairs).unwrap_err().code(), code);
    }
    let receipts = replace(&mut world, [("a1", &n1), ("a2", &n2)]).unwrap();
    assert_eq!(
        receipts
            .iter()
            .map(|receipt| receipt.id.as_str())
            .collect::<Vec<_>>(),
        ["n1", "n2"]
    );
    let (name, payload) = world.event.take().unwrap();
    assert_eq!(
        (name.as_str(), &payload["orders"]),
        (
            "OrderReplaced",
            &json!([{"oldOrderId": "a1", "orderId": "n1"}, {"oldOrderId": "a2", "orderId": "n2"}])
        )
    );
    let ended = world
        .call(A, async |tx| {
            orders::cancel(tx, &id, &cancel(&["a3", "n1"])).await
        })
        .unwrap();
    assert!(ended.iter().all(|record| record.status.as_str() == "cancelled"));
    assert_eq!(
        world.event.as_ref().unwrap().1,
        json!({"version": 1, "listing": "Estatia", "msp": A, "orderIds": ["a3", "n1"]})
    );
    world.freeze();
    let view = world.call(A, async |tx| listings::read(tx, &id).await).unwrap();
    assert_eq!(view.orders, 1);
}

#[test]
fn a_listing_limits_the_size_and_the_steps_of_its_orders() {
    let mut world = World::listed();
    let mut terms = proposal();
    for (field, value) in [
        ("id", json!("Small")),
        ("minOrder", json!(50)),
        ("maxOrder", json!(100)),
        ("maxSteps", json!(2)),
    ] {
        terms[field] = value;
    }
    let terms = terms.to_string();
    world
        .call(BANK, async |tx| listings::create(tx, &terms).await)
        .unwrap();
    let mut create = |id: &str, steps: &[(u64, u64)]| {
        let orders = vec![(order(id), sent(&json_order(id, steps)))];
        let created = world.call(A, async |tx| {
            own_orders::create(tx, &listing("Small"), &orders).await
        });
        created.map(|_| ()).map_err(|error| error.to_string())
    };
    create("a1", &[(500, 100), (700, 50)]).unwrap();
    for (steps, named) in [
        (&[(500, 110)][..], "at most maxOrder (100)"),
        (
            &[(500, 40)],
            "steps[0].quantity: found withheld; allowed: at least minOrder (50)",
        ),
        (&[(500, 50), (700, 40)], "steps[1].quantity"),
        (
            &[(500, 70), (700, 60), (800, 50)],
            "found 3 steps; allowed: 1 to 2 steps (maxSteps)",
        ),
    ] {
        let refusal = create("a2", steps).unwrap_err();
        assert!(refusal.contains(named) && !refusal.contains("110"), "{refusal}");
    }
}
