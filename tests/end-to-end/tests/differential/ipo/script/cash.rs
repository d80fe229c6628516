//! Sidecars, cash and the listing.

use serde_json::json;

use super::{A, B, EVERYBODY, SELLER, coins};
use crate::ipo::floor::{Floor, call};

pub(crate) async fn play(floor: &mut Floor) {
    // They were registered when the contract was deployed; again, nothing changes.
    let calls: Vec<_> = floor
        .bench
        .sidecars
        .iter()
        .map(|sidecar| (sidecar.organisation, sidecar.register()))
        .collect();
    for (organisation, register) in calls {
        let user = (organisation, "User1");
        floor
            .submit("RegisterSidecar by no administrator", user, register.clone())
            .await;
        floor
            .submit("RegisterSidecar", (organisation, "Admin"), register)
            .await;
    }
    let create = || call("token:CreateToken", &["USD", "US dollar", "2"]);
    floor.submit("CreateToken", SELLER, create()).await;
    floor.submit("CreateToken again", A, create()).await;
    let mint = |to: &str, amount: &str| call("token:Mint", &["USD", to, amount]);
    floor
        .submit("Mint by no issuer", A, mint("BrokerAMSP", "1"))
        .await;
    floor
        .together(
            "two mints",
            vec![
                (SELLER, mint("BrokerAMSP", "5000000")),
                (SELLER, mint("BrokerBMSP", "9000000")),
            ],
        )
        .await;
    floor.submit("Mint", SELLER, mint("BrokerAMSP", "700")).await;
    floor.submit("Mint", SELLER, mint("USBankMSP", "1000")).await;
    let own = call("token:Tokens", &["USD", "USBankMSP"]);
    let held = floor.query_set("Tokens", SELLER, own).await;
    let burn = call("token:Burn", &["USD", &coins(&held, 1000), "400"]);
    floor.submit("Burn", SELLER, burn).await;

    let held = floor
        .query_set("Tokens", A, call("token:Tokens", &["USD", "BrokerAMSP"]))
        .await;
    let pay = |amounts: [u64; 2]| {
        let outputs = json!([
            {"owner": "BrokerBMSP", "amount": amounts[0]},
            {"owner": "BrokerAMSP", "amount": amounts[1]},
        ]);
        call(
            "token:Transfer",
            &["USD", &coins(&held, 700), &outputs.to_string()],
        )
    };
    floor
        .submit("Transfer of another's coin", B, pay([100, 600]))
        .await;
    floor.submit("Transfer of unequal sums", A, pay([100, 601])).await;
    floor
        .together(
            "Transfer, and the same coin again",
            vec![(A, pay([100, 600])), (A, pay([200, 500]))],
        )
        .await;
    for by in EVERYBODY {
        floor
            .query("TotalSupply", by, call("token:TotalSupply", &["USD"]))
            .await;
        let own = call("token:ClientAccountBalance", &["USD"]);
        floor.query("ClientAccountBalance", by, own).await;
    }

    floor
        .submit(
            "CreateListing with a bad deadline",
            SELLER,
            listing("homes", "HOME", "2098"),
        )
        .await;
    let alone = listing("homes", "HOME", "2100").organisations(&["USBankMSP"]);
    floor
        .submit("CreateListing endorsed by the seller alone", SELLER, alone)
        .await;
    let list = || listing("homes", "HOME", "2100");
    floor
        .together("CreateListing twice", vec![(SELLER, list()), (SELLER, list())])
        .await;
    floor.submit("CreateListing again", SELLER, list()).await;
    floor
        .submit("CreateListing", SELLER, listing("shops", "SHOP", "2100"))
        .await;
    floor
        .query("ReadListing", B, call("ReadListing", &["homes"]))
        .await;
    let filter = call("QueryListings", &[r#"{"status":"available"}"#, "10", ""]);
    floor.query("QueryListings", A, filter).await;
}

/// Times that lie as far off as it takes to be the same in every run.
fn listing(id: &str, symbol: &str, deadline: &str) -> devnet::client::Call {
    let listing = json!({
        "id": id,
        "symbol": symbol,
        "category": "Series A",
        "description": "To let, run well",
        "shares": 10_000,
        "lotSize": 100,
        "price": {"min": 100, "max": 1600, "tick": 100},
        "opensAt": "2020-01-01T00:00:00Z",
        "closesAt": "2099-01-01T00:00:00Z",
        "allocation": "price-priority",
        "minSubscription": 0,
        "settlementDeadline": format!("{deadline}-01-01T00:00:00Z"),
        "cashToken": "USD",
        "brokers": ["BrokerAMSP", "BrokerBMSP"],
    });
    call("CreateListing", &[&listing.to_string()])
}
