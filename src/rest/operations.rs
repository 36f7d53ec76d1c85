//! For those who run the gateway: is it alive, is it ready, what has it done.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::routes::{Routes, route};
use super::{App, Problem, metrics};

pub(crate) fn routes<R: Routes>() -> R {
    R::default().with(route!(livez)).with(route!(readyz)).with(route!(read_metrics))
}

/// Answers as long as the gateway runs.
#[utoipa::path(
    get, path = "/livez", tag = "operations",
    responses((status = 200, description = "Alive", body = String, content_type = "text/plain"))
)]
async fn livez() -> &'static str {
    "alive\n"
}

/// Whether the gateway is ready, and why not.
#[derive(Serialize, utoipa::ToSchema)]
struct Readiness {
    /// Whether every adapter has its link.
    ready: bool,
    /// The state of each adapter's link, by its name.
    adapters: BTreeMap<String, &'static str>,
}

/// Tells whether all adapters have their links.
#[utoipa::path(
    get, path = "/readyz", tag = "operations",
    responses(
        (status = 200, description = "Ready", body = Readiness),
        (status = 503, description = "Not ready", body = Readiness),
    )
)]
async fn readyz(State(app): State<Arc<App>>) -> Response {
    let silos = app.silos.all();
    let links = silos.iter().map(|silo| (silo.name.to_string(), silo.health.status().status));
    let adapters: BTreeMap<_, _> = links.collect();
    let ready = adapters.values().all(|status| *status == "connected");
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, adapters })).into_response()
}

/// Counters in the OpenMetrics text format, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "operations",
    responses((status = 200, description = "Metrics", body = String, content_type = "application/openmetrics-text"))
)]
async fn read_metrics(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let text = metrics::render(&app)
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(CONTENT_TYPE, media)], text).into_response())
}
