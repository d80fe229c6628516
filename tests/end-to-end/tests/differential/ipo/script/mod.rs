//! The script: one IPO, step by step.

mod cash;
mod clearing;
mod orders;
mod settlement;

use devnet::client::Call;
use ipo_demo::story::{BANK, BROKER_A, BROKER_B};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    bench::{Bench, Person},
    floor::{Floor, call, private},
};

const USER: &str = "User1";
pub(crate) const SELLER: Person = (BANK, USER);
pub(crate) const A: Person = (BROKER_A, USER);
pub(crate) const B: Person = (BROKER_B, USER);
pub(crate) const EVERYBODY: [Person; 3] = [SELLER, A, B];

/// Plays all of it.
pub(crate) async fn play(bench: Bench) -> Vec<Value> {
    let mut floor = Floor::new(bench);
    cash::play(&mut floor).await;
    orders::play(&mut floor).await;
    clearing::play(&mut floor).await;
    settlement::play(&mut floor).await;
    let orders = |listing: &str, ids: &[&str], kind: &str| -> Vec<String> {
        ids.iter()
            .map(|id| format!("\0{kind}\0{listing}\0{id}\0"))
            .collect()
    };
    let of_a = [
        orders("homes", &["a1", "a2", "a3", "a4", "never"], "order"),
        orders("homes", &["a2"], "allocation"),
    ];
    let of_b = [
        orders("homes", &["b1", "b2", "late"], "order"),
        orders("homes", &["b1", "b2"], "allocation"),
    ];
    floor
        .lay_bare(&[(BROKER_A, of_a.concat()), (BROKER_B, of_b.concat())])
        .await;
    floor.finish("EscrowReleased").await
}

/// `CreateOrder` with a salt that is the same in every run.
fn create(by: Person, listing: &str, id: &str, steps: &[(u64, u64)]) -> Call {
    let order = order(by, id, steps).to_string();
    private(by, call("CreateOrder", &[listing, id])).transient("order", order)
}

fn order(by: Person, id: &str, steps: &[(u64, u64)]) -> Value {
    let salt = hex::encode(Sha256::digest(format!("salt of {id} of {}", by.0.name)));
    let steps: Vec<_> = steps
        .iter()
        .map(|(price, quantity)| json!({ "price": price, "quantity": quantity }))
        .collect();
    json!({ "investor": format!("client {id}"), "steps": steps, "salt": salt })
}

/// Creates an order and submits it.
async fn place(floor: &mut Floor, by: Person, listing: &str, id: &str, steps: &[(u64, u64)]) {
    let commitment = created(floor, by, listing, id, steps).await;
    let submit = call("SubmitOrder", &[listing, id, &commitment]);
    floor.submit("SubmitOrder", by, submit).await;
}

/// Creates an order; gives its commitment.
async fn created(floor: &mut Floor, by: Person, listing: &str, id: &str, steps: &[(u64, u64)]) -> String {
    let answer = floor
        .submit("CreateOrder", by, create(by, listing, id, steps))
        .await;
    answer["commitment"].as_str().unwrap().to_owned()
}

/// The ids of coins of an amount.
fn coins(all: &Value, amount: u64) -> String {
    let all = all.as_array().unwrap().iter();
    let ids: Vec<&Value> = all
        .filter(|coin| coin["amount"] == amount)
        .map(|coin| &coin["id"])
        .collect();
    json!(ids).to_string()
}
