//! The whole protocol between two honest parties, and against one that deviates at a step.

use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use zeroize::Zeroizing;

use super::*;
use crate::block::{BLOCK_BYTES, Block};

const SENDER: usize = 3;
const RECEIVER: usize = 1;

fn context() -> Context {
    Context::new([7; 32], SENDER, RECEIVER, "test")
}

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// A seed of the run's own, logged, for statements that hold with overwhelming probability only.
fn fresh_rng() -> ChaCha20Rng {
    let seed = getrandom::u64().unwrap();
    eprintln!("seed {seed}");
    rng(seed)
}

fn bits(count: usize, rng: &mut ChaCha20Rng) -> Vec<bool> {
    (0..count).map(|_| rng.next_u32() & 1 == 1).collect()
}

fn setup(delta: Block, rng: &mut ChaCha20Rng) -> (Sender, Receiver) {
    let (sender, points) = SenderSetup::start(context(), delta, rng);
    let (receiver, trees) = Receiver::setup(context(), &points, rng).unwrap();
    (sender.finish(&trees).unwrap(), receiver)
}

/// What [`setup`] gives, with keys dealt instead of made by base OTs, which are slow.
fn dealt(delta: Block, rng: &mut ChaCha20Rng) -> (Sender, Receiver) {
    let (keys, chosen) = dealt_keys(delta, rng);
    let (seeds, trees) = pprf::grow(&context(), &keys, rng);
    let receiver = Receiver {
        context: context(),
        seeds,
        batch: 0,
    };
    let seeds = pprf::puncture(&context(), delta, &chosen, trees.as_slice().try_into().unwrap()).unwrap();
    (
        Sender {
            context: context(),
            delta: Zeroizing::new(delta),
            seeds,
            batch: 0,
        },
        receiver,
    )
}

fn dealt_keys(delta: Block, rng: &mut ChaCha20Rng) -> (Vec<[Block; 2]>, Vec<Block>) {
    let keys: Vec<_> = (0..128)
        .map(|_| [Block::random(rng), Block::random(rng)])
        .collect();
    let chosen = keys
        .iter()
        .zip(0..)
        .map(|(pair, bit)| pair[usize::from(!delta.bit(bit))])
        .collect();
    (keys, chosen)
}

fn flip(message: &mut [u8], bit: usize) {
    message[bit / 8] ^= 1 << (bit % 8);
}

fn failed(check: &'static str) -> Error {
    Error::CheckFailed {
        check,
        suspects: vec![RECEIVER],
    }
}

fn is_malformed(error: &Error, peer: usize, step: &str) -> bool {
    matches!(error, Error::Malformed { peer: p, step: s, .. } if *p == peer && *s == step)
}

#[test]
fn batches_satisfy_the_definition() {
    let mut rng = rng(1);
    let delta = Block::random(&mut rng);
    let (mut sender, mut receiver) = setup(delta, &mut rng);
    for count in [1, 127, 128, 129, 1000, 20_000] {
        let choices = bits(count, &mut rng);
        let (committed, corrections) = receiver.extend(&choices, &mut rng).unwrap();
        let (challenged, challenge) = sender.challenge(count, &corrections, &mut rng).unwrap();
        let (t, q, response);
        (receiver, t, response) = committed.respond(&challenge).unwrap();
        (sender, q) = challenged.verify(&response).unwrap();
        assert_eq!((t.len(), q.len()), (count, count));
        for ((x, t), q) in choices.iter().zip(t.iter()).zip(q.iter()) {
            assert_eq!(*t, *q ^ delta.times(*x));
        }
    }
}

#[test]
fn extreme_deltas_work() {
    for delta in [Block::ZERO, Block(u128::MAX), Block(1), Block(1 << 127)] {
        let mut rng = rng(2);
        let (sender, receiver) = setup(delta, &mut rng);
        let choices = bits(300, &mut rng);
        let (committed, corrections) = receiver.extend(&choices, &mut rng).unwrap();
        let (challenged, challenge) = sender.challenge(300, &corrections, &mut rng).unwrap();
        let (_, t, response) = committed.respond(&challenge).unwrap();
        let (_, q) = challenged.verify(&response).unwrap();
        assert!(
            choices
                .iter()
                .zip(t.iter().zip(q.iter()))
                .all(|(x, (t, q))| *t == *q ^ delta.times(*x))
        );
    }
}

#[test]
fn keys_macs_corrections_and_responses_look_uniform() {
    let mut rng = fresh_rng();
    let (mut sender, mut receiver) = setup(Block::random(&mut rng), &mut rng);
    let count = 40_000;
    // The choice bits are all zero: nothing of that may show in what the sender sees.
    let mut rows = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..4 {
        let (committed, corrections) = receiver.extend(&vec![false; count], &mut rng).unwrap();
        let (challenged, challenge) = sender.challenge(count, &corrections, &mut rng).unwrap();
        let (t, q, response);
        (receiver, t, response) = committed.respond(&challenge).unwrap();
        (sender, q) = challenged.verify(&response).unwrap();
        rows[0].extend_from_slice(&t);
        rows[1].extend_from_slice(&q);
        rows[2].extend(Block::read(&corrections).unwrap());
        rows[3].extend(Block::read(&response).unwrap());
    }
    for (what, rows) in ["t", "q", "corrections", "responses"].into_iter().zip(rows) {
        // Each of the 128 counts is binomial; nine standard deviations are missed once in 2^61.
        let bound = 4.5 * (rows.len() as f64).sqrt();
        for bit in 0..128 {
            let ones = rows.iter().filter(|row| row.bit(bit)).count() as f64;
            let deviation = (ones - rows.len() as f64 / 2.0).abs();
            assert!(
                deviation < bound,
                "{what}, bit {bit}: {ones} ones of {}",
                rows.len()
            );
        }
        let mut sorted: Vec<_> = rows.iter().map(|row| row.0).collect();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), rows.len(), "{what} repeat");
    }
}

#[test]
fn contexts_must_agree() {
    let mut rng = rng(3);
    let others = [
        Context::new([8; 32], SENDER, RECEIVER, "test"),
        Context::new([7; 32], RECEIVER, SENDER, "test"),
        Context::new([7; 32], SENDER, 2, "test"),
        Context::new([7; 32], SENDER, RECEIVER, "other"),
    ];
    for other in others {
        let (sender, points) = SenderSetup::start(context(), Block(5), &mut rng);
        let (_, trees) = Receiver::setup(other, &points, &mut rng).unwrap();
        assert_eq!(sender.finish(&trees).err(), Some(failed("seed trees")));
    }
}

#[test]
fn invalid_base_points_are_refused() {
    let mut rng = rng(4);
    // The field's prime, 2^255 - 19: zero, written otherwise. The high bit set. A negative encoding. No point.
    let mut prime = [0xff; 32];
    (prime[0], prime[31]) = (0xed, 0x7f);
    let mut high_bit = RISTRETTO_BASEPOINT_POINT.compress().to_bytes();
    high_bit[31] |= 0x80;
    let mut negative = [0; 32];
    negative[0] = 1;
    let mut no_point = [0; 32];
    no_point[0] = 8;
    // Encodings of the Edwards curve's points of order 2 and 4 (y = -1, y = 0), of no meaning in ristretto255.
    let mut order_two = [0xff; 32];
    (order_two[0], order_two[31]) = (0xec, 0x7f);
    let mut order_four = [0; 32];
    order_four[31] = 0x80;
    for bad in [
        [0; 32], prime, high_bit, negative, no_point, order_two, order_four, [0xff; 32],
    ] {
        for index in [0, 1, 254, 255] {
            let (_, mut points) = SenderSetup::start(context(), Block(5), &mut rng);
            points[index * 32..][..32].copy_from_slice(&bad);
            let error = Receiver::setup(context(), &points, &mut rng).err().unwrap();
            assert!(
                is_malformed(&error, SENDER, "base OT points"),
                "{bad:?} gave {error}"
            );
        }
        let (sender, points) = SenderSetup::start(context(), Block(5), &mut rng);
        let (_, mut trees) = Receiver::setup(context(), &points, &mut rng).unwrap();
        trees[..32].copy_from_slice(&bad);
        let error = sender.finish(&trees).err().unwrap();
        assert!(
            is_malformed(&error, RECEIVER, "base OT reply"),
            "{bad:?} gave {error}"
        );
    }
}

#[test]
fn another_valid_base_point_gives_other_keys() {
    let mut rng = rng(5);
    let generator = RISTRETTO_BASEPOINT_POINT.compress().to_bytes();
    // Altered on the way to the receiver: the transcripts differ, so the trees cannot be read.
    let (sender, mut points) = SenderSetup::start(context(), Block(5), &mut rng);
    points[..32].copy_from_slice(&generator);
    let (_, trees) = Receiver::setup(context(), &points, &mut rng).unwrap();
    assert_eq!(sender.finish(&trees).err(), Some(failed("seed trees")));
    // Altered on the way back.
    let (sender, points) = SenderSetup::start(context(), Block(5), &mut rng);
    let (_, mut trees) = Receiver::setup(context(), &points, &mut rng).unwrap();
    trees[..32].copy_from_slice(&generator);
    assert_eq!(sender.finish(&trees).err(), Some(failed("seed trees")));
}

#[test]
fn one_altered_tree_sum_is_caught_on_the_side_that_is_used() {
    let mut rng = fresh_rng();
    let mut caught = 0;
    for trial in 0..128 {
        let delta = Block::random(&mut rng);
        let (keys, chosen) = dealt_keys(delta, &mut rng);
        let (_, mut trees) = pprf::grow(&context(), &keys, &mut rng);
        // The sum of side 0 of base OT `trial`, which the sender reads if that bit of Delta is 1.
        flip(
            &mut trees[trial * 2 * BLOCK_BYTES..],
            rng.next_u32() as usize % 128,
        );
        let result = pprf::puncture(&context(), delta, &chosen, trees.as_slice().try_into().unwrap());
        assert_eq!(result.is_err(), delta.bit(trial as u32), "base OT {trial}");
        caught += usize::from(result.is_err());
    }
    // Binomial with 128 trials: outside once in 2^53.
    assert!((16..=112).contains(&caught), "{caught} of 128 caught");
}

#[test]
fn altered_tree_checks_are_caught() {
    let mut rng = rng(6);
    let offers = 32 + 128 * 2 * BLOCK_BYTES;
    for position in [
        offers,
        offers + 31,
        offers + 17 * 32,
        pprf::MESSAGE_BYTES,
        pprf::MESSAGE_BYTES + 31,
    ] {
        let (sender, points) = SenderSetup::start(context(), Block::random(&mut rng), &mut rng);
        let (_, mut trees) = Receiver::setup(context(), &points, &mut rng).unwrap();
        flip(&mut trees, position * 8 + 3);
        assert_eq!(
            sender.finish(&trees).err(),
            Some(failed("seed trees")),
            "byte {position}"
        );
    }
}

/// A receiver that corrects `tree` by other choice bits than the other trees.
fn inconsistent_batch(
    delta: Block,
    tree: usize,
    guess: Option<usize>,
    rng: &mut ChaCha20Rng,
) -> Result<(), Error> {
    let (sender, receiver) = dealt(delta, rng);
    let count = 256;
    let (committed, mut corrections) = receiver.extend(&bits(count, rng), rng).unwrap();
    let blocks = blocks(count).unwrap();
    let mut error = vec![Block::ZERO; blocks];
    error[0] = Block::random(rng);
    for (byte, error) in corrections[tree * blocks * BLOCK_BYTES..]
        .iter_mut()
        .zip(Block::write(&error))
    {
        *byte ^= error;
    }
    let (challenged, challenge) = sender.challenge(count, &corrections, rng).unwrap();
    let (_, _, mut response) = committed.respond(&challenge).unwrap();
    if let Some(guess) = guess {
        // The sender's columns are off by the error wherever Delta has a 1; a right guess makes up for it.
        let point = Block::from_bytes(challenge.try_into().unwrap());
        let off = columns::masked_hash(&crate::gf128::PowerHash::new(point), &error);
        for bit in 0..K {
            let place = (1 + tree * K + bit) * BLOCK_BYTES;
            for (byte, off) in response[place..][..BLOCK_BYTES].iter_mut().zip(off.to_bytes()) {
                *byte ^= off * ((guess >> bit) & 1) as u8;
            }
        }
    }
    challenged.verify(&response).map(|_| ())
}

#[test]
fn one_inconsistent_tree_passes_only_by_guessing_its_bits_of_delta() {
    let mut rng = fresh_rng();
    let trials = 200;
    let mut caught = [0; 2];
    for trial in 0..trials {
        let delta = Block::random(&mut rng);
        let tree = trial % TREES;
        let truth = (delta.0 >> (tree * K)) as usize % LEAVES;
        let guess = rng.next_u32() as usize % LEAVES;
        for (caught, (guess, given)) in caught.iter_mut().zip([(0, None), (guess, Some(guess))]) {
            let result = inconsistent_batch(delta, tree, given, &mut rng);
            let expected = if guess == truth {
                Ok(())
            } else {
                Err(failed("OT correlation"))
            };
            assert_eq!(result, expected, "tree {tree}, guess {guess}, truth {truth}");
            *caught += usize::from(guess != truth);
        }
    }
    // Expected are 15 of 16; fewer than half has a chance below 2^-200.
    assert!(
        caught.iter().all(|caught| *caught > trials / 2),
        "{caught:?} of {trials} caught"
    );
}

#[test]
fn a_receiver_that_hits_one_column_is_caught_half_of_the_time() {
    // It knows three of the tree's bits of Delta and makes up for them, so that only one column is off, for the
    // senders whose bit there is 1.
    let mut rng = fresh_rng();
    let mut caught = 0;
    for column in 0..128 {
        let delta = Block::random(&mut rng);
        let (tree, bit) = (column / K, column % K);
        let truth = (delta.0 >> (tree * K)) as usize % LEAVES;
        let result = inconsistent_batch(delta, tree, Some(truth & !(1 << bit)), &mut rng);
        assert_eq!(result.is_err(), delta.bit(column as u32), "column {column}");
        caught += usize::from(result.is_err());
    }
    // Binomial with 128 trials: outside once in 2^53.
    assert!((16..=112).contains(&caught), "{caught} of 128 caught");
}

#[test]
fn all_trees_inconsistent_is_always_caught() {
    let mut rng = fresh_rng();
    for _ in 0..20 {
        let (sender, receiver) = dealt(Block::random(&mut rng), &mut rng);
        let (committed, mut corrections) = receiver.extend(&bits(256, &mut rng), &mut rng).unwrap();
        let blocks = blocks(256).unwrap();
        for tree in 0..TREES {
            // A different error for each tree; with the same one it would be another choice bit.
            flip(&mut corrections[tree * blocks * BLOCK_BYTES..], tree);
        }
        let (challenged, challenge) = sender.challenge(256, &corrections, &mut rng).unwrap();
        let (_, _, response) = committed.respond(&challenge).unwrap();
        assert_eq!(challenged.verify(&response).err(), Some(failed("OT correlation")));
    }
}

/// A receiver that knew the point of the check beforehand could correct a tree wrongly so that the hashes stay the same.
#[test]
fn errors_that_cancel_at_a_point_of_before_are_caught() {
    let mut rng = fresh_rng();
    let count = 256;
    let batch = |error: &dyn Fn(Block) -> [Block; 2], known: Block, rng: &mut ChaCha20Rng| {
        let (sender, receiver) = dealt(Block(u128::MAX), rng);
        let (committed, mut corrections) = receiver.extend(&bits(count, rng), rng).unwrap();
        for (byte, error) in corrections.iter_mut().zip(Block::write(&error(known))) {
            *byte ^= error;
        }
        let (challenged, challenge) = sender.challenge(count, &corrections, rng).unwrap();
        let (_, _, response) = committed.respond(&challenge).unwrap();
        (
            Block::from_bytes(challenge.try_into().unwrap()),
            challenged.verify(&response).map(|_| ()),
        )
    };
    let (mut known, honest) = batch(&|_| [Block::ZERO; 2], Block::ZERO, &mut rng);
    assert_eq!(honest, Ok(()));
    // The hash of `a, b` at the point p is (a p + b) p.
    let cancelling = |point: Block| {
        let first = Block(3);
        [first, crate::gf128::PowerHash::new(point).hash(&[first])]
    };
    for _ in 0..3 {
        let zero = crate::gf128::PowerHash::new(known).hash(&cancelling(known));
        assert_eq!(zero, Block::ZERO);
        let (point, caught) = batch(&cancelling, known, &mut rng);
        assert_eq!(caught, Err(failed("OT correlation")));
        known = point;
    }
}

#[test]
fn altered_challenges_and_responses_are_caught() {
    let mut rng = rng(8);
    let run = |alter_challenge: Option<usize>, alter_response: Option<usize>, rng: &mut ChaCha20Rng| {
        let (sender, receiver) = dealt(Block(u128::MAX), rng);
        let (committed, corrections) = receiver.extend(&bits(256, rng), rng).unwrap();
        let (challenged, mut challenge) = sender.challenge(256, &corrections, rng).unwrap();
        if let Some(bit) = alter_challenge {
            flip(&mut challenge, bit);
        }
        let (_, _, mut response) = committed.respond(&challenge).unwrap();
        if let Some(bit) = alter_response {
            flip(&mut response, bit);
        }
        challenged.verify(&response).map(|_| ())
    };
    assert_eq!(run(None, None, &mut rng), Ok(()));
    assert_eq!(run(Some(17), None, &mut rng), Err(failed("OT correlation")));
    for bit in [0, 127, 128, 129 * 128 - 1] {
        assert_eq!(
            run(None, Some(bit), &mut rng),
            Err(failed("OT correlation")),
            "bit {bit}"
        );
    }
}

#[test]
fn batches_are_of_use_once_and_in_order() {
    // The corrections of one batch do not pass as those of the next.
    let mut rng = rng(9);
    let (sender, receiver) = dealt(Block(u128::MAX), &mut rng);
    let choices = bits(256, &mut rng);
    let (committed, corrections) = receiver.extend(&choices, &mut rng).unwrap();
    let (challenged, challenge) = sender.challenge(256, &corrections, &mut rng).unwrap();
    let (receiver, _, response) = committed.respond(&challenge).unwrap();
    let (sender, _) = challenged.verify(&response).unwrap();
    let (committed, _) = receiver.extend(&choices, &mut rng).unwrap();
    let (challenged, challenge) = sender.challenge(256, &corrections, &mut rng).unwrap();
    let (_, _, response) = committed.respond(&challenge).unwrap();
    assert_eq!(challenged.verify(&response).err(), Some(failed("OT correlation")));
}

#[test]
fn batch_sizes_have_bounds() {
    let mut rng = rng(10);
    let (sender, receiver) = dealt(Block(1), &mut rng);
    let found = |count: usize| {
        let (parameter, allowed) = ("correlated OTs in a batch", "1 to 2097152");
        Some(Error::Parameter {
            parameter,
            found: count.to_string(),
            allowed,
        })
    };
    assert_eq!(receiver.extend(&[], &mut rng).err(), found(0));
    assert_eq!(
        sender.challenge(MAX_BATCH + 1, &[], &mut rng).err(),
        found(MAX_BATCH + 1)
    );
    assert_eq!(MAX_BATCH, 2_097_152);
}

/// Every message in turn cut short or drawn out is refused with the step's name.
#[test]
fn messages_of_a_wrong_length_are_refused() {
    let alter: [fn(&mut Vec<u8>); 5] = [
        Vec::clear,
        |message| message.truncate(message.len() - 1),
        |message| message.push(0),
        |message| message.extend([0; 16]),
        |message| message.truncate(message.len() - 16),
    ];
    let mut rng = rng(11);
    for alter in alter {
        let (start, mut points) = SenderSetup::start(context(), Block(5), &mut rng);
        let (receiver, mut trees) = Receiver::setup(context(), &points, &mut rng).unwrap();
        alter(&mut points);
        let error = Receiver::setup(context(), &points, &mut rng).err().unwrap();
        assert!(is_malformed(&error, SENDER, "base OT points"), "{error}");

        alter(&mut trees);
        let error = start.finish(&trees).err().unwrap();
        assert!(is_malformed(&error, RECEIVER, "OT setup"), "{error}");

        let (committed, mut corrections) = receiver.extend(&[true; 128], &mut rng).unwrap();
        alter(&mut corrections);
        let (sender, _) = dealt(Block(5), &mut rng);
        let error = sender.challenge(128, &corrections, &mut rng).err().unwrap();
        assert!(is_malformed(&error, RECEIVER, "OT corrections"), "{error}");

        let mut challenge = vec![1; 16];
        alter(&mut challenge);
        let error = committed.respond(&challenge).err().unwrap();
        assert!(is_malformed(&error, SENDER, "OT challenge"), "{error}");

        let (sender, receiver) = dealt(Block(5), &mut rng);
        let (committed, corrections) = receiver.extend(&[true; 128], &mut rng).unwrap();
        let (challenged, challenge) = sender.challenge(128, &corrections, &mut rng).unwrap();
        let (_, _, mut response) = committed.respond(&challenge).unwrap();
        alter(&mut response);
        let error = challenged.verify(&response).err().unwrap();
        assert!(is_malformed(&error, RECEIVER, "OT response"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Random bytes, of random and of right lengths, are refused by every step and never panic.
    #[test]
    fn random_bytes_are_refused(seed: u64, length in 0_usize..20_000) {
        let mut rng = rng(seed);
        let mut random = |length: usize| {
            let mut bytes = vec![0; length];
            rng.fill_bytes(&mut bytes);
            bytes
        };
        let lengths = [length, base::POINTS_BYTES, 32 + pprf::MESSAGE_BYTES, TREES * 3 * 16, 129 * 16];
        let messages = lengths.map(&mut random);
        for message in &messages {
            prop_assert!(Receiver::setup(context(), message, &mut rng).is_err());
            let (start, _) = SenderSetup::start(context(), Block(9), &mut rng);
            prop_assert!(start.finish(message).is_err());
        }
        let (start, points) = SenderSetup::start(context(), Block(9), &mut rng);
        let (_, mut trees) = Receiver::setup(context(), &points, &mut rng).unwrap();
        trees[32..].copy_from_slice(&messages[2][32..]);
        prop_assert!(start.finish(&trees).is_err());
        for message in &messages {
            let (sender, receiver) = dealt(Block(u128::MAX), &mut rng);
            let (committed, _) = receiver.extend(&[true; 256], &mut rng).unwrap();
            if let Ok((challenged, challenge)) = sender.challenge(256, message, &mut rng) {
                let (_, _, response) = committed.respond(&challenge).unwrap();
                prop_assert!(challenged.verify(&response).is_err());
            } else if message.len() != 16 {
                prop_assert!(committed.respond(message).is_err());
            }
            let (sender, receiver) = dealt(Block(u128::MAX), &mut rng);
            let (_, corrections) = receiver.extend(&[true; 256], &mut rng).unwrap();
            let (challenged, _) = sender.challenge(256, &corrections, &mut rng).unwrap();
            prop_assert!(challenged.verify(message).is_err());
        }
    }
}
