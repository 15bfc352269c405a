//! What can be read of a node, by the last word of the address: a path may hold slashes, so the router cannot tell them apart.

use axum::{
    Json,
    extract::{Query, State},
    http::{HeaderMap, Uri},
    response::{IntoResponse as _, Response},
};
use serde::de::DeserializeOwned;

use super::{
    address::{no_address, node_and_verb, pipeline_id, trouble_with},
    lines, logs,
};
use crate::{
    dispatch::view::NodeView,
    http::{extract::Path, problem::Problem, router::App},
    model::{NodePath, PipelineId},
};

/// Reads the log, lines of it, what a search finds in it, or the node itself.
pub(crate) async fn read(
    State(app): State<App>,
    Path((id, rest)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = pipeline_id(&id)?;
    let (path, verb) = node_and_verb(&rest)?;
    match verb {
        "log" => logs::read(&app, &id, &path, query(&uri)?, &headers).await,
        "lines" => Ok(lines::lines(&app, &id, &path, query(&uri)?).await?.into_response()),
        "search" => Ok(lines::search(&app, &id, &path, query(&uri)?).await?.into_response()),
        "view" => Ok(view(&app, &id, &path).await?.into_response()),
        _ => Err(no_address()),
    }
}

/// Shows one node, with its environment. The root's address is `/nodes/view`.
#[utoipa::path(get, path = "/api/v1/pipelines/{id}/nodes/{path}/view", tag = "pipelines", params(
        ("id" = String, Path, description = "The pipeline, as in abc-def"),
        ("path" = String, Path, description = "Path of the node without its first slash; it may hold slashes")),
    responses((status = 200, body = NodeView), (status = 404, body = Problem)))]
pub(super) async fn view(app: &App, id: &PipelineId, path: &NodePath) -> Result<Json<NodeView>, Problem> {
    app.dispatch.node(id, path).await.map(Json).map_err(|error| trouble_with(id, error))
}

fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    let read = Query::try_from_uri(uri).map_err(|error| Problem::bad_request(error.body_text()))?;
    let Query(query) = read;
    Ok(query)
}
