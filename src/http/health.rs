//! Whether the server is well, for load balancers, people and Prometheus. Needs no token and says nothing secret.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{problem::Problem, router::App};

/// Whether the server is well.
#[derive(Serialize, ToSchema)]
pub(crate) struct HealthAnswer {
    /// Whether it takes deliveries and runs pipelines.
    ready: bool,
    /// What is wrong, in words.
    problems: Vec<String>,
    /// Version of the server.
    version: &'static str,
}

/// Says whether the server is well: 200, or 503 with what is wrong.
#[utoipa::path(get, path = "/healthz", tag = "server", security(()),
    responses((status = 200, body = HealthAnswer), (status = 503, body = HealthAnswer)))]
pub(crate) async fn healthz(State(app): State<App>) -> (StatusCode, Json<HealthAnswer>) {
    let health = app.dispatch.health().await;
    let status = if health.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let answer = HealthAnswer { ready: health.ready, problems: health.problems, version: env!("CARGO_PKG_VERSION") };
    (status, Json(answer))
}

/// Writes the metrics in Prometheus' text format.
pub(crate) async fn metrics(State(app): State<App>) -> Response {
    match &app.metrics {
        Some(handle) => {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle.render()).into_response()
        }
        None => Problem::not_found("metrics are not collected").into_response(),
    }
}
