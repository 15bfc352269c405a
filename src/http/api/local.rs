//! What is for people on the server's own machine: `conducto run` launches a working copy, `conducto debug` stands where a node runs.

use axum::{Extension, Json, body::Bytes, extract::State};

use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    address::{pipeline_id, trouble_with},
    launch::problem,
};
use crate::{
    dispatch::{DebugView, LocalLaunch, LocalRequest, Scope},
    http::{auth::Caller, extract, problem::Problem, router::App},
    model::NodePath,
};

/// Launches what a working copy on the server's machine says, as it lies there, changed files included.
///
/// Its nodes may do what those of no pushed commit may (the machine's own Docker, arguments of `docker run`): a token of the scope
/// `admin` is needed. Where a mistake stands in the way, `pipelines` is empty and `diagnostics` has it.
#[utoipa::path(post, path = "/api/v1/local/launch", tag = "repositories", request_body = LocalRequest,
    responses((status = 200, body = LocalLaunch),
        (status = 400, description = "The body is no JSON", body = Problem),
        (status = 403, description = "The token is not an admin's", body = Problem),
        (status = 404, description = "No repository, event or section of this name", body = Problem),
        (status = 422, description = "Wrong parameters, or something that cannot be used; `detail` says what", body = Problem)))]
pub(crate) async fn launch(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Json<LocalLaunch>, Problem> {
    caller.require(Scope::Admin)?;
    let request: LocalRequest = extract::json(&body)?;
    app.dispatch.launch_local(request, &caller.actor()).await.map(Json).map_err(problem)
}

/// The node to stand in the place of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// The pipeline, as in abc-def.
    pipeline: String,
    /// Path of the node.
    node: String,
}

/// Gets ready what a shell in the place of a node needs, and says what it is: image, script, environment, folders.
///
/// The environment holds all that the node would see: a token of the scope `admin` is needed. The files are the caller's to remove.
#[utoipa::path(post, path = "/api/v1/local/debug", tag = "pipelines", request_body = Place,
    responses((status = 200, body = DebugView),
        (status = 403, description = "The token is not an admin's", body = Problem),
        (status = 404, description = "No such pipeline or node", body = Problem),
        (status = 410, description = "The files of its commit are not to be had any more", body = Problem),
        (status = 422, description = "The node runs nothing itself", body = Problem)))]
pub(crate) async fn debug(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Json<DebugView>, Problem> {
    caller.require(Scope::Admin)?;
    let place: Place = extract::json(&body)?;
    let id = pipeline_id(&place.pipeline)?;
    let path = format!("/{}", place.node.trim_matches('/'));
    let path = NodePath::parse(&path).map_err(|error| Problem::bad_request(error.to_string()))?;
    app.dispatch.debug(&id, &path).await.map(Json).map_err(|error| trouble_with(&id, error))
}
