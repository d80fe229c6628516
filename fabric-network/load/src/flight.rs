//! Load that is bounded: so many calls, so many of them at once, for so long at most.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};

use crate::LoadError;

/// How much load.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Calls at most.
    pub calls: usize,
    /// Of these at any time.
    pub in_flight: usize,
    /// No call begins after this time.
    pub time: Duration,
}

/// What a load took. There is at least one call.
#[derive(Debug)]
pub struct Flight {
    /// From the first call's beginning to the last one's end.
    pub elapsed: Duration,
    /// Of each call, ascending.
    latencies: Vec<Duration>,
}

impl Flight {
    /// Calls `call` with 0, 1, 2 ... as [`Bounds`] say.
    ///
    /// # Errors
    /// The first call's that fails.
    pub async fn fly<F, Fut>(bounds: Bounds, call: F) -> Result<Self, LoadError>
    where
        F: Fn(usize) -> Fut,
        Fut: Future<Output = Result<(), LoadError>> + Send + 'static,
    {
        let begin = Instant::now();
        // Tasks of their own, so that signing uses every core.
        let mut calls = stream::iter(0..bounds.calls.max(1))
            .take_while(|&number| std::future::ready(number == 0 || begin.elapsed() < bounds.time))
            .map(|number| {
                let call = call(number);
                tokio::spawn(async move {
                    let begin = Instant::now();
                    call.await.map(|()| begin.elapsed())
                })
            })
            .buffer_unordered(bounds.in_flight.max(1));
        let mut latencies = Vec::with_capacity(bounds.calls);
        while let Some(latency) = calls.next().await {
            latencies.push(latency??);
        }
        let elapsed = begin.elapsed();
        latencies.sort_unstable();
        Ok(Self { elapsed, latencies })
    }

    /// How many calls there were.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.latencies.len()
    }

    /// Calls a second.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // a few thousand
    pub fn rate(&self) -> f64 {
        self.calls() as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency within which `percent` of the calls ended (nearest rank).
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.latencies.len() * percent.min(100)).div_ceil(100);
        self.latencies
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn keeps_to_its_bounds() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let bounds = Bounds {
            calls: 100,
            in_flight: 7,
            time: Duration::MAX,
        };
        let flight = Flight::fly(bounds, |_| {
            let (now, most) = (now.clone(), most.clone());
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            }
        })
        .await
        .unwrap();
        assert_eq!(flight.calls(), 100);
        assert!(most.load(Ordering::SeqCst) <= 7);
    }

    #[tokio::test]
    async fn begins_nothing_after_its_time() {
        let bounds = Bounds {
            calls: 100,
            in_flight: 1,
            time: Duration::ZERO,
        };
        let flight = Flight::fly(bounds, |_| std::future::ready(Ok(()))).await.unwrap();
        assert_eq!(flight.calls(), 1);
    }

    #[tokio::test]
    async fn a_call_that_fails_ends_it() {
        let bounds = Bounds {
            calls: 10,
            in_flight: 2,
            time: Duration::MAX,
        };
        let flight = Flight::fly(bounds, |number| {
            std::future::ready(match number {
                5 => Err(LoadError::Network("five".to_owned())),
                _ => Ok(()),
            })
        });
        assert_eq!(flight.await.unwrap_err().to_string(), "five");
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let flight = Flight {
            elapsed: Duration::from_secs(2),
            latencies: (1..=200).map(Duration::from_millis).collect(),
        };
        assert_eq!(flight.percentile(50), Duration::from_millis(100));
        assert_eq!(flight.percentile(99), Duration::from_millis(198));
        assert_eq!(flight.percentile(100), Duration::from_millis(200));
        assert!((flight.rate() - 100.0).abs() < f64::EPSILON);
    }
}
