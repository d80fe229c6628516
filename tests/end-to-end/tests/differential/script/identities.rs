//! Who may propose.

use std::time::{Duration, SystemTime};

use devnet::policy::Role;
use step_chaincode::Step;

use crate::{
    bench::run,
    player::Player,
    words::{ORG1, ORG3, get, put_private},
};

pub(crate) async fn play(player: &mut Player<'_>) {
    let bench = player.bench;
    let read = [get("a")];
    let later = SystemTime::now() + Duration::from_secs(24 * 3600);
    let admin = bench.issue(ORG1, Role::Admin, later);
    player.evaluate_as("an administrator", ORG1, admin, &read).await;
    let peer = bench.issue(ORG1, Role::Peer, later);
    player.evaluate_as("a peer's identity", ORG1, peer, &read).await;
    let orderer = bench.issue(ORG1, Role::Orderer, later);
    player
        .evaluate_as("an orderer's identity", ORG1, orderer, &read)
        .await;
    let nothing = bench.issue(ORG1, Role::Member, later);
    player
        .evaluate_as("an identity without a role", ORG1, nothing, &read)
        .await;
    let old = bench.issue(ORG1, Role::Client, SystemTime::now() - Duration::from_secs(60));
    player
        .evaluate_as("an expired identity", ORG1, old.clone(), &read)
        .await;
    let write = run(&[put_private(ORG1, "old", "1")]).organisations(&[ORG1]);
    player
        .submit_as("an expired identity, submitted", ORG1, old, &write)
        .await;
    let other = bench.client(ORG3).identity().clone();
    player
        .evaluate_as("another member's client", ORG1, other, &[Step::Whoami, get("a")])
        .await;
}
