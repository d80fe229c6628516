//! What a commitment costs, by the number of levels, and the check of a whole book.

#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Instant;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use order_commitments::opening::open_book;
use order_commitments::{
    BookContext, Commitment, DemandSchedule, Opening, OrderRules, Price, PriceGrid, Salt, Step, generators,
};

const OWNER: BookContext<'_> = BookContext {
    channel: "market",
    chaincode: "ipo",
    listing: "Estatia",
    msp: "BrokerAMSP",
};

fn order(levels: u64, index: u64) -> DemandSchedule {
    let rules = OrderRules::new(PriceGrid::new(1, levels, 1).unwrap(), 1, u64::from(u32::MAX)).unwrap();
    let steps: Vec<_> = (0..10)
        .map(|step| Step {
            price: Price::At(1 + step * (levels / 10)),
            quantity: u64::from(u32::MAX) - step * 1000 - index,
        })
        .collect();
    DemandSchedule::new(&steps, &rules).unwrap()
}

fn book(levels: u64, orders: u64) -> Vec<Opening> {
    (0..orders)
        .map(|index| {
            let (order_id, schedule) = (format!("{index:06}"), order(levels, index));
            let salt = Salt::new([1; 32]);
            let commitment = Commitment::commit(&schedule, &OWNER.order(&order_id), &salt).unwrap();
            Opening {
                order_id,
                schedule,
                salt,
                commitment,
            }
        })
        .collect()
}

fn bench(criterion: &mut Criterion) {
    // They are made once a process, so that a repeated measurement would find them there.
    let start = Instant::now();
    generators::prepare(128);
    println!("generators of 128 levels: {:?}", start.elapsed());
    let start = Instant::now();
    generators::prepare(1024);
    println!("the other 896 generators: {:?}", start.elapsed());

    let mut group = criterion.benchmark_group("commit");
    for levels in [128, 1024] {
        let schedule = order(levels, 0);
        group.bench_function(BenchmarkId::from_parameter(levels), |bencher| {
            bencher.iter(|| {
                Commitment::commit(black_box(&schedule), &OWNER.order("a1"), &Salt::new([1; 32])).unwrap()
            });
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("open_book");
    group.sample_size(10);
    for (levels, orders) in [(128, 4), (128, 100), (1024, 1000)] {
        let book = book(levels, orders);
        group.bench_function(
            BenchmarkId::from_parameter(format!("{orders} orders, {levels} levels")),
            |bencher| {
                bencher.iter_batched(
                    || &book,
                    |book| open_book(&OWNER, usize::try_from(levels).unwrap(), book).unwrap(),
                    BatchSize::SmallInput,
                );
            },
        );
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
