//! What can be done to a pipeline and its nodes. Everything is safe to repeat with the same `Idempotency-Key`.

use axum::{Extension, Json, body::Bytes, extract::State, http::HeaderMap};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    address::{no_address, node_and_verb, pipeline_id, trouble_with},
    edit,
};
use crate::{
    dispatch::{self, Action},
    http::{auth::Caller, extract::Path, problem::Problem, router::App},
    model::NodePath,
};

/// What was recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Receipt {
    /// Number of the last event that came of it.
    seq: u64,
    /// Whether the same key had asked for it before, so that nothing was done now.
    repeated: bool,
    /// How many Exec nodes run again because of it.
    reruns: u32,
    /// How many attempts are being ended because of it.
    stops: u32,
}

/// What can be done to a pipeline as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum PipelineVerb {
    Start,
    Cancel,
    Sleep,
    Wake,
}

/// What can be done to a node and all below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(crate) enum NodeVerb {
    Reset,
    RerunFailed,
    Skip,
    Unskip,
    Kill,
}

impl PipelineVerb {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "start" => Some(Self::Start),
            "cancel" => Some(Self::Cancel),
            "sleep" => Some(Self::Sleep),
            "wake" => Some(Self::Wake),
            _ => None,
        }
    }

    fn action(self) -> Action {
        match self {
            Self::Start => Action::Start,
            Self::Cancel => Action::Cancel,
            Self::Sleep => Action::Sleep,
            Self::Wake => Action::Wake,
        }
    }
}

impl NodeVerb {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "reset" => Some(Self::Reset),
            "rerun-failed" => Some(Self::RerunFailed),
            "skip" => Some(Self::Skip),
            "unskip" => Some(Self::Unskip),
            "kill" => Some(Self::Kill),
            _ => None,
        }
    }

    fn on(self, node: NodePath) -> Action {
        match self {
            Self::Reset => Action::Reset(node),
            Self::RerunFailed => Action::RerunFailed(node),
            Self::Skip => Action::Skip(node),
            Self::Unskip => Action::Unskip(node),
            Self::Kill => Action::Kill(node),
        }
    }
}

/// Does something to a pipeline.
///
/// * `start`: lets a pipeline begin that waits for somebody to say so
/// * `cancel`: no further starts, and what runs is ended
/// * `sleep`: the same, until it is woken
/// * `wake`: goes on where sleeping left off; what was ended runs again
#[utoipa::path(post, path = "/api/v1/pipelines/{id}/{verb}", tag = "pipelines", params(
        ("id" = String, Path, description = "The pipeline, as in abc-def"),
        ("verb" = PipelineVerb, Path, description = "What to do"),
        ("Idempotency-Key" = Option<String>, Header, description = "A text of your own; the same text does it once")),
    responses((status = 200, body = Receipt), (status = 404, body = Problem),
        (status = 409, description = "Not in this state; `detail` says why", body = Problem)))]
pub(crate) async fn on_pipeline(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((id, verb)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Receipt>, Problem> {
    let verb = PipelineVerb::parse(&verb).ok_or_else(no_address)?;
    act(&app, &caller, &id, &headers, verb.action()).await
}

/// Does something to a node and all below it. The root's addresses are `/nodes/{verb}`.
///
/// * `reset`: puts it back to pending, and goes on from there; earlier attempts are kept
/// * `rerun-failed`: the same for the nodes that failed, and for nothing else
/// * `skip`: passes it over; what runs there is ended, and its parent goes on without it
/// * `unskip`: takes that back; what has not run can run again
/// * `kill`: ends what runs or is queued there; what has not been reached there does not start either
#[utoipa::path(post, path = "/api/v1/pipelines/{id}/nodes/{path}/{verb}", tag = "pipelines", params(
        ("id" = String, Path, description = "The pipeline, as in abc-def"),
        ("path" = String, Path, description = "Path of the node without its first slash; it may hold slashes"),
        ("verb" = NodeVerb, Path, description = "What to do"),
        ("Idempotency-Key" = Option<String>, Header, description = "A text of your own; the same text does it once")),
    responses((status = 200, body = Receipt),
        (status = 404, description = "No such pipeline or node; `detail` may name the node that was meant", body = Problem),
        (status = 409, description = "Not in this state; `detail` says why", body = Problem)))]
pub(crate) async fn on_node(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((id, rest)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Receipt>, Problem> {
    match node_and_verb(&rest)? {
        (node, edit::VERB) => edit::edit(&app, &caller, &id, node, &headers, &body).await,
        (node, verb) => {
            let verb = NodeVerb::parse(verb).ok_or_else(no_address)?;
            act(&app, &caller, &id, &headers, verb.on(node)).await
        }
    }
}

/// Does it once, whatever it is.
pub(super) async fn act(
    app: &App,
    caller: &Caller,
    id: &str,
    headers: &HeaderMap,
    action: Action,
) -> Result<Json<Receipt>, Problem> {
    let id = pipeline_id(id)?;
    let done = app.dispatch.act(&id, action, caller.actor(), key(headers)?).await;
    let receipt = done.map_err(|error| trouble_with(&id, error))?;
    let dispatch::Receipt { seq, repeated, reruns, stops } = receipt;
    Ok(Json(Receipt { seq, repeated, reruns, stops }))
}

pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= 200 => Ok(Some(key.to_owned())),
        _ => Err(Problem::bad_request("an Idempotency-Key is 1 to 200 plain characters")),
    }
}
