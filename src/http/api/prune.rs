//! Removing what is older than the settings keep, now instead of once a day.

use axum::{Extension, Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    dispatch::{Scope, view::PruneReport},
    http::{auth::Caller, extract::Query, problem::Problem, router::App},
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Choice {
    /// Whether only to say what would be removed.
    #[serde(default)]
    dry_run: bool,
}

/// Removes logs, data and more that are older than the settings keep. Needs the scope `admin`.
#[utoipa::path(post, path = "/api/v1/prune", tag = "server", params(Choice),
    responses((status = 200, body = PruneReport), (status = 403, body = Problem)))]
pub(crate) async fn prune(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(choice): Query<Choice>,
) -> Result<Json<PruneReport>, Problem> {
    caller.require(Scope::Admin)?;
    Ok(Json(app.dispatch.prune(choice.dry_run).await?))
}
