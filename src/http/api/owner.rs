//! Whose user data the pipelines of a repository have.

use axum::{Extension, body::Bytes, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    dispatch::Scope,
    http::{
        auth::Caller,
        extract::{Path, json},
        problem::Problem,
        router::App,
    },
};

/// Longest name of an owner, in bytes.
const LONGEST: usize = 200;

/// The owner of a repository.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Owner {
    /// Login or e-mail address; null for the user whose profile the server uses.
    owner: Option<String>,
}

/// Sets the owner of a repository: pipelines launched from now on share that user's data. For admins.
#[utoipa::path(put, path = "/api/v1/repositories/{owner}/{name}/owner", tag = "repositories", request_body = Owner,
    params(("owner" = String, Path, description = "First part of the repository's name"),
        ("name" = String, Path, description = "Second part of the repository's name")),
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn set(
    State(app): State<App>,
    Path((owner, name)): Path<(String, String)>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::Admin)?;
    let Owner { owner: user } = json(&body)?;
    let is_name = |user: &String| !user.is_empty() && user.len() <= LONGEST && !user.contains(char::is_control);
    if user.as_ref().is_some_and(|user| !is_name(user)) {
        let words = "`owner` must be a login or an e-mail address, or null for the user whose profile the server uses";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY).detail(words));
    }
    app.dispatch.set_owner(&format!("{owner}/{name}"), user).await?;
    Ok(StatusCode::NO_CONTENT)
}
