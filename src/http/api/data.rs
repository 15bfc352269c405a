//! Shared data: of one pipeline, or of one user. Decides who may use whose; what an object looks like is decided next door.

use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::address::pipeline_id;
use crate::{
    data::{self, Name, Store},
    dispatch::{DataOf, Scope},
    http::{
        auth::Caller,
        extract::{Path, Query},
        object,
        problem::Problem,
        router::App,
    },
    model::{PipelineId, Trust},
};

/// Something that is stored.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DataEntry {
    /// Its whole name.
    name: String,
    /// Whether it is a folder.
    folder: bool,
    /// Its bytes; 0 for a folder.
    size: u64,
}

/// A folder of a store.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DataList {
    /// What is directly in it, in the order of the names.
    entries: Vec<DataEntry>,
    /// Bytes of the whole store, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<u64>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Listing {
    /// The folder; the whole store if absent.
    #[serde(default)]
    prefix: String,
    /// Whether to add up the bytes of the whole store.
    #[serde(default)]
    usage: bool,
    /// Whose user data, for admins; that of the user whose profile the server uses if absent.
    owner: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Whose {
    /// Whose user data, for admins; that of the user whose profile the server uses if absent.
    owner: Option<String>,
    /// Whether to delete a folder with all that is in it.
    #[serde(default)]
    recursive: bool,
}

/// Lists what is directly in a folder of a pipeline's data.
#[utoipa::path(get, path = "/api/v1/pipelines/{id}/data", tag = "data", params(
        ("id" = String, Path, description = "The pipeline, as in abc-def"), Listing),
    responses((status = 200, body = DataList), (status = 403, body = Problem), (status = 404, body = Problem), (status = 410, body = Problem)))]
pub(crate) async fn list_pipeline(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(listing): Query<Listing>,
) -> Result<Json<DataList>, Problem> {
    list(app.dispatch.data(of_pipeline(&caller, &id)?).await?, listing).await
}

/// Reads an object of a pipeline's data; a `Range` of it where one is asked for.
#[utoipa::path(get, path = "/api/v1/pipelines/{id}/data/{name}", tag = "data", params(
        ("id" = String, Path, description = "The pipeline, as in abc-def"),
        ("name" = String, Path, description = "Name of the object; it may hold slashes")),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>), (status = 206, content_type = "application/octet-stream", body = Vec<u8>), (status = 304), (status = 403, body = Problem), (status = 404, body = Problem), (status = 410, body = Problem), (status = 416, body = Problem)))]
pub(crate) async fn read_pipeline(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((id, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    object::read(app.dispatch.data(of_pipeline(&caller, &id)?).await?, &name, &headers).await
}

/// Stores an object of a pipeline's data: in full, or not at all.
#[utoipa::path(put, path = "/api/v1/pipelines/{id}/data/{name}", tag = "data", params(
        ("id" = String, Path, description = "The pipeline, as in abc-def"),
        ("name" = String, Path, description = "Name of the object; it may hold slashes")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem), (status = 507, body = Problem)))]
pub(crate) async fn write_pipeline(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((id, name)): Path<(String, String)>,
    body: Body,
) -> Result<StatusCode, Problem> {
    let store = app.dispatch.data(of_pipeline(&caller, &id)?).await?;
    object::write(store, &name, body, app.dispatch.cache_budget()).await
}

/// Deletes an object of a pipeline's data, or a folder with `recursive`.
#[utoipa::path(delete, path = "/api/v1/pipelines/{id}/data/{name}", tag = "data", params(
        ("id" = String, Path, description = "The pipeline, as in abc-def"),
        ("name" = String, Path, description = "Name of the object; it may hold slashes"), Whose),
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn delete_pipeline(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((id, name)): Path<(String, String)>,
    Query(whose): Query<Whose>,
) -> Result<StatusCode, Problem> {
    delete(app.dispatch.data(of_pipeline(&caller, &id)?).await?, name, whose.recursive).await
}

/// Lists what is directly in a folder of user data.
#[utoipa::path(get, path = "/api/v1/data/user", tag = "data", params(Listing),
    responses((status = 200, body = DataList), (status = 403, body = Problem)))]
pub(crate) async fn list_user(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(listing): Query<Listing>,
) -> Result<Json<DataList>, Problem> {
    list(app.dispatch.data(of_user(&caller, listing.owner.clone())?).await?, listing).await
}

/// Reads an object of user data; a `Range` of it where one is asked for.
#[utoipa::path(get, path = "/api/v1/data/user/{name}", tag = "data", params(
        ("name" = String, Path, description = "Name of the object; it may hold slashes"),
        ("owner" = Option<String>, Query, description = "Whose user data, for admins")),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>), (status = 206, content_type = "application/octet-stream", body = Vec<u8>), (status = 304), (status = 403, body = Problem), (status = 404, body = Problem), (status = 416, body = Problem)))]
pub(crate) async fn read_user(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(whose): Query<Whose>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    object::read(app.dispatch.data(of_user(&caller, whose.owner)?).await?, &name, &headers).await
}

/// Stores an object of user data: in full, or not at all.
#[utoipa::path(put, path = "/api/v1/data/user/{name}", tag = "data", params(
        ("name" = String, Path, description = "Name of the object; it may hold slashes"),
        ("owner" = Option<String>, Query, description = "Whose user data, for admins")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 204), (status = 403, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem), (status = 507, body = Problem)))]
pub(crate) async fn write_user(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(whose): Query<Whose>,
    body: Body,
) -> Result<StatusCode, Problem> {
    let store = app.dispatch.data(of_user(&caller, whose.owner)?).await?;
    object::write(store, &name, body, app.dispatch.cache_budget()).await
}

/// Deletes an object of user data, or a folder with `recursive`.
#[utoipa::path(delete, path = "/api/v1/data/user/{name}", tag = "data", params(
        ("name" = String, Path, description = "Name of the object; it may hold slashes"), Whose),
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn delete_user(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(whose): Query<Whose>,
) -> Result<StatusCode, Problem> {
    delete(app.dispatch.data(of_user(&caller, whose.owner)?).await?, name, whose.recursive).await
}

/// Shows an object under the address that the markup of nodes names (`compat.md` §8).
pub(crate) async fn shown(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((id, kind, name)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let of = match (kind.as_str(), of_pipeline(&caller, &id)?) {
        ("pipeline", of) => of,
        ("user", DataOf::Pipeline(id)) if !caller.is_anonymous() => DataOf::UserOf(id),
        ("user", _) => return Err(Problem::new(StatusCode::UNAUTHORIZED).detail("user data needs a token")),
        _ => return Err(super::address::no_address()),
    };
    object::read(app.dispatch.data(of).await?, &name, &headers).await
}

/// Nodes reach the data of their own pipeline only.
fn of_pipeline(caller: &Caller, id: &str) -> Result<DataOf, Problem> {
    let id: PipelineId = pipeline_id(id)?;
    match caller.node() {
        Some(node) if node.pipeline != id => Err(refused("a node reaches the data of its own pipeline only")),
        _ => Ok(DataOf::Pipeline(id)),
    }
}

/// Nodes reach the user data of their pipeline's owner only, and those of a fork's code none at all.
fn of_user(caller: &Caller, owner: Option<String>) -> Result<DataOf, Problem> {
    match caller.node() {
        Some(node) if node.trust == Trust::Fork => Err(refused("the code of a fork has no user data")),
        Some(_) if owner.is_some() => Err(refused("a node reaches the user data of its pipeline's owner only")),
        Some(node) => Ok(DataOf::User(node.owner.clone())),
        None if caller.is_anonymous() => Err(Problem::new(StatusCode::UNAUTHORIZED).detail("user data needs a token")),
        None => {
            if owner.is_some() {
                caller.require(Scope::Admin)?;
            }
            Ok(DataOf::User(owner))
        }
    }
}

fn refused(words: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN).detail(words)
}

async fn list(store: Store, listing: Listing) -> Result<Json<DataList>, Problem> {
    let (entries, usage) = object::blocking(move || {
        let entries = store.list(&Name::parse(&listing.prefix)?)?;
        Ok((entries, listing.usage.then(|| store.usage())))
    })
    .await?;
    let entry = |entry: data::Entry| DataEntry { name: entry.name, folder: entry.is_folder, size: entry.size };
    Ok(Json(DataList { entries: entries.into_iter().map(entry).collect(), usage }))
}

async fn delete(store: Store, name: String, recursive: bool) -> Result<StatusCode, Problem> {
    object::blocking(move || store.delete(&Name::parse_object(&name)?, recursive)).await?;
    Ok(StatusCode::NO_CONTENT)
}
