//! Health, readiness and metrics over HTTP, for operators. It tells nothing secret, but it has no authentication either.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::metrics::Metrics;

#[derive(Clone)]
struct Operations {
    metrics: Arc<Metrics>,
    stopping: CancellationToken,
}

/// Serves `/healthz`: the process answers; `/readyz`: peers may dial; `/metrics`: OpenMetrics text. Goes on until `until`, which
/// is later than `stopping`.
pub(super) async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    stopping: CancellationToken,
    until: impl Future<Output = ()> + Send + 'static,
) {
    let routes = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(text))
        .with_state(Operations { metrics, stopping });
    let served = axum::serve(listener, routes).with_graceful_shutdown(until).await;
    if let Err(error) = served {
        // Transactions matter more.
        error!(%error, "health and metrics are not served any more");
    }
}

async fn ready(State(operations): State<Operations>) -> impl IntoResponse {
    if operations.stopping.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

async fn text(State(operations): State<Operations>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], operations.metrics.text())
}
