//! What chaincode, peer and Gateway refuse.

use devnet::client::Call;
use step_chaincode::Step;

use crate::{
    bench::{CHAINCODE, run},
    player::{ALL, Player, UNNAMED},
    words::{ORG1, ORG2, ORG3, get, get_private, implicit, private_hash, put, put_private},
};

pub(crate) async fn play(player: &mut Player<'_>) {
    for (status, message) in [
        (400, "bad"),
        (404, "no such listing"),
        (499, "odd"),
        (500, "broken"),
        (503, "busy"),
    ] {
        let fail = [put("a", "never"), Step::Fail(status, message.into())];
        player.evaluate("a refusal, evaluated", ORG1, &fail).await;
        player.submit("a refusal, submitted", ORG1, UNNAMED, &fail).await;
    }
    player
        .submit(
            "a refusal of all, named",
            ORG1,
            ALL,
            &[Step::Fail(409, "conflict".into())],
        )
        .await;
    let pvt_range = Step::PrivateRange(implicit(ORG1), String::new(), String::new());
    player
        .evaluate(
            "a private range, then a write",
            ORG1,
            &[pvt_range.clone(), put("a", "1")],
        )
        .await;
    player
        .evaluate(
            "a write, then a private range",
            ORG1,
            &[put("a", "1"), pvt_range.clone()],
        )
        .await;
    player
        .evaluate(
            "a private range, then a private write",
            ORG1,
            &[pvt_range, put_private(ORG1, "a", "1")],
        )
        .await;
    let page = Step::Page("many/".into(), "many0".into(), 2, String::new());
    player
        .evaluate("a page, then a write", ORG1, &[page.clone(), put("a", "1")])
        .await;
    player
        .evaluate("a write, then a page", ORG1, &[put("a", "1"), page])
        .await;
    player
        .evaluate("another organisation's record", ORG1, &[get_private(ORG2, "k")])
        .await;
    player
        .evaluate(
            "another organisation's record that is not there",
            ORG1,
            &[get_private(ORG2, "nothing")],
        )
        .await;
    player
        .evaluate(
            "another organisation's range",
            ORG1,
            &[Step::PrivateRange(implicit(ORG2), String::new(), String::new())],
        )
        .await;
    player
        .evaluate(
            "an unknown collection",
            ORG1,
            &[Step::GetPrivate("nowhere".into(), "k".into())],
        )
        .await;
    player
        .evaluate(
            "an unknown collection, written",
            ORG1,
            &[Step::PutPrivate("nowhere".into(), "k".into(), "v".into())],
        )
        .await;
    player
        .evaluate(
            "an unknown collection's hash",
            ORG1,
            &[Step::PrivateHash("nowhere".into(), "k".into())],
        )
        .await;
    player
        .evaluate(
            "an unknown organisation's collection",
            ORG1,
            &[private_hash("Org9MSP", "k")],
        )
        .await;
    player.evaluate("an empty key", ORG1, &[put("", "v")]).await;
    player
        .evaluate(
            "another channel",
            ORG1,
            &[Step::InvokeOn(
                "elsewhere".into(),
                CHAINCODE.into(),
                vec![get("a")],
            )],
        )
        .await;
    player
        .evaluate(
            "an unknown chaincode, called by a chaincode",
            ORG1,
            &[Step::Invoke("nobody".into(), vec![get("a")])],
        )
        .await;
    player
        .evaluate_call("an unknown chaincode", ORG1, &Call::new("nobody", "Run"))
        .await;
    player
        .submit_call(
            "an unknown chaincode, submitted",
            ORG1,
            &Call::new("nobody", "Run"),
        )
        .await;
    player
        .evaluate_call("an unknown function", ORG1, &Call::new(CHAINCODE, "Walk"))
        .await;
    player
        .evaluate_call(
            "an unknown block",
            ORG1,
            &Call::new("qscc", "GetBlockByNumber")
                .arg("mychannel")
                .arg("999999"),
        )
        .await;
    player
        .evaluate_call(
            "an unknown channel's block",
            ORG1,
            &Call::new("qscc", "GetBlockByNumber").arg("elsewhere").arg("1"),
        )
        .await;
    let nobody = run(&[get("a")]).organisations(&[ORG1, "Org8MSP", "Org9MSP"]);
    player
        .submit_call("organisations without a peer", ORG1, &nobody)
        .await;
    player
        .evaluate_call("organisations without a peer, evaluated", ORG1, &nobody)
        .await;
    player
        .evaluate_call(
            "another organisation, evaluated",
            ORG1,
            &run(&[Step::Whoami]).organisations(&[ORG3]),
        )
        .await;
}
