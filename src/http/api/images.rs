//! Images that the server makes, and how.

use axum::{Json, extract::State, http::HeaderMap, response::Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{address::MOST, logs};
use crate::{
    dispatch::view::ImageView,
    http::{
        extract::{Path, Query},
        problem::Problem,
        router::App,
    },
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// At most this many, 200 at most.
    #[serde(default = "some")]
    #[param(default = 50)]
    limit: u32,
}

fn some() -> u32 {
    50
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Choice {
    /// Whether to go on until the image is made.
    #[serde(default)]
    follow: bool,
    /// Only about this many bytes of the end, 1 MiB at most; not together with `follow`.
    tail: Option<usize>,
    /// `json` for one object a piece, as `Accept: application/x-ndjson`.
    format: Option<String>,
}

/// Lists images that the server makes or has made, the one that was needed last first.
#[utoipa::path(get, path = "/api/v1/images", tag = "images", params(Filter),
    responses((status = 200, body = Vec<ImageView>), (status = 401, body = Problem)))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(filter): Query<Filter>,
) -> Result<Json<Vec<ImageView>>, Problem> {
    Ok(Json(app.dispatch.images(filter.limit.clamp(1, MOST)).await?))
}

/// Shows one image: what it is, its stages, and why it could not be made.
#[utoipa::path(get, path = "/api/v1/images/{key}", tag = "images",
    params(("key" = String, Path, description = "The image's key, or the beginning of it")),
    responses((status = 200, body = ImageView), (status = 404, body = Problem)))]
pub(crate) async fn one(State(app): State<App>, Path(key): Path<String>) -> Result<Json<ImageView>, Problem> {
    Ok(Json(app.dispatch.image(&key).await?))
}

/// Reads the log of the last making of an image.
#[utoipa::path(get, path = "/api/v1/images/{key}/log", tag = "images",
    params(("key" = String, Path, description = "The image's key, or the beginning of it"), Choice),
    responses((status = 200, content_type = "text/plain", body = String), (status = 404, body = Problem)))]
pub(crate) async fn log(
    State(app): State<App>,
    Path(key): Path<String>,
    Query(choice): Query<Choice>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let chunks = app.dispatch.image_log(&key, choice.follow && choice.tail.is_none()).await?;
    Ok(logs::answer(chunks, choice.format.as_deref(), choice.tail, &headers).await)
}
