//! What the server has to say to the outside, and what it could not say.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;

use super::address::MOST;
use crate::{
    dispatch::view::OutboxView,
    http::{
        extract::{Path, Query},
        problem::Problem,
        router::App,
    },
};

const STATES: [&str; 5] = ["ready", "sending", "sent", "superseded", "dead"];

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only rows in this state: ready, sending, sent, superseded, dead.
    state: Option<String>,
    /// At most this many, 200 at most.
    #[serde(default = "some")]
    #[param(default = 50)]
    limit: u32,
}

fn some() -> u32 {
    50
}

/// Lists messages to the outside, newest first.
#[utoipa::path(get, path = "/api/v1/outbox", tag = "outbox", params(Filter),
    responses((status = 200, body = Vec<OutboxView>), (status = 400, body = Problem)))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(filter): Query<Filter>,
) -> Result<Json<Vec<OutboxView>>, Problem> {
    let state = filter.state.as_deref();
    if state.is_some_and(|state| !STATES.contains(&state)) {
        return Err(Problem::bad_request(format!("`state` is one of {}", STATES.join(", "))));
    }
    Ok(Json(app.dispatch.outbox(state, filter.limit.clamp(1, MOST)).await?))
}

/// Tries a dead message again.
#[utoipa::path(post, path = "/api/v1/outbox/{id}/retry", tag = "outbox",
    params(("id" = i64, Path, description = "Row number")),
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn retry(State(app): State<App>, Path(id): Path<i64>) -> Result<StatusCode, Problem> {
    app.dispatch.retry_outbox(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
