//! Health, readiness and metrics over HTTP, for operators.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::metrics::Metrics;

/// What the HTTP listener tells.
#[derive(Debug, Clone)]
pub(crate) struct Operations {
    pub(crate) metrics: Arc<Metrics>,
    /// Both other listeners answer, and the sidecar does not stop.
    pub(crate) ready: Arc<AtomicBool>,
}

/// `/healthz`: the process answers. `/readyz`: it serves. `/metrics`: OpenMetrics text.
pub(crate) fn routes(operations: Operations) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(operations)
}

async fn ready(State(operations): State<Operations>) -> impl IntoResponse {
    if operations.ready.load(Ordering::Relaxed) {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}

async fn metrics(State(operations): State<Operations>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], operations.metrics.text())
}
