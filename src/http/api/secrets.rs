//! Secrets of nodes: names to look at, values to put in. No address gives a value back.

use axum::{Extension, Json, body::Bytes, extract::State, http::StatusCode};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    dispatch::{NoSecret, Rotated, Scope, SecretWish, view::SecretView},
    http::{
        auth::Caller,
        extract::{self, Path, Query},
        problem::Problem,
        router::App,
    },
    model::SecretScope,
};

/// Whose secret it is; the organisation's when neither is named.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Whose {
    /// Repository, as in `owner/name`.
    #[serde(default)]
    repository: Option<String>,
    /// Login or e-mail address of a user.
    #[serde(default)]
    user: Option<String>,
}

/// A value, and what may be shown of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewValue {
    /// The value: text, at most 64 KiB, of several lines if need be.
    #[schema(value_type = String)]
    value: SecretString,
    /// Whether it is masked in logs.
    #[serde(default = "masked")]
    #[schema(default = true)]
    mask: bool,
}

fn masked() -> bool {
    true
}

/// What a rotation does besides.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Rotation {
    /// Whether older keys are removed; back-ups that need them cannot be read any more.
    #[serde(default)]
    drop_old: bool,
}

/// Lists secrets without their values. Needs the scope `secret:read`.
#[utoipa::path(get, path = "/api/v1/secrets", tag = "secrets",
    responses((status = 200, body = Vec<SecretView>), (status = 403, body = Problem)))]
pub(crate) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Vec<SecretView>>, Problem> {
    caller.require(Scope::SecretRead)?;
    Ok(Json(app.dispatch.secrets().await.map_err(problem)?))
}

/// Sets a secret, in the place of one that is there. Needs the scope `secret:write`.
///
/// Doing it again does no harm. Nodes that begin from then on get the value.
#[utoipa::path(put, path = "/api/v1/secrets/{name}", tag = "secrets", request_body = NewValue,
    params(("name" = String, Path, description = "Name of the secret, and of the variable in nodes"), Whose),
    responses((status = 200, body = SecretView), (status = 400, description = "The body is no JSON", body = Problem),
        (status = 403, body = Problem),
        (status = 422, description = "No name or value of a secret; `detail` says why", body = Problem),
        (status = 503, description = "The key of secrets cannot be used; `detail` says what to do", body = Problem)))]
pub(crate) async fn set(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(whose): Query<Whose>,
    body: Bytes,
) -> Result<Json<SecretView>, Problem> {
    caller.require(Scope::SecretWrite)?;
    let NewValue { value, mask } = extract::json(&body)?;
    let wish = SecretWish { scope: scope(whose)?, name, value, is_masked: mask };
    Ok(Json(app.dispatch.set_secret(wish, &caller.actor()).await.map_err(problem)?))
}

/// Deletes a secret. Needs the scope `secret:write`.
#[utoipa::path(delete, path = "/api/v1/secrets/{name}", tag = "secrets",
    params(("name" = String, Path, description = "Name of the secret"), Whose),
    responses((status = 204, description = "It is gone"), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn delete(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(whose): Query<Whose>,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::SecretWrite)?;
    app.dispatch.delete_secret(scope(whose)?, &name, &caller.actor()).await.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a new key and seals all secrets with it. Needs the scope `admin`.
#[utoipa::path(post, path = "/api/v1/secrets/rotate", tag = "secrets", params(Rotation),
    responses((status = 200, body = Rotated), (status = 403, body = Problem),
        (status = 503, description = "A key cannot be used, or not be made; `detail` says what to do", body = Problem)))]
pub(crate) async fn rotate(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(rotation): Query<Rotation>,
) -> Result<Json<Rotated>, Problem> {
    caller.require(Scope::Admin)?;
    Ok(Json(app.dispatch.rotate_secrets(rotation.drop_old, &caller.actor()).await.map_err(problem)?))
}

fn scope(whose: Whose) -> Result<SecretScope, Problem> {
    let wrong = |words: &str| Problem::new(StatusCode::UNPROCESSABLE_ENTITY).detail(words);
    match whose {
        Whose { repository: None, user: None } => Ok(SecretScope::Organisation),
        Whose { repository: Some(name), user: None } => match name.split_once('/') {
            Some((owner, rest)) if !owner.is_empty() && !rest.is_empty() && !rest.contains('/') => {
                Ok(SecretScope::repository(&name))
            }
            _ => Err(wrong("a repository is named `owner/name`")),
        },
        Whose { repository: None, user: Some(login) } if !login.trim().is_empty() => Ok(SecretScope::user(&login)),
        Whose { user: Some(_), repository: None } => Err(wrong("a user is named by login or e-mail address")),
        Whose { .. } => Err(wrong("a secret is a repository's or a user's, not both")),
    }
}

/// Whoever may touch secrets hears what is wrong with the key: nobody else could mend it.
fn problem(no: NoSecret) -> Problem {
    let words = no.to_string();
    match no {
        NoSecret::Invalid(_) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY).detail(words),
        NoSecret::NotFound { .. } => Problem::not_found(words),
        NoSecret::Vault(_) => {
            tracing::error!(error = %words, "secrets cannot be used");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE).detail(words)
        }
        NoSecret::Failed(error) => error.into(),
    }
}
