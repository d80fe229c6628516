//! What is opened on the way says nothing: it is uniform, whatever the inputs are.

#![allow(clippy::unwrap_used)] // as in every test; the lint does not see that some helpers are ones

mod world;

use std::sync::{Arc, Mutex};

use mpc_engine::{
    Step,
    interceptor::{Fate, Interceptor},
    transport::{MemoryTransport, Transport},
};
use world::{Circuit, World};

/// The bits that the parties sent to one peer at a step, party by party and message by message.
type Sent = Arc<Mutex<Vec<Vec<Vec<u8>>>>>;

/// Runs `circuit` and records what each party sends at `step` to its lowest peer.
async fn record(circuit: &Circuit, step: Step) -> Vec<Vec<Vec<u8>>> {
    let parties = 3;
    let sent: Sent = Arc::new(Mutex::new(vec![Vec::new(); parties]));
    let network = MemoryTransport::network(parties).into_iter().map(|transport| {
        let (me, sent) = (transport.me(), Arc::clone(&sent));
        let witness = usize::from(me == 0);
        Interceptor::new(transport, move |intercepted| {
            if intercepted.is(step, witness) {
                sent.lock().unwrap()[me].push(intercepted.frame.message.clone());
            }
            Fate::Deliver
        })
    });
    for outcome in World::new(parties).run_over(network.collect(), circuit).await {
        assert_eq!(outcome, Ok(circuit.plain()));
    }
    let sent = sent.lock().unwrap();
    sent.clone()
}

/// Bytes are uniform: the number of set bits, of equal neighbours, and chi-squared over nibbles are where they are for
/// all but a 2^-30 of uniform strings or less.
fn assert_uniform(bytes: &[u8], what: &str) {
    let bits: Vec<bool> = bytes
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| (byte >> bit) & 1 == 1))
        .collect();
    let deviation =
        |count: usize, of: usize| (count as f64 - of as f64 / 2.0).abs() / (of as f64 / 4.0).sqrt();
    let ones = deviation(bits.iter().filter(|bit| **bit).count(), bits.len());
    assert!(ones < 6.5, "{what}: ones are {ones} standard deviations off");
    let equal = deviation(
        bits.windows(2).filter(|pair| pair[0] == pair[1]).count(),
        bits.len() - 1,
    );
    assert!(
        equal < 6.5,
        "{what}: equal neighbours are {equal} standard deviations off"
    );
    let mut counts = [0_usize; 16];
    for byte in bytes {
        counts[usize::from(byte & 15)] += 1;
        counts[usize::from(byte >> 4)] += 1;
    }
    let expected = 2.0 * bytes.len() as f64 / 16.0;
    let chi: f64 = counts
        .iter()
        .map(|count| (*count as f64 - expected).powi(2) / expected)
        .sum();
    assert!(
        chi < 75.0,
        "{what}: chi-squared of nibbles is {chi} for 15 degrees of freedom"
    );
}

/// The first `bytes` of every message, of each party and summed over all parties.
fn assert_openings_uniform(sent: &[Vec<Vec<u8>>], bytes: impl Fn(&[u8]) -> usize, step: Step) {
    let cut = |message: &Vec<u8>| message[..bytes(message)].to_vec();
    let shares: Vec<Vec<u8>> = sent
        .iter()
        .map(|messages| messages.iter().flat_map(cut).collect())
        .collect();
    assert!(
        shares[0].len() >= 500,
        "{} bytes at {}",
        shares[0].len(),
        step.name()
    );
    let mut opened = vec![0; shares[0].len()];
    for (party, share) in shares.iter().enumerate() {
        assert_uniform(share, &format!("{} of party {party}", step.name()));
        for (sum, byte) in opened.iter_mut().zip(share) {
            *sum ^= byte;
        }
    }
    assert_uniform(&opened, &format!("{}, opened", step.name()));
}

#[tokio::test(flavor = "multi_thread")]
async fn openings_of_conjunctions_are_uniform() {
    // All inputs zero, then all one: the secret values could not be less uniform.
    for value in [false, true] {
        let circuit = Circuit::wide([value; 3], 2_048);
        let sent = record(&circuit, Step::AND).await;
        // Padding is none: 4096 bits.
        assert_openings_uniform(&sent, |message| message.len() - 32, Step::AND);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn masked_inputs_are_uniform() {
    for value in [false, true] {
        let circuit = Circuit::inputs_of(3, 8_000, value);
        let sent = record(&circuit, Step::INPUT).await;
        assert_openings_uniform(&sent, <[u8]>::len, Step::INPUT);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn preprocessing_opens_uniform_bits() {
    let circuit = Circuit::conjunction(&[true; 3]);
    for (step, tail) in [(Step::TRIPLE_CORRECTION, 0), (Step::TRIPLE_BUCKETS, 32)] {
        let sent = record(&circuit, step).await;
        assert_openings_uniform(&sent, |message| message.len() - tail, step);
    }
}

/// Shares of an output: each alone is uniform, though the output is all ones.
#[tokio::test(flavor = "multi_thread")]
async fn shares_of_outputs_are_uniform() {
    let circuit = Circuit::wide([true; 3], 4_096);
    let sent = record(&circuit, Step::OPEN).await;
    for (party, messages) in sent.iter().enumerate() {
        let shares = &messages[0][..messages[0].len() - 32];
        assert!(shares.len() >= 500);
        assert_uniform(shares, &format!("output shares of party {party}"));
    }
}

/// What is opened without a conjunction on the way is not the inputs either: of a sum nobody learns the summands.
#[tokio::test(flavor = "multi_thread")]
async fn shares_of_sums_of_inputs_are_uniform() {
    let count = 4_096;
    for value in [false, true] {
        let circuit = Circuit::sums(3, count, value);
        let sent = record(&circuit, Step::OPEN).await;
        for (party, messages) in sent.iter().enumerate() {
            let (bytes, _) = messages[0].split_at(3 * count / 8);
            for (kind, shares) in ["sums", "inputs"].into_iter().zip(bytes.chunks_exact(count / 8)) {
                assert_uniform(shares, &format!("shares of {kind}, party {party}"));
            }
        }
    }
}
