//! What binding costs one party, step by step: three organisations, so that everybody verifies two peers.

#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use order_commitments::binding::{
    Claim, CommittedRound, Expected, Peer, Prepared, Prover, Statement, Toss, verify,
};
use order_commitments::{
    AllocationRule, Book, BookContext, Commitment, DemandSchedule, Opening, OrderRules, Participant, Price,
    PriceGrid, Salt, Session, SessionTerms, Step,
};
use p256::elliptic_curve::Field;
use p256::{ProjectivePoint, Scalar};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const ATTEMPT: [u8; 32] = [1; 32];
const TOSS: Toss = Toss {
    coin: [2; 32],
    echoed: [3; 32],
};
const MASKED: &[u8] = b"masked inputs";
const MAX_ORDER: u64 = 100_000_000;

struct Case {
    statement: Arc<Statement>,
    book: Vec<Opening>,
}

/// Organisations with a number of orders each, whose demands have 32 bits or a little more.
fn case(levels: u64, orders: u64) -> Case {
    let rules = OrderRules::new(PriceGrid::new(1, levels, 1).unwrap(), 1, MAX_ORDER).unwrap();
    let owner = BookContext {
        channel: "market",
        chaincode: "ipo",
        listing: "Estatia",
        msp: "AMSP",
    };
    let book: Vec<_> = (0..orders)
        .map(|index| {
            let steps: Vec<_> = (0..10)
                .map(|step| Step {
                    price: Price::At(1 + step * (levels / 10)),
                    quantity: MAX_ORDER - step * 1000 - index,
                })
                .collect();
            let (order_id, schedule) = (
                format!("{index:06}"),
                DemandSchedule::new(&steps, &rules).unwrap(),
            );
            let salt = Salt::new([1; 32]);
            Opening {
                commitment: Commitment::commit(&schedule, &owner.order(&order_id), &salt).unwrap(),
                order_id,
                schedule,
                salt,
            }
        })
        .collect();
    let commitments = book
        .iter()
        .map(|opening| (opening.order_id.as_str(), opening.commitment));
    let frozen = Book::freeze(&owner, commitments).unwrap();
    let participants = ["AMSP", "BMSP", "CMSP"]
        .map(|msp| Participant {
            msp: msp.to_owned(),
            endpoint: "localhost:1".to_owned(),
            key_hash: [1; 32],
            next_key_hash: None,
            book: frozen.clone(),
        })
        .into();
    let terms = SessionTerms {
        channel: "market".to_owned(),
        chaincode: "ipo".to_owned(),
        listing: "Estatia".to_owned(),
        grid: PriceGrid::new(1, levels, 1).unwrap(),
        shares: MAX_ORDER,
        lot_size: 1,
        rule: AllocationRule::PricePriority,
        min_subscription: 0,
        max_order: MAX_ORDER,
        fan_out: 3,
    };
    Case {
        statement: Statement::new(&Session::new(terms, participants).unwrap()),
        book,
    }
}

impl Case {
    fn prepare(&self, rounds: usize, probes: usize) -> Prepared {
        Prepared::new(
            Arc::clone(&self.statement),
            0,
            &self.book,
            Expected { rounds, probes },
            &mut rng(),
        )
        .unwrap()
    }

    fn prover(&self, rounds: usize, probes: usize) -> (Prover, Vec<u8>) {
        self.prepare(rounds, probes)
            .prove_book(ATTEMPT, &mut rng())
            .unwrap()
    }

    fn committed(&self, probes: &[usize]) -> CommittedRound {
        let (prover, _) = self.prover(1, probes.len());
        prover.commit_round(probes, &mut rng()).unwrap()
    }
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(5)
}

fn twice(claim: &Claim) -> [Claim; 2] {
    [claim.clone(), claim.clone()]
}

/// What the other figures are best compared with, as they share the machine's state.
fn multiplication(criterion: &mut Criterion) {
    let scalar = Scalar::random(&mut rng());
    let point = ProjectivePoint::GENERATOR * scalar;
    criterion.bench_function("one multiplication", |bencher| {
        bencher.iter(|| black_box(point) * black_box(scalar));
    });
}

fn book(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("book");
    group.sample_size(10);
    for (levels, orders) in [(128, 40), (1024, 40), (128, 1000)] {
        let case = case(levels, orders);
        let name = |step: &str| BenchmarkId::new(step, format!("{orders} orders, {levels} levels"));
        group.bench_function(name("prepare"), |bencher| {
            bencher.iter(|| case.prepare(0, 0));
        });
        group.bench_function(name("prove"), |bencher| {
            bencher.iter_batched(
                || case.prepare(0, 0),
                |prepared| prepared.prove_book(ATTEMPT, &mut rng()).unwrap(),
                BatchSize::SmallInput,
            );
        });
        let (_, message) = case.prover(0, 0);
        println!(
            "book message, {orders} orders, {levels} levels: {} bytes",
            message.len()
        );
        group.bench_function(name("read"), |bencher| {
            bencher.iter(|| Peer::verify_book(Arc::clone(&case.statement), 0, ATTEMPT, &message).unwrap());
        });
        let (_, claim) = Peer::verify_book(Arc::clone(&case.statement), 0, ATTEMPT, &message).unwrap();
        let claims = twice(&claim);
        group.bench_function(name("verify two peers"), |bencher| {
            bencher.iter(|| verify(&claims, &mut rng()).unwrap());
        });
    }
    group.finish();
}

fn round(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("round");
    group.sample_size(20);
    let case = case(128, 40);
    println!("demands of {} bits", case.statement.width());
    for probes in [
        vec![64],
        vec![32, 64, 96],
        (1..=7).map(|probe| probe * 16).collect(),
    ] {
        let name = |step: &str| BenchmarkId::new(step, format!("{} probes", probes.len()));
        group.bench_function(name("prepare"), |bencher| {
            bencher.iter_batched(
                || case.prover(0, 0).0,
                |mut prover| {
                    prover.prepare_rows(
                        Expected {
                            rounds: 1,
                            probes: probes.len(),
                        },
                        &mut rng(),
                    );
                    prover
                },
                BatchSize::SmallInput,
            );
        });
        group.bench_function(name("commit"), |bencher| {
            bencher.iter_batched(
                || case.prover(1, probes.len()).0,
                |prover| prover.commit_round(&probes, &mut rng()).unwrap(),
                BatchSize::SmallInput,
            );
        });
        group.bench_function(name("answer"), |bencher| {
            bencher.iter_batched(
                || case.committed(&probes),
                |round| round.answer(MASKED, &TOSS, &mut rng()),
                BatchSize::SmallInput,
            );
        });
        // Of the same prover, whose book the round's challenges depend on.
        let (prover, book) = case.prover(1, probes.len());
        let committed = prover.commit_round(&probes, &mut rng()).unwrap();
        let commitments = committed.message().to_vec();
        let (_, answer) = committed.answer(MASKED, &TOSS, &mut rng());
        println!(
            "{} probes: commitments {} bytes, answer {} bytes",
            probes.len(),
            commitments.len(),
            answer.len()
        );
        let read = || {
            let (peer, _) = Peer::verify_book(Arc::clone(&case.statement), 0, ATTEMPT, &book).unwrap();
            peer.receive_round(&probes, &commitments).unwrap()
        };
        group.bench_function(name("read"), |bencher| {
            bencher.iter_batched(
                read,
                |peer| peer.verify_answer(MASKED, &TOSS, &answer, &mut rng()).unwrap(),
                BatchSize::SmallInput,
            );
        });
        let (_, claim) = read().verify_answer(MASKED, &TOSS, &answer, &mut rng()).unwrap();
        let claims = twice(&claim);
        group.bench_function(name("verify two peers"), |bencher| {
            bencher.iter(|| verify(&claims, &mut rng()).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, multiplication, book, round);
criterion_main!(benches);
