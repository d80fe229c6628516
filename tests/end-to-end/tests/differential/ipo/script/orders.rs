//! Both brokers' orders, their escrow, and the close that one order misses.

use serde_json::{Value, json};

use super::{A, B, EVERYBODY, SELLER, coins, create, created, order, place};
use crate::ipo::floor::{Floor, call, private};

const STEPS: &[(u64, u64)] = &[(500, 9000)];

pub(crate) async fn play(floor: &mut Floor) {
    let commitment = created(floor, A, "homes", "a1", STEPS).await;
    let submit = || call("SubmitOrder", &["homes", "a1", &commitment]);
    let alone = submit().organisations(&["BrokerAMSP"]);
    floor
        .submit("SubmitOrder endorsed by its broker alone", A, alone)
        .await;
    floor
        .together("SubmitOrder twice", vec![(A, submit()), (A, submit())])
        .await;
    floor.submit("SubmitOrder again", A, submit()).await;
    floor.submit("SubmitOrder of another's order", B, submit()).await;
    let unknown = call("SubmitOrder", &["homes", "a9", &commitment]);
    floor.submit("SubmitOrder of no order", A, unknown).await;
    floor
        .submit("CreateOrder again", A, create(A, "homes", "a1", STEPS))
        .await;
    let answers = floor
        .together(
            "CreateOrder of one id twice",
            vec![
                (A, create(A, "homes", "a2", &[(500, 10_000), (700, 6000)])),
                (A, create(A, "homes", "a2", &[(500, 5000)])),
            ],
        )
        .await;
    mistakes(floor).await;
    let commitment = answers[0]["commitment"].as_str().unwrap();
    let replace = call("ReplaceOrder", &["homes", "a1", "a2", commitment]);
    floor.submit("ReplaceOrder", A, replace).await;
    place(floor, A, "homes", "a3", &[(1600, 100)]).await;
    floor
        .submit(
            "CancelOrder of another's",
            B,
            call("CancelOrder", &["homes", "a3"]),
        )
        .await;
    floor
        .submit("CancelOrder", A, call("CancelOrder", &["homes", "a3"]))
        .await;
    floor
        .submit("CancelOrder again", A, call("CancelOrder", &["homes", "a3"]))
        .await;

    let both = json!([
        with_id("b1", &[(700, 4000), (1000, 2000)]),
        with_id("b2", &[(700, 2000)])
    ]);
    let all = private(B, call("CreateOrders", &["homes"])).transient("orders", both.to_string());
    let answer = floor.submit("CreateOrders", B, all).await;
    let submit = call("SubmitOrders", &["homes", &answer.to_string()]);
    floor.submit("SubmitOrders", B, submit).await;

    for (by, order) in [(A, "a2"), (B, "b1"), (B, "a2"), (SELLER, "a2")] {
        let own = call("ReadOrder", &["homes", order]);
        floor.query_sealed("ReadOrder", by, own).await;
    }
    floor
        .query_sealed("QueryOrders", B, call("QueryOrders", &["homes"]))
        .await;
    let bare = private(A, call("ReadOrder", &["homes", "a2"]));
    floor.query("ReadOrder without a key", A, bare).await;
    for by in EVERYBODY {
        let records = call("QueryOrderRecords", &["homes", "BrokerAMSP"]);
        floor.query("QueryOrderRecords", by, records).await;
        let receipt = call("ReadOrderRecord", &["homes", "BrokerBMSP", "b2"]);
        floor.query("ReadOrderRecord", by, receipt).await;
    }
    let history = call("OrderHistory", &["homes", "BrokerAMSP", "a1"]);
    floor.query("OrderHistory", B, history).await;
    for steps in [&[(500, 10_000), (700, 6000)], &[(500, 10_000), (700, 5900)]] {
        let kept = order(A, "a2", steps).to_string();
        let check = call("CheckReceipt", &["homes", "BrokerAMSP", "a2"]).transient("order", kept);
        floor.query("CheckReceipt", A, check).await;
    }

    escrow(floor).await;
    let late = created(floor, B, "homes", "late", &[(900, 1000)]).await;
    floor
        .submit("CloseListing too early", A, call("CloseListing", &["homes"]))
        .await;
    let two = call("CloseListing", &["homes"]).organisations(&["USBankMSP", "BrokerAMSP"]);
    floor
        .submit("CloseListing without a participant", SELLER, two)
        .await;
    floor
        .together(
            "CloseListing, then an order",
            vec![
                (SELLER, call("CloseListing", &["homes"])),
                (B, call("SubmitOrder", &["homes", "late", &late])),
                (A, create(A, "homes", "never", STEPS)),
            ],
        )
        .await;
    let submit = call("SubmitOrder", &["homes", "late", &late]);
    floor.submit("SubmitOrder after the close", B, submit).await;
    floor
        .submit(
            "CreateOrder after the close",
            A,
            create(A, "homes", "never", STEPS),
        )
        .await;
}

/// What a broker's people get wrong, asked without submitting it.
async fn mistakes(floor: &mut Floor) {
    let salt = "11".repeat(32);
    for (line, order) in [
        (
            "off the grid",
            json!({"investor": "x", "steps": [{"price": 550, "quantity": 100}], "salt": salt}),
        ),
        (
            "rising",
            json!({"investor": "x", "salt": salt,
                "steps": [{"price": 500, "quantity": 100}, {"price": 600, "quantity": 200}]}),
        ),
        (
            "no lot",
            json!({"investor": "x", "steps": [{"price": 500, "quantity": 150}], "salt": salt}),
        ),
        (
            "no salt",
            json!({"investor": "x", "steps": [{"price": 500, "quantity": 100}]}),
        ),
        (
            "too much",
            json!({"investor": "x", "steps": [{"price": 500, "quantity": 20_000}], "salt": salt}),
        ),
    ] {
        let create = call("CreateOrder", &["homes", "a4"]).transient("order", order.to_string());
        floor.query(&format!("CreateOrder, {line}"), A, create).await;
    }
    floor
        .query(
            "CreateOrder, nothing sent",
            A,
            call("CreateOrder", &["homes", "a4"]),
        )
        .await;
    floor
        .query(
            "CreateOrder, by the seller",
            SELLER,
            create(SELLER, "homes", "s1", STEPS),
        )
        .await;
    floor
        .query("CreateOrder, of no listing", A, create(A, "nowhere", "a4", STEPS))
        .await;
    floor
        .query("no such function", A, call("NoSuchFunction", &["homes"]))
        .await;
    floor
        .submit(
            "no such function, submitted",
            A,
            call("NoSuchFunction", &["homes"]),
        )
        .await;
    floor
        .query("too few arguments", A, call("ReadListing", &[]))
        .await;
}

fn with_id(id: &str, steps: &[(u64, u64)]) -> Value {
    let mut order = order(B, id, steps);
    order["id"] = json!(id);
    order
}

/// What the brokers may have to pay.
async fn escrow(floor: &mut Floor) {
    let of_a = floor
        .query_set("Tokens", A, call("token:Tokens", &["USD", "BrokerAMSP"]))
        .await;
    let of_b = floor
        .query_set("Tokens", B, call("token:Tokens", &["USD", "BrokerBMSP"]))
        .await;
    let deposit = |inputs: String, amount: &str| call("DepositEscrow", &["homes", &inputs, amount]);
    floor
        .submit("DepositEscrow of too much", A, deposit(coins(&of_a, 600), "601"))
        .await;
    floor
        .together(
            "two deposits",
            vec![
                (A, deposit(coins(&of_a, 5_000_000), "3000000")),
                (B, deposit(coins(&of_b, 9_000_000), "5000000")),
            ],
        )
        .await;
    let shops = call("DepositEscrow", &["shops", &coins(&of_b, 100), "100"]);
    floor.submit("DepositEscrow", B, shops).await;
    floor
        .query("EscrowOf", SELLER, call("EscrowOf", &["homes", "BrokerAMSP"]))
        .await;
    floor
        .submit("ReleaseEscrow too early", A, call("ReleaseEscrow", &["homes"]))
        .await;
}
