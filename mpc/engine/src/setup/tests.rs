#![allow(clippy::unwrap_used)] // a test fails by it

use std::collections::BTreeSet;

use futures_util::future::join_all;

use super::*;
use crate::transport::MemoryTransport;

const MASKS: usize = 256;

/// What must be new in every attempt, of one party.
struct Drawn {
    id: [u8; 32],
    delta: [u8; 16],
    /// Of the own inputs; inputs of zero would be sent as they are.
    masks: Vec<bool>,
    triples: Vec<bool>,
}

async fn attempt() -> Vec<Drawn> {
    let terms = Terms {
        purpose: [3; 32],
        patience: Duration::from_secs(60),
    };
    let demand = Demand {
        triples: MASKS,
        inputs: vec![MASKS; 2],
    };
    let network = MemoryTransport::network(2).into_iter().enumerate();
    let parties = network.map(async |(me, transport)| {
        let setup = Setup::run(transport, &terms).await.unwrap();
        let mut made = setup.preprocess(&demand).await.unwrap().material;
        let triples = made.triples.take(MASKS).unwrap();
        Drawn {
            id: made.id,
            delta: made.delta.to_bytes(),
            masks: made.masks.take(me, &[MASKS; 2]).unwrap().values.to_vec(),
            triples: triples.iter().map(|(x, _, _)| x.share).collect(),
        }
    });
    join_all(parties).await
}

/// A rerun on the same terms, which name the same purpose, draws everything anew: a Delta that were kept would leak by repeated
/// guessing, and a mask that served twice would show how two inputs differ.
#[tokio::test]
async fn a_rerun_draws_everything_anew() {
    let attempts = [attempt().await, attempt().await];
    let ids: BTreeSet<_> = attempts.iter().map(|parties| parties[0].id).collect();
    assert_eq!(ids.len(), 2);
    assert!(attempts.iter().all(|parties| parties[0].id == parties[1].id));
    let all = || attempts.iter().flatten();
    assert_eq!(all().map(|drawn| drawn.delta).collect::<BTreeSet<_>>().len(), 4);
    for of in [
        |drawn: &Drawn| drawn.masks.clone(),
        |drawn: &Drawn| drawn.triples.clone(),
    ] {
        let strings: Vec<Vec<bool>> = all().map(of).collect();
        for (index, one) in strings.iter().enumerate() {
            for other in &strings[..index] {
                // Unrelated strings differ in half of their places, and are within 7 standard deviations of it.
                let differ = one.iter().zip(other).filter(|(one, other)| one != other).count();
                assert!(differ.abs_diff(MASKS / 2) < 56, "{differ}");
            }
        }
    }
}
