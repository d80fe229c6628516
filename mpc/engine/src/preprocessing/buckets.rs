//! Bucketing: several leaky triples make one that leaks nothing unless all of them did.
//!
//! The leaky triples of a batch are put into buckets by a random permutation, tossed only after they passed their
//! check. With `d_j = y_1 ^ y_j` opened, `x = x_1 ^ ... ^ x_B`, `y = y_1` and `z = z_1 ^ ... ^ z_B ^ sum_j d_j x_j`
//! are a triple whose `x` is unknown as long as one `x_j` is (Wang, Ranellucci, Katz, ePrint 2017/189, section
//! 5.3). The `d_j` are opened with MACs, verified on receipt.

use std::ops::BitXor;

use super::{Batch, Triples, leaky::LeakyTriples};
use crate::{
    Error, block::Block, coins::Coin, compute::compute, opening::open, setup::State, shares::Shares,
    step::Step, transport::Transport,
};

/// Combines a batch of leaky triples and appends the result to `triples`.
pub(crate) async fn combine<T: Transport>(
    state: &mut State<T>,
    leaky: LeakyTriples,
    batch: Batch,
    mut triples: Triples,
) -> Result<Triples, Error> {
    let coin = state.toss().await?;
    let (leaky, order, differences) = compute(move || {
        let order = permutation(coin, batch.leaky());
        let differences = differences(&leaky, &order, batch);
        (leaky, order, differences)
    })
    .await;
    let opened = open(
        &mut state.links,
        Step::TRIPLE_BUCKETS,
        &state.id,
        *state.delta,
        &differences,
    )
    .await?;
    Ok(compute(move || {
        merge(&leaky, &order, batch, &opened, &mut triples);
        triples
    })
    .await)
}

/// The leaky triples in the order that the coin gives them: each run of `batch.bucket` is a bucket.
fn permutation(coin: Coin, count: usize) -> Vec<u32> {
    let mut stream = coin.stream();
    let mut words = vec![Block::ZERO; count];
    stream.fill_blocks(&mut words);
    let mut order: Vec<u32> = (0..count as u32).collect();
    // Fisher and Yates. Of 96 random bits against at most 2^32 choices: the bias is below 2^-64.
    for (last, word) in (1..count).rev().zip(words) {
        let place = ((word.0 >> 32) * (last as u128 + 1)) >> 96;
        order.swap(last, place as usize);
    }
    order
}

/// For each bucket, the differences of its first `y` to the others.
fn differences(leaky: &LeakyTriples, order: &[u32], batch: Batch) -> Shares {
    fn of<V: Copy + BitXor<Output = V>>(vector: &[V], order: &[u32], batch: Batch) -> Vec<V> {
        let y = vector.get(batch.leaky()..).unwrap_or_default();
        let mut differences = Vec::with_capacity(batch.triples * (batch.bucket - 1));
        for bucket in order.chunks_exact(batch.bucket).filter(|_| !y.is_empty()) {
            let first = y[bucket[0] as usize];
            differences.extend(bucket[1..].iter().map(|other| first ^ y[*other as usize]));
        }
        differences
    }
    let Shares { bits, macs, keys } = &leaky.shares;
    let all = |vectors: &[Vec<Block>]| vectors.iter().map(|vector| of(vector, order, batch)).collect();
    Shares {
        bits: of(bits, order, batch),
        macs: all(macs),
        keys: all(keys),
    }
}

/// Appends the triple of each bucket, given the opened differences.
fn merge(leaky: &LeakyTriples, order: &[u32], batch: Batch, opened: &[bool], triples: &mut Triples) {
    fn into<V: Copy + BitXor<Output = V>>(
        vector: &[V],
        (order, batch, opened): (&[u32], Batch, &[bool]),
        [x, y, z]: [&mut Vec<V>; 3],
    ) {
        let count = batch.leaky();
        if vector.is_empty() {
            return;
        }
        let differences = opened.chunks_exact(batch.bucket - 1);
        for (bucket, differences) in order.chunks_exact(batch.bucket).zip(differences) {
            let first = bucket[0] as usize;
            let (mut x_sum, mut z_sum) = (vector[first], vector[2 * count + first]);
            for (other, difference) in bucket[1..].iter().zip(differences) {
                let other = *other as usize;
                x_sum = x_sum ^ vector[other];
                z_sum = z_sum ^ vector[2 * count + other];
                if *difference {
                    z_sum = z_sum ^ vector[other];
                }
            }
            x.push(x_sum);
            y.push(vector[count + first]);
            z.push(z_sum);
        }
    }
    let how = (order, batch, opened);
    let Triples { x, y, z, .. } = triples;
    into(&leaky.shares.bits, how, [&mut x.bits, &mut y.bits, &mut z.bits]);
    for (peer, vector) in leaky.shares.macs.iter().enumerate() {
        into(
            vector,
            how,
            [&mut x.macs[peer], &mut y.macs[peer], &mut z.macs[peer]],
        );
    }
    for (peer, vector) in leaky.shares.keys.iter().enumerate() {
        into(
            vector,
            how,
            [&mut x.keys[peer], &mut y.keys[peer], &mut z.keys[peer]],
        );
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Every leaky triple is used once.
        #[test]
        fn an_order_has_every_place_once(coin: [u8; 32], count in 1_usize..500) {
            let mut order = permutation(Coin(coin), count);
            order.sort_unstable();
            prop_assert!(order.into_iter().eq(0..count as u32));
        }
    }

    /// Each of ten triples comes to each of ten places about equally often. 1000 orders; a count is binomial with mean 100 and
    /// standard deviation 9.5, and the coins are fixed.
    #[test]
    fn no_place_is_preferred() {
        let mut counts = [[0_u32; 10]; 10];
        for number in 0_u64..1000 {
            let mut coin = [0; 32];
            coin[..8].copy_from_slice(&number.to_le_bytes());
            for (place, triple) in permutation(Coin(coin), 10).into_iter().enumerate() {
                counts[place][triple as usize] += 1;
            }
        }
        for (place, counts) in counts.iter().enumerate() {
            assert!(
                counts.iter().all(|count| (50..150).contains(count)),
                "{place}: {counts:?}"
            );
        }
    }
}
