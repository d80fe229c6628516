//! Implicit collections.

use step_chaincode::Step;

use crate::{
    bench::{ORGS, run},
    player::{ALL, Player, UNNAMED},
    words::{ORG1, ORG2, ORG3, get, get_private, implicit, private_hash, put, put_private},
};

pub(crate) async fn play(player: &mut Player<'_>) {
    player
        .submit(
            "a private write by its organisation",
            ORG2,
            &[ORG2],
            &[put_private(ORG2, "k", "secret")],
        )
        .await;
    player
        .submit(
            "a private write by another",
            ORG3,
            &[ORG3],
            &[put_private(ORG2, "k", "forged")],
        )
        .await;
    player
        .submit(
            "private and public, one endorser",
            ORG2,
            &[ORG2],
            &[put_private(ORG2, "k", "v"), put("public", "1")],
        )
        .await;
    player
        .submit(
            "private and public, all",
            ORG2,
            ALL,
            &[put_private(ORG2, "both", "v"), put("public", "1")],
        )
        .await;
    player
        .submit(
            "private, and a public read",
            ORG2,
            &[ORG2],
            &[get("public"), put_private(ORG2, "k", "secret2")],
        )
        .await;
    player
        .submit(
            "private, endorsers unnamed",
            ORG1,
            UNNAMED,
            &[put_private(ORG1, "unnamed", "1")],
        )
        .await;
    player
        .submit(
            "private of two organisations",
            ORG1,
            &[ORG1, ORG2],
            &[put_private(ORG1, "two", "1"), put_private(ORG2, "two", "1")],
        )
        .await;
    player
        .submit(
            "private of two organisations, one endorser",
            ORG1,
            &[ORG1],
            &[put_private(ORG1, "two", "1"), put_private(ORG2, "two", "1")],
        )
        .await;
    player
        .submit(
            "a private read and a private write",
            ORG2,
            &[ORG2],
            &[get_private(ORG2, "k"), put_private(ORG2, "k", "secret3")],
        )
        .await;
    player
        .submit(
            "a private read, submitted by its organisation alone",
            ORG2,
            &[ORG2],
            &[get_private(ORG2, "k")],
        )
        .await;
    player
        .submit(
            "a private read, endorsers unnamed",
            ORG2,
            UNNAMED,
            &[get_private(ORG2, "k")],
        )
        .await;
    player
        .submit(
            "everybody's own collection",
            ORG1,
            ALL,
            &[Step::GetOwnPrivate("k".into())],
        )
        .await;
    player
        .submit(
            "a hash in a submitted transaction",
            ORG1,
            UNNAMED,
            &[private_hash(ORG2, "k"), put("seen", "1")],
        )
        .await;
    player
        .submit(
            "a hash of nothing",
            ORG1,
            UNNAMED,
            &[private_hash(ORG2, "nothing"), put("seen", "2")],
        )
        .await;
    let overwrite: &[Step] = &[put_private(ORG2, "k", "secret4")];
    let hash: &[Step] = &[private_hash(ORG2, "k"), put("seen", "3")];
    player
        .together(
            "an overwrite, then a read of the hash",
            &[(ORG2, &[ORG2], overwrite), (ORG1, UNNAMED, hash)],
        )
        .await;
    let create = |value: &str| [private_hash(ORG2, "id"), put_private(ORG2, "id", value)];
    player
        .together(
            "two private writes of one id",
            &[(ORG2, &[ORG2], &create("1")), (ORG2, &[ORG2], &create("2"))],
        )
        .await;
    let transient = run(&[Step::PutTransient(implicit(ORG3), "t".into(), "order".into())])
        .transient("order", "from transient");
    player
        .submit_call(
            "transient data, own endorser",
            ORG3,
            &transient.clone().organisations(&[ORG3]),
        )
        .await;
    player
        .submit_call("transient data, endorsers unnamed", ORG3, &transient)
        .await;
    let widely = run(&[
        Step::PutTransient(implicit(ORG3), "t".into(), "order".into()),
        put("public", "2"),
    ])
    .transient("order", "x");
    player
        .submit_call(
            "transient data and a public write, endorsers unnamed",
            ORG3,
            &widely,
        )
        .await;
    player
        .submit(
            "a private deletion",
            ORG2,
            &[ORG2],
            &[Step::DeletePrivate(implicit(ORG2), "id".into())],
        )
        .await;
    player
        .submit(
            "a purge",
            ORG2,
            &[ORG2],
            &[Step::Purge(implicit(ORG2), "k".into())],
        )
        .await;
    player
        .submit(
            "a purge of nothing",
            ORG2,
            &[ORG2],
            &[Step::Purge(implicit(ORG2), "never".into())],
        )
        .await;
    player
        .submit(
            "a write after the purge",
            ORG2,
            &[ORG2],
            &[put_private(ORG2, "k", "secret5")],
        )
        .await;
    for at in ORGS {
        let steps = [
            get_private(at, "k"),
            private_hash(ORG2, "k"),
            private_hash(ORG2, "id"),
            private_hash(ORG3, "t"),
        ];
        player.evaluate("hashes, and the own record", at, &steps).await;
    }
    let many = [Step::GetPrivateMany(
        implicit(ORG2),
        vec!["k".into(), "nothing".into(), "two".into()],
    )];
    player.evaluate("many private records", ORG2, &many).await;
}
