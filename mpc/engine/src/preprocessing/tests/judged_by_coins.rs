//! What judges a party's messages is a coin that nobody knew when they were sent, not a constant or a generator that
//! anybody could have run before.
//!
//! Two runs are the same in everything but that one coin more is tossed just before a check. All that the check judges is the
//! same, to the byte; what the parties show for it is not.

use std::sync::{Arc, Mutex};

use super::*;
use crate::{
    frame::Frame,
    preprocessing::{Batch, Triples, buckets, leaky},
};

/// Before which check one more coin is tossed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Toss {
    Nowhere,
    BeforeBits,
    BeforeTripleCheck,
    BeforeBuckets,
}

const BATCH: Batch = Batch {
    triples: 64,
    bucket: 5,
};

/// What the last party sends its peer in a run from the seed, frame by frame.
async fn sent(seed: u64, toss: Toss) -> Vec<Frame> {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&sent);
    let record = move |intercepted: Intercepted<'_>| {
        recorded.lock().unwrap().push(intercepted.frame.clone());
        Fate::Deliver
    };
    let mut states = establish_from(seed, 2, |_, delta| vec![delta; 2], record).await;
    let running = states.iter_mut().map(|state| async move {
        toss_if(state, toss == Toss::BeforeBits).await;
        let count = 3 * BATCH.leaky();
        let own = bits::draw(&mut state.rng, count);
        let shares = bits::authenticate(state, &[count; 2], vec![own; 2])
            .await
            .unwrap();
        let unchecked = leaky::multiply(state, shares).await.unwrap();
        assert_eq!(state.tweaks, BATCH.leaky() as u64, "tweaks that are used up");
        toss_if(state, toss == Toss::BeforeTripleCheck).await;
        let leaky = unchecked.check(state).await.unwrap();
        toss_if(state, toss == Toss::BeforeBuckets).await;
        let triples = Triples::new(2, state.links.me());
        buckets::combine(state, leaky, BATCH, triples)
            .await
            .unwrap()
            .left()
    });
    assert_eq!(join_all(running).await, [BATCH.triples; 2]);
    let sent = sent.lock().unwrap();
    sent.clone()
}

async fn toss_if(state: &mut State<Network>, wanted: bool) {
    if wanted {
        state.toss().await.unwrap();
    }
}

/// The message at a step, of which there is one in these runs.
fn at(frames: &[Frame], step: Step) -> &[u8] {
    let frame = frames.iter().find(|frame| frame.step == step.name());
    &frame.unwrap().message
}

#[tokio::test]
async fn checks_depend_on_the_coin_that_follows_what_they_judge() {
    let seed = seed();
    let plain = sent(seed, Toss::Nowhere).await;
    assert_eq!(
        sent(seed, Toss::Nowhere).await,
        plain,
        "runs from one seed differ"
    );
    // The step judged last, the step at which something is shown for the check, and how many bytes from the end that is.
    let hash = 32;
    for (toss, judged, shown, from) in [
        (
            Toss::BeforeBits,
            Step::BITS_CORRECTIONS,
            Step::BITS_CHECK,
            BLOCK_BYTES,
        ),
        (
            Toss::BeforeTripleCheck,
            Step::TRIPLE_CORRECTION,
            Step::TRIPLE_CHECK,
            BLOCK_BYTES,
        ),
        (
            Toss::BeforeBuckets,
            Step::TRIPLE_CORRECTION,
            Step::TRIPLE_BUCKETS,
            BATCH.triples * (BATCH.bucket - 1) / 8 + hash,
        ),
    ] {
        let other = sent(seed, toss).await;
        assert_eq!(at(&plain, judged), at(&other, judged), "{toss:?}");
        let tail = |frames| {
            let message = at(frames, shown);
            let opened = &message[message.len() - from..];
            // Of the opened bits, not of the MACs, whose hash depends on the round.
            opened[..if from > hash { from - hash } else { from }].to_vec()
        };
        assert_ne!(tail(&plain), tail(&other), "{toss:?}");
    }
}
