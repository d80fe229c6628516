//! The traps that real peers set, each with what the contract does about it.

use devnet::client::ClientError;
use fabric_protos::protos::TxValidationCode;
use ipo_chaincode::sealed::RESPONSE_KEY;
use prost::Message;
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::market::{Market, now, order, salt, soon};
use crate::needles::Needles;

const INVESTOR: &str = "Zerlinda Quackenbush";

/// Every trap, on a listing of its own or an earlier one's.
pub(crate) async fn all(market: &Market) {
    let sold = sold_listing(market).await;
    reads_that_are_submitted_publish_nothing(market, &sold).await;
    a_foreign_client_at_this_peer_gets_nothing(market, &sold).await;
    a_skewed_timestamp_is_vetoed(market).await;
    different_owners_do_not_meet_in_a_block(market, &sold).await;
}

/// What a refusal says, its endorsers' words too.
#[track_caller]
pub(crate) fn refused<T>(answer: Result<T, ClientError>, words: &[&str]) -> String {
    let text = answer.err().expect("a refusal").to_string();
    assert!(
        words.iter().any(|word| text.contains(word)),
        "{words:?} in {text}"
    );
    text
}

struct Sold {
    listing: String,
    order: Value,
}

/// A sells 700 of 1,000 shares at 7.00 to A and 300 to B, with the escrow for it in place, and can no longer be withdrawn.
async fn sold_listing(market: &Market) -> Sold {
    let listing = market.list(&[]).await;
    let order = order(INVESTOR, &[(700, 700)]);
    market.place(&market.a, &listing, "a1", &order).await;
    market
        .place(&market.b, &listing, "b1", &self::order("Ben", &[(700, 300)]))
        .await;
    market.deposit(&market.a, &listing, 490_000).await;
    market.deposit(&market.b, &listing, 210_000).await;
    market.freeze(&listing).await;
    // No free look at the outcome.
    refused(
        market.submit(&market.bank, "WithdrawListing", &[&listing]).await,
        &["WRONG_STATE"],
    );
    let sold = market.clear(&listing).await;
    assert_eq!(sold["outcome"]["clearingPrice"], 700);
    refused(
        market.submit(&market.bank, "WithdrawListing", &[&listing]).await,
        &["WRONG_STATE"],
    );
    let record = market.a.own("RecordAllocations", &[&listing, r#"["a1"]"#]);
    market.run(&market.a, &record).await.unwrap();
    Sold { listing, order }
}

/// The functions that answer out of one's own private data, with arguments.
fn own_reads(listing: &str) -> [(&'static str, Vec<&str>); 5] {
    [
        ("ReadOrder", vec![listing, "a1"]),
        ("QueryOrders", vec![listing]),
        ("QueryOrdersWithPagination", vec![listing, "10", ""]),
        ("ReadAllocation", vec![listing, "a1"]),
        ("ExportBook", vec![listing, "10", ""]),
    ]
}

/// A submitted transaction's response is in the block for all to read, even when it is invalid.
async fn reads_that_are_submitted_publish_nothing(market: &Market, sold: &Sold) {
    let needles = Needles::of_order(&sold.order);
    for (function, arguments) in own_reads(&sold.listing) {
        let bare = market.a.own(function, &arguments);
        refused(soon(market.a.client.endorse(&bare)).await, &["MISSING_TRANSIENT"]);
        let keyed = bare.transient(RESPONSE_KEY, [7; 32]);
        let endorsed = soon(market.a.client.endorse(&keyed)).await.unwrap();
        assert!(!endorsed.result.is_empty());
        let published = endorsed.envelope.encode_to_vec();
        assert_eq!(needles.find(&endorsed.result), None, "{function}");
        assert_eq!(needles.find(&published), None, "{function}");
        // Whatever becomes of it: it is in a block now, which the search of the whole ledger goes through.
        soon(market.a.order(&endorsed)).await;
    }
    // What a caller sees who has the key.
    let read = market.a.read("ReadOrder", &[&sold.listing, "a1"]).await.unwrap();
    assert_eq!(read["investor"], INVESTOR);
}

/// A client of any member of the channel may ask any peer.
async fn a_foreign_client_at_this_peer_gets_nothing(market: &Market, sold: &Sold) {
    let [_, a, b] = market.organisations.as_slice() else {
        panic!("three organisations")
    };
    let intruder = Desk {
        client: a.connect(b.identity("User1"), &market.channel).await,
        ..market.a.clone()
    };
    let needles = Needles::of_order(&sold.order);
    let listing = sold.listing.as_str();
    let mut calls: Vec<_> = own_reads(listing).into();
    calls.extend([
        ("CheckReceipt", vec![listing, &market.a.msp, "a1"]),
        ("JoinClearing", vec![listing]),
        ("ClearingStatus", vec![listing]),
        ("CreateOrder", vec![listing, "b9"]),
        ("CreateOrders", vec![listing]),
        ("RestoreOrders", vec![listing, r#"["a1"]"#]),
        ("PurgeOrders", vec![listing, r#"["a1"]"#]),
        ("RecordAllocations", vec![listing, r#"["a1"]"#]),
    ]);
    for (function, arguments) in calls {
        let call = intruder
            .own(function, &arguments)
            .transient(RESPONSE_KEY, [1; 32])
            .transient("order", order("Ben", &[(700, 10)]).to_string());
        for answer in [
            soon(intruder.client.evaluate(&call)).await.map(drop),
            soon(intruder.client.endorse(&call)).await.map(drop),
        ] {
            let text = refused(answer, &["only clients of"]);
            assert_eq!(needles.find(text.as_bytes()), None, "{function}");
        }
    }
}

/// The client chooses a transaction's timestamp; v2.5 takes any, v3 within 15 minutes.
async fn a_skewed_timestamp_is_vetoed(market: &Market) {
    let listing = market.list(&[]).await;
    let at = |function: &str, arguments: &[&str], skew: i64| {
        market.a.own(function, arguments).timestamp(now() + skew)
    };
    for skew in [600, -600, 3_600, -3_600, 31_536_000, -31_536_000] {
        let create = at("CreateOrder", &[&listing, "late"], skew)
            .transient("order", order("Ann", &[(700, 10)]).to_string());
        refused(
            soon(market.a.client.endorse(&create)).await,
            &["CLOCK_SKEW", "incorrect timestamp"],
        );
        for function in ["CloseListing", "ReleaseEscrow"] {
            refused(
                soon(market.a.client.endorse(&at(function, &[&listing], skew))).await,
                &["CLOCK_SKEW", "incorrect timestamp"],
            );
        }
    }
}

/// Settlements, deposits, mints and transfers of different owners in one block are all valid.
async fn different_owners_do_not_meet_in_a_block(market: &Market, sold: &Sold) {
    let other = market.list(&[]).await;
    let coin = async |desk: &Desk| json!([market.mint(desk, 10).await]).to_string();
    let (of_a, of_b) = (coin(&market.a).await, coin(&market.b).await);
    let (a, b, bank) = (&market.a, &market.b, &market.bank);
    let pay = json!([{"owner": bank.msp, "amount": 10}]).to_string();
    let calls = [
        (a, a.call("Settle", &[&sold.listing, &a.msp])),
        (bank, bank.call("Settle", &[&sold.listing, &b.msp])),
        (a, a.call("DepositEscrow", &[&other, &of_a, "10"])),
        (b, b.call("token:Transfer", &[&market.cash, &of_b, &pay])),
        (bank, bank.call("token:Mint", &[&market.cash, &a.msp, "5"])),
        (bank, bank.call("token:Mint", &[&market.cash, &a.msp, "5"])),
    ];
    let mut endorsed = Vec::new();
    for (desk, call) in &calls {
        endorsed.push((desk, soon(desk.client.endorse(call)).await.unwrap()));
    }
    for (desk, transaction) in &endorsed {
        soon(desk.client.submit(transaction)).await.unwrap();
    }
    let mut blocks = Vec::new();
    for (desk, transaction) in &endorsed {
        let status = soon(desk.client.commit_status(&transaction.tx_id)).await.unwrap();
        assert_eq!(status.code, TxValidationCode::Valid);
        blocks.push(status.block);
        market.see(&transaction.tx_id).await;
    }
    assert!(blocks.windows(2).any(|pair| pair[0] == pair[1]), "{blocks:?}");
    let view = market.a.query("ReadListing", &[&sold.listing]).await.unwrap();
    assert_eq!((&view["settled"], &view["treasury"]), (&json!(true), &json!(0)));
    refused(
        market.submit(bank, "Settle", &[&sold.listing, &a.msp]).await,
        &["already settled"],
    );
}

/// A peer whose ranges end silently after fewer keys than there are orders freezes the same books as the others.
pub(crate) async fn a_short_range_freezes_the_whole_book(market: &Market, orders: usize) {
    let listing = market.list(&[]).await;
    let all: Vec<_> = (0..orders)
        .map(|place| {
            let mut order = order("Ann", &[(700, 10)]);
            order["id"] = json!(format!("n{place:05}"));
            order["salt"] = json!(salt());
            order
        })
        .collect();
    for batch in all.chunks(600) {
        let create = market
            .a
            .own("CreateOrders", &[&listing])
            .transient("orders", json!(batch).to_string());
        let created = market.run(&market.a, &create).await.unwrap();
        let receipts = market
            .submit(&market.a, "SubmitOrders", &[&listing, &created.to_string()])
            .await
            .unwrap();
        assert_eq!(receipts.as_array().unwrap().len(), batch.len());
    }
    market.freeze(&listing).await;
    for desk in market.desks() {
        let view = desk.query("ReadListing", &[&listing]).await.unwrap();
        assert_eq!(view["orders"], orders, "{}", desk.msp);
        let records = desk
            .query("QueryOrderRecords", &[&listing, &market.a.msp])
            .await
            .unwrap();
        assert_eq!(records.as_array().unwrap().len(), orders, "{}", desk.msp);
    }
    let joined = soon(market.a.query("JoinClearing", &[&listing])).await.unwrap();
    assert_eq!(joined["listing"], json!(listing));
}
