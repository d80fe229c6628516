//! What another organisation can get at: nothing of an order.

use ipo_chaincode::sealed::RESPONSE_KEY;
use prost::Message;
use serde_json::json;

use super::market::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_client_at_this_peer_gets_nothing() {
    let market = Market::listed().await;
    market.place(A, "EST", "a1", &[(700, 100)]).await;
    // A client of B, connected to A's peer, asks for A's data there.
    let identity = market.user(B).identity().clone();
    let foreign = soon(market.network.client_at(A, identity)).await.unwrap();
    for call in [
        call("ReadOrder", &["EST", "a1"]),
        call("QueryOrders", &["EST"]),
        call("ReadAllocation", &["EST", "a1"]),
        call("JoinClearing", &["EST"]),
        call("ClearingStatus", &["EST"]),
        call("CreateOrder", &["EST", "b9"]).transient("order", order("b9", &[(700, 10)]).to_string()),
        call("CreateOrders", &["EST"]),
        call("RestoreOrders", &["EST", "[]"]),
        call("PurgeOrders", &["EST", "[]"]),
        call("RecordAllocations", &["EST", "[]"]),
    ] {
        let call = call.transient(RESPONSE_KEY, [1; 32]).organisations(&[A]);
        let message = refused(soon(foreign.evaluate(&call)).await, "only clients of BrokerAMSP");
        assert!(
            !message.contains("Ann") && !message.contains(&salt("a1")),
            "{message}"
        );
    }
    refused(market.query(A, "ReadOrder", &["EST", "a1"]).await, "responseKey");
    soon(market.network.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_an_order_is_in_blocks_or_in_anothers_state_even_when_a_read_is_submitted() {
    let market = Market::listed().await;
    market.place(A, "EST", "a1", &[(700, 730)]).await;
    // Reads submitted by mistake: only the answer is published, and only under the caller's key.
    for (function, arguments) in [("ReadOrder", vec!["EST", "a1"]), ("QueryOrders", vec!["EST"])] {
        let call = call(function, &arguments)
            .transient(RESPONSE_KEY, [7; 32])
            .organisations(&[A]);
        let endorsed = soon(market.user(A).endorse(&call)).await.unwrap();
        soon(market.user(A).submit(&endorsed)).await.unwrap();
        soon(market.user(A).commit_status(&endorsed.tx_id)).await.unwrap();
    }
    market.freeze("EST").await;
    let secrets: Vec<Vec<u8>> = vec![
        b"Ann Investor".to_vec(),
        salt("a1").into_bytes(),
        hex::decode(salt("a1")).unwrap(),
        b"\"quantity\":730".to_vec(),
        730u64.to_be_bytes().to_vec(),
    ];
    let found = |bytes: &[u8]| {
        secrets
            .iter()
            .position(|secret| bytes.windows(secret.len()).any(|window| window == secret))
    };
    let peer = market.network.peer(&market.network.gateways()[2].peer).unwrap();
    let blocks = peer.blocks();
    assert!(blocks.len() > 8);
    for block in blocks {
        assert_eq!(
            found(&block.block.encode_to_vec()),
            None,
            "block {}",
            block.number()
        );
    }
    for (key, entry) in peer.all_state(CC).await {
        assert_eq!(found(&entry.value), None, "{key:?}");
    }
    // The search finds what is there: the same order on its own organisation's peer.
    let own = market.network.peer(&market.network.gateways()[1].peer).unwrap();
    let key = chaincode_shim::create_composite_key("order", &["EST", "a1"]).unwrap();
    let stored = own
        .private_state(CC, "_implicit_org_BrokerAMSP", &key)
        .await
        .unwrap();
    assert!(found(&stored.value).is_some());
    assert!(
        peer.private_state(CC, "_implicit_org_BrokerAMSP", &key)
            .await
            .is_none()
    );
    assert!(
        peer.private_hash(CC, "_implicit_org_BrokerAMSP", &key)
            .await
            .is_some()
    );
    soon(market.network.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_orders_are_created_submitted_and_joined_in_few_calls() {
    let market = Market::listed().await;
    let orders: Vec<_> = (0..500)
        .map(|n| {
            let id = format!("n{n:03}");
            let mut order = order(&id, &[(500 + n % 6 * 100, 10)]);
            order["id"] = json!(id);
            order
        })
        .collect();
    let create = call("CreateOrders", &["EST"])
        .transient("orders", json!(orders).to_string())
        .organisations(&[A]);
    let created = market.run(A, &create).await.unwrap();
    let receipts = market
        .submit(
            A,
            "SubmitOrders",
            &["EST", std::str::from_utf8(&created.result).unwrap()],
        )
        .await
        .unwrap();
    assert_eq!(receipts.as_array().unwrap().len(), 500);
    market.freeze("EST").await;
    assert_eq!(market.sidecars[A].joined().unwrap().openings.len(), 500);
    let own = market.read(A, "QueryOrders", &["EST"]).await.unwrap();
    assert_eq!(own.as_array().unwrap().len(), 500);
    soon(market.network.shutdown()).await;
}
