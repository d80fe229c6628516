//! All of it on the embedded network, with the programs as processes.

use std::fs;
use std::path::Path;

use ipo_demo::network::{CHAINCODE, LocalNetwork};
use ipo_demo::story::ORGANISATIONS;
use prost::Message;

use crate::confidentiality::{self, Haystack};
use crate::market::Market;
use crate::{crowd, traps};

#[tokio::test(flavor = "multi_thread")]
async fn traps_and_a_crowd_and_nothing_of_an_order_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let network = LocalNetwork::start(folder.path(), &ORGANISATIONS).await.unwrap();
    let market = Market::open(folder.path()).await;
    traps::all(&market).await;

    let tally = crowd::at_once(&market).await;
    println!("{tally}");
    assert_eq!(tally.codes.keys().collect::<Vec<_>>(), [&"VALID"]);
    assert!(tally.shared_blocks() > 0, "{tally}");

    let secrets = confidentiality::ipo(&market).await;
    let logs = logs(folder.path());
    assert!(!logs.is_empty());
    for secret in &secrets {
        let mut haystacks = Vec::new();
        for organisation in ORGANISATIONS {
            let gateway = network.fabric().gateway(organisation.msp).unwrap();
            let peer = network.fabric().peer(&gateway.peer).unwrap();
            haystacks.extend(peer.blocks().iter().map(|block| Haystack {
                name: format!("block {} of {}", block.number(), organisation.msp),
                bytes: block.block.encode_to_vec(),
            }));
            for (key, entry) in peer.all_state(CHAINCODE).await {
                haystacks.push(Haystack {
                    name: format!("{key:?} at {}", organisation.msp),
                    bytes: [key.as_bytes(), &entry.value].concat(),
                });
            }
            // Its own collection is on its own peer, and on no other.
            let order = chaincode_order_key(&secret.listing, "o0");
            let collection = format!("_implicit_org_{}", secret.msp);
            let value = peer.private_state(CHAINCODE, &collection, &order).await;
            assert_eq!(value.is_some(), organisation.msp == secret.msp);
            if let Some(own) = value {
                assert!(secret.needles.find(&own.value).is_some());
            }
        }
        haystacks.extend(logs.iter().map(|(name, bytes)| Haystack {
            name: name.clone(),
            bytes: bytes.clone(),
        }));
        confidentiality::search(secret, haystacks.into_iter());
    }
    drop(market);
    network.stop().await.unwrap();
}

fn chaincode_order_key(listing: &str, id: &str) -> String {
    format!("\0order\0{listing}\0{id}\0")
}

/// Every log below a folder.
fn logs(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(logs(&path));
        } else if path.extension().is_some_and(|extension| extension == "log") {
            all.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    all
}
