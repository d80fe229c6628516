//! The sessions that this sidecar has joined, and the task that clears each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use fabric_protos::ipo::sidecar::v1 as wire;
use ipo_clearing::OwnBook;
use order_commitments::{Session, SessionId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clearing_task::ClearingTask;
use crate::config::AttemptsConfig;
use crate::exchange::{Arrival, Dialler, Place};
use crate::join::Joined;
use crate::metrics::{Metrics, Standing};
use crate::progress::Reporter;
use crate::store::{Failure, History, Store};

/// Arrivals that wait for a session's task before a peer is told that it is busy.
const ARRIVALS: usize = 64;

/// All joined sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    handles: Mutex<BTreeMap<SessionId, Arc<Handle>>>,
    /// What is told of stored sessions that could not be taken up.
    shelved: Mutex<BTreeMap<SessionId, Reporter>>,
    store: Arc<Store>,
    dialler: Arc<Dialler>,
    metrics: Arc<Metrics>,
    limits: AttemptsConfig,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// One joined session.
#[derive(Debug)]
pub(crate) struct Handle {
    session: Arc<Session>,
    party: usize,
    reporter: Reporter,
    arrivals: mpsc::Sender<Arrival>,
}

impl Handle {
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// The own place among the participants.
    pub(crate) fn party(&self) -> usize {
        self.party
    }

    pub(crate) fn status(&self) -> wire::StatusResponse {
        self.reporter.status()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.reporter.is_idle()
    }

    /// Whether the session takes part in no further attempt.
    pub(crate) fn has_ended(&self) -> bool {
        self.reporter.has_ended()
    }

    /// Tells the session's task that somebody came; false if it is busy or has ended.
    pub(crate) fn announce(&self, arrival: Arrival) -> bool {
        self.arrivals.try_send(arrival).is_ok()
    }
}

impl Sessions {
    pub(crate) fn new(
        store: Arc<Store>,
        dialler: Arc<Dialler>,
        metrics: Arc<Metrics>,
        limits: AttemptsConfig,
    ) -> Self {
        Self {
            handles: Mutex::default(),
            shelved: Mutex::default(),
            store,
            dialler,
            metrics,
            limits,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<Arc<Handle>> {
        self.handles().get(&id).cloned()
    }

    /// What is told of a session, if it was joined.
    pub(crate) fn reporter(&self, id: SessionId) -> Option<Reporter> {
        let taken_up = self.get(id).map(|handle| handle.reporter.clone());
        taken_up.or_else(|| self.shelved().get(&id).cloned())
    }

    /// Keeps a stored session aside that cannot be taken up: its status says why, its outcome is served, and it takes part
    /// in nothing until it is handed over again.
    pub(crate) fn shelve(&self, id: SessionId, history: History, reason: &str) {
        let reporter = Reporter::new(history, self.limits.max);
        reporter.attempt_failed(Failure {
            reason: format!(
                "the session in this sidecar's storage is not taken up: {reason}; hand it over again"
            ),
            suspects: Vec::new(),
        });
        reporter.ended();
        self.metrics.session_joined(Standing::Damaged);
        self.shelved().insert(id, reporter);
    }

    /// The session as which a listing was joined.
    pub(crate) fn of_listing(&self, channel: &str, chaincode: &str, listing: &str) -> Option<Arc<Handle>> {
        let is_it = |handle: &&Arc<Handle>| {
            let terms = handle.session.terms();
            terms.channel == channel && terms.chaincode == chaincode && terms.listing == listing
        };
        self.handles().values().find(is_it).cloned()
    }

    /// Takes a session up, unless it was before, and starts its task.
    pub(crate) fn start(&self, joined: Joined, history: History) -> Arc<Handle> {
        let Joined {
            session,
            party,
            openings,
        } = joined;
        let mut handles = self.handles();
        if let Some(handle) = handles.get(&session.id()) {
            return handle.clone();
        }
        let standing = match &history.outcome {
            None => Standing::Pending,
            Some(_) if history.is_contradicted => Standing::Contradicted,
            Some(_) => Standing::Known,
        };
        match self.shelved().remove(&session.id()) {
            Some(_) => self.metrics.session_changed(Standing::Damaged, standing),
            None => self.metrics.session_joined(standing),
        }
        let session = Arc::new(session);
        let reporter = Reporter::new(history, self.limits.max);
        let (arrivals, arrived) = mpsc::channel(ARRIVALS);
        let handle = Arc::new(Handle {
            session: session.clone(),
            party,
            reporter: reporter.clone(),
            arrivals,
        });
        let place = Place::new(session.clone(), party, self.dialler.clone(), self.limits, arrived);
        let own = OwnBook::new(session.clone(), party, openings);
        let task = ClearingTask {
            session,
            own,
            place,
            reporter,
            store: self.store.clone(),
            metrics: self.metrics.clone(),
            limits: self.limits,
        };
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = task.run() => {}
            }
        });
        handles.insert(handle.session.id(), handle.clone());
        handle
    }

    /// Stops every session's task. What is on disk is as it was.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn shelved(&self) -> std::sync::MutexGuard<'_, BTreeMap<SessionId, Reporter>> {
        self.shelved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handles(&self) -> std::sync::MutexGuard<'_, BTreeMap<SessionId, Arc<Handle>>> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
