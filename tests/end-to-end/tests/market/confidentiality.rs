//! A full IPO, and then a search of everything that others have for any part of its orders.

use serde_json::{Value, json};

use crate::desk::Desk;
use crate::market::{Market, order};
use crate::needles::Needles;

/// The orders of one organisation, and what nobody else may have of them.
pub(crate) struct Secret {
    pub(crate) msp: String,
    pub(crate) listing: String,
    pub(crate) needles: Needles,
    /// A commitment of one of its orders: public, so that a search which finds nothing can be seen to look in the right place.
    pub(crate) control: Needles,
    /// Something that its own peer has in the clear.
    pub(crate) own_control: Needles,
}

/// Something to search, by name: a file, a record of the state, a block.
pub(crate) struct Haystack {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// Plays an IPO of orders whose numbers stand nowhere else, from its listing to settlement, with every read there is.
pub(crate) async fn ipo(market: &Market) -> [Secret; 2] {
    // Nine digits and more: no such number is anywhere by chance. No order is filled exactly, and no price but the clearing one's is public.
    let listing = market
        .list(&[
            ("shares", json!(2_000_000_000_u64)),
            ("lotSize", json!(1)),
            ("price", json!({"min": 1_013, "max": 1_073, "tick": 1})),
        ])
        .await;
    let a = [
        order(
            "Zerlinda Quackenbush",
            &[(1_019, 918_273_645), (1_031, 746_352_819)],
        ),
        order("Thaddeus Vanderquist", &[(1_037, 564_738_291)]),
    ];
    let b = [
        order(
            "Philomena Oxenstierna",
            &[(1_023, 837_261_954), (1_061, 192_837_465)],
        ),
        order("Bartholomew Zwickenpflug", &[(1_029, 485_726_193)]),
    ];
    for (desk, orders) in [(&market.a, &a), (&market.b, &b)] {
        for (place, order) in orders.iter().enumerate() {
            market.place(desk, &listing, &format!("o{place}"), order).await;
        }
    }
    for desk in [&market.a, &market.b] {
        // A round sum: what is locked is public.
        market.deposit(desk, &listing, 3_000_000_000_000).await;
    }
    market.freeze(&listing).await;
    let sold = market.clear(&listing).await;
    assert_eq!(
        (&sold["status"], &sold["outcome"]["sold"]),
        (&json!("sold"), &json!(2_000_000_000_u64))
    );
    for desk in [&market.a, &market.b] {
        let record = desk.own("RecordAllocations", &[&listing, r#"["o0","o1"]"#]);
        market.run(desk, &record).await.unwrap();
        market
            .submit(desk, "Settle", &[&listing, &desk.msp])
            .await
            .unwrap();
        desk.read("ExportBook", &[&listing, "10", ""]).await.unwrap();
        desk.read("QueryOrders", &[&listing]).await.unwrap();
    }
    let price = sold["outcome"]["clearingPrice"].as_u64();
    [
        secret(&market.a, &listing, &a, price).await,
        secret(&market.b, &listing, &b, price).await,
    ]
}

async fn secret(desk: &Desk, listing: &str, orders: &[Value; 2], public_price: Option<u64>) -> Secret {
    let record = desk
        .query("ReadOrderRecord", &[listing, &desk.msp, "o0"])
        .await
        .unwrap();
    Secret {
        msp: desk.msp.clone(),
        listing: listing.to_owned(),
        needles: Needles::of_orders(orders, public_price),
        control: Needles::of_text(record["commitment"].as_str().unwrap()),
        own_control: Needles::of_text(orders[0]["investor"].as_str().unwrap()),
    }
}

/// Searches what others than the secret's own organisation have.
pub(crate) fn search(secret: &Secret, haystacks: impl Iterator<Item = Haystack>) {
    let mut looked_right = false;
    let mut found = Vec::new();
    for hay in haystacks {
        looked_right |= secret.control.find(&hay.bytes).is_some();
        if let Some(needle) = secret.needles.find(&hay.bytes) {
            found.push(format!("{} has {needle}", hay.name));
        }
    }
    assert!(found.is_empty(), "of {}: {}", secret.msp, found.join("; "));
    assert!(
        looked_right,
        "the search does not look where the public records of {} are",
        secret.msp
    );
}
