//! What can be done to a pipeline. Both are safe to repeat with the same `Idempotency-Key`.

use axum::{Extension, Json, extract::State, http::HeaderMap};
use serde::Serialize;
use utoipa::ToSchema;

use super::address::{node_path, pipeline_id};
use crate::{
    dispatch,
    http::{auth::Caller, extract::Path, problem::Problem, router::App},
};

/// What was recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Receipt {
    /// Number of the last event that came of it.
    seq: u64,
    /// Whether the same key had asked for it before, so that nothing was done now.
    repeated: bool,
}

impl From<dispatch::Receipt> for Receipt {
    fn from(receipt: dispatch::Receipt) -> Self {
        Self { seq: receipt.seq, repeated: receipt.repeated }
    }
}

/// Stops a pipeline: no further starts, and what runs is ended.
#[utoipa::path(post, path = "/api/v1/pipelines/{id}/cancel", tag = "pipelines", params(
        ("id" = String, Path, description = "The pipeline, as in abc-def"),
        ("Idempotency-Key" = Option<String>, Header, description = "A text of your own; the same text does it once")),
    responses((status = 200, body = Receipt), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn cancel(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Receipt>, Problem> {
    let id = pipeline_id(&id)?;
    Ok(Json(app.dispatch.cancel(&id, caller.actor(), key(&headers)?).await?.into()))
}

/// Puts a node and all below it back to pending, and goes on from there. The root's address is `/nodes/reset`.
#[utoipa::path(post, path = "/api/v1/pipelines/{id}/nodes/{path}/reset", tag = "pipelines", params(
        ("id" = String, Path, description = "The pipeline, as in abc-def"),
        ("path" = String, Path, description = "Path of the node without its first slash; it may hold slashes"),
        ("Idempotency-Key" = Option<String>, Header, description = "A text of your own; the same text does it once")),
    responses((status = 200, body = Receipt), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn reset(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((id, rest)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Receipt>, Problem> {
    let (id, path) = (pipeline_id(&id)?, node_path(&rest, "reset")?);
    Ok(Json(app.dispatch.reset(&id, &path, caller.actor(), key(&headers)?).await?.into()))
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= 200 => Ok(Some(key.to_owned())),
        _ => Err(Problem::bad_request("an Idempotency-Key is 1 to 200 plain characters")),
    }
}
