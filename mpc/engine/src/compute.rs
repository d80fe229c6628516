//! Heavy computation, off the runtime's threads.

use std::{
    collections::VecDeque,
    fmt,
    num::NonZero,
    panic::resume_unwind,
    sync::{Mutex, PoisonError},
    thread,
};

use tokio::task::{JoinHandle, spawn_blocking};

use crate::{Error, PartyId};

/// Heavy computation that runs on a thread of its own from the start, beside whatever its caller does meanwhile.
#[must_use]
pub struct Work<R>(JoinHandle<R>);

impl<R: Send + 'static> Work<R> {
    /// Starts `work`. Dropping what is returned does not stop it.
    pub fn start(work: impl FnOnce() -> R + Send + 'static) -> Self {
        Self(spawn_blocking(work))
    }

    /// Waits for its result. Its panic becomes the caller's.
    pub async fn done(self) -> R {
        match self.0.await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime shuts down, and this future with it.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

impl<R> fmt::Debug for Work<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Work(..)")
    }
}

/// Runs `work` on a thread of its own and waits for it.
pub(crate) async fn compute<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    Work::start(work).done().await
}

/// Runs `work` for each peer with its item, on as many threads as there are cores; results in the items' order.
/// Of several errors the first in that order is returned.
pub(crate) async fn for_each_peer<I, R>(
    items: Vec<(PartyId, I)>,
    work: impl Fn(PartyId, I) -> Result<R, Error> + Send + Sync + 'static,
) -> Result<Vec<(PartyId, R)>, Error>
where
    I: Send + 'static,
    R: Send + 'static,
{
    let results = compute(move || {
        let threads = thread::available_parallelism()
            .map_or(1, NonZero::get)
            .min(items.len());
        let queue: Mutex<VecDeque<(PartyId, I)>> = Mutex::new(items.into());
        let run = || {
            let mut done = Vec::new();
            while let Some((peer, item)) = next(&queue) {
                done.push((peer, work(peer, item)));
            }
            done
        };
        let mut done = thread::scope(|scope| {
            let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
            let mut done = run();
            for helper in helpers {
                match helper.join() {
                    Ok(more) => done.extend(more),
                    Err(panic) => resume_unwind(panic),
                }
            }
            done
        });
        done.sort_by_key(|(peer, _)| *peer);
        done
    })
    .await;
    results
        .into_iter()
        .map(|(peer, result)| Ok((peer, result?)))
        .collect()
}

fn next<I>(queue: &Mutex<VecDeque<I>>) -> Option<I> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

/// Parts each peer's message from the rest of its result.
#[allow(clippy::type_complexity)] // what goes on, and the messages
pub(crate) fn part_messages<I>(
    results: Vec<(PartyId, (I, Vec<u8>))>,
    parties: usize,
) -> (Vec<(PartyId, I)>, Vec<Vec<u8>>) {
    let mut messages = vec![Vec::new(); parties];
    let mut items = Vec::with_capacity(results.len());
    for (peer, (item, message)) in results {
        messages[peer] = message;
        items.push((peer, item));
    }
    (items, messages)
}
