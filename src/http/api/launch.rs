//! Launching a section of a repository by hand.

use std::collections::BTreeMap;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::actions::key;
use crate::{
    dispatch::{LaunchRequest, NoLaunch, view::DeliveryView},
    http::{
        auth::Caller,
        extract::{self, Path},
        problem::Problem,
        router::App,
    },
};

/// What to launch.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    /// Section of conducto.cfg, as in `manual.deploy`.
    section: String,
    /// Short name of the branch whose tip is run; the default branch if absent.
    #[serde(default)]
    branch: Option<String>,
    /// What is given for the section's parameters, each by its name.
    #[serde(default)]
    #[schema(value_type = Object)]
    parameters: BTreeMap<String, serde_json::Value>,
}

/// Launches a section `[manual…]` of a repository's conducto.cfg, at the tip of a branch.
///
/// The repository must be known from a delivery. The answer is the delivery that came of the request: `verdict` says what
/// became of it and `pipelines` has the pipeline.
#[utoipa::path(post, path = "/api/v1/repositories/{owner}/{name}/launch", tag = "repositories", request_body = Wish,
    params(
        ("owner" = String, Path, description = "Owner of the repository"),
        ("name" = String, Path, description = "Its name"),
        ("Idempotency-Key" = Option<String>, Header, description = "A text of your own; the same text does it once")),
    responses((status = 200, body = DeliveryView),
        (status = 202, description = "It is stored and not dealt with yet: ask for the delivery", body = DeliveryView),
        (status = 400, description = "The body is no JSON", body = Problem),
        (status = 404, description = "No such repository, branch or section; `detail` names those there are", body = Problem),
        (status = 422, description = "Wrong parameters, each in `parameters`; or a conducto.cfg that cannot be used", body = Problem),
        (status = 503, description = "The server of the repository does not answer", body = Problem)))]
pub(crate) async fn launch(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((owner, name)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<DeliveryView>), Problem> {
    let Wish { section, branch, parameters } = extract::json(&body)?;
    let request = LaunchRequest { repository: format!("{owner}/{name}"), section, branch, parameters };
    let delivery = app.dispatch.launch(request, &caller.actor(), key(&headers)?).await.map_err(problem)?;
    let status = if delivery.state == "new" { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, Json(delivery)))
}

pub(super) fn problem(no: NoLaunch) -> Problem {
    let words = no.to_string();
    match no {
        NoLaunch::NotFound(_) => Problem::not_found(words),
        NoLaunch::BadParameters(problems) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY).detail(words).parameters(problems)
        }
        NoLaunch::Unusable(_) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY).detail(words),
        NoLaunch::Unreachable(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE).detail(words),
        NoLaunch::Failed(error) => error.into(),
    }
}
