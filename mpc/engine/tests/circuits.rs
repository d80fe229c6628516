//! What the parties compute is what the circuit says.

mod world;

use std::time::Duration;

use mpc_engine::transport::{Delayed, MemoryTransport};
use world::{Circuit, World};

async fn random_circuits(parties: usize, circuits: usize) {
    let world = World::new(parties);
    let mut rng = world.rng(100);
    for _ in 0..circuits {
        let circuit = Circuit::random(parties, 6, 30, &mut rng);
        let plain = circuit.plain();
        for outcome in world.run(&circuit).await {
            assert_eq!(outcome.as_ref(), Ok(&plain));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_parties() {
    random_circuits(2, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_parties() {
    random_circuits(3, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_parties() {
    random_circuits(5, 2).await;
}

/// The most parties, on one thread of the runtime.
#[tokio::test]
async fn sixteen_parties() {
    let world = World::new(16);
    let circuit = Circuit::conjunction(&[true; 16]);
    for outcome in world.run(&circuit).await {
        assert_eq!(outcome, Ok(vec![true, false]));
    }
}

/// The smaller buckets of a large batch.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_batch() {
    let world = World::new(3);
    let circuit = Circuit::wide([true; 3], 8_200);
    for outcome in world.run(&circuit).await {
        assert_eq!(outcome, Ok(circuit.plain()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_long_way() {
    let world = World::new(2);
    let circuit = Circuit::random(2, 3, 10, &mut world.rng(100));
    let network = MemoryTransport::network(2).into_iter();
    let network = network
        .map(|party| Delayed::new(party, Duration::from_millis(2)))
        .collect();
    for outcome in world.run_over(network, &circuit).await {
        assert_eq!(outcome, Ok(circuit.plain()));
    }
}
