//! Every refusal that a client can run into, through the Gateway.

use devnet::client::Call;
use fabric_protos::protos::TxValidationCode;
use serde_json::{Value, json};

use super::market::*;

#[tokio::test(flavor = "multi_thread")]
async fn each_wrong_order_has_its_own_error() {
    let market = Market::listed().await;
    let good = order("a1", &[(700, 100)]);
    let create = async |msp: &str, id: &str, order: &Value| market.create_order(msp, "EST", id, order).await;
    let commitment = create(A, "a1", &good).await.unwrap();

    // Whoever lost the answer asks again, and gets the same one.
    assert_eq!(create(A, "a1", &good).await.unwrap(), commitment);
    let other = order("a1", &[(800, 100)]);
    let message = refused(create(A, "a1", &other).await, "DUPLICATE_ORDER");
    assert!(message.contains("orderId") && message.contains("a1"), "{message}");
    let message = refused(
        create(A, "a2", &order("a2", &[(750, 100)])).await,
        "OFF_GRID_PRICE",
    );
    assert!(
        message.contains("order.steps[0].price")
            && message.contains("500 to 1000")
            && !message.contains("750"),
        "{message}"
    );
    let message = refused(
        create(A, "a2", &order("a2", &[(600, 100), (700, 110)])).await,
        "RISING_SCHEDULE",
    );
    assert!(
        message.contains("order.steps[1].quantity") && !message.contains("110"),
        "{message}"
    );
    refused(
        create(A, "a2", &order("a2", &[(700, 105)])).await,
        "multiple of lotSize (10)",
    );
    refused(
        create(A, "a2", &order("a2", &[(700, 1_010)])).await,
        "at most maxOrder (1000)",
    );
    let mut unsalted = good.clone();
    unsalted.as_object_mut().unwrap().remove("salt");
    refused(create(A, "a2", &unsalted).await, "MISSING_SALT");
    let mut coloured = good.clone();
    coloured["colour"] = json!("Ann");
    refused(create(A, "a2", &coloured).await, "unknown field `colour`");
    refused(create(A, "a 2", &good).await, "orderId");
    refused(market.create_order(A, "Nowhere", "a2", &good).await, "NOT_FOUND");
    refused(create(BANK, "x", &good).await, "WRONG_ROLE");
    refused(
        market
            .run(A, &call("CreateOrder", &["EST", "a2"]).organisations(&[A]))
            .await,
        "MISSING_TRANSIENT",
    );

    let message = refused(
        market.submit(A, "SubmitOrder", &["EST", "a3", &commitment]).await,
        "ORDER_HASH_NOT_YET_COMMITTED",
    );
    assert!(message.contains("ORDER_HASH_NOT_YET_COMMITTED"), "{message}");
    refused(
        market.submit(A, "SubmitOrder", &["EST", "a1", "00"]).await,
        "commitment",
    );
    refused(
        market.submit(B, "SubmitOrder", &["EST", "a1", &commitment]).await,
        "ORDER_HASH_NOT_YET_COMMITTED",
    );
    market
        .submit(A, "SubmitOrder", &["EST", "a1", &commitment])
        .await
        .unwrap();
    refused(
        market.submit(A, "SubmitOrder", &["EST", "a1", &commitment]).await,
        "DUPLICATE_ORDER",
    );
    refused(market.submit(A, "CancelOrder", &["EST", "a9"]).await, "NOT_FOUND");

    refused(market.query(A, "Nothing", &[]).await, "no function \"Nothing\"");
    refused(market.query(A, "bond:Read", &[]).await, "no contract \"bond\"");
    refused(market.query(A, "ReadListing", &[]).await, "takes 1 argument");
    soon(market.network.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_is_the_transactions_within_the_endorsers_skew() {
    let market = Market::open().await;
    let mut soon_over = terms("EST");
    // Within the skew, a timestamp may lie on either side of these.
    soon_over["closesAt"] = json!(in_seconds(45));
    soon_over["settlementDeadline"] = json!(in_seconds(50));
    market
        .submit(BANK, "CreateListing", &[&soon_over.to_string()])
        .await
        .unwrap();
    let create = |id: &str, at: i64| {
        let order = order(id, &[(700, 100)]).to_string();
        call("CreateOrder", &["EST", id])
            .transient("order", order)
            .organisations(&[A])
            .timestamp(at)
    };
    market.run(A, &create("a1", now() - 30)).await.unwrap();
    refused(market.run(A, &create("a2", now() + 48)).await, "TOO_LATE");
    for wrong in [3_600, -3_600, 31_536_000, -31_536_000] {
        let message = refused(market.run(A, &create("a3", now() + wrong)).await, "CLOCK_SKEW");
        assert!(message.contains("IPO_MAX_SKEW"), "{message}");
    }
    // Somebody else than the seller may close once the time has come, and not before.
    let close = |at: i64| call("CloseListing", &["EST"]).timestamp(at);
    refused(market.run(B, &close(now() - 30)).await, "NOT_YET");
    market.run(B, &close(now() + 48)).await.unwrap();
    let release = |at: i64| call("ReleaseEscrow", &["EST"]).timestamp(at);
    refused(market.run(A, &release(now() - 30)).await, "NOT_YET");
    refused(market.run(A, &release(now() + 55)).await, "NOTHING_IN_ESCROW");
    soon(market.network.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_wrong_caller_or_state_is_refused() {
    let market = Market::listed().await;
    let not_admin = call("RegisterSidecar", &["localhost:7009", &hex::encode([9; 32]), ""]);
    refused(market.run(A, &not_admin).await, "WRONG_ROLE");
    refused(
        market
            .submit(BANK, "CreateListing", &[&terms("EST").to_string()])
            .await,
        "ALREADY_EXISTS",
    );
    refused(
        market.submit(BANK, "CreateListing", &["{}"]).await,
        "missing field `id`",
    );
    refused(market.submit(A, "WithdrawListing", &["EST"]).await, "WRONG_ROLE");
    refused(market.submit(A, "CloseListing", &["EST"]).await, "NOT_YET");
    refused(market.submit(A, "FreezeBooks", &["EST"]).await, "WRONG_STATE");
    refused(market.submit(A, "SellListing", &["EST"]).await, "WRONG_STATE");
    refused(market.submit(A, "Settle", &["EST", A]).await, "WRONG_STATE");
    refused(market.query(A, "JoinClearing", &["EST"]).await, "WRONG_STATE");
    refused(
        market
            .submit(BANK, "DepositEscrow", &["EST", r#"["ab.0"]"#, "1"])
            .await,
        "WRONG_ROLE",
    );
    refused(
        market
            .submit(A, "DepositEscrow", &["EST", r#"["ab.0"]"#, "1"])
            .await,
        "NOT_UNSPENT",
    );
    refused(
        market
            .submit(A, "DepositEscrow", &["EST", r#"["ab"]"#, "1"])
            .await,
        "transaction.index",
    );
    refused(
        market.submit(A, "DepositEscrow", &["EST", "[]", "-1"]).await,
        "amount",
    );
    refused(
        market.submit(A, "token:Mint", &["USD", A, "1"]).await,
        "WRONG_ROLE",
    );
    refused(
        market.submit(BANK, "token:Mint", &["EST", BANK, "1"]).await,
        "settlement alone",
    );
    refused(
        market
            .submit(BANK, "token:Mint", &["USD", A, "9007199254740992"])
            .await,
        "BAD_ARGUMENT",
    );
    refused(
        market.submit(A, "token:CreateToken", &["USD", "mine", "2"]).await,
        "ALREADY_EXISTS",
    );
    let coin = json!([market.mint(A, 100).await]).to_string();
    let pay = |amount: u64| json!([{"owner": B, "amount": amount}]).to_string();
    refused(
        market
            .submit(B, "token:Transfer", &["USD", &coin, &pay(100)])
            .await,
        "NOT_UNSPENT",
    );
    refused(
        market
            .submit(A, "token:Transfer", &["USD", &coin, &pay(101)])
            .await,
        "UNEQUAL_SUMS",
    );

    market.freeze("EST").await;
    refused(
        market.submit(BANK, "WithdrawListing", &["EST"]).await,
        "WRONG_STATE",
    );
    let late = market
        .create_order(A, "EST", "a1", &order("a1", &[(700, 100)]))
        .await;
    refused(late, "WRONG_STATE");
    let metadata = market
        .query(A, "org.hyperledger.fabric:GetMetadata", &[])
        .await
        .unwrap();
    assert!(
        metadata["contracts"]["ipo"]["transactions"]
            .as_array()
            .unwrap()
            .len()
            > 25
    );
    assert!(
        metadata["contracts"]["token"]["transactions"]
            .as_array()
            .unwrap()
            .len()
            > 8
    );
    soon(market.network.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_changes_with_all_its_participants_and_in_order() {
    let market = Market::listed().await;
    // The key's own policy asks for all three, whoever else would do.
    let two = |call: Call| call.organisations(&[BANK, A]);
    let code = invalid(market.run(BANK, &two(call("CloseListing", &["EST"]))).await);
    assert_eq!(code, TxValidationCode::EndorsementPolicyFailure);
    // An order endorsed before the close and ordered after it.
    let commitment = market
        .create_order(A, "EST", "a1", &order("a1", &[(700, 100)]))
        .await
        .unwrap();
    let late = soon(
        market
            .user(A)
            .endorse(&call("SubmitOrder", &["EST", "a1", &commitment])),
    )
    .await
    .unwrap();
    market.submit(BANK, "CloseListing", &["EST"]).await.unwrap();
    soon(market.user(A).submit(&late)).await.unwrap();
    let status = soon(market.user(A).commit_status(&late.tx_id)).await.unwrap();
    assert_eq!(status.code, TxValidationCode::MvccReadConflict);
    market.submit(BANK, "WithdrawListing", &["EST"]).await.unwrap();
    refused(market.submit(A, "FreezeBooks", &["EST"]).await, "WRONG_STATE");
    soon(market.network.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_is_silent_or_disagrees_holds_up_the_sale_and_nothing_is_lost() {
    let market = Market::listed().await;
    market.place(A, "EST", "a1", &[(700, 1_000)]).await;
    let session_id = market.freeze("EST").await;
    market.finish(&outcome(session_id.clone(), 700, 1_000, 0));
    market.sidecars[B].fall_silent();
    let message = refused(
        market.submit(A, "SellListing", &["EST"]).await,
        "clearing pending: the sidecar of BrokerBMSP",
    );
    assert!(message.contains("no answer within"), "{message}");
    refused(
        market.query(B, "JoinClearing", &["EST"]).await,
        "clearing pending",
    );
    market.sidecars[B].speak();
    market.sidecars[B].finish(outcome(session_id.clone(), 600, 1_000, 0));
    refused(
        market.submit(A, "SellListing", &["EST"]).await,
        "ProposalResponsePayloads do not match",
    );
    market.sidecars[B].finish(outcome(vec![1; 32], 700, 1_000, 0));
    refused(
        market.submit(A, "SellListing", &["EST"]).await,
        "INCONSISTENT_OUTCOME",
    );
    assert_eq!(
        market.query(A, "ReadListing", &["EST"]).await.unwrap()["status"],
        "frozen"
    );
    market.sidecars[B].finish(outcome(session_id, 700, 1_000, 0));
    market.submit(A, "SellListing", &["EST"]).await.unwrap();
    soon(market.network.shutdown()).await;
}
