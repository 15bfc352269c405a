//! `POST /webhooks/github`: nothing is answered 202 before it is committed, nothing unverified is committed.

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use tokio_util::bytes;

use super::{problem::Problem, router::App};
use crate::{
    dispatch::{self, NewDelivery, Received},
    forge,
};

/// GitHub delivers at most 25 MB; a form's encoding may add a little.
pub(crate) const BODY_LIMIT: usize = 25 * 1024 * 1024 + 64 * 1024;

/// Receives one delivery.
pub(crate) async fn github(
    State(app): State<App>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let answer = match body {
        Ok(body) => receive(&app, &headers, body).await,
        Err(BytesRejection::FailedToBufferBody(error)) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE).detail("a delivery holds at most 25 MB"))
        }
        Err(_) => Err(Problem::bad_request("the body ended early")),
    };
    let status = match &answer {
        Ok(status) => *status,
        Err(problem) => problem.status(),
    };
    metrics::counter!("conducto_webhook_requests_total", "status" => status.as_str().to_owned()).increment(1);
    match answer {
        Ok(status) => status.into_response(),
        Err(problem) => problem.into_response(),
    }
}

async fn receive(app: &App, headers: &HeaderMap, body: bytes::Bytes) -> Result<StatusCode, Problem> {
    let content_type = text(headers, header::CONTENT_TYPE.as_str());
    check_content_type(content_type)?;
    let secrets = app.secrets.as_ref().ok_or_else(unauthorized)?;
    // GitHub signs the raw bytes, before any decoding. The answer does not tell a missing signature from a wrong one.
    let verified = secrets.verify(text(headers, "x-hub-signature-256"), body).map_err(|_| unauthorized())?;
    let event = text(headers, "x-github-event").filter(|event| is_name(event));
    let event = event.ok_or_else(|| Problem::bad_request("the header X-GitHub-Event is missing"))?;
    let guid = text(headers, "x-github-delivery").filter(|guid| is_name(guid));
    let guid = guid.ok_or_else(|| Problem::bad_request("the header X-GitHub-Delivery is missing"))?;
    let json = forge::json_text(content_type, verified).map_err(|error| Problem::bad_request(error.to_string()))?;
    forge::check_braces(&json).map_err(|error| Problem::bad_request(error.to_string()))?;
    let delivery = NewDelivery {
        guid: guid.to_owned(),
        event: event.to_owned(),
        headers: github_headers(headers),
        body: json.into_inner(),
    };
    match app.dispatch.receive(delivery).await {
        // A ping asks whether we are there; the answer is yes, and there is nothing to wait for.
        Ok(Received::Stored) if event == "ping" => Ok(StatusCode::OK),
        Ok(Received::Stored) => Ok(StatusCode::ACCEPTED),
        Ok(Received::Duplicate) => Ok(StatusCode::OK),
        Err(error) => Err(not_stored(error)),
    }
}

fn not_stored(error: dispatch::Error) -> Problem {
    tracing::error!(%error, "a delivery could not be stored; the forge is told to deliver it again");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE)
}

fn unauthorized() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED).detail("the delivery carries no valid signature")
}

fn check_content_type(content_type: Option<&str>) -> Result<(), Problem> {
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if ["application/json", "application/x-www-form-urlencoded"]
        .iter()
        .any(|known| media_type.eq_ignore_ascii_case(known))
    {
        return Ok(());
    }
    let detail = "a delivery is application/json or application/x-www-form-urlencoded";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE).detail(detail))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Event names and delivery ids become keys and labels: short, and of harmless letters.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 100 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

fn github_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let ours = headers.iter().filter(|(name, _)| name.as_str().starts_with("x-github-"));
    ours.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))).collect()
}
