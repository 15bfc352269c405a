//! Changing a node of a pipeline that exists already.

use std::collections::BTreeMap;

use axum::{Json, http::HeaderMap};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::actions::{Receipt, act};
use crate::{
    dispatch::Action,
    http::{auth::Caller, extract, problem::Problem, router::App},
    model::{Edit, NodePath},
};

/// How the address ends.
pub(super) const VERB: &str = "edit";

/// What changes about a node; what is absent stays as it is.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct EditRequest {
    /// The command. Exec nodes only.
    command: Option<String>,
    /// Variables to set, or (with null) to take away.
    env: BTreeMap<String, Option<String>>,
    /// Processors.
    cpu: Option<f64>,
    /// Memory in GiB.
    mem: Option<f64>,
    /// Image reference.
    image: Option<String>,
    /// Whether the node runs again in the same step, if it has been reached.
    rerun: bool,
}

/// Changes a node. What runs goes on as it began; the next attempt sees the change. The root's address is `/nodes/edit`.
#[utoipa::path(post, path = "/api/v1/pipelines/{id}/nodes/{path}/edit", tag = "pipelines", request_body = EditRequest,
    params(
        ("id" = String, Path, description = "The pipeline, as in abc-def"),
        ("path" = String, Path, description = "Path of the node without its first slash; it may hold slashes"),
        ("Idempotency-Key" = Option<String>, Header, description = "A text of your own; the same text does it once")),
    responses((status = 200, body = Receipt), (status = 400, description = "The body is no JSON", body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 422, description = "No node can be changed like that; `detail` says why", body = Problem)))]
pub(super) async fn edit(
    app: &App,
    caller: &Caller,
    id: &str,
    node: NodePath,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Json<Receipt>, Problem> {
    let EditRequest { command, env, cpu, mem, image, rerun } = extract::json(body)?;
    let edit = Edit { command, env, cpu, mem, image };
    act(app, caller, id, headers, Action::Edit { node, edit, rerun }).await
}
