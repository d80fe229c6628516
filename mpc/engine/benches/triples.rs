//! Triples a second, all parties in this process: `cargo bench -p mpc-engine --bench triples`.
//!
//! The base transfers are included: an attempt has no preprocessing without them.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mpc_engine::{Demand, Error, Setup, Terms, transport::MemoryTransport};
use tokio::runtime::Runtime;

async fn preprocess(parties: usize, triples: usize) -> Result<(), Error> {
    let terms = Terms {
        purpose: [0; 32],
        patience: Duration::from_secs(60),
    };
    let tasks: Vec<_> = MemoryTransport::network(parties)
        .into_iter()
        .map(|transport| {
            let (terms, inputs) = (terms.clone(), vec![0; parties]);
            tokio::spawn(async move {
                let setup = Setup::run(transport, &terms).await?;
                setup.preprocess(&Demand { triples, inputs }).await?;
                Ok::<_, Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no party panics")?;
    }
    Ok(())
}

fn triples(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("triples");
    group.sample_size(10);
    for (parties, triples) in [(2, 25_000), (3, 25_000), (5, 25_000)] {
        group.throughput(Throughput::Elements(triples as u64));
        group.bench_function(format!("{parties} parties"), |bencher| {
            bencher.iter(|| {
                runtime
                    .block_on(preprocess(parties, triples))
                    .expect("honest parties");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, triples);
criterion_main!(benches);
