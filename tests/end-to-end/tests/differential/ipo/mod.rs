//! The whole IPO, with the contract, its chaincode servers and the sidecars, on the devnet and on real Fabric: cash, listing, both
//! brokers' orders, close, freeze, computation, sale, settlement and receipts, and what is refused on the way.
//!
//! Salts are given, so commitments, digests and the hashes of private records are the same in every run. Transaction ids, times, the
//! session and the sidecars' endpoints are not: each stands as the name of the step that it comes from, so a value that belongs to
//! another step still makes a difference.

mod bench;
mod floor;
mod script;
mod veil;

use devnet::config::Profile;
use end_to_end_tests::fabric;

use crate::{compare, keep_if_asked, kept};
use bench::Bench;

const NAME: &str = "ipo";

#[tokio::test(flavor = "multi_thread")]
async fn an_ipo_on_the_devnet_is_that_on_fabric_2_5() {
    let bench = Bench::devnet(Profile::V2_5).await;
    compare("on the devnet", &kept(NAME, "v2.5"), &script::play(bench).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ipo_on_the_devnet_is_that_on_fabric_3_1() {
    let bench = Bench::devnet(Profile::V3).await;
    compare("on the devnet", &kept(NAME, "v3.1"), &script::play(bench).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ipo_on_fabric_is_what_is_kept() {
    if !fabric::is_here() {
        return;
    }
    let version = fabric::version();
    let played = script::play(Bench::fabric(2).await).await;
    if !keep_if_asked(NAME, &version, &played) {
        compare("now", &kept(NAME, &version), &played);
    }
}
