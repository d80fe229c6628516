//! Who may not, when not, and what not: each refusal has its code, and leaves nothing behind.

use fabric_protos::ipo::sidecar::v1::{self as proto, State};
use ipo_chaincode::error::ContractError;
use ipo_chaincode::token::{CoinId, Output};
use ipo_chaincode::transactions::{clearing, listings, orders, roster, settlement, tokens};
use serde_json::json;

use super::world::*;

#[track_caller]
fn code<T>(answer: Result<T, ContractError>, expected: &str) -> String {
    let error = answer.err().unwrap();
    assert_eq!(error.code(), expected, "{error}");
    error.to_string()
}

#[test]
fn an_order_id_is_used_once() {
    let mut world = World::listed();
    world.place(A, "a1", &[(700, 100)]);
    code(world.create_order(A, "a1", &[(800, 100)]), "DUPLICATE_ORDER");
    let again = orders::Submission {
        order_id: order("a1"),
        commitment: commitment(&mut world, "a2"),
    };
    code(
        world.call(A, async |tx| {
            orders::submit(tx, &listing("Estatia"), &[again]).await
        }),
        "DUPLICATE_ORDER",
    );
    let twice = orders::Submission {
        order_id: order("a2"),
        commitment: commitment(&mut world, "a3"),
    };
    let twice = [twice.clone(), twice];
    code(
        world.call(A, async |tx| {
            orders::submit(tx, &listing("Estatia"), &twice).await
        }),
        "DUPLICATE_ORDER",
    );
    // Another broker's id is its own.
    world.place(B, "a1", &[(700, 100)]);
}

fn commitment(world: &mut World, id: &str) -> String {
    world
        .create_order(A, id, &[(700, 100)])
        .unwrap()
        .remove(0)
        .commitment
}

#[test]
fn an_order_is_submitted_after_it_was_created_and_with_a_point() {
    let mut world = World::listed();
    let commitment = commitment(&mut world, "a1");
    let mut submit = |id: &str, commitment: &str| {
        let submission = orders::Submission {
            order_id: order(id),
            commitment: commitment.to_owned(),
        };
        world.call(A, async |tx| {
            orders::submit(tx, &listing("Estatia"), &[submission]).await
        })
    };
    code(submit("a2", &commitment), "ORDER_HASH_NOT_YET_COMMITTED");
    let identity = "00".to_owned() + &"0".repeat(64);
    let uncompressed = "04".to_owned() + &commitment[2..];
    let off_curve = "02".to_owned() + &"f".repeat(64);
    for bad in [
        "",
        "zz",
        &commitment[2..],
        "00",
        &identity,
        &uncompressed,
        &off_curve,
    ] {
        let message = code(submit("a1", bad), "BAD_ARGUMENT");
        assert!(message.contains("commitment"), "{message}");
    }
    submit("a1", &commitment).unwrap();
}

#[test]
fn orders_are_taken_from_brokers_between_the_times() {
    let mut world = World::listed();
    code(world.create_order(BANK, "x", &[(700, 100)]), "WRONG_ROLE");
    let submission = orders::Submission {
        order_id: order("a1"),
        commitment: commitment(&mut world, "a1"),
    };
    world.clock = at("2027-03-01T08:59:59Z");
    code(world.create_order(A, "a2", &[(700, 100)]), "TOO_EARLY");
    world.clock = at("2027-03-01T17:00:00Z");
    code(world.create_order(A, "a2", &[(700, 100)]), "TOO_LATE");
    code(
        world.call(A, async |tx| {
            orders::submit(tx, &listing("Estatia"), &[submission]).await
        }),
        "TOO_LATE",
    );
    code(
        world.call(A, async |tx| {
            orders::cancel(tx, &listing("Estatia"), &[order("a1")]).await
        }),
        "TOO_LATE",
    );
    code(
        world.call(A, async |tx| listings::read(tx, &listing("Nowhere")).await),
        "NOT_FOUND",
    );
}

#[test]
fn a_sidecar_has_an_endpoint_and_a_hash() {
    let mut world = World::new();
    let hash = "ab".repeat(32);
    world
        .call(A, async |tx| roster::register(tx, "a:1", &hash, "").await)
        .unwrap();
    let message = code(
        world.call(A, async |tx| roster::register(tx, "a", &hash, "").await),
        "BAD_ARGUMENT",
    );
    assert!(message.contains("endpoint"), "{message}");
}

#[test]
fn a_listing_needs_a_free_id_a_cash_token_and_a_symbol_of_the_sellers() {
    let mut world = World::listed();
    let mut create = |seller: &str, change: &[(&str, serde_json::Value)]| {
        let mut terms = proposal();
        for (field, value) in change {
            terms[*field] = value.clone();
        }
        let terms = terms.to_string();
        world.call(seller, async |tx| listings::create(tx, &terms).await)
    };
    code(create(BANK, &[]), "ALREADY_EXISTS");
    code(
        create(BANK, &[("id", json!("L2")), ("cashToken", json!("EUR"))]),
        "BAD_ARGUMENT",
    );
    code(
        create(
            BANK,
            &[
                ("id", json!("L2")),
                ("symbol", json!("NEW")),
                ("cashToken", json!("EST")),
            ],
        ),
        "BAD_ARGUMENT",
    );
    code(
        create(BANK, &[("id", json!("L2")), ("category", json!("Series B"))]),
        "BAD_ARGUMENT",
    );
    code(create("OtherMSP", &[("id", json!("L2"))]), "BAD_ARGUMENT");
    code(
        create(BANK, &[("id", json!("L2")), ("colour", json!("red"))]),
        "BAD_JSON",
    );
    create(BANK, &[("id", json!("L2"))]).unwrap();
}

#[test]
fn a_listing_is_closed_by_its_seller_or_after_its_time_and_withdrawn_before_the_freeze() {
    let mut world = World::listed();
    let id = listing("Estatia");
    code(
        world.call(A, async |tx| listings::close(tx, &id).await),
        "NOT_YET",
    );
    code(
        world.call(A, async |tx| listings::withdraw(tx, &id).await),
        "WRONG_ROLE",
    );
    code(
        world.call(A, async |tx| clearing::freeze(tx, &id).await),
        "WRONG_STATE",
    );
    world.clock = at("2027-03-01T17:00:00Z");
    world
        .call(CENTRAL, async |tx| listings::close(tx, &id).await)
        .unwrap();
    code(
        world.call(BANK, async |tx| listings::close(tx, &id).await),
        "WRONG_STATE",
    );
    world
        .call(CENTRAL, async |tx| clearing::freeze(tx, &id).await)
        .unwrap();
    code(
        world.call(BANK, async |tx| listings::withdraw(tx, &id).await),
        "WRONG_STATE",
    );
}

#[test]
fn a_freeze_needs_every_participants_sidecar() {
    let mut world = World::new();
    world
        .call(CENTRAL, async |tx| {
            tokens::create(tx, symbol("USD"), "US dollar", 2).await
        })
        .unwrap();
    let terms = proposal().to_string();
    world
        .call(BANK, async |tx| listings::create(tx, &terms).await)
        .unwrap();
    world
        .call(BANK, async |tx| listings::close(tx, &listing("Estatia")).await)
        .unwrap();
    let answer = world.call(BANK, async |tx| clearing::freeze(tx, &listing("Estatia")).await);
    let message = code(answer, "NOT_FOUND");
    assert!(message.contains("sidecar BrokerAMSP"), "{message}");
}

#[test]
fn a_sale_waits_for_the_own_sidecar_and_says_for_whom() {
    let mut world = World::listed();
    world.place(A, "a1", &[(700, 1_000)]);
    let session_id = world.freeze();
    let mut sell = |caller: &str, sidecar: &Told| {
        world.call(caller, async |tx| {
            clearing::sell(tx, sidecar, &msp(B), &listing("Estatia")).await
        })
    };
    let status = |state: State| proto::StatusResponse {
        state: state.into(),
        waiting_for: vec!["USBankMSP".to_owned()],
        attempts: 2,
        max_attempts: 3,
        last_error: "a wrong message".to_owned(),
        suspects: vec!["BrokerAMSP".to_owned()],
    };
    let down = Told {
        down: true,
        ..Told::default()
    };
    let message = code(sell(A, &down), "CLEARING_PENDING");
    assert!(
        message.starts_with("clearing pending: the sidecar of BrokerBMSP: it does not answer"),
        "{message}"
    );
    let message = code(
        sell(A, &Told::pending(status(State::Waiting))),
        "CLEARING_PENDING",
    );
    assert!(message.starts_with("clearing pending: USBankMSP: "), "{message}");
    let message = code(
        sell(A, &Told::pending(status(State::NotJoined))),
        "CLEARING_PENDING",
    );
    assert!(
        message.starts_with("clearing pending: BrokerBMSP: it has not joined"),
        "{message}"
    );
    code(
        sell(A, &Told::pending(status(State::Running))),
        "CLEARING_PENDING",
    );
    let message = code(sell(A, &Told::pending(status(State::Failed))), "CLEARING_FAILED");
    assert!(
        message.starts_with("clearing failed: BrokerAMSP: a wrong message"),
        "{message}"
    );
    code(
        sell(A, &Told::outcome(vec![0; 32], 700, [1_000, 0, 0])),
        "INCONSISTENT_OUTCOME",
    );
    code(
        sell(A, &Told::outcome(session_id.clone(), 750, [1_000, 0, 0])),
        "INCONSISTENT_OUTCOME",
    );
    code(
        sell(CENTRAL, &Told::outcome(session_id.clone(), 700, [1_000, 0, 0])),
        "WRONG_ROLE",
    );
    sell(A, &Told::outcome(session_id.clone(), 700, [1_000, 0, 0])).unwrap();
    code(
        sell(A, &Told::outcome(session_id, 700, [1_000, 0, 0])),
        "WRONG_STATE",
    );
    let endorsed_by_central = world.call(A, async |tx| {
        clearing::sell(tx, &down, &msp(CENTRAL), &listing("Estatia")).await
    });
    let message = code(endorsed_by_central, "WRONG_ENDORSER");
    let takes_part = "allowed: the peers of BrokerAMSP, BrokerBMSP, USBankMSP, and no others";
    assert!(message.ends_with(takes_part), "{message}");
}

/// An organisation that was caught is named to the other's own users, with the check that caught it.
#[test]
fn clearing_status_says_whom_the_own_sidecar_suspects_and_why() {
    let mut world = World::listed();
    world.place(A, "a1", &[(700, 1_000)]);
    let session_id = hex::encode(world.freeze());
    let why = "attempt 2: 'BrokerBMSP' did not show that it computes on its frozen book: party 1: check 'parity' \
               failed in round 0, repetition 3";
    let sidecar = Told::pending(proto::StatusResponse {
        state: State::Waiting.into(),
        waiting_for: vec!["USBankMSP".to_owned()],
        attempts: 2,
        max_attempts: 3,
        last_error: why.to_owned(),
        suspects: vec!["BrokerBMSP".to_owned()],
    });
    let told = world
        .call(A, async |tx| {
            clearing::status(tx, &sidecar, &listing("Estatia")).await
        })
        .unwrap();
    assert_eq!(
        serde_json::to_value(told).unwrap(),
        json!({
            "listing": "Estatia",
            "sessionId": session_id,
            "state": "waiting",
            "waitingFor": ["USBankMSP"],
            "attempts": 2,
            "maxAttempts": 3,
            "lastError": why,
            "suspects": ["BrokerBMSP"],
        })
    );
}

#[test]
fn clearing_is_for_participants_of_a_frozen_listing() {
    let mut world = World::listed();
    let id = listing("Estatia");
    let sidecar = Told::default();
    code(
        world.call(A, async |tx| clearing::join(tx, &sidecar, &id).await),
        "WRONG_STATE",
    );
    code(
        world.call(A, async |tx| clearing::status(tx, &sidecar, &id).await),
        "WRONG_STATE",
    );
    world.freeze();
    code(
        world.call(CENTRAL, async |tx| clearing::join(tx, &sidecar, &id).await),
        "WRONG_ROLE",
    );
    code(
        world.call(CENTRAL, async |tx| clearing::status(tx, &sidecar, &id).await),
        "WRONG_ROLE",
    );
    let down = Told {
        down: true,
        ..Told::default()
    };
    code(
        world.call(A, async |tx| clearing::join(tx, &down, &id).await),
        "CLEARING_PENDING",
    );
    code(
        world.call(A, async |tx| clearing::status(tx, &down, &id).await),
        "CLEARING_PENDING",
    );
}

#[test]
fn nobody_spends_what_is_not_his_or_spent() {
    let mut world = World::listed();
    let coin = world.mint(A, 100);
    let pay = |owner: &str, amount| {
        vec![Output {
            owner: msp(owner),
            amount,
        }]
    };
    let mut transfer = |caller: &str, coin: &CoinId, outputs: Vec<Output>| {
        world.call(caller, async |tx| {
            tokens::transfer(tx, &symbol("USD"), std::slice::from_ref(coin), &outputs).await
        })
    };
    code(transfer(B, &coin, pay(B, 100)), "NOT_UNSPENT");
    code(transfer(A, &coin, pay(B, 101)), "UNEQUAL_SUMS");
    code(transfer(A, &coin, pay(B, 99)), "UNEQUAL_SUMS");
    code(transfer(A, &coin, pay(B, 0)), "BAD_ARGUMENT");
    code(transfer(A, &coin, Vec::new()), "BAD_ARGUMENT");
    transfer(A, &coin, pay(B, 100)).unwrap();
    code(transfer(A, &coin, pay(B, 100)), "NOT_UNSPENT");
    let twice = world.mint(A, 50);
    let answer = world.call(A, async |tx| {
        tokens::transfer(tx, &symbol("USD"), &[twice.clone(), twice], &pay(A, 100)).await
    });
    code(answer, "BAD_ARGUMENT");
}

#[test]
fn only_its_issuer_mints_and_burns_cash_and_nobody_shares() {
    let mut world = World::listed();
    let usd = symbol("USD");
    code(
        world.call(A, async |tx| tokens::mint(tx, &usd, &msp(A), 1).await),
        "WRONG_ROLE",
    );
    code(
        world.call(BANK, async |tx| {
            tokens::mint(tx, &symbol("EST"), &msp(BANK), 1).await
        }),
        "WRONG_ROLE",
    );
    code(
        world.call(CENTRAL, async |tx| tokens::mint(tx, &usd, &msp(A), 0).await),
        "BAD_ARGUMENT",
    );
    code(
        world.call(CENTRAL, async |tx| tokens::mint(tx, &usd, &msp(A), 1 << 53).await),
        "BAD_ARGUMENT",
    );
    code(
        world.call(CENTRAL, async |tx| {
            tokens::mint(tx, &symbol("EUR"), &msp(A), 1).await
        }),
        "NOT_FOUND",
    );
    code(
        world.call(A, async |tx| tokens::create(tx, symbol("USD"), "mine", 2).await),
        "ALREADY_EXISTS",
    );
    code(
        world.call(A, async |tx| tokens::create(tx, symbol("EUR"), "", 2).await),
        "BAD_ARGUMENT",
    );
    code(
        world.call(A, async |tx| tokens::create(tx, symbol("EUR"), "Euro", 19).await),
        "BAD_ARGUMENT",
    );
    let coin = world.mint(CENTRAL, 100);
    let short = world.call(CENTRAL, async |tx| {
        tokens::burn(tx, &usd, std::slice::from_ref(&coin), 101).await
    });
    code(short, "INSUFFICIENT_INPUTS");
    world
        .call(CENTRAL, async |tx| tokens::burn(tx, &usd, &[coin], 60).await)
        .unwrap();
    assert_eq!(world.balance("USD", CENTRAL), 40);
    let supply = world
        .call(A, async |tx| tokens::total_supply(tx, &usd).await)
        .unwrap();
    assert_eq!(supply, 40);
}

#[test]
fn settlement_is_paid_once_by_the_right_broker() {
    let mut world = World::listed();
    let id = listing("Estatia");
    code(
        world.call(BANK, async |tx| settlement::settle(tx, &id, &msp(A)).await),
        "WRONG_STATE",
    );
    let coin = world.mint(A, 700_000);
    code(
        world.call(A, async |tx| {
            settlement::deposit(tx, &id, std::slice::from_ref(&coin), 700_001).await
        }),
        "INSUFFICIENT_INPUTS",
    );
    code(
        world.call(B, async |tx| {
            settlement::deposit(tx, &id, std::slice::from_ref(&coin), 1).await
        }),
        "NOT_UNSPENT",
    );
    code(
        world.call(BANK, async |tx| {
            settlement::deposit(tx, &id, std::slice::from_ref(&coin), 1).await
        }),
        "WRONG_ROLE",
    );
    world
        .call(A, async |tx| settlement::deposit(tx, &id, &[coin], 699_999).await)
        .unwrap();
    world.sell(700, [1_000, 0, 0]);
    code(
        world.call(B, async |tx| settlement::settle(tx, &id, &msp(A)).await),
        "WRONG_ROLE",
    );
    code(
        world.call(BANK, async |tx| settlement::settle(tx, &id, &msp(CENTRAL)).await),
        "WRONG_ROLE",
    );
    let message = code(
        world.call(BANK, async |tx| settlement::settle(tx, &id, &msp(A)).await),
        "INSUFFICIENT_ESCROW",
    );
    assert!(
        message.contains("699999") && message.contains("deposit 1 more"),
        "{message}"
    );
    // The change of the deposit tops it up.
    let change = world
        .call(A, async |tx| tokens::unspent(tx, &symbol("USD"), &msp(A)).await)
        .unwrap()
        .remove(0)
        .id;
    world
        .call(A, async |tx| settlement::deposit(tx, &id, &[change], 1).await)
        .unwrap();
    code(
        world.call(A, async |tx| settlement::release(tx, &id).await),
        "NOT_YET",
    );
    world
        .call(BANK, async |tx| settlement::settle(tx, &id, &msp(A)).await)
        .unwrap();
    code(
        world.call(A, async |tx| settlement::settle(tx, &id, &msp(A)).await),
        "ALREADY_SETTLED",
    );
    let more = world.mint(A, 5);
    code(
        world.call(A, async |tx| settlement::deposit(tx, &id, &[more], 5).await),
        "ALREADY_SETTLED",
    );
    world.clock = at("2027-03-04T00:00:00Z");
    code(
        world.call(BANK, async |tx| settlement::default(tx, &id, &msp(B)).await),
        "NOT_IN_DEFAULT",
    );
    code(
        world.call(BANK, async |tx| settlement::default(tx, &id, &msp(A)).await),
        "ALREADY_SETTLED",
    );
    code(
        world.call(A, async |tx| settlement::default(tx, &id, &msp(A)).await),
        "WRONG_ROLE",
    );
}
