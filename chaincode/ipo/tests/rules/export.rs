//! The own frozen book in the clear: what an auditor gets of it.

use ipo_chaincode::identifier::OrderId;
use ipo_chaincode::keys::Key;
use ipo_chaincode::transactions::{allocations, export, orders, own_orders};
use order_commitments::{BookContext, Commitment, DemandSchedule, OrderRules, PriceGrid, Salt, Step};
use serde_json::{Value, json};

use super::world::*;

/// A book of three orders that count, one that was replaced and one that was never submitted.
fn frozen() -> World {
    let mut world = World::listed();
    world.place(A, "a1", &[(500, 1_000)]);
    world.place(A, "a2", &[(800, 300)]);
    world.place(A, "a3", &[(700, 100)]);
    world.create_order(A, "a4", &[(700, 50)]).unwrap();
    world.place(B, "b1", &[(700, 400)]);
    let new = world.create_order(A, "a9", &[(900, 50)]).unwrap().remove(0);
    world
        .call(A, async |tx| {
            orders::replace(tx, &listing("Estatia"), &[replacement("a1", new)]).await
        })
        .unwrap();
    world.freeze();
    world
}

fn export(world: &mut World, broker: &str, size: u32, bookmark: &str) -> Result<Value, String> {
    let page = world.call(broker, async |tx| {
        export::book(tx, &listing("Estatia"), size, bookmark).await
    });
    page.map(|page| serde_json::to_value(&page).unwrap())
        .map_err(|error| error.code().to_owned())
}

fn ids(page: &Value) -> Vec<&str> {
    let orders = page["orders"].as_array().unwrap();
    orders.iter().map(|order| order["id"].as_str().unwrap()).collect()
}

#[test]
fn the_own_frozen_book_and_nothing_else_is_exported_page_by_page() {
    let mut world = frozen();
    let first = export(&mut world, A, 2, "").unwrap();
    assert_eq!(
        (ids(&first), &first["bookmark"]),
        (vec!["a2", "a3"], &json!("a3"))
    );
    let last = export(&mut world, A, 2, "a3").unwrap();
    assert_eq!((ids(&last), &last["bookmark"]), (vec!["a9"], &json!("")));
    assert_eq!(last["book"], first["book"]);
    let whole = export(&mut world, A, 3, "").unwrap();
    assert_eq!(
        (ids(&whole), &whole["bookmark"]),
        (vec!["a2", "a3", "a9"], &json!(""))
    );
    assert_eq!(ids(&export(&mut world, B, 1_000, "").unwrap()), ["b1"]);
    let empty = export(&mut world, BANK, 1, "").unwrap();
    assert_eq!((ids(&empty), &empty["book"]["count"]), (vec![], &json!(0)));
    assert_eq!(export(&mut world, CENTRAL, 1, "").unwrap_err(), "WRONG_ROLE");
    for (size, bookmark) in [(0, ""), (1_001, ""), (1, "a b")] {
        assert_eq!(export(&mut world, A, size, bookmark).unwrap_err(), "BAD_ARGUMENT");
    }
}

/// What an auditor does, with nothing but the page and the public rules.
#[test]
fn every_commitment_opens_and_they_make_the_book() {
    let mut world = frozen();
    let page = export(&mut world, A, 10, "").unwrap();
    assert_eq!(
        (&page["version"], &page["msp"], &page["listing"]),
        (&json!(1), &json!(A), &json!("Estatia"))
    );
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (channel, chaincode) = (text(&page["channel"]), text(&page["chaincode"]));
    let owner = BookContext {
        channel: &channel,
        chaincode: &chaincode,
        listing: "Estatia",
        msp: A,
    };
    let rules = OrderRules::new(PriceGrid::new(500, 1000, 100).unwrap(), 10, 1_000).unwrap();
    let mut commitments = Vec::new();
    for order in page["orders"].as_array().unwrap() {
        let id = order["id"].as_str().unwrap();
        let steps: Vec<Step> = serde_json::from_value(order["steps"].clone()).unwrap();
        let schedule = DemandSchedule::new(&steps, &rules).unwrap();
        let salt = Salt::try_from(hex::decode(text(&order["salt"])).unwrap().as_slice()).unwrap();
        let commitment: Commitment = text(&order["commitment"]).parse().unwrap();
        assert!(commitment.verify(&schedule, &owner.order(id), &salt), "{id}");
        assert_eq!(order["investor"], format!("Investor of {id}"));
        assert_eq!(order["allocation"], Value::Null);
        commitments.push((id, commitment));
    }
    let book = order_commitments::Book::freeze(&owner, commitments).unwrap();
    assert_eq!(serde_json::to_value(book).unwrap(), page["book"]);
}

#[test]
fn recorded_allocations_come_with_the_orders() {
    let mut world = World::listed();
    world.place(A, "a1", &[(700, 600)]);
    world.place(B, "b1", &[(800, 1_000)]);
    assert_eq!(export(&mut world, A, 1, "").unwrap_err(), "WRONG_STATE");
    world.sell(800, [0, 1_000, 0]);
    for (broker, id, quantity) in [(A, "a1", 0), (B, "b1", 1_000)] {
        let all: Vec<OrderId> = vec![order(id)];
        world
            .call(broker, async |tx| {
                allocations::record(tx, &listing("Estatia"), all).await
            })
            .unwrap();
        let page = export(&mut world, broker, 1, "").unwrap();
        assert_eq!(
            page["orders"][0]["allocation"],
            json!({"clearingPrice": 800, "quantity": quantity})
        );
    }
}

#[test]
fn a_book_that_is_not_the_frozen_one_is_not_exported() {
    let (id, msp_a, a2) = (listing("Estatia"), msp(A), order("a2"));
    let mut world = frozen();
    world.lose(A, "a3");
    assert_eq!(ids(&export(&mut world, A, 1, "").unwrap()), ["a2"]);
    assert_eq!(export(&mut world, A, 2, "").unwrap_err(), "ORDER_MISMATCH");
    let mut world = frozen();
    let record = Key::Order(&id, &msp_a, &a2);
    world.tamper(record, Some(("\"recordHash\":\"", "\"recordHash\":\"00")));
    assert_eq!(export(&mut world, A, 10, "").unwrap_err(), "ORDER_MISMATCH");
    let mut world = frozen();
    world.tamper(record, Some(("submitted", "cancelled")));
    assert_eq!(export(&mut world, A, 10, "").unwrap_err(), "BOOK_MISMATCH");
    // Purged, once nothing depends on them.
    let mut world = World::listed();
    world.place(A, "a1", &[(700, 600)]);
    world.sell(0, [0, 0, 0]);
    world
        .call(A, async |tx| own_orders::purge(tx, &id, vec![order("a1")]).await)
        .unwrap();
    assert_eq!(export(&mut world, A, 10, "").unwrap_err(), "ORDER_MISMATCH");
}
