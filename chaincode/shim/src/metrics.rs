//! What is counted and measured: of transactions, of requests to peers, of connections and certificates.
//!
//! Labels come from the server or from its peers, never from a client, so that a client cannot make their number grow.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fabric_protos::protos::chaincode_message::Type;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// A server's metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Mutex<Registry>,
    transactions: Family<TransactionLabels, Counter>,
    transaction_seconds: Histogram,
    in_flight: Gauge,
    panics: Counter,
    requests: Family<RequestLabel, Counter>,
    request_errors: Family<RequestLabel, Counter>,
    request_seconds: Histogram,
    streams: Gauge,
    handshakes_failed: Counter,
    certificates: Family<ResultLabel, Counter>,
    certificate_not_after: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TransactionLabels {
    channel: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabel {
    r#type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Answered with a status that peers endorse.
    Ok,
    /// The contract said no: a status from 400 on.
    Refused,
    /// The chaincode could not carry it through: a status from 500 on, or a message that is none.
    Failed,
    /// Its stream ended first, so that nobody got the answer.
    Abandoned,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// A transaction in flight. One that is dropped without [`ended`](Self::ended) was abandoned.
#[derive(Debug)]
pub(crate) struct InFlight<'a> {
    metrics: &'a Metrics,
    labels: TransactionLabels,
    started: Instant,
}

impl InFlight<'_> {
    pub(crate) fn ended(mut self, outcome: Outcome) {
        self.labels.outcome = outcome.name();
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        self.metrics
            .transaction_seconds
            .observe(self.started.elapsed().as_secs_f64());
        self.metrics.transactions.get_or_create(&self.labels).inc();
    }
}

/// A stream that is open; dropped, it is not.
#[derive(Debug)]
pub(crate) struct OpenStream<'a>(&'a Metrics);

impl Drop for OpenStream<'_> {
    fn drop(&mut self) {
        self.0.streams.dec();
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        // From 0.1 ms to 1.6 s, and to 52 s: chaincode answers within milliseconds, and peers give up after 30 s.
        let seconds = || Histogram::new(exponential_buckets(0.0001, 2.0, 20));
        let metrics = Self {
            registry: Mutex::new(Registry::with_prefix("chaincode")),
            transactions: Family::default(),
            transaction_seconds: seconds(),
            in_flight: Gauge::default(),
            panics: Counter::default(),
            requests: Family::default(),
            request_errors: Family::default(),
            request_seconds: seconds(),
            streams: Gauge::default(),
            handshakes_failed: Counter::default(),
            certificates: Family::default(),
            certificate_not_after: Gauge::default(),
        };
        metrics.register();
        // Series that are there from the start can be alerted on.
        for result in ["loaded", "refused"] {
            drop(metrics.certificates.get_or_create(&ResultLabel { result }));
        }
        metrics
    }

    fn register(&self) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register(
            "transactions",
            "Transactions that ended: ok, refused by the contract, failed, or abandoned because their stream ended",
            self.transactions.clone(),
        );
        registry.register_with_unit(
            "transaction",
            "From a transaction's arrival to its answer",
            Unit::Seconds,
            self.transaction_seconds.clone(),
        );
        registry.register(
            "transactions_in_flight",
            "Transactions that run now",
            self.in_flight.clone(),
        );
        registry.register("panics", "Panics of the contract", self.panics.clone());
        registry.register(
            "peer_requests",
            "Requests to peers, by type",
            self.requests.clone(),
        );
        registry.register(
            "peer_request_errors",
            "Requests that a peer refused or did not answer, by type",
            self.request_errors.clone(),
        );
        registry.register_with_unit(
            "peer_request",
            "From a request to its answer by the peer",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        registry.register(
            "streams",
            "Streams with peers that are open",
            self.streams.clone(),
        );
        registry.register(
            "tls_handshakes_failed",
            "Callers that did not come through the TLS handshake",
            self.handshakes_failed.clone(),
        );
        registry.register(
            "certificate_loads",
            "Certificates that were put into use or found unusable",
            self.certificates.clone(),
        );
        registry.register_with_unit(
            "certificate_not_after_timestamp",
            "When the server's certificate expires, since 1970; 0 without TLS",
            Unit::Seconds,
            self.certificate_not_after.clone(),
        );
    }

    pub(crate) fn transaction(&self, channel: String) -> InFlight<'_> {
        self.in_flight.inc();
        InFlight {
            metrics: self,
            labels: TransactionLabels {
                channel,
                outcome: Outcome::Abandoned.name(),
            },
            started: Instant::now(),
        }
    }

    pub(crate) fn stream(&self) -> OpenStream<'_> {
        self.streams.inc();
        OpenStream(self)
    }

    /// Whether a stream is open.
    pub(crate) fn has_stream(&self) -> bool {
        self.streams.get() > 0
    }

    pub(crate) fn panicked(&self) {
        self.panics.inc();
    }

    pub(crate) fn asked(&self, request: Type, took: Duration, answered: bool) {
        let label = RequestLabel {
            r#type: request.as_str_name(),
        };
        self.requests.get_or_create(&label).inc();
        self.request_seconds.observe(took.as_secs_f64());
        if !answered {
            self.request_errors.get_or_create(&label).inc();
        }
    }

    pub(crate) fn handshake_failed(&self) {
        self.handshakes_failed.inc();
    }

    /// `not_after` in seconds since 1970.
    pub(crate) fn certificate_loaded(&self, not_after: i64) {
        self.certificate_not_after.set(not_after);
        self.certificates
            .get_or_create(&ResultLabel { result: "loaded" })
            .inc();
    }

    pub(crate) fn certificate_refused(&self) {
        self.certificates
            .get_or_create(&ResultLabel { result: "refused" })
            .inc();
    }

    /// Everything in OpenMetrics text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
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
        metrics.transaction("ch".to_owned()).ended(Outcome::Ok);
        metrics.transaction("ch".to_owned()).ended(Outcome::Refused);
        metrics.transaction("ch".to_owned()).ended(Outcome::Failed);
        drop(metrics.transaction("other".to_owned()));
        let _running = metrics.transaction("ch".to_owned());
        let _open = metrics.stream();
        drop(metrics.stream());
        metrics.panicked();
        metrics.asked(Type::GetState, Duration::from_millis(1), true);
        metrics.asked(Type::GetState, Duration::from_millis(1), false);
        metrics.handshake_failed();
        metrics.certificate_loaded(1_900_000_000);
        let text = metrics.text();
        for line in [
            "chaincode_transactions_total{channel=\"ch\",outcome=\"ok\"} 1",
            "chaincode_transactions_total{channel=\"ch\",outcome=\"refused\"} 1",
            "chaincode_transactions_total{channel=\"ch\",outcome=\"failed\"} 1",
            "chaincode_transactions_total{channel=\"other\",outcome=\"abandoned\"} 1",
            "chaincode_transaction_seconds_count 4",
            "chaincode_transactions_in_flight 1",
            "chaincode_streams 1",
            "chaincode_panics_total 1",
            "chaincode_peer_requests_total{type=\"GET_STATE\"} 2",
            "chaincode_peer_request_errors_total{type=\"GET_STATE\"} 1",
            "chaincode_peer_request_seconds_count 2",
            "chaincode_tls_handshakes_failed_total 1",
            "chaincode_certificate_loads_total{result=\"loaded\"} 1",
            "chaincode_certificate_loads_total{result=\"refused\"} 0",
            "chaincode_certificate_not_after_timestamp_seconds 1900000000",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }
}
