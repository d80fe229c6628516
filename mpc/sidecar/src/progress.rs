//! How far a session is, as its chaincode is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use fabric_protos::ipo::sidecar::v1 as wire;
use tokio::sync::watch;

use crate::store::{Count, Failure, History};

/// How far a session is.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    state: wire::State,
    waiting_for: Vec<String>,
    /// Why participants of `waiting_for` cannot be met, by MSP id.
    troubles: BTreeMap<String, String>,
    count: Count,
    failure: Failure,
    outcome: Option<wire::Outcome>,
    is_contradicted: bool,
    idle: bool,
    ended: bool,
}

impl Progress {
    fn last_error(&self) -> String {
        let failure = Some(self.failure.reason.clone()).filter(|reason| !reason.is_empty());
        let troubles = self
            .troubles
            .iter()
            .map(|(msp, reason)| format!("{msp}: {reason}"));
        failure.into_iter().chain(troubles).collect::<Vec<_>>().join("; ")
    }
}

/// Says how far a session is, and keeps what was said last.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    progress: Arc<watch::Sender<Progress>>,
    max_attempts: u32,
}

impl Reporter {
    /// Starts from what is known of a session.
    pub(crate) fn new(history: History, max_attempts: u32) -> Self {
        let state = if history.outcome.is_some() {
            wire::State::Done
        } else {
            wire::State::Waiting
        };
        let progress = Progress {
            state,
            waiting_for: Vec::new(),
            troubles: BTreeMap::new(),
            count: history.count,
            failure: history.failure.unwrap_or_default(),
            outcome: history.outcome,
            is_contradicted: history.is_contradicted,
            idle: false,
            ended: false,
        };
        Self {
            progress: Arc::new(watch::channel(progress).0),
            max_attempts,
        }
    }

    /// What the chaincode is told. With the outcome known, whom another attempt waits for is no concern of its users; an
    /// attempt that failed or had another outcome since then is.
    pub(crate) fn status(&self) -> wire::StatusResponse {
        let progress = self.progress.borrow();
        let is_pending = progress.outcome.is_none();
        wire::StatusResponse {
            state: progress.state.into(),
            waiting_for: if is_pending {
                progress.waiting_for.clone()
            } else {
                Vec::new()
            },
            attempts: progress.count.attempts,
            max_attempts: self.max_attempts,
            last_error: if is_pending {
                progress.last_error()
            } else {
                progress.failure.reason.clone()
            },
            suspects: progress.failure.suspects.clone(),
        }
    }

    /// The outcome, if it is there.
    pub(crate) fn outcome(&self) -> Option<wire::Outcome> {
        self.progress.borrow().outcome.clone()
    }

    /// Whether the session is done and takes part in no attempt.
    pub(crate) fn is_idle(&self) -> bool {
        self.progress.borrow().idle
    }

    /// Whether the session takes part in no further attempt.
    pub(crate) fn has_ended(&self) -> bool {
        self.progress.borrow().ended
    }

    /// Whether a later attempt had another outcome than the one that is kept.
    pub(crate) fn is_contradicted(&self) -> bool {
        self.progress.borrow().is_contradicted
    }

    /// Attempts started.
    pub(crate) fn count(&self) -> Count {
        self.progress.borrow().count
    }

    /// The session meets the participants but for these.
    pub(crate) fn waiting_for(&self, participants: Vec<String>) {
        self.change(|progress| {
            progress.troubles.retain(|msp, _| participants.contains(msp));
            progress.waiting_for = participants;
            progress.state = wire::State::Waiting;
        });
    }

    /// A participant cannot be reached, or came to nothing. For people.
    pub(crate) fn trouble(&self, msp: &str, reason: &str) {
        tracing::debug!(peer = msp, reason, "a participant cannot be met");
        self.change(|progress| drop(progress.troubles.insert(msp.to_owned(), reason.to_owned())));
    }

    /// Something that is nobody's fault holds the session up. If it holds up another attempt for others, that is not told.
    pub(crate) fn hindered(&self, reason: &str) {
        self.change(|progress| {
            if progress.outcome.is_some() {
                return;
            }
            progress.failure = Failure {
                reason: reason.to_owned(),
                suspects: Vec::new(),
            };
        });
    }

    /// An attempt runs.
    pub(crate) fn running(&self, count: Count) {
        self.change(|progress| {
            progress.state = wire::State::Running;
            progress.waiting_for.clear();
            progress.troubles.clear();
            progress.count = count;
        });
    }

    /// An attempt failed.
    pub(crate) fn attempt_failed(&self, failure: Failure) {
        self.change(|progress| {
            progress.state = wire::State::Waiting;
            progress.failure = failure;
        });
    }

    /// The session takes part in no further attempt. It has failed, unless the outcome is there.
    pub(crate) fn ended(&self) {
        self.change(|progress| {
            progress.ended = true;
            progress.state = wire::State::Failed;
            progress.waiting_for.clear();
        });
    }

    /// The outcome is kept, or was found again.
    pub(crate) fn done(&self, outcome: wire::Outcome) {
        self.change(|progress| {
            progress.outcome = Some(outcome);
            progress.failure = Failure::default();
        });
    }

    /// A later attempt had another outcome than the one that is kept.
    pub(crate) fn contradicted(&self) {
        self.change(|progress| progress.is_contradicted = true);
    }

    /// The session is done, and takes part in no attempt (or does again).
    pub(crate) fn idle(&self, idle: bool) {
        self.change(|progress| progress.idle = idle);
    }

    /// Changes what is told. Once the outcome is there, the state stays "done".
    fn change(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(|progress| {
            change(progress);
            if progress.outcome.is_some() {
                progress.state = wire::State::Done;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told() {
        let reporter = Reporter::new(History::default(), 9);
        let second = Count {
            attempts: 2,
            reruns: 0,
        };
        reporter.waiting_for(vec!["BMSP".to_owned(), "CMSP".to_owned()]);
        reporter.trouble("CMSP", "not joined");
        reporter.trouble("BMSP", "no route");
        reporter.trouble("BMSP", "connection refused");
        let status = reporter.status();
        assert_eq!((status.state(), status.max_attempts), (wire::State::Waiting, 9));
        assert_eq!(status.waiting_for, ["BMSP", "CMSP"]);
        assert_eq!(status.last_error, "BMSP: connection refused; CMSP: not joined");
        reporter.waiting_for(vec!["CMSP".to_owned()]);
        assert_eq!(reporter.status().last_error, "CMSP: not joined");

        reporter.running(second);
        let status = reporter.status();
        assert_eq!((status.state(), status.attempts), (wire::State::Running, 2));
        assert!(status.waiting_for.is_empty() && status.last_error.is_empty());

        let failure = Failure {
            reason: "check failed".to_owned(),
            suspects: vec!["CMSP".to_owned()],
        };
        reporter.attempt_failed(failure);
        reporter.trouble("BMSP", "gone");
        let status = reporter.status();
        assert_eq!(
            (status.suspects, status.last_error.as_str()),
            (vec!["CMSP".to_owned()], "check failed; BMSP: gone")
        );
        reporter.ended();
        assert!(reporter.has_ended());
        assert_eq!(reporter.status().state(), wire::State::Failed);
    }

    #[test]
    fn an_outcome_stays() {
        let outcome = wire::Outcome {
            sold: 3,
            ..wire::Outcome::default()
        };
        let history = History {
            count: Count {
                attempts: 1,
                reruns: 0,
            },
            outcome: Some(outcome.clone()),
            ..History::default()
        };
        let reporter = Reporter::new(history, 9);
        // Another participant needs it, and the session runs once more.
        reporter.waiting_for(vec!["BMSP".to_owned()]);
        reporter.trouble("BMSP", "connection refused");
        reporter.hindered("BMSP left");
        let status = reporter.status();
        assert!(status.waiting_for.is_empty() && status.last_error.is_empty());
        reporter.running(Count {
            attempts: 2,
            reruns: 1,
        });
        let status = reporter.status();
        assert_eq!((status.state(), status.attempts), (wire::State::Done, 2));
        assert!(status.waiting_for.is_empty() && status.last_error.is_empty());
        assert_eq!(reporter.outcome(), Some(outcome.clone()));

        // That attempt fails, which is told; one after it succeeds, or has another outcome.
        let failure = Failure {
            reason: "check failed".to_owned(),
            suspects: vec!["CMSP".to_owned()],
        };
        reporter.attempt_failed(failure.clone());
        let status = reporter.status();
        assert_eq!(
            (status.state(), status.last_error.as_str()),
            (wire::State::Done, "check failed")
        );
        assert_eq!(status.suspects, ["CMSP"]);
        reporter.done(outcome.clone());
        assert_eq!(reporter.status().last_error, "");
        reporter.contradicted();
        reporter.attempt_failed(failure);
        reporter.ended();
        let status = reporter.status();
        assert_eq!(
            (status.state(), status.last_error.as_str()),
            (wire::State::Done, "check failed")
        );
        assert!(reporter.is_contradicted() && reporter.has_ended());
        assert_eq!(reporter.outcome(), Some(outcome));
    }
}
