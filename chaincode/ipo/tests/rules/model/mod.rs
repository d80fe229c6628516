//! Random calls by random organisations, each executed by every organisation's endorser, against a plain model. What the model does not
//! expect does not happen: tokens are conserved, nobody spends another's, a listing only moves along its states, an order counts
//! exactly when its broker placed it in time, nobody reads or learns another organisation's order, and all endorsers agree to the byte.

mod call;
mod orders;
mod run;
mod sale;
mod tokens;

use std::collections::BTreeMap;
use std::env;
use std::thread;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use sha2::{Digest, Sha256};

use self::call::sequence;
use self::run::{Run, Taken};

const SEQUENCES: u32 = 10_000;
const THREADS: u32 = 2;

/// `IPO_SEQUENCES` asks for another number of sequences, `IPO_SEED` for other ones.
#[test]
fn random_calls_do_what_a_plain_model_expects() {
    let number = |name: &str, otherwise: u32| {
        let given = env::var(name).ok().map(|value| value.parse().unwrap());
        given.unwrap_or(otherwise)
    };
    let cases = number("IPO_SEQUENCES", SEQUENCES);
    let seed = number("IPO_SEED", std::process::id());
    println!("IPO_SEED={seed}");
    let runs: Vec<_> = (0..THREADS)
        .map(|part| {
            let share = cases / THREADS + u32::from(part < cases % THREADS);
            thread::spawn(move || sequences(share, seed, part))
        })
        .collect();
    let mut taken = Taken::new();
    for run in runs {
        for (call, times) in run.join().unwrap() {
            *taken.entry(call).or_default() += times;
        }
    }
    println!("{cases} sequences; calls taken: {taken:?}");
    // A test of refusals alone would prove little.
    assert!(
        taken.len() == 23 && taken.values().all(|count| *count > cases / 100),
        "{taken:?}"
    );
}

/// Runs so many sequences. Answers how often each call was taken.
fn sequences(cases: u32, seed: u32, part: u32) -> Taken {
    let seed = Sha256::digest(format!("{seed} {part}"));
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let fresh = Run::new();
    let taken = std::cell::RefCell::new(BTreeMap::new());
    runner
        .run(&sequence(), |calls| {
            let mut run = fresh.clone();
            for call in &calls {
                run.step(call);
            }
            run.check();
            for (call, times) in run.taken {
                *taken.borrow_mut().entry(call).or_default() += times;
            }
            Ok(())
        })
        .unwrap();
    taken.into_inner()
}
