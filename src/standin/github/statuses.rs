//! Commit statuses, with the original's rules. Knows no credentials.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{Board, ReceivedStatus, Request, State, invalid, is_under, judged, refuse};

const MAX_PER_CONTEXT: usize = 1000;

pub(super) async fn create(board: &Board<State>, request: &Request, repository_id: u64, sha: &str) -> Response {
    let Some(full_name) = board.look(|state| state.repositories.get(&repository_id).cloned()) else {
        return refuse(StatusCode::NOT_FOUND, "Not Found");
    };
    let text = |field: &str| request.body[field].as_str().map(str::to_owned);
    let status = ReceivedStatus {
        repository_id,
        sha: sha.to_owned(),
        context: text("context").unwrap_or_else(|| "default".into()),
        state: text("state").unwrap_or_default(),
        description: text("description").unwrap_or_default(),
        target_url: text("target_url"),
        at: request.at,
    };
    let before = board.look(|state| state.statuses.iter().filter(|old| is_under(old, sha, &status.context)).count());
    if let Some((field, complaint)) = complaint(&status, before) {
        return invalid("Status", field, &complaint);
    }
    if let Err(refusal) = judged(board, request, repository_id).await {
        return refusal;
    }
    let number = board.change(|state| {
        state.statuses.push(status.clone());
        state.statuses.len()
    });
    let body = json!({
        "id": number, "node_id": format!("SC_{number}"), "avatar_url": null,
        "url": format!("http://{}/repos/{full_name}/statuses/{sha}", board.address()),
        "state": status.state, "description": status.description, "target_url": status.target_url,
        "context": status.context, "created_at": status.at, "updated_at": status.at,
    });
    (StatusCode::CREATED, Json(body)).into_response()
}

fn complaint(status: &ReceivedStatus, before: usize) -> Option<(&'static str, String)> {
    if status.sha.len() != 40 || !status.sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some(("sha", format!("No commit found for SHA: {}", status.sha)));
    }
    if !matches!(status.state.as_str(), "error" | "failure" | "pending" | "success") {
        return Some(("state", "State is not included in the list".into()));
    }
    if status.description.chars().count() > 140 {
        return Some(("description", "description is too long (maximum is 140 characters)".into()));
    }
    let is_web = |url: &String| url.starts_with("http://") || url.starts_with("https://");
    if !status.target_url.as_ref().is_none_or(is_web) {
        return Some(("target_url", "target_url must use http(s) scheme".into()));
    }
    if before >= MAX_PER_CONTEXT {
        return Some(("base", "This SHA and context has reached the maximum number of statuses.".into()));
    }
    None
}

/// Lists the statuses of a commit, newest first.
pub(super) fn list(board: &Board<State>, sha: &str) -> Response {
    let mut found = board.look(|state| state.statuses.clone());
    found.retain(|status| status.sha == *sha);
    found.reverse();
    Json(Value::from(found.iter().map(|status| json!(status)).collect::<Vec<_>>())).into_response()
}
