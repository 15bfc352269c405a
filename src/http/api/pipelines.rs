//! Pipelines: the list, and one with its whole tree.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::address::{MOST, no_pipeline, pipeline_id};
use crate::{
    dispatch::{
        PipelineFilter,
        view::{PipelineSummary, PipelineView},
    },
    http::{
        extract::{Path, Query},
        problem::Problem,
        router::App,
    },
    model,
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only this repository, `owner/name`.
    repository: Option<String>,
    /// Only pipelines whose root is in this state.
    state: Option<model::State>,
    /// Only pipelines that have every word of this in title, repository, trigger, sender or id, or as the beginning of the commit.
    text: Option<String>,
    /// Only pipelines older than this one (`id` of the last one seen).
    before: Option<String>,
    /// At most this many, 200 at most.
    #[serde(default = "some")]
    #[param(default = 50)]
    limit: u32,
}

fn some() -> u32 {
    50
}

/// Lists pipelines, newest first.
#[utoipa::path(get, path = "/api/v1/pipelines", tag = "pipelines", params(Filter),
    responses((status = 200, body = Vec<PipelineSummary>), (status = 401, body = Problem)))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(filter): Query<Filter>,
) -> Result<Json<Vec<PipelineSummary>>, Problem> {
    let Filter { repository, state, text, before, limit } = filter;
    let before = before.as_deref().map(pipeline_id).transpose()?;
    let filter = PipelineFilter { repository, state, text, before, limit: limit.clamp(1, MOST) };
    Ok(Json(app.dispatch.pipelines(filter).await?))
}

/// Shows a pipeline: its tree with states, counts and attempts.
#[utoipa::path(get, path = "/api/v1/pipelines/{id}", tag = "pipelines",
    params(("id" = String, Path, description = "The pipeline, as in abc-def")),
    responses((status = 200, body = PipelineView), (status = 404, body = Problem)))]
pub(crate) async fn one(State(app): State<App>, Path(id): Path<String>) -> Result<Json<PipelineView>, Problem> {
    let id = pipeline_id(&id)?;
    app.dispatch.pipeline(&id).await?.map(Json).ok_or_else(|| no_pipeline(&id))
}
