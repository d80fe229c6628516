//! Allocations, shares against cash, receipts; and a listing that is withdrawn.

use super::{A, B, EVERYBODY, SELLER, coins};
use crate::ipo::floor::{Floor, call, private};

pub(crate) async fn play(floor: &mut Floor) {
    let record = |by, ids: &str| private(by, call("RecordAllocations", &["homes", ids]));
    floor
        .submit("RecordAllocations of some", B, record(B, r#"["b1"]"#))
        .await;
    floor
        .submit("RecordAllocations", B, record(B, r#"["b1","b2"]"#))
        .await;
    floor.submit("RecordAllocations", A, record(A, r#"["a2"]"#)).await;
    for (by, id) in [(A, "a2"), (B, "b1"), (B, "b2"), (B, "late")] {
        let own = call("ReadAllocation", &["homes", id]);
        floor.query_sealed("ReadAllocation", by, own).await;
    }
    floor
        .query_sealed("ExportBook", B, call("ExportBook", &["homes", "10", ""]))
        .await;

    let settle = |msp: &str| call("Settle", &["homes", msp]);
    floor.submit("Settle of another's", A, settle("BrokerBMSP")).await;
    floor
        .submit("Settle with too little in escrow", SELLER, settle("BrokerAMSP"))
        .await;
    floor
        .submit(
            "Default before the deadline",
            SELLER,
            call("Default", &["homes", "BrokerAMSP"]),
        )
        .await;
    let purge = || private(A, call("PurgeOrders", &["homes", r#"["a1","a3"]"#]));
    floor.submit("PurgeOrders before settlement", A, purge()).await;
    floor
        .together(
            "Settle by both sides at once",
            vec![(B, settle("BrokerBMSP")), (SELLER, settle("BrokerBMSP"))],
        )
        .await;
    floor.submit("Settle again", B, settle("BrokerBMSP")).await;

    let held = floor
        .query_set("Tokens", A, call("token:Tokens", &["USD", "BrokerAMSP"]))
        .await;
    let deposit = |amount: u64, of: &str| call("DepositEscrow", &["homes", &coins(&held, amount), of]);
    floor
        .submit("DepositEscrow", A, deposit(2_000_000, "360000"))
        .await;
    floor
        .together(
            "a deposit, then Settle, which ranged over deposits",
            vec![(A, deposit(600, "600")), (SELLER, settle("BrokerAMSP"))],
        )
        .await;
    floor.submit("Settle", SELLER, settle("BrokerAMSP")).await;
    floor
        .submit("ReleaseEscrow of nothing", A, call("ReleaseEscrow", &["homes"]))
        .await;
    for by in EVERYBODY {
        for symbol in ["USD", "HOME"] {
            let own = call("token:BalanceOf", &[symbol, by.0.msp]);
            floor.query("BalanceOf", by, own).await;
            let all = call("token:TotalSupply", &[symbol]);
            floor.query("TotalSupply", by, all).await;
            let owned = call("token:Tokens", &[symbol, by.0.msp]);
            floor.query_set("Tokens", by, owned).await;
        }
        for broker in ["BrokerAMSP", "BrokerBMSP"] {
            let settled = call("ReadSettlement", &["homes", broker]);
            floor.query("ReadSettlement", by, settled).await;
        }
        floor
            .query("ReadListing", by, call("ReadListing", &["homes"]))
            .await;
    }
    floor.submit("PurgeOrders", A, purge()).await;
    floor
        .query_sealed(
            "ReadOrder after the purge",
            A,
            call("ReadOrder", &["homes", "a1"]),
        )
        .await;

    let withdraw = || call("WithdrawListing", &["shops"]);
    floor.submit("WithdrawListing by a broker", B, withdraw()).await;
    floor
        .submit("ReleaseEscrow too early", B, call("ReleaseEscrow", &["shops"]))
        .await;
    floor.submit("WithdrawListing", SELLER, withdraw()).await;
    floor.submit("WithdrawListing again", SELLER, withdraw()).await;
    floor
        .submit("ReleaseEscrow", B, call("ReleaseEscrow", &["shops"]))
        .await;
    floor
        .submit("ReleaseEscrow again", B, call("ReleaseEscrow", &["shops"]))
        .await;
}
