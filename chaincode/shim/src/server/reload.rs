//! TLS material that follows its files: new connections get what is there now.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::sync::Mutex;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::error::ConfigError;
use super::tls::{Material, TlsConfig, Usable};
use crate::metrics::Metrics;

/// How often the files are looked at when nobody connects, so that a broken one is noticed before somebody does.
const INTERVAL: Duration = Duration::from_secs(10);

/// A server's certificates, as its files have them.
pub(super) struct Certificates {
    config: TlsConfig,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

struct State {
    digest: [u8; 32],
    usable: Usable,
    /// The last complaint, so that it is made once.
    complaint: Option<String>,
}

impl Certificates {
    /// Reads the files for the first time.
    pub(super) fn load(config: TlsConfig, metrics: Arc<Metrics>) -> Result<Arc<Self>, ConfigError> {
        let material = config.read()?;
        let usable = material.usable()?;
        metrics.certificate_loaded(usable.not_after);
        let state = Mutex::new(State {
            digest: material.digest(),
            usable,
            complaint: None,
        });
        Ok(Arc::new(Self {
            config,
            metrics,
            state,
        }))
    }

    /// What a new connection gets. Material that is not usable leaves the earlier one in place.
    pub(super) async fn current(self: &Arc<Self>) -> Arc<ServerConfig> {
        let mut state = self.state.lock().await;
        let config = self.config.clone();
        let read = tokio::task::spawn_blocking(move || config.read()).await;
        if let Ok(read) = read {
            self.take(&mut state, read);
        }
        Arc::clone(&state.usable.server)
    }

    fn take(&self, state: &mut State, read: Result<Material, ConfigError>) {
        let usable = match read {
            Ok(material) if material.digest() == state.digest => {
                state.complaint = None;
                return;
            }
            Ok(material) => material.usable().map(|usable| (material.digest(), usable)),
            Err(error) => Err(error),
        };
        match usable {
            Ok((digest, usable)) => {
                info!(not_after = usable.not_after, "new certificates are in use");
                self.metrics.certificate_loaded(usable.not_after);
                *state = State {
                    digest,
                    usable,
                    complaint: None,
                };
            }
            Err(error) => {
                let complaint = error.to_string();
                if state.complaint.as_ref() != Some(&complaint) {
                    error!(%error, "the new certificates are not usable; the earlier ones stay in use");
                    self.metrics.certificate_refused();
                    state.complaint = Some(complaint);
                }
            }
        }
    }

    /// Looks at the files now and then, until `stop`.
    pub(super) async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => drop(self.current().await),
            }
        }
    }
}
