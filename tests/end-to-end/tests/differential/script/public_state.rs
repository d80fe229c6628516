//! Writes, reads, deletions and events of one transaction at a time.

use crate::{
    player::{Player, UNNAMED},
    words::{ORG1, ORG2, ORG3, delete, event, get, put, range},
};

pub(crate) async fn play(player: &mut Player<'_>) {
    let steps = [put("a", "1"), get("a"), event("first")];
    player
        .submit("a write, not seen by its own transaction", ORG1, UNNAMED, &steps)
        .await;
    player
        .submit("a read and a write", ORG2, UNNAMED, &[get("a"), put("a", "2")])
        .await;
    player
        .submit(
            "a key twice, the last counts",
            ORG2,
            UNNAMED,
            &[put("b", "1"), put("b", "2")],
        )
        .await;
    player
        .submit("an empty value", ORG1, UNNAMED, &[put("b", "")])
        .await;
    player
        .submit("a deletion of nothing", ORG1, UNNAMED, &[delete("nothing")])
        .await;
    player
        .submit(
            "a deletion and a write of one key",
            ORG1,
            UNNAMED,
            &[delete("a"), put("a", "3")],
        )
        .await;
    player
        .submit(
            "two events, the last counts",
            ORG3,
            UNNAMED,
            &[put("c", "1"), event("lost"), event("second")],
        )
        .await;
    player
        .submit("a query, submitted", ORG1, UNNAMED, &[get("a"), range("a", "d")])
        .await;
    player
        .submit("a composite key", ORG1, UNNAMED, &[put("\0order\0one\0", "1")])
        .await;
}
