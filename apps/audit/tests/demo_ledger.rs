//! The demonstration, played on the devnet with every program a process of its own, then audited through a peer's Gateway.

#![allow(clippy::unwrap_used)] // in a test a failure is a failure

mod program;
mod world;

use std::{fs, os::unix::fs::PermissionsExt};

use ipo_demo::{
    network::LocalNetwork,
    play::{self, Cast},
    story::{BANK, BROKER_A, BROKER_B, ORGANISATIONS},
};
use program::{PATIENCE, access, files, read, run, text};
use serde_json::{Value, json};
use tokio::time::timeout;
use world::{COPIES, every_copy_fails};

#[tokio::test(flavor = "multi_thread")]
async fn the_demonstrations_ledger_passes_and_every_tampered_copy_fails() {
    let folder = tempfile::tempdir().unwrap();
    let network = LocalNetwork::start(folder.path(), &ORGANISATIONS).await.unwrap();
    let cast = Cast::gather(&network).await.unwrap();
    timeout(PATIENCE, play::everything(&network, &cast))
        .await
        .unwrap()
        .unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();

    // The bank's client takes the public records, each broker's its own book.
    let state = at("state.json");
    let exported = run(
        &["export", "Estatia", "--out", &state],
        &access(network.folder(), BANK.msp),
    )
    .await;
    assert!(exported.status.success(), "{}", text(&exported.stderr));
    let mut books = Vec::new();
    for broker in [BROKER_A, BROKER_B] {
        let book = at(&format!("{}.json", broker.name));
        let disclosed = run(
            &["disclose", "Estatia", "--out", &book],
            &access(network.folder(), broker.msp),
        )
        .await;
        assert!(disclosed.status.success(), "{}", text(&disclosed.stderr));
        let mode = fs::metadata(&book).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{book}");
        // A file that is there is not overwritten.
        let again = run(
            &["disclose", "Estatia", "--out", &book],
            &access(network.folder(), broker.msp),
        )
        .await;
        assert_eq!(again.status.code(), Some(2));
        books.push(book);
    }
    // A broker's client that connects to another's peer is led back to its own: it gets its own book, never the other's.
    let mut elsewhere = access(network.folder(), BROKER_A.msp);
    for (option, value) in access(network.folder(), BROKER_B.msp)
        .chunks_exact(2)
        .map(|pair| (&pair[0], &pair[1]))
    {
        if ["--peer", "--server-name", "--tls-ca"].contains(&option.as_str()) {
            let place = elsewhere.iter().position(|it| it == option).unwrap();
            elsewhere[place + 1].clone_from(value);
        }
    }
    let from_elsewhere = at("elsewhere.json");
    let disclosed = run(&["disclose", "Estatia", "--out", &from_elsewhere], &elsewhere).await;
    assert!(disclosed.status.success(), "{}", text(&disclosed.stderr));
    assert_eq!(read(from_elsewhere.as_ref()), read(books[0].as_ref()));

    // From files and from a peer the verdict is the same.
    let all = ["check", "--book", &books[0], "--book", &books[1]];
    let from_file = run(&[&all[..], &["--state", &state]].concat(), &[]).await;
    let report = text(&from_file.stdout);
    assert_eq!(
        from_file.status.code(),
        Some(0),
        "{report}{}",
        text(&from_file.stderr)
    );
    for line in [
        "listing Estatia on ipochannel/ipo: sold, 25000 shares at 700",
        "a-1003         holds: 6347 shares",
        "a-1004         holds: 6653 shares",
        "b-2003         holds: 12000 shares",
        "verdict: holds\n",
    ] {
        assert!(report.contains(line), "no {line:?} in\n{report}");
    }
    let live = [&all[..], &["--listing", "Estatia"]].concat();
    let from_peer = run(&live, &access(network.folder(), BROKER_B.msp)).await;
    assert_eq!(text(&from_peer.stdout), report, "{}", text(&from_peer.stderr));
    let one = run(&["check", "--book", &books[0], "--state", &state, "--json"], &[]).await;
    assert_eq!(one.status.code(), Some(0));
    let one: Value = serde_json::from_slice(&one.stdout).unwrap();
    assert_eq!(one["outcome"]["verdict"], "holds-in-part");

    // Every tampered copy of these very files.
    let files = files(&state, &books);
    every_copy_fails(&files);
    // One of them through the program.
    let mut tampered = files.clone();
    (COPIES[0].tamper)(&mut tampered);
    fs::write(at("tampered.json"), tampered.1[0].to_string()).unwrap();
    let found = run(
        &[
            "check",
            "--state",
            &state,
            "--book",
            &at("tampered.json"),
            "--book",
            &books[1],
        ],
        &[],
    )
    .await;
    assert_eq!(found.status.code(), Some(1));
    assert!(
        text(&found.stdout).contains(COPIES[0].reasons[0]),
        "{}",
        text(&found.stdout)
    );

    // One investor, with the order that it kept.
    let order = &files.1[1]["orders"][0];
    let mut kept = json!({"msp": BROKER_B.msp, "id": order["id"], "investor": order["investor"], "steps": order["steps"],
                          "salt": order["salt"], "allocation": 12_000});
    fs::write(at("order.json"), kept.to_string()).unwrap();
    let receipt = run(
        &["receipt", "--order", &at("order.json"), "--listing", "Estatia"],
        &access(network.folder(), BANK.msp),
    )
    .await;
    assert_eq!(receipt.status.code(), Some(0), "{}", text(&receipt.stderr));
    assert!(
        text(&receipt.stdout).contains("holds: 12000 shares"),
        "{}",
        text(&receipt.stdout)
    );
    kept["allocation"] = json!(11_999);
    fs::write(at("order.json"), kept.to_string()).unwrap();
    let receipt = run(&["receipt", "--order", &at("order.json"), "--state", &state], &[]).await;
    assert_eq!(receipt.status.code(), Some(1), "{}", text(&receipt.stdout));

    // What is missing or of another form is named, without its content.
    let bare = run(&["check", "--listing", "Estatia"], &[]).await;
    assert_eq!(bare.status.code(), Some(2));
    assert!(
        text(&bare.stderr).contains("--peer is missing"),
        "{}",
        text(&bare.stderr)
    );
    let wrong = run(&["check", "--state", &at("order.json")], &[]).await;
    assert_eq!(wrong.status.code(), Some(2));
    let said = text(&wrong.stderr);
    assert!(
        said.contains("order.json: not a listing's records") && !said.contains("Bilal"),
        "{said}"
    );

    drop(cast);
    network.stop().await.unwrap();
}
