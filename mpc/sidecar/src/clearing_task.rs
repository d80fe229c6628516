//! The task behind a joined session: meets the others, runs an attempt, keeps what came of it, until the outcome is
//! there; from then on it computes again only for a participant that lost its own.

use std::sync::Arc;
use std::time::Duration;

use fabric_protos::ipo::sidecar::v1 as wire;
use ipo_clearing::OwnBook;
use order_commitments::Session;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};
use tracing::{error, info, warn};

use crate::computation::Attempt;
use crate::config::AttemptsConfig;
use crate::exchange::{Meeting, MeetingError, Place};
use crate::metrics::{Metrics, Standing};
use crate::progress::Reporter;
use crate::store::{Count, Failure, Finish, Store, StoreError};

/// Attempts that a sidecar starts with the outcome known, for participants that lost theirs. Few, as each is another chance to
/// guess, and such a participant may have its outcome for all this sidecar can tell.
const RERUNS: u32 = 2;

/// How long a sidecar with the outcome waits for the others before it goes its way again.
const VISIT: Duration = Duration::from_secs(60);

/// How long the end of a run may take to reach the peers, done and failed.
const FAREWELL: Duration = Duration::from_secs(10);
const NOTICE: Duration = Duration::from_secs(1);

/// The task of one session.
pub(crate) struct ClearingTask {
    pub(crate) session: Arc<Session>,
    pub(crate) own: OwnBook,
    pub(crate) place: Place,
    pub(crate) reporter: Reporter,
    pub(crate) store: Arc<Store>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limits: AttemptsConfig,
}

impl ClearingTask {
    /// Runs until the sidecar stops, or may start no attempt any more.
    pub(crate) async fn run(mut self) {
        let mut failures = 0;
        let reason = loop {
            if let Some(reason) = self.bar() {
                break reason;
            }
            let Some(meeting) = self.meet().await else { return };
            let count = match self.count().await {
                Ok(count) => count,
                Err(error) => {
                    error!(session = %self.session.id(), %error, "an attempt cannot be counted, so it is not started");
                    self.reporter.hindered(&error.to_string());
                    failures += 1;
                    sleep(self.limits.pause(failures)).await;
                    continue;
                }
            };
            match self.attempt(count, meeting).await {
                Ok(()) => failures = 0,
                Err(failure) => {
                    failures += 1;
                    self.keep_failure(failure).await;
                    sleep(self.limits.pause(failures)).await;
                }
            }
        };
        // Whoever comes from here on is told so.
        self.reporter.ended();
        drop(self.place);
        let attempts = self.reporter.count().attempts;
        warn!(session = %self.session.id(), attempts, reason, "the session takes part in no further attempt");
    }

    /// Why no attempt may start any more.
    fn bar(&self) -> Option<&'static str> {
        let Count { attempts, reruns } = self.reporter.count();
        if self.reporter.is_contradicted() {
            Some("an attempt had another outcome than the one that is kept")
        } else if attempts >= self.limits.max {
            Some("attempts.max attempts were started")
        } else if self.reporter.outcome().is_some() && reruns >= RERUNS {
            Some("the outcome is there, and was computed again for others as often as allowed")
        } else {
            None
        }
    }

    /// Meets the others; none if the sidecar stops.
    async fn meet(&mut self) -> Option<Meeting> {
        let mut failures = 0;
        loop {
            let has_outcome = self.reporter.outcome().is_some();
            if has_outcome {
                self.reporter.idle(true);
                self.place.visited().await.ok()?;
                self.reporter.idle(false);
                info!(session = %self.session.id(), "a participant lacks the outcome");
            }
            let next = self.reporter.count().attempts + 1;
            let meeting = self.place.meet(next, has_outcome, &self.reporter);
            let met = if has_outcome {
                let Ok(met) = timeout(VISIT, meeting).await else {
                    continue;
                };
                met
            } else {
                meeting.await
            };
            match met {
                Ok(meeting) => return Some(meeting),
                Err(MeetingError::Stopped) => return None,
                Err(MeetingError::NobodyNeedsIt) => {}
                Err(error) => {
                    self.reporter.hindered(&error.to_string());
                    // Participants that start over at once would run into each other.
                    failures += 1;
                    sleep(self.limits.pause(failures)).await;
                }
            }
        }
    }

    async fn attempt(&self, count: Count, meeting: Meeting) -> Result<(), Failure> {
        let number = count.attempts;
        let Meeting { transport, id } = meeting;
        self.reporter.running(count);
        let shared = hex::encode(id);
        info!(session = %self.session.id(), attempt = number, id = shared, "an attempt starts");
        let started = Instant::now();
        let attempt = Attempt {
            session: &self.session,
            own: &self.own,
            number,
            id,
            patience: self.limits.message_timeout(),
        };
        let result = attempt.run(transport.clone()).await;
        let took = started.elapsed();
        // Done here, it may not be at the others yet.
        let limit = if result.is_ok() { FAREWELL } else { NOTICE };
        let result = match result {
            Ok(outcome) => self.keep_outcome(number, outcome).await,
            Err(failure) => Err(failure),
        };
        self.metrics
            .attempt_ended(result.is_ok(), took, transport.traffic());
        let seconds = took.as_secs_f64();
        tokio::spawn(async move { transport.finish(limit).await });
        match &result {
            Ok(()) => info!(session = %self.session.id(), attempt = number, seconds, "an attempt is done"),
            Err(failure) => warn!(
                session = %self.session.id(), attempt = number, seconds,
                reason = failure.reason, suspects = ?failure.suspects, "an attempt failed"
            ),
        }
        result
    }

    /// The outcome is on disk before anybody is told. One that differs from the outcome kept before is a failed check: the
    /// same inputs have one outcome.
    async fn keep_outcome(&self, number: u32, outcome: wire::Outcome) -> Result<(), Failure> {
        let id = self.session.id();
        let contradiction = Failure {
            reason: format!(
                "attempt {number}: it had another outcome than the one that is kept, so another input was entered or a \
                 program is at fault; this sidecar takes part in no further attempt"
            ),
            suspects: Vec::new(),
        };
        let (store, found, otherwise) = (self.store.clone(), outcome.clone(), contradiction.clone());
        let finish = blocking(move || store.finish(id, &found, &otherwise))
            .await
            .map_err(|error| Failure {
                reason: error.to_string(),
                suspects: Vec::new(),
            })?;
        match finish {
            Finish::Kept => self.metrics.session_changed(Standing::Pending, Standing::Known),
            Finish::Confirmed => {}
            Finish::Contradicted => {
                error!(session = %id, attempt = number, kept = ?self.reporter.outcome(), found = ?outcome, "the outcomes differ");
                self.metrics
                    .session_changed(Standing::Known, Standing::Contradicted);
                self.reporter.contradicted();
                return Err(contradiction);
            }
        }
        self.reporter.done(outcome);
        Ok(())
    }

    async fn keep_failure(&self, failure: Failure) {
        let (store, session, kept) = (self.store.clone(), self.session.id(), failure.clone());
        if let Err(error) = blocking(move || store.fail(session, &kept)).await {
            error!(%session, %error, "the reason of a failure cannot be kept");
        }
        self.reporter.attempt_failed(failure);
    }

    /// Counts an attempt on disk before it starts.
    async fn count(&self) -> Result<Count, StoreError> {
        let (store, session) = (self.store.clone(), self.session.id());
        blocking(move || store.start_attempt(session)).await
    }
}

/// Does what blocks (the disk, long arithmetic) off the runtime's threads. Its panic is the caller's.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only a runtime that shuts down cancels it, and with it the caller.
            Err(_) => std::future::pending().await,
        },
    }
}
