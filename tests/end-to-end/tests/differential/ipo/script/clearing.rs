//! From the freeze to the sale, with the sidecars computing.

use serde_json::json;

use super::{A, B, EVERYBODY, SELLER, order};
use crate::ipo::floor::{Floor, call, private};

pub(crate) async fn play(floor: &mut Floor) {
    let join = || call("JoinClearing", &["homes"]);
    floor.query("JoinClearing before the freeze", A, join()).await;
    floor
        .query(
            "ClearingStatus before the freeze",
            A,
            call("ClearingStatus", &["homes"]),
        )
        .await;
    let sell = || call("SellListing", &["homes"]);
    floor
        .submit("SellListing before the freeze", SELLER, sell())
        .await;
    floor
        .submit("FreezeBooks", A, call("FreezeBooks", &["homes"]))
        .await;
    floor
        .submit("FreezeBooks again", SELLER, call("FreezeBooks", &["homes"]))
        .await;
    floor
        .submit(
            "WithdrawListing after the freeze",
            SELLER,
            call("WithdrawListing", &["homes"]),
        )
        .await;
    let cancel = call("CancelOrder", &["homes", "a2"]);
    floor.submit("CancelOrder after the freeze", A, cancel).await;

    // Until all have handed over there is no outcome, and nobody computes.
    // The sidecars try each other meanwhile, and it is chance whether they have.
    let tried = ["lastError"];
    floor.join("JoinClearing", SELLER, join(), &tried).await;
    floor
        .submit("SellListing before the outcome", SELLER, sell())
        .await;
    floor.join("JoinClearing", B, join(), &tried).await;
    floor
        .query_at("JoinClearing at another's peer", B, A.0, join())
        .await;
    let altered = json!([{"id": "a2", "investor": "x", "steps": [{"price": 500, "quantity": 100}], "salt": "11".repeat(32)}]);
    let forged = join().transient("openings", altered.to_string());
    floor.query("JoinClearing with another opening", A, forged).await;
    let mut kept = order(A, "a2", &[(500, 10_000), (700, 6000)]);
    kept["id"] = json!("a2");
    let restore = private(A, call("RestoreOrders", &["homes", r#"["a2"]"#]));
    let restore = restore.transient("openings", json!([kept]).to_string());
    floor.submit("RestoreOrders", A, restore).await;
    let computing = ["lastError", "state", "waitingFor", "attempts"];
    floor.join("JoinClearing, the last", A, join(), &computing).await;
    for by in EVERYBODY {
        let status = call("ClearingStatus", &["homes"]).organisations(&[by.0.msp]);
        floor.until(by, &status, |status| status["state"] == "done").await;
    }

    let alone = sell().organisations(&["USBankMSP", "BrokerBMSP"]);
    floor
        .submit("SellListing without a participant", SELLER, alone)
        .await;
    floor
        .together("SellListing by two at once", vec![(SELLER, sell()), (B, sell())])
        .await;
    floor.submit("SellListing again", A, sell()).await;
    for by in EVERYBODY {
        floor
            .query("ReadListing", by, call("ReadListing", &["homes"]))
            .await;
    }
    floor
        .query("ListingHistory", B, call("ListingHistory", &["homes"]))
        .await;
    for (by, id) in [(A, "a2"), (A, "a3"), (B, "b2"), (B, "late")] {
        let record = call("ReadOrderRecord", &["homes", by.0.msp, id]);
        floor.query("ReadOrderRecord", by, record).await;
    }
}
