//! One IPO from listing to settlement, and what happens when many settle at once.

use devnet::client::Start;
use devnet::config::StateDatabase;
use fabric_protos::protos::TxValidationCode;
use serde_json::{Value, json};

use super::market::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_ipo_from_listing_to_settlement() {
    let market = Market::listed().await;
    let mut events = soon(market.user(B).chaincode_events(CC, Start::Block(0)))
        .await
        .unwrap();
    market.place(A, "EST", "a1", &[(500, 1_000), (700, 600)]).await;
    let receipt = market.place(A, "EST", "a2", &[(800, 300)]).await;
    assert_eq!(
        (&receipt["status"], &receipt["msp"]),
        (&json!("submitted"), &json!(A))
    );
    market.place(B, "EST", "b1", &[(700, 400), (1000, 200)]).await;
    assert_eq!(
        market.read(A, "ReadOrder", &["EST", "a2"]).await.unwrap()["steps"],
        json!([{"price": 800, "quantity": 300}])
    );

    let (of_a, of_b) = (market.mint(A, 600_000).await, market.mint(B, 280_000).await);
    market
        .submit(A, "DepositEscrow", &["EST", &json!([of_a]).to_string(), "500000"])
        .await
        .unwrap();
    market
        .submit(B, "DepositEscrow", &["EST", &json!([of_b]).to_string(), "280000"])
        .await
        .unwrap();
    assert_eq!(
        market.query(B, "EscrowOf", &["EST", A]).await.unwrap(),
        json!(500_000)
    );

    let session_id = market.freeze("EST").await;
    let joined = market.sidecars[A].joined().unwrap();
    assert_eq!(
        (joined.openings.len(), joined.msp.as_str(), &joined.session_id),
        (2, A, &session_id)
    );
    assert_eq!(market.sidecars[BANK].joined().unwrap().openings.len(), 0);
    assert_eq!(
        market.query(A, "ClearingStatus", &["EST"]).await.unwrap()["state"],
        "running"
    );
    refused(
        market.submit(BANK, "SellListing", &["EST"]).await,
        "CLEARING_PENDING",
    );

    market.finish(&outcome(session_id, 700, 700, 300));
    let sold = market.submit(B, "SellListing", &["EST"]).await.unwrap();
    assert_eq!(
        (&sold["status"], &sold["outcome"]["clearingPrice"]),
        (&json!("sold"), &json!(700))
    );

    let record = call("RecordAllocations", &["EST", r#"["a1","a2"]"#]).organisations(&[A]);
    market.run(A, &record).await.unwrap();
    for (id, quantity) in [("a1", 400), ("a2", 300)] {
        assert_eq!(
            market.read(A, "ReadAllocation", &["EST", id]).await.unwrap()["quantity"],
            json!(quantity)
        );
    }

    market.submit(BANK, "Settle", &["EST", A]).await.unwrap();
    market.submit(B, "Settle", &["EST", B]).await.unwrap();
    assert_eq!(
        (market.balance("EST", A).await, market.balance("EST", B).await),
        (700, 300)
    );
    assert_eq!(
        (market.balance("USD", A).await, market.balance("USD", B).await),
        (110_000, 70_000)
    );
    assert_eq!(market.balance("USD", BANK).await, 700_000);
    refused(
        market.submit(BANK, "Settle", &["EST", A]).await,
        "already settled",
    );

    let view = market.query(A, "ReadListing", &["EST"]).await.unwrap();
    assert_eq!(
        (&view["settled"], &view["treasury"], &view["orders"]),
        (&json!(true), &json!(0), &json!(3))
    );
    let table = market
        .query(B, "QueryListings", &[r#"{"status":"sold"}"#, "10", ""])
        .await
        .unwrap();
    assert_eq!(table["listings"][0], view);
    let history = market.query(A, "ListingHistory", &["EST"]).await.unwrap();
    let mut states: Vec<_> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["listing"]["status"].clone())
        .collect();
    states.reverse();
    assert_eq!(states, ["available", "closed", "frozen", "sold"]);
    let purge = call("PurgeOrders", &["EST", r#"["a1","a2"]"#]).organisations(&[A]);
    market.run(A, &purge).await.unwrap();
    refused(market.read(A, "ReadOrder", &["EST", "a1"]).await, "NOT_FOUND");

    let mut names = Vec::new();
    while names.last().map(String::as_str) != Some("Settled")
        || names.iter().filter(|name| *name == "Settled").count() < 2
    {
        let (_, event) = soon(events.next()).await.unwrap().unwrap();
        let payload: Value = json_of(&event.payload);
        assert_eq!(payload["version"], 1);
        names.push(event.event_name);
    }
    let expected = [
        "SidecarRegistered",
        "SidecarRegistered",
        "SidecarRegistered",
        "TokenCreated",
        "ListingCreated",
        "OrderSubmitted",
        "OrderSubmitted",
        "OrderSubmitted",
        "Transfer",
        "Transfer",
        "EscrowDeposited",
        "EscrowDeposited",
        "ListingClosed",
        "BooksFrozen",
        "ListingSold",
        "Settled",
        "Settled",
    ];
    assert_eq!(names, expected);
    soon(market.network.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settlements_deposits_mints_and_transfers_of_different_owners_in_one_block_are_all_valid() {
    let market = Market::listed().await;
    market.place(A, "EST", "a1", &[(700, 700)]).await;
    market.place(B, "EST", "b1", &[(700, 300)]).await;
    market
        .submit(BANK, "CreateListing", &[&terms("LNG").to_string()])
        .await
        .unwrap();
    for (msp, amount) in [(A, "490000"), (B, "210000")] {
        let coin = market.mint(msp, 490_000).await;
        market
            .submit(msp, "DepositEscrow", &["EST", &json!([coin]).to_string(), amount])
            .await
            .unwrap();
    }
    let (of_a, of_b) = (market.mint(A, 10).await, market.mint(B, 10).await);
    let session_id = market.freeze("EST").await;
    market.finish(&outcome(session_id, 700, 700, 300));
    market.submit(A, "SellListing", &["EST"]).await.unwrap();
    let pay = json!([{"owner": BANK, "amount": 10}]).to_string();
    let calls = [
        (A, call("Settle", &["EST", A])),
        (BANK, call("Settle", &["EST", B])),
        (
            A,
            call("DepositEscrow", &["LNG", &json!([of_a]).to_string(), "10"]),
        ),
        (
            B,
            call("token:Transfer", &["USD", &json!([of_b]).to_string(), &pay]),
        ),
        (BANK, call("token:Mint", &["USD", A, "5"])),
        (BANK, call("token:Mint", &["USD", A, "5"])),
    ];
    let mut endorsed = Vec::new();
    for (msp, call) in &calls {
        endorsed.push((msp, soon(market.user(msp).endorse(call)).await.unwrap()));
    }
    for (msp, transaction) in &endorsed {
        soon(market.user(msp).submit(transaction)).await.unwrap();
    }
    for (msp, transaction) in &endorsed {
        let status = soon(market.user(msp).commit_status(&transaction.tx_id))
            .await
            .unwrap();
        assert_eq!(status.code, TxValidationCode::Valid);
    }
    soon(market.network.shutdown()).await;
}

/// There a page never has an empty bookmark, so whoever waits for one waits for ever.
#[tokio::test(flavor = "multi_thread")]
async fn listings_tokens_and_orders_are_paged_to_their_end_on_couchdb() {
    let market = Market::open_with(|config| config.state_database = StateDatabase::CouchDb).await;
    for id in ["EST", "FIR", "OAK"] {
        let terms = terms(id).to_string();
        market.submit(BANK, "CreateListing", &[&terms]).await.unwrap();
    }
    market.place(A, "EST", "a1", &[(700, 100)]).await;
    let everything = r#"{"category": "Series A"}"#;
    for (filter, size, found, has_more) in [
        (everything, "10", 3, false),
        (everything, "3", 3, false),
        (everything, "2", 2, true),
        (r#"{"symbol": "OAK"}"#, "1", 1, false),
        (r#"{"symbol": "YEW"}"#, "1", 0, false),
    ] {
        let page = market
            .query(B, "QueryListings", &[filter, size, ""])
            .await
            .unwrap();
        assert_eq!(
            page["listings"].as_array().unwrap().len(),
            found,
            "{filter} {size}"
        );
        assert_eq!(page["bookmark"] != "", has_more, "{filter} {size}");
    }
    let records = ["EST", A, "1", ""];
    for (function, arguments) in [
        ("QueryOrderRecordsWithPagination", records.as_slice()),
        ("token:QueryTokens", &["10", ""]),
    ] {
        let page = market.query(B, function, arguments).await.unwrap();
        assert_eq!(page["bookmark"], "", "{function}: {page}");
    }
    soon(market.network.shutdown()).await;
}

/// A range ends silently at a peer's own limit; with the freeze endorsed by all, a shorter one would stop every sale.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_whose_ranges_end_early_freezes_the_same_books() {
    let market = Market::open_with(|config| config.organisations[1].total_query_limit = Some(600)).await;
    market
        .submit(BANK, "CreateListing", &[&terms("EST").to_string()])
        .await
        .unwrap();
    let orders: Vec<_> = (0..700)
        .map(|place| {
            let id = format!("n{place:03}");
            let mut order = order(&id, &[(700, 10)]);
            order["id"] = json!(id);
            order
        })
        .collect();
    let create = call("CreateOrders", &["EST"])
        .transient("orders", json!(orders).to_string())
        .organisations(&[A]);
    let created = json_of(&market.run(A, &create).await.unwrap().result).to_string();
    market
        .submit(A, "SubmitOrders", &["EST", &created])
        .await
        .unwrap();
    market.freeze("EST").await;
    for msp in ORGS {
        let view = market.query(msp, "ReadListing", &["EST"]).await.unwrap();
        assert_eq!(view["orders"], 700, "{msp}");
    }
    assert_eq!(market.sidecars[A].joined().unwrap().openings.len(), 700);
    soon(market.network.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_spend_one_coin_or_settle_one_allocation_one_counts_and_a_replay_does_not() {
    let market = Market::listed().await;
    let coin = json!([market.mint(A, 100).await]).to_string();
    let pay = |owner: &str| json!([{"owner": owner, "amount": 100}]).to_string();
    let first = soon(
        market
            .user(A)
            .endorse(&call("token:Transfer", &["USD", &coin, &pay(B)])),
    )
    .await
    .unwrap();
    let second = soon(
        market
            .user(A)
            .endorse(&call("token:Transfer", &["USD", &coin, &pay(BANK)])),
    )
    .await
    .unwrap();
    let mut codes = Vec::new();
    for transaction in [&first, &second] {
        soon(market.user(A).submit(transaction)).await.unwrap();
        codes.push(
            soon(market.user(A).commit_status(&transaction.tx_id))
                .await
                .unwrap()
                .code,
        );
    }
    assert_eq!(
        codes,
        [TxValidationCode::Valid, TxValidationCode::MvccReadConflict]
    );
    refused(
        market.submit(A, "token:Transfer", &["USD", &coin, &pay(B)]).await,
        "NOT_UNSPENT",
    );

    // The same envelope again: it is ordered, and counts for nothing.
    let height = market
        .network
        .peer(&market.network.gateways()[1].peer)
        .unwrap()
        .height();
    soon(market.user(A).submit(&first)).await.unwrap();
    let peer = market.network.peer(&market.network.gateways()[1].peer).unwrap();
    soon(peer.wait_for_height(height + 1)).await;
    let last = peer.blocks().pop().unwrap();
    assert_eq!(last.transactions[0].code, TxValidationCode::DuplicateTxid);
    assert_eq!(
        (market.balance("USD", A).await, market.balance("USD", B).await),
        (0, 100)
    );
    soon(market.network.shutdown()).await;
}
