//! What every peer holds at the end.

use serde_json::json;
use step_chaincode::Step;

use crate::{
    bench::ORGS,
    player::{Player, UNNAMED},
    words::{ORG1, event, implicit, private_hash, put, range},
};

/// Everything that the peers hold at the end. Gives the last block.
pub(crate) async fn play(player: &mut Player<'_>) -> u64 {
    let end = [put("end", "1"), event("last")];
    let endorsed = player.endorse(ORG1, UNNAMED, &end).await;
    let (codes, block) = player.commit(&[&endorsed]).await;
    player.note("the end", json!(codes[0].as_str_name()));
    for at in ORGS {
        player
            .evaluate(
                "every public key",
                at,
                &[range("\u{1}", ""), Step::CountAll("order".into())],
            )
            .await;
        let keys = [
            "a",
            "b",
            "c",
            "named",
            "listing",
            "utxo/a",
            "utxo/b",
            "utxo/a/to",
            "utxo/b/to",
            "supply",
            "paid",
            "book",
            "blind",
            "x",
            "y",
            "z",
            "w",
        ]
        .map(str::to_owned)
        .to_vec();
        player.evaluate("public values", at, &[Step::GetMany(keys)]).await;
        let own = Step::PrivateRange(implicit(at), String::new(), String::new());
        player.evaluate("every own private key", at, &[own]).await;
        let values = ["k", "both", "two", "id", "t", "p", "guarded", "unnamed", "order2"]
            .map(str::to_owned)
            .to_vec();
        player
            .evaluate(
                "own private values",
                at,
                &[Step::GetPrivateMany(implicit(at), values.clone())],
            )
            .await;
        let hashes: Vec<Step> = ORGS
            .iter()
            .flat_map(|owner| values.iter().map(|key| private_hash(owner, key)))
            .collect();
        player.evaluate("everybody's hashes", at, &hashes).await;
        let policies = ["mine", "fresh", "listing", "nowhere", "a"].map(|key| Step::GetPolicy(key.into()));
        player.evaluate("key-level policies", at, &policies).await;
    }
    block
}
