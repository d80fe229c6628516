//! Who endorses, and whether it is enough.

use step_chaincode::Step;

use crate::{
    player::{ALL, Player, UNNAMED},
    words::{ORG1, ORG2, ORG3, event, get, put},
};

pub(crate) async fn play(player: &mut Player<'_>) {
    player.submit("all named", ORG1, ALL, &[put("named", "1")]).await;
    player
        .submit(
            "one of three",
            ORG1,
            &[ORG1],
            &[put("named", "2"), event("never")],
        )
        .await;
    player
        .submit("another of three", ORG1, &[ORG3], &[put("named", "2")])
        .await;
    player
        .submit("two of three", ORG1, &[ORG1, ORG2], &[put("named", "2")])
        .await;
    player
        .submit("no write, one of three", ORG1, &[ORG1], &[get("named")])
        .await;
    player.submit("no write, all", ORG1, ALL, &[get("named")]).await;
    player
        .submit(
            "what differs between endorsers",
            ORG1,
            UNNAMED,
            &[Step::Whoami, put("named", "3")],
        )
        .await;
    player
        .submit(
            "what differs between endorsers, named",
            ORG1,
            ALL,
            &[Step::Whoami],
        )
        .await;
}
