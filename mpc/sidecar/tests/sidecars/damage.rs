//! Stored sessions that cannot be taken up again.

#![allow(clippy::unwrap_used)]

use fabric_protos::ipo::sidecar::v1 as wire;
use mpc_sidecar::store::{Failure, Store};
use redb::{Database, ReadableTable, TableDefinition};
use wire::State;

use crate::network::{Network, estatia, terms};
use crate::program::Process;

type Records = TableDefinition<'static, &'static [u8; 32], &'static [u8]>;
const JOINED: Records = TableDefinition::new("joined");
const FAILURES: Records = TableDefinition::new("failures");

/// Cuts off what is stored of the network's session in a table of the first sidecar, which does not run.
fn damage(network: &Network, table: Records) {
    let database = Database::open(network.home(0).join("data/sidecar.redb")).unwrap();
    let write = database.begin_write().unwrap();
    {
        let mut table = write.open_table(table).unwrap();
        let session = network.session().id();
        let mut record = table
            .get(&session.0)
            .unwrap()
            .map(|record| record.value().to_vec())
            .unwrap_or_default();
        record.pop();
        record.push(0xff);
        record.push(0xff);
        table.insert(&session.0, record.as_slice()).unwrap();
    }
    write.commit().unwrap();
}

/// Stores an order that the listing's rules forbid.
fn forbid(network: &Network) {
    let mut request = network.request(0);
    request.openings[1].steps[0].quantity -= 1;
    let store = Store::open(&network.home(0).join("data")).unwrap();
    let session = network.session();
    store.join(session.id(), session.terms(), &request).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_session_fails_alone_and_is_mended_by_handing_it_over_again() {
    let mut network = Network::new(estatia(), terms());
    network.start(0).await;
    network.join(0).await;
    network.terms.listing = "Another".to_owned();
    network.join(0).await;
    type Damage = fn(&Network);
    let damages: [(Damage, &str); 3] = [
        (forbid, "one of its orders does not pass the checks"),
        (|network| damage(network, JOINED), "its record cannot be read"),
        (|network| damage(network, FAILURES), "its history cannot be read"),
    ];
    for (index, (damage, expected)) in damages.into_iter().enumerate() {
        network.stop(0).await;
        damage(&network);
        network.start(0).await;
        let mut client = network.client(0).await;
        let status = client.status().await;
        assert_eq!(status.state(), State::Failed);
        assert!(status.last_error.contains(expected), "{}", status.last_error);
        assert!(
            network
                .metrics(0)
                .await
                .contains("mpc_sidecar_sessions{outcome=\"damaged\"} 1")
        );
        // The other listing is none the worse for it.
        network.terms.listing = "Estatia".to_owned();
        assert_eq!(network.client(0).await.status().await.state(), State::Waiting);
        network.terms.listing = "Another".to_owned();
        if index == 2 {
            // What happened so far is lost, and no request brings it back.
            assert!(client.join(network.request(0)).await.is_err());
            assert_eq!(client.status().await.state(), State::Failed);
            continue;
        }
        assert_eq!(network.join(0).await.state(), State::Waiting);
        assert!(
            network
                .metrics(0)
                .await
                .contains("mpc_sidecar_sessions{outcome=\"damaged\"} 0")
        );
        network.stop(0).await;
        network.start(0).await;
        assert_eq!(network.client(0).await.status().await.state(), State::Waiting);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outcome_of_a_damaged_session_is_served_and_no_order_is_logged() {
    let mut network = Network::new(estatia(), terms());
    network.start(0).await;
    network.join(0).await;
    network.stop(0).await;
    let session = network.session().id();
    let store = Store::open(&network.home(0).join("data")).unwrap();
    store
        .finish(session, &network.expected(), &Failure::default())
        .unwrap();
    drop(store);
    forbid(&network);

    // It would be refused with "steps[1].quantity is 9000, allowed is at most 8999".
    let process = Process::start(&mut network, 0).await;
    let said = &process.said;
    assert!(said.contains("one of its orders does not pass"), "{said}");
    let hides = |secret: &str| !said.contains(secret);
    assert!(hides("9000") && hides("8999") && hides("quantity"), "{said}");
    let mut client = network.client(0).await;
    assert_eq!(client.outcome().await, network.expected());
    let status = client.status().await;
    assert!(
        status.last_error.contains("one of its orders"),
        "{}",
        status.last_error
    );
    assert!(!status.last_error.contains("8999"));
}
