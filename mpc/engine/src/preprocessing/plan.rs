//! How many leaky triples a demand takes, in which batches and buckets, and which batches the input masks come in.

use crate::block::BLOCK_BYTES;

/// Triples in the smallest batch for each size of bucket, smallest buckets first.
const BUCKETS: [(usize, usize); 2] = [(8_192, 4), (1_024, 5)];

/// What the MACs and keys of one batch's leaky triples may take, in bytes; the work on them takes a small multiple.
const BATCH_BYTES: usize = 20 << 20;

/// The most batches of an attempt. Each adds to the chance of a leak, and the larger they are the less.
const MOST_BATCHES: usize = 16;

/// What the MAC and the key of one share take for each peer, in bytes.
const SHARE_BYTES: usize = 2 * BLOCK_BYTES;

/// A batch of triples that share their checks and their buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batch {
    /// How many triples come out.
    pub(crate) triples: usize,
    /// How many leaky triples make one.
    pub(crate) bucket: usize,
}

impl Batch {
    /// How many leaky triples go in.
    pub(crate) const fn leaky(self) -> usize {
        self.triples * self.bucket
    }

    /// The cheapest batch of at least this many triples.
    fn at_least(triples: usize) -> Self {
        let batches = BUCKETS.map(|(least, bucket)| Self {
            triples: triples.max(least),
            bucket,
        });
        if batches[0].leaky() <= batches[1].leaky() {
            batches[0]
        } else {
            batches[1]
        }
    }
}

/// How many of `masks` input masks come in which batches: few in the first batch of triples, which is `first`; more in batches of
/// their own before it, each no larger than a batch of triples may be.
pub(crate) fn mask_batches(masks: usize, first: Batch, parties: usize) -> Vec<usize> {
    let shares = 3 * first.leaky();
    let most = (BATCH_BYTES / (SHARE_BYTES * (parties - 1))).max(shares);
    let room = if shares == 0 { most } else { most / 4 };
    if masks <= room {
        return Vec::new();
    }
    let count = masks.div_ceil(most);
    (0..count)
        .map(|batch| masks / count + usize::from(batch < masks % count))
        .collect()
}

/// The batches for at least `triples` triples among `parties`, all of one size; one without triples if none are
/// wanted, for the inputs.
pub(crate) fn plan(triples: usize, parties: usize) -> Vec<Batch> {
    if triples == 0 {
        return vec![Batch {
            triples: 0,
            bucket: 0,
        }];
    }
    // A leaky triple has three shares.
    let most = (BATCH_BYTES / (3 * SHARE_BYTES * (parties - 1) * BUCKETS[0].1)).max(BUCKETS[0].0);
    let count = triples.div_ceil(most).min(MOST_BATCHES);
    vec![Batch::at_least(triples.div_ceil(count)); count]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{ot::MAX_BATCH, preprocessing::bits::MASK};

    /// All that the largest listing takes: 1024 levels probed at once, 49 bits of demand, 16 organisations.
    const MOST_TRIPLES: usize = 2_200_000;
    const MOST_MASKS: usize = 16 * (1024 * 49 + 1023 * 48);

    /// log2 of the chance that an adversary gets a bucket that leaks: of `bad` leaky triples each is caught with
    /// probability 1/2, and `bucket` of them must fall together (2017/189, section 5.3).
    fn log2_leak(batch: Batch) -> f64 {
        let log2_choose = |n: usize, k: usize| -> f64 {
            (0..k)
                .map(|i| ((n - i) as f64).log2() - ((k - i) as f64).log2())
                .sum()
        };
        let total = log2_choose(batch.leaky(), batch.bucket);
        let leak = |bad: usize| log2_choose(bad, batch.bucket) - bad as f64;
        let worst = (batch.bucket..64).map(leak).fold(f64::NEG_INFINITY, f64::max);
        (batch.triples as f64).log2() + worst - total
    }

    proptest! {
        #[test]
        fn batches_suffice_and_are_safe(triples in 1_usize..300_000, parties in 2_usize..=16) {
            let batches = plan(triples, parties);
            prop_assert!(batches.iter().map(|batch| batch.triples).sum::<usize>() >= triples);
            let all = log2_leak(batches[0]) + (batches.len() as f64).log2();
            prop_assert!(all <= -40.0, "{:?}: 2^{all}", batches[0]);
            // A leaky triple is 96 bytes a peer; the smallest batch with the smallest buckets is always allowed.
            let allowed = BATCH_BYTES.max(8_192 * 4 * 96 * (parties - 1));
            let bytes = batches[0].leaky() * 96 * (parties - 1);
            prop_assert!(bytes <= allowed * 5 / 4 || batches.len() == MOST_BATCHES, "{bytes}");
        }
    }

    proptest! {
        #[test]
        fn every_batch_can_be_sent_and_its_masks_are_bounded(
            triples in 0..=MOST_TRIPLES, masks in 0..=MOST_MASKS, parties in 2_usize..=16
        ) {
            let first = plan(triples, parties)[0];
            let own = mask_batches(masks, first, parties);
            let with_first = if own.is_empty() { masks } else { 0 };
            prop_assert_eq!(own.iter().sum::<usize>() + with_first, masks);
            let shares = 3 * first.leaky();
            let allowed = shares.max(BATCH_BYTES / (SHARE_BYTES * (parties - 1)));
            prop_assert!(own.iter().all(|&masks| 0 < masks && masks <= allowed));
            let room = if shares == 0 { allowed } else { allowed / 4 };
            prop_assert!(with_first <= room);
            prop_assert!(shares + with_first + MASK <= MAX_BATCH);
            prop_assert!(own.iter().all(|masks| masks + MASK <= MAX_BATCH));
        }
    }

    #[test]
    fn many_masks_have_batches_of_their_own() {
        let first = plan(25_000, 3)[0];
        assert_eq!(mask_batches(81_920, first, 3), []);
        assert_eq!(mask_batches(81_921, first, 3), [81_921]);
        let allowed = BATCH_BYTES / 64;
        assert_eq!(
            mask_batches(2 * allowed + 1, first, 3),
            [218_454, 218_454, 218_453]
        );
        let none = plan(0, 3)[0];
        assert_eq!(mask_batches(allowed, none, 3), []);
        assert_eq!(mask_batches(allowed + 1, none, 3), [163_841, 163_840]);
        let largest = plan(MOST_TRIPLES, 16)[0];
        assert_eq!(mask_batches(MOST_MASKS, largest, 16), [MOST_MASKS]);
    }

    /// Many of the smallest batches would leak too often together.
    #[test]
    fn large_demands_have_larger_batches() {
        let batches = plan(155_649, 7);
        assert_eq!(batches.len(), MOST_BATCHES);
        assert!(log2_leak(batches[0]) + 4.0 <= -40.0);
    }

    #[test]
    fn small_demands_are_padded() {
        assert_eq!(
            plan(0, 3),
            [Batch {
                triples: 0,
                bucket: 0
            }]
        );
        assert_eq!(
            plan(1, 3),
            [Batch {
                triples: 1_024,
                bucket: 5
            }]
        );
        assert_eq!(
            plan(2_000, 3),
            [Batch {
                triples: 2_000,
                bucket: 5
            }]
        );
        assert_eq!(
            plan(8_000, 3),
            [Batch {
                triples: 8_192,
                bucket: 4
            }]
        );
        assert_eq!(
            plan(9_000, 3),
            [Batch {
                triples: 9_000,
                bucket: 4
            }]
        );
    }
}
