//! What oblivious transfer costs: `cargo bench -p mpc-engine --bench ot`.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mpc_engine::block::Block;
use mpc_engine::gf128::{self, PowerHash};
use mpc_engine::hash::{Tweak, TweakableHash};
use mpc_engine::ot::{Context, Receiver, Sender, SenderSetup};
use mpc_engine::prg::Prg;
use mpc_engine::transpose::transpose128;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const COUNT: usize = 100_000;

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(0)
}

fn context() -> Context {
    Context::new([0; 32], 0, 1, "bench")
}

fn setup() -> (Sender, Receiver) {
    let mut rng = rng();
    let (start, points) = SenderSetup::start(context(), Block::random(&mut rng), &mut rng);
    let (receiver, trees) = Receiver::setup(context(), &points, &mut rng).expect("honest");
    (start.finish(&trees).expect("honest"), receiver)
}

/// The 128 base OTs and the seed trees of one ordered pair, by step.
fn base(c: &mut Criterion) {
    let mut group = c.benchmark_group("setup of an ordered pair");
    let (_, points) = SenderSetup::start(context(), Block::from_bytes([3; 16]), &mut rng());
    let (_, trees) = Receiver::setup(context(), &points, &mut rng()).expect("honest");
    group.bench_function("sender, start", |b| {
        b.iter(|| SenderSetup::start(context(), Block::from_bytes([3; 16]), &mut rng()));
    });
    group.bench_function("receiver", |b| {
        b.iter(|| Receiver::setup(context(), &points, &mut rng()).expect("honest"));
    });
    group.bench_function("sender, finish", |b| {
        b.iter_batched(
            || SenderSetup::start(context(), Block::from_bytes([3; 16]), &mut rng()).0,
            |start| start.finish(&trees).expect("honest"),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

/// A batch of correlated OTs, by step.
fn extension(c: &mut Criterion) {
    let mut group = c.benchmark_group("100,000 correlated OTs");
    group.throughput(Throughput::Elements(COUNT as u64));
    group.sample_size(30);
    let choices: Vec<bool> = (0..COUNT).map(|i| i % 3 == 0).collect();
    group.bench_function("receiver, extend", |b| {
        b.iter_batched(
            || setup().1,
            |receiver| receiver.extend(&choices, &mut rng()).expect("in range"),
            BatchSize::LargeInput,
        );
    });
    group.bench_function("sender, challenge", |b| {
        b.iter_batched(
            || {
                let (sender, receiver) = setup();
                (sender, receiver.extend(&choices, &mut rng()).expect("in range").1)
            },
            |(sender, corrections)| sender.challenge(COUNT, &corrections, &mut rng()).expect("honest"),
            BatchSize::LargeInput,
        );
    });
    group.bench_function("receiver, respond", |b| {
        b.iter_batched(
            || setup().1.extend(&choices, &mut rng()).expect("in range").0,
            |committed| committed.respond(&[5; 16]).expect("honest"),
            BatchSize::LargeInput,
        );
    });
    group.bench_function("sender, verify", |b| {
        b.iter_batched(
            || {
                let (sender, receiver) = setup();
                let (committed, corrections) = receiver.extend(&choices, &mut rng()).expect("in range");
                let (challenged, challenge) =
                    sender.challenge(COUNT, &corrections, &mut rng()).expect("honest");
                (challenged, committed.respond(&challenge).expect("honest").2)
            },
            |(challenged, response)| challenged.verify(&response).expect("honest"),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn primitives(c: &mut Criterion) {
    let mut group = c.benchmark_group("primitives");
    let mut blocks = vec![Block::from_bytes([7; 16]); 4096];
    group.throughput(Throughput::Elements(blocks.len() as u64));
    let hash = TweakableHash::new(&[1; 32]);
    group.bench_function("TMMO, 4,096 blocks", |b| {
        b.iter(|| hash.hash_all(black_box(&mut blocks), Tweak::new(1, 0, 1, 0)));
    });
    let mut prg = Prg::new(Block::from_bytes([9; 16]), 0);
    group.bench_function("generator, 4,096 blocks", |b| {
        b.iter(|| prg.fill_blocks(black_box(&mut blocks)));
    });
    let power = PowerHash::new(Block::from_bytes([11; 16]));
    group.bench_function("universal hash, 4,096 blocks", |b| {
        b.iter(|| power.hash(black_box(&blocks)));
    });
    group.throughput(Throughput::Elements(1));
    let (x, y) = (Block::from_bytes([13; 16]), Block::from_bytes([17; 16]));
    group.bench_function("GF(2^128) product", |b| {
        b.iter(|| gf128::mul(black_box(x), black_box(y)));
    });
    let mut square = [x; 128];
    group.bench_function("128 x 128 transposition", |b| {
        b.iter(|| transpose128(black_box(&mut square)));
    });
    group.finish();
}

criterion_group!(benches, base, extension, primitives);
criterion_main!(benches);
