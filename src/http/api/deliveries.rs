//! Webhook deliveries and what became of them.

use axum::{Extension, Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::address::MOST;
use crate::{
    dispatch::{Scope, view::DeliveryView},
    http::{
        auth::Caller,
        extract::{Path, Query},
        problem::Problem,
        router::App,
    },
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only deliveries before this position (`seq` of the last one seen).
    before: Option<i64>,
    /// At most this many, 200 at most.
    #[serde(default = "some")]
    #[param(default = 50)]
    limit: u32,
}

fn some() -> u32 {
    50
}

/// Lists deliveries, newest first.
#[utoipa::path(get, path = "/api/v1/deliveries", tag = "deliveries", params(Filter),
    responses((status = 200, body = Vec<DeliveryView>), (status = 401, body = Problem)))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(filter): Query<Filter>,
) -> Result<Json<Vec<DeliveryView>>, Problem> {
    Ok(Json(app.dispatch.deliveries(filter.before, filter.limit.clamp(1, MOST)).await?))
}

/// Shows one delivery.
#[utoipa::path(get, path = "/api/v1/deliveries/{guid}", tag = "deliveries",
    params(("guid" = String, Path, description = "The forge's id of the delivery")),
    responses((status = 200, body = DeliveryView), (status = 404, body = Problem)))]
pub(crate) async fn one(State(app): State<App>, Path(guid): Path<String>) -> Result<Json<DeliveryView>, Problem> {
    let delivery = app.dispatch.delivery(&guid).await?;
    delivery.map(Json).ok_or_else(|| Problem::not_found("there is no such delivery"))
}

/// Deals once more with a delivery that failed or was ignored, with the repository as it is at that commit.
#[utoipa::path(post, path = "/api/v1/deliveries/{guid}/replay", tag = "deliveries",
    params(("guid" = String, Path, description = "The forge's id of the delivery")),
    responses((status = 200, body = DeliveryView), (status = 404, body = Problem),
        (status = 409, description = "It is being dealt with, has started pipelines, or its body is not kept any more", body = Problem)))]
pub(crate) async fn replay(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(guid): Path<String>,
) -> Result<Json<DeliveryView>, Problem> {
    caller.require(Scope::Operate)?;
    Ok(Json(app.dispatch.replay(&guid).await?))
}
