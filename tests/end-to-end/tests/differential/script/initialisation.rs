//! A chaincode whose definition wants an initialisation.

use devnet::client::Call;
use step_chaincode::Step;

use crate::{
    bench::{INITIALISED, run},
    player::{ALL, Player},
    record,
    words::{ORG1, ORG2, get, get_private, implicit, private_hash, put, put_private},
};

fn steps(steps: &[Step]) -> Call {
    Call::new(INITIALISED, "Run").arg(serde_json::to_vec(steps).unwrap())
}

pub(crate) async fn play(player: &mut Player<'_>) {
    let first = steps(&[get("k")]);
    player
        .evaluate_call("a query before the initialisation", ORG2, &first)
        .await;
    player
        .submit_call("a transaction before the initialisation", ORG1, &first)
        .await;
    let other = [Step::Invoke(INITIALISED.into(), vec![get("k")])];
    player
        .evaluate("another chaincode's call before the initialisation", ORG1, &other)
        .await;
    let unwanted = run(&[get("a")]).as_init();
    player
        .submit_call("an initialisation that nobody wants", ORG1, &unwanted)
        .await;

    let init = |list: &[Step]| steps(list).as_init().organisations(ALL);
    for (line, step) in [
        (
            "an initialisation that fails",
            Step::Fail(500, "not today".into()),
        ),
        (
            "an initialisation that is refused",
            Step::Fail(400, "not so".into()),
        ),
        ("an initialisation reads private data", get_private(ORG1, "k")),
        (
            "an initialisation writes private data",
            put_private(ORG1, "k", "v"),
        ),
        (
            "an initialisation asks for a private hash",
            private_hash(ORG1, "k"),
        ),
        (
            "an initialisation ranges over private data",
            Step::PrivateRange(implicit(ORG1), String::new(), String::new()),
        ),
        (
            "an initialisation purges private data",
            Step::Purge(implicit(ORG1), "k".into()),
        ),
        ("an initialisation panics", Step::Panic),
    ] {
        player.submit_call(line, ORG1, &init(&[step])).await;
    }

    let without = Call::without_function(INITIALISED).as_init().organisations(ALL);
    let without = player.try_endorse(ORG1, &without).await.unwrap();
    let with = init(&[put("k", "v"), get("k")]);
    let with = player.try_endorse(ORG2, &with).await.unwrap();
    for transaction in [&without, &with] {
        let endorsed = record::endorsement(transaction, player.base());
        player.note("two initialisations", endorsed);
    }
    player.order("together", &[&without, &with]).await;

    player
        .submit_call("an initialisation of what is initialised", ORG1, &init(&[]))
        .await;
    let call = steps(&[put("k", "v"), get("k")]);
    player
        .submit_call("a transaction after the initialisation", ORG1, &call)
        .await;
    player.submit("another chaincode's call", ORG2, ALL, &other).await;
    let everything = Step::Range("\u{1}".into(), String::new());
    player
        .evaluate_call("what is there", ORG1, &steps(&[get("k"), everything]))
        .await;
}
