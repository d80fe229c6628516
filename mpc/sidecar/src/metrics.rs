//! What Prometheus is told.

use std::sync::Mutex;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// A sidecar's metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Mutex<Registry>,
    attempts: Family<ResultLabel, Counter>,
    seconds: Histogram,
    bytes: Family<DirectionLabel, Counter>,
    /// Sessions joined, by how their outcome stands.
    sessions: Family<SessionLabel, Gauge>,
    certificates: Family<ResultLabel, Counter>,
    certificate_not_after: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DirectionLabel {
    direction: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SessionLabel {
    outcome: &'static str,
}

/// How the outcome of a joined session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Pending,
    Known,
    /// Known, and a later attempt had another: somebody has to look.
    Contradicted,
    /// The session in the storage cannot be taken up.
    Damaged,
}

impl Standing {
    const ALL: [Self; 4] = [Self::Pending, Self::Known, Self::Contradicted, Self::Damaged];

    fn label(self) -> SessionLabel {
        SessionLabel {
            outcome: match self {
                Self::Pending => "pending",
                Self::Known => "known",
                Self::Contradicted => "contradicted",
                Self::Damaged => "damaged",
            },
        }
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let attempts = Family::default();
        let seconds = Histogram::new(exponential_buckets(0.05, 2.0, 12));
        let bytes = Family::default();
        let sessions = Family::default();
        let mut registry = Registry::with_prefix("mpc_sidecar");
        registry.register("attempts", "Attempts of a clearing that ended", attempts.clone());
        registry.register_with_unit(
            "attempt",
            "Duration of an attempt, from the agreement on it to its end",
            Unit::Seconds,
            seconds.clone(),
        );
        registry.register_with_unit(
            "peer",
            "Bytes of the computation's messages to and from other sidecars",
            Unit::Bytes,
            bytes.clone(),
        );
        registry.register(
            "sessions",
            "Sessions joined, by how their outcome stands",
            sessions.clone(),
        );
        let certificates = Family::default();
        let certificate_not_after = Gauge::default();
        registry.register(
            "certificate_loads",
            "TLS files that were put into use or found unusable",
            certificates.clone(),
        );
        registry.register_with_unit(
            "certificate_not_after_timestamp",
            "When the certificate for other sidecars expires, since 1970",
            Unit::Seconds,
            certificate_not_after.clone(),
        );
        let metrics = Self {
            registry: Mutex::new(registry),
            attempts,
            seconds,
            bytes,
            sessions,
            certificates,
            certificate_not_after,
        };
        // Series that are there from the start can be alerted on.
        for result in ["done", "failed"] {
            drop(metrics.attempts.get_or_create(&ResultLabel { result }));
        }
        for result in ["loaded", "refused"] {
            drop(metrics.certificates.get_or_create(&ResultLabel { result }));
        }
        for standing in Standing::ALL {
            drop(metrics.sessions.get_or_create(&standing.label()));
        }
        metrics
    }

    pub(crate) fn attempt_ended(&self, done: bool, took: Duration, traffic: (u64, u64)) {
        let result = if done { "done" } else { "failed" };
        self.attempts.get_or_create(&ResultLabel { result }).inc();
        self.seconds.observe(took.as_secs_f64());
        self.bytes
            .get_or_create(&DirectionLabel { direction: "sent" })
            .inc_by(traffic.0);
        self.bytes
            .get_or_create(&DirectionLabel {
                direction: "received",
            })
            .inc_by(traffic.1);
    }

    /// `not_after`, of the certificate for other sidecars, in seconds since 1970.
    pub(crate) fn certificate_loaded(&self, not_after: Option<i64>) {
        if let Some(not_after) = not_after {
            self.certificate_not_after.set(not_after);
        }
        self.certificates
            .get_or_create(&ResultLabel { result: "loaded" })
            .inc();
    }

    pub(crate) fn certificate_refused(&self) {
        self.certificates
            .get_or_create(&ResultLabel { result: "refused" })
            .inc();
    }

    pub(crate) fn session_joined(&self, standing: Standing) {
        self.sessions.get_or_create(&standing.label()).inc();
    }

    pub(crate) fn session_changed(&self, from: Standing, to: Standing) {
        self.sessions.get_or_create(&from.label()).dec();
        self.sessions.get_or_create(&to.label()).inc();
    }

    /// All metrics in the OpenMetrics text format.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let registry = self
            .registry
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        // Writing into a string does not fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_and_their_values() {
        let metrics = Metrics::new();
        metrics.session_joined(Standing::Pending);
        metrics.session_joined(Standing::Known);
        metrics.session_joined(Standing::Known);
        metrics.attempt_ended(false, Duration::from_millis(70), (10, 20));
        metrics.attempt_ended(true, Duration::from_millis(70), (1, 2));
        metrics.session_changed(Standing::Pending, Standing::Known);
        metrics.session_changed(Standing::Known, Standing::Contradicted);
        metrics.certificate_loaded(Some(1_900_000_000));
        metrics.certificate_loaded(None);
        metrics.certificate_refused();
        let text = metrics.text();
        for line in [
            "mpc_sidecar_certificate_loads_total{result=\"loaded\"} 2",
            "mpc_sidecar_certificate_loads_total{result=\"refused\"} 1",
            "mpc_sidecar_certificate_not_after_timestamp_seconds 1900000000",
            "mpc_sidecar_attempts_total{result=\"failed\"} 1",
            "mpc_sidecar_attempts_total{result=\"done\"} 1",
            "mpc_sidecar_attempt_seconds_count 2",
            "mpc_sidecar_peer_bytes_total{direction=\"sent\"} 11",
            "mpc_sidecar_peer_bytes_total{direction=\"received\"} 22",
            "mpc_sidecar_sessions{outcome=\"known\"} 2",
            "mpc_sidecar_sessions{outcome=\"pending\"} 0",
            "mpc_sidecar_sessions{outcome=\"contradicted\"} 1",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
