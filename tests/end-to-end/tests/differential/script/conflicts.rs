//! Transactions that meet in one block.

use step_chaincode::Step;

use crate::{
    player::{Player, UNNAMED},
    words::{ORG1, ORG2, delete, event, get, put, put_private, range},
};

pub(crate) async fn play(player: &mut Player<'_>) {
    player
        .submit(
            "a listing",
            ORG1,
            UNNAMED,
            &[
                put("listing", "available"),
                put("utxo/a", "1"),
                put("utxo/b", "1"),
            ],
        )
        .await;
    let submit: &[Step] = &[get("listing"), put("order1", "1")];
    let create: &[Step] = &[get("listing"), put_private(ORG2, "order2", "2"), event("created")];
    let close: &[Step] = &[get("listing"), put("listing", "closed"), event("closed")];
    player
        .together(
            "readers of one key, then its writer",
            &[
                (ORG2, UNNAMED, submit),
                (ORG2, &[ORG2], create),
                (ORG1, UNNAMED, close),
            ],
        )
        .await;
    let reopen: &[Step] = &[get("listing"), put("listing", "available")];
    player
        .together(
            "a writer of one key, then its readers",
            &[
                (ORG1, UNNAMED, reopen),
                (ORG2, UNNAMED, submit),
                (ORG2, &[ORG2], create),
            ],
        )
        .await;
    let mint: &[Step] = &[get("supply"), put("supply", "1")];
    player
        .together(
            "a read of nothing, twice",
            &[(ORG1, UNNAMED, mint), (ORG1, UNNAMED, mint)],
        )
        .await;
    let blind: &[Step] = &[put("blind", "1")];
    player
        .together(
            "two blind writes",
            &[(ORG1, UNNAMED, blind), (ORG2, UNNAMED, blind)],
        )
        .await;
    let (a, b) = (&[put("supply/a", "1")][..], &[put("supply/b", "1")][..]);
    player
        .together(
            "two writes of two keys",
            &[(ORG1, UNNAMED, a), (ORG1, UNNAMED, b)],
        )
        .await;
    let spend: &[Step] = &[get("utxo/a"), delete("utxo/a"), put("paid", "1")];
    player
        .together(
            "a double spend",
            &[(ORG1, UNNAMED, spend), (ORG1, UNNAMED, spend)],
        )
        .await;
    let transfer = |from: &str| [get(from), delete(from), put(&format!("{from}/to"), "1")];
    player
        .submit("another coin", ORG1, UNNAMED, &[put("utxo/a", "1")])
        .await;
    player
        .together(
            "two transfers to one recipient",
            &[
                (ORG1, UNNAMED, &transfer("utxo/a")),
                (ORG2, UNNAMED, &transfer("utxo/b")),
            ],
        )
        .await;
    player
        .submit(
            "orders",
            ORG1,
            UNNAMED,
            &[put("o/1", "1"), put("o/2", "2"), put("o/3", "3")],
        )
        .await;
    let freeze: &[Step] = &[range("o/", "o0"), put("book", "frozen")];
    for (line, change) in [
        ("a range that grew", put("o/4", "4")),
        ("a range that shrank", delete("o/1")),
        ("a range of which a value changed", put("o/2", "changed")),
        ("a range of which a value was written anew", put("o/2", "changed")),
        ("a range and a write elsewhere", put("p/1", "1")),
        ("a range and a write at its end", put("o0", "1")),
        ("a range and a deletion of nothing in it", delete("o/9")),
    ] {
        player
            .together(line, &[(ORG1, UNNAMED, &[change]), (ORG2, UNNAMED, freeze)])
            .await;
    }
    player
        .together(
            "of one block the second conflicts, the third does not",
            &[
                (ORG1, UNNAMED, &[get("x"), put("x", "1")]),
                (ORG1, UNNAMED, &[get("x"), put("y", "1")]),
                (ORG1, UNNAMED, &[get("y"), put("z", "1")]),
            ],
        )
        .await;
    player
        .together(
            "an invalid write disturbs nobody",
            &[
                (ORG1, &[ORG1], &[put("y", "forged")]),
                (ORG1, UNNAMED, &[get("y"), put("w", "1")]),
            ],
        )
        .await;
}
