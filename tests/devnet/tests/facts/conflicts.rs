//! What happens to transactions that meet in one block.

use crate::world::{ALL, CC, Setup, World, cut_by_hand, get, implicit, put, put_private, run, soon};
use devnet::client::EndorsedTransaction;
use fabric_protos::protos::TxValidationCode::{
    self, DuplicateTxid, MvccReadConflict, PhantomReadConflict, Valid,
};
use step_chaincode::Step;

async fn world() -> World {
    Setup::new(ALL).with(cut_by_hand).start().await
}

async fn commit(world: &World, steps: &[Step]) {
    let transaction = world.endorse("Org1MSP", steps).await;
    assert_eq!(world.in_one_block(&[&transaction]).await, [Valid]);
}

async fn together(world: &World, all: &[&[Step]]) -> Vec<TxValidationCode> {
    let mut transactions: Vec<EndorsedTransaction> = Vec::new();
    for steps in all {
        transactions.push(world.endorse("Org1MSP", steps).await);
    }
    world.in_one_block(&transactions.iter().collect::<Vec<_>>()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_after_a_close_in_its_block_conflict_and_before_it_do_not() {
    let world = world().await;
    commit(&world, &[put("listing", "available")]).await;
    let close: &[Step] = &[get("listing"), put("listing", "closed")];
    let submit: &[Step] = &[get("listing"), put("order1", "1")];
    let create: &[Step] = &[get("listing"), put("order2", "2")];
    assert_eq!(
        together(&world, &[close, submit, create]).await,
        [Valid, MvccReadConflict, MvccReadConflict]
    );
    assert_eq!(together(&world, &[submit, close]).await, [Valid, Valid]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_readers_of_one_key_in_a_block_are_all_valid() {
    let world = world().await;
    commit(&world, &[put("listing", "available")]).await;
    let mut transactions = Vec::new();
    for n in 0..5 {
        let order = format!("order{n}");
        transactions.push(
            world
                .endorse("Org1MSP", &[get("listing"), put(&order, "1")])
                .await,
        );
        let private = [get("listing"), put_private(&implicit("Org1MSP"), &order, "1")];
        transactions.push(world.endorse_by(&["Org1MSP"], &private).await);
    }
    let codes = world.in_one_block(&transactions.iter().collect::<Vec<_>>()).await;
    assert_eq!(codes, [Valid; 10]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_mints_on_one_supply_key_conflict_and_on_delta_keys_do_not() {
    let world = world().await;
    let mint: &[Step] = &[get("supply"), put("supply", "1")];
    assert_eq!(together(&world, &[mint, mint]).await, [Valid, MvccReadConflict]);
    let (a, b): (&[Step], &[Step]) = (&[put("supply/a", "1")], &[put("supply/b", "1")]);
    assert_eq!(together(&world, &[a, b]).await, [Valid, Valid]);
}

#[tokio::test(flavor = "multi_thread")]
async fn settlements_conflict_on_a_treasury_key_that_each_writes_and_not_without_one() {
    let world = world().await;
    commit(&world, &[put("treasury", "100")]).await;
    let settle = |broker: &str| put(&format!("settled/{broker}"), "1");
    let draw = [get("treasury"), put("treasury", "90")];
    let drawing = ["a", "b", "c"].map(|broker| [draw.as_slice(), &[settle(broker)]].concat());
    assert_eq!(
        together(&world, &[&drawing[0], &drawing[1], &drawing[2]]).await,
        [Valid, MvccReadConflict, MvccReadConflict]
    );
    let plain = ["d", "e", "f"].map(|broker| [settle(broker)]);
    assert_eq!(
        together(&world, &[&plain[0], &plain[1], &plain[2]]).await,
        [Valid, Valid, Valid]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposit_makes_a_phantom_of_the_settlement_that_ranged_over_deposits() {
    let world = world().await;
    commit(&world, &[put("escrow/1", "10")]).await;
    let deposit: &[Step] = &[put("escrow/2", "5")];
    let settle: &[Step] = &[
        Step::Range("escrow/".into(), "escrow0".into()),
        Step::Delete("escrow/1".into()),
        put("paid", "10"),
    ];
    assert_eq!(
        together(&world, &[deposit, settle]).await,
        [Valid, PhantomReadConflict]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_transfers_to_one_recipient_are_both_valid() {
    let world = world().await;
    commit(&world, &[put("utxo/a", "10"), put("utxo/b", "20")]).await;
    let transfer = |from: &str| {
        let spent = format!("utxo/{from}");
        [
            get(&spent),
            Step::Delete(spent),
            put(&format!("utxo/c/{from}"), "10"),
        ]
    };
    assert_eq!(
        together(&world, &[&transfer("a"), &transfer("b")]).await,
        [Valid, Valid]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_private_writes_of_one_id_the_second_conflicts() {
    let world = world().await;
    let collection = implicit("Org1MSP");
    let create = |value| {
        [
            Step::PrivateHash(collection.clone(), "order1".into()),
            put_private(&collection, "order1", value),
        ]
    };
    let first = world.endorse_by(&["Org1MSP"], &create("1")).await;
    let second = world.endorse_by(&["Org1MSP"], &create("2")).await;
    assert_eq!(
        world.in_one_block(&[&first, &second]).await,
        [Valid, MvccReadConflict]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_is_to_be_read_from_its_commit_on_and_not_before() {
    let world = world().await;
    let collection = implicit("Org1MSP");
    let written = world
        .endorse_by(&["Org1MSP"], &[put_private(&collection, "order1", "1")])
        .await;
    soon(world.client("Org1MSP").submit(&written)).await.unwrap();
    let read = [Step::PrivateHash(collection, "order1".into())];
    // Ordered, not committed.
    assert!(world.evaluate("Org2MSP", &read).await.unwrap()[0].is_null());
    world.network.cut_block().unwrap();
    soon(world.client("Org1MSP").commit_status(&written.tx_id))
        .await
        .unwrap();
    assert!(world.evaluate("Org1MSP", &read).await.unwrap()[0].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_double_spend_in_a_block_conflicts() {
    let world = world().await;
    commit(&world, &[put("utxo", "10")]).await;
    let spend: &[Step] = &[get("utxo"), Step::Delete("utxo".into()), put("paid", "10")];
    assert_eq!(together(&world, &[spend, spend]).await, [Valid, MvccReadConflict]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_grew_shrank_or_changed_is_a_phantom() {
    let world = world().await;
    commit(&world, &[put("order1", "1"), put("order2", "2")]).await;
    let freeze: &[Step] = &[
        Step::Range("order".into(), "order~".into()),
        put("book", "frozen"),
    ];
    for change in [
        put("order3", "3"),
        Step::Delete("order1".into()),
        put("order2", "changed"),
    ] {
        let codes = together(&world, &[std::slice::from_ref(&change), freeze]).await;
        assert_eq!(codes, [Valid, PhantomReadConflict], "{change:?}");
    }
    let elsewhere: &[Step] = &[put("zebra", "1")];
    assert_eq!(together(&world, &[elsewhere, freeze]).await, [Valid, Valid]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_range_is_recorded_as_hashes_and_its_phantoms_are_found() {
    let world = world().await;
    commit(&world, &[Step::PutMany("key".into(), 3000)]).await;
    let range: &[Step] = &[Step::Count("key".into(), "key~".into()), put("done", "1")];
    let transaction = world.endorse("Org1MSP", range).await;
    assert_eq!(transaction.result, b"[3000,null]");
    assert!(
        transaction.envelope.payload.len() < 20_000,
        "{} bytes",
        transaction.envelope.payload.len()
    );
    assert_eq!(world.in_one_block(&[&transaction]).await, [Valid]);
    let intruder: &[Step] = &[put("key001500x", "1")];
    assert_eq!(
        together(&world, &[intruder, range]).await,
        [Valid, PhantomReadConflict]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_transaction_is_a_duplicate_in_its_block_and_in_later_ones() {
    let world = world().await;
    let transaction = world.endorse("Org1MSP", &[put("key", "1")]).await;
    assert_eq!(
        world.in_one_block(&[&transaction, &transaction]).await,
        [Valid, DuplicateTxid]
    );
    // Later the commit status is still the first one's, so wait for the block itself.
    let peer = world.network.peer("Org1MSP").unwrap();
    soon(world.client("Org1MSP").submit(&transaction)).await.unwrap();
    world.network.cut_block().unwrap();
    soon(peer.wait_for_height(4)).await;
    let last = peer.blocks().last().unwrap().transactions[0].clone();
    assert_eq!((last.tx_id, last.code), (transaction.tx_id, DuplicateTxid));
    let status = soon(world.client("Org1MSP").commit_status(&last_id(&world)))
        .await
        .unwrap();
    assert_eq!((status.code, status.block), (Valid, 2));
}

fn last_id(world: &World) -> String {
    world
        .network
        .peer("Org1MSP")
        .unwrap()
        .blocks()
        .last()
        .unwrap()
        .transactions[0]
        .tx_id
        .clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_of_a_committed_transaction_is_refused() {
    let world = Setup::new(ALL).start().await;
    let client = world.client("Org1MSP");
    let signed = client.sign(&run(&[put("key", "1")])).unwrap();
    let endorsed = soon(client.endorse_signed(signed.clone())).await.unwrap();
    soon(client.submit(&endorsed)).await.unwrap();
    soon(client.commit_status(&endorsed.tx_id)).await.unwrap();
    let error = soon(client.endorse_signed(signed)).await.err().unwrap();
    crate::world::assert_says(&error, "duplicate transaction found");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_invalidates_what_was_endorsed_before_it_and_keeps_the_state() {
    let world = world().await;
    commit(&world, &[put("key", "before")]).await;
    let endorsed = world.endorse("Org1MSP", &[put("key", "stale")]).await;
    let mut definition = world.network.config().chaincodes[0].clone();
    definition.policy = "OR('Org1MSP.peer')".into();
    soon(world.network.define_chaincode(&definition)).await.unwrap();
    assert_eq!(world.in_one_block(&[&endorsed]).await, [MvccReadConflict]);
    let fresh = world.endorse_by(&["Org1MSP"], &[put("other", "fresh")]).await;
    assert_eq!(world.in_one_block(&[&fresh]).await, [Valid]);
    let view = world.network.peer("Org2MSP").unwrap();
    assert_eq!(view.state(CC, "key").await.unwrap().value, b"before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_cut_at_its_size() {
    let world = Setup::new(ALL)
        .with(|config| {
            cut_by_hand(config);
            config.batch.max_messages = 2;
        })
        .start()
        .await;
    let mut endorsed = Vec::new();
    for n in 0..3 {
        endorsed.push(world.endorse("Org1MSP", &[put(&format!("key{n}"), "1")]).await);
    }
    let client = world.client("Org1MSP");
    for transaction in &endorsed {
        soon(client.submit(transaction)).await.unwrap();
    }
    let first = soon(client.commit_status(&endorsed[1].tx_id)).await.unwrap();
    world.network.cut_block().unwrap();
    let last = soon(client.commit_status(&endorsed[2].tx_id)).await.unwrap();
    assert_eq!(last.block, first.block + 1);
}
