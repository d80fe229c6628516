//! Health, readiness and metrics over HTTP, for operators. It tells nothing secret, but it has no authentication either.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tracing::error;

use crate::metrics::Metrics;

/// Why nothing is to be sent here now, in a word or two; nothing if all is well.
type Unready = Arc<dyn Fn() -> Option<&'static str> + Send + Sync>;

#[derive(Clone)]
struct Operations {
    metrics: Arc<Metrics>,
    unready: Unready,
}

/// Serves `/healthz`: the process answers; `/readyz`: transactions are taken; `/metrics`: OpenMetrics text. Goes on until `until`.
pub(crate) async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    unready: impl Fn() -> Option<&'static str> + Send + Sync + 'static,
    until: impl Future<Output = ()> + Send + 'static,
) {
    let routes = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(text))
        .with_state(Operations {
            metrics,
            unready: Arc::new(unready),
        });
    let served = axum::serve(listener, routes).with_graceful_shutdown(until).await;
    if let Err(error) = served {
        // Transactions matter more.
        error!(%error, "health and metrics are not served any more");
    }
}

async fn ready(State(operations): State<Operations>) -> impl IntoResponse {
    match (operations.unready)() {
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        None => (StatusCode::OK, "ready\n".to_owned()),
    }
}

async fn text(State(operations): State<Operations>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], operations.metrics.text())
}
