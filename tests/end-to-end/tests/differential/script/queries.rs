//! Ranges, pages, history.

use step_chaincode::Step;

use crate::{
    player::{Player, UNNAMED},
    words::{ORG1, ORG2, ORG3, implicit, put, range},
};

pub(crate) async fn play(player: &mut Player<'_>) {
    player
        .submit("many keys", ORG1, UNNAMED, &[Step::PutMany("many/".into(), 250)])
        .await;
    player
        .submit(
            "a long range",
            ORG1,
            UNNAMED,
            &[Step::Count("many/".into(), "many0".into()), put("counted", "1")],
        )
        .await;
    player
        .together(
            "a phantom in a long range",
            &[
                (ORG1, UNNAMED, &[put("many/000100x", "1")]),
                (
                    ORG1,
                    UNNAMED,
                    &[Step::Count("many/".into(), "many0".into()), put("counted", "2")],
                ),
            ],
        )
        .await;
    player
        .submit(
            "two ranges and the same one again",
            ORG1,
            UNNAMED,
            &[
                range("o/", "o0"),
                range("p/", "p0"),
                range("o/", "o0"),
                put("ranged", "1"),
            ],
        )
        .await;
    player
        .submit(
            "a range that is empty, and one behind its end",
            ORG1,
            UNNAMED,
            &[range("q/", "q0"), range("z", "a"), put("ranged", "2")],
        )
        .await;
    player
        .submit(
            "an open range",
            ORG1,
            UNNAMED,
            &[Step::Count("o".into(), String::new()), put("ranged", "3")],
        )
        .await;
    player
        .evaluate(
            "history",
            ORG3,
            &[
                Step::History("a".into()),
                Step::History("mine".into()),
                Step::History("nothing".into()),
            ],
        )
        .await;
    player
        .submit(
            "history, and a write",
            ORG1,
            UNNAMED,
            &[Step::History("a".into()), put("ranged", "4")],
        )
        .await;
    player
        .evaluate(
            "pages",
            ORG1,
            &[
                Step::Page("many/".into(), "many0".into(), 2, String::new()),
                Step::Page("many/".into(), "many0".into(), 2, "many/000002".into()),
                Step::Page("many/".into(), "many0".into(), 0, "many/000248".into()),
            ],
        )
        .await;
    player
        .evaluate(
            "composite keys",
            ORG1,
            &[
                Step::CountAll("order".into()),
                Step::GetMany(vec!["a".into(), "nothing".into(), "c".into()]),
            ],
        )
        .await;
    player
        .evaluate(
            "a private range",
            ORG2,
            &[Step::PrivateRange(implicit(ORG2), String::new(), String::new())],
        )
        .await;
}
