//! Endorsement policies of single keys.

use step_chaincode::Step;

use crate::{
    player::{ALL, Player, UNNAMED},
    words::{ORG1, ORG2, ORG3, delete, implicit, policy, put, put_private},
};

pub(crate) async fn play(player: &mut Player<'_>) {
    player
        .submit(
            "a key with a policy of one",
            ORG1,
            UNNAMED,
            &[put("mine", "1"), policy("mine", &[ORG1])],
        )
        .await;
    player
        .submit("written by that one", ORG1, &[ORG1], &[put("mine", "2")])
        .await;
    player
        .submit(
            "written by the others",
            ORG2,
            &[ORG2, ORG3],
            &[put("mine", "forged")],
        )
        .await;
    player
        .submit(
            "with another key, by that one",
            ORG1,
            &[ORG1],
            &[put("mine", "3"), put("other", "1")],
        )
        .await;
    player
        .submit(
            "with a private write, by that one",
            ORG1,
            &[ORG1],
            &[put("mine", "4"), put_private(ORG1, "p", "1")],
        )
        .await;
    player
        .submit("endorsers unnamed", ORG1, UNNAMED, &[put("mine", "5")])
        .await;
    player
        .submit(
            "its policy changed by that one",
            ORG1,
            &[ORG1],
            &[policy("mine", &[ORG2])],
        )
        .await;
    player
        .submit("written by the one before", ORG1, &[ORG1], &[put("mine", "6")])
        .await;
    player
        .submit("written by the new one", ORG2, &[ORG2], &[put("mine", "7")])
        .await;
    player
        .submit("deleted by the new one", ORG2, &[ORG2], &[delete("mine")])
        .await;
    player
        .submit(
            "after the deletion the chaincode's counts",
            ORG2,
            &[ORG2],
            &[put("mine", "8")],
        )
        .await;
    player
        .submit(
            "a policy of a key that is not there",
            ORG1,
            UNNAMED,
            &[policy("nowhere", &[ORG1])],
        )
        .await;
    let create: &[Step] = &[put("fresh", "1"), policy("fresh", ALL)];
    player
        .together(
            "one key created twice with a policy",
            &[(ORG1, UNNAMED, create), (ORG2, UNNAMED, create)],
        )
        .await;
    player
        .submit("a key of all, by two", ORG1, &[ORG1, ORG2], &[put("fresh", "2")])
        .await;
    player
        .submit(
            "a key of all, endorsers unnamed",
            ORG1,
            UNNAMED,
            &[put("fresh", "3")],
        )
        .await;
    player
        .together(
            "a policy and a write under the old one in a block",
            &[
                (ORG1, UNNAMED, &[policy("listing", &[ORG1])]),
                (ORG2, UNNAMED, &[put("listing", "again")]),
            ],
        )
        .await;
    let both = vec![ORG1.to_owned(), ORG2.to_owned()];
    player
        .submit(
            "a private key with a policy",
            ORG1,
            &[ORG1],
            &[
                put_private(ORG1, "guarded", "1"),
                Step::SetPrivatePolicy(implicit(ORG1), "guarded".into(), both),
            ],
        )
        .await;
    player
        .submit(
            "written by its organisation alone",
            ORG1,
            &[ORG1],
            &[put_private(ORG1, "guarded", "2")],
        )
        .await;
    player
        .submit(
            "written by both",
            ORG1,
            &[ORG1, ORG2],
            &[put_private(ORG1, "guarded", "3")],
        )
        .await;
}
