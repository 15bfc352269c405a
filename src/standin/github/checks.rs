//! Check runs, with the original's limits. Knows no credentials.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Board, GitHub, Request, State, invalid, judged, parameter, refuse};

/// A check run that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceivedCheck {
    /// GitHub's number of it.
    pub id: u64,
    /// Number of the repository.
    pub repository_id: u64,
    /// The commit.
    pub sha: String,
    /// Whose word it is.
    pub name: String,
    /// The sender's own name of it.
    pub external_id: String,
    /// Every request about it, oldest first: when it came, and what it held.
    pub changes: Vec<(Timestamp, Value)>,
}

impl ReceivedCheck {
    /// Returns the last word of a field that is a text.
    pub fn last(&self, field: &str) -> Option<&str> {
        self.changes.last().and_then(|(_, body)| body[field].as_str())
    }

    /// Returns what the last request said: title, summary, text.
    pub fn output(&self) -> Value {
        self.changes.last().map(|(_, body)| body["output"].clone()).unwrap_or_default()
    }
}

impl GitHub {
    /// Returns all check runs, oldest first.
    pub fn all_checks(&self) -> Vec<ReceivedCheck> {
        self.board.look(|state| state.checks.clone())
    }

    /// Returns the check runs of a commit under a name, oldest first; the last one counts.
    pub fn checks(&self, sha: &str, name: &str) -> Vec<ReceivedCheck> {
        self.all_checks().into_iter().filter(|check| check.sha == sha && check.name == name).collect()
    }
}

pub(super) async fn create(board: &Board<State>, request: &Request, repository_id: u64) -> Response {
    let text = |field: &str| request.body[field].as_str().unwrap_or_default().to_owned();
    let (sha, name) = (text("head_sha"), text("name"));
    if sha.len() != 40 || !sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return invalid("CheckRun", "head_sha", &format!("No commit found for SHA: {sha}"));
    }
    if name.is_empty() {
        return invalid("CheckRun", "name", "name is missing");
    }
    if let Some((field, words)) = complaint(&request.body) {
        return invalid("CheckRun", field, words);
    }
    if let Err(refusal) = judged(board, request, repository_id).await {
        return refusal;
    }
    let check = board.change(|state| {
        let id = 500 + state.checks.len() as u64;
        let changes = vec![(request.at, request.body.clone())];
        state.checks.push(ReceivedCheck { id, repository_id, sha, name, external_id: text("external_id"), changes });
        state.checks.last().cloned()
    });
    (StatusCode::CREATED, Json(check.as_ref().map(shown))).into_response()
}

pub(super) async fn update(board: &Board<State>, request: &Request, repository_id: u64, number: &str) -> Response {
    if let Some((field, words)) = complaint(&request.body) {
        return invalid("CheckRun", field, words);
    }
    if let Err(refusal) = judged(board, request, repository_id).await {
        return refusal;
    }
    let changed = board.change(|state| {
        let check = state.checks.iter_mut().find(|check| check.id.to_string() == number);
        let check = check.filter(|check| check.repository_id == repository_id)?;
        check.changes.push((request.at, request.body.clone()));
        Some(shown(check))
    });
    match changed {
        Some(body) => Json(body).into_response(),
        None => refuse(StatusCode::NOT_FOUND, "Not Found"),
    }
}

/// Lists the check runs of a commit, newest first, in pages.
pub(super) fn list(board: &Board<State>, sha: &str, query: &str) -> Response {
    let number = |name: &str, usual: usize| parameter(query, name).and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (size, page) = (number("per_page", 30).clamp(1, 100), number("page", 1).max(1));
    let wanted = parameter(query, "check_name");
    let found: Vec<Value> = board.look(|state| {
        let of_commit = state.checks.iter().rev().filter(|check| check.sha == sha);
        of_commit.filter(|check| wanted.as_ref().is_none_or(|name| *name == check.name)).map(shown).collect()
    });
    let total = found.len();
    let shown: Vec<Value> = found.into_iter().skip((page - 1) * size).take(size).collect();
    Json(json!({"total_count": total, "check_runs": shown})).into_response()
}

fn shown(check: &ReceivedCheck) -> Value {
    json!({
        "id": check.id, "name": check.name, "head_sha": check.sha, "external_id": check.external_id,
        "status": check.last("status"), "conclusion": check.last("conclusion"),
    })
}

fn complaint(body: &Value) -> Option<(&'static str, &'static str)> {
    let length = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
    let output = &body["output"];
    if length(&output["summary"]) > 65_535 || length(&output["text"]) > 65_535 {
        return Some(("output", "is too long (maximum is 65535 characters)"));
    }
    if output.is_object() && (length(&output["title"]) == 0 || length(&output["summary"]) == 0) {
        return Some(("output", "title and summary are required"));
    }
    if output["annotations"].as_array().is_some_and(|all| all.len() > 50) {
        return Some(("annotations", "no more than 50 annotations"));
    }
    let actions = body["actions"].as_array().cloned().unwrap_or_default();
    let is_long = |action: &Value| {
        length(&action["label"]) > 20 || length(&action["identifier"]) > 20 || length(&action["description"]) > 40
    };
    if actions.len() > 3 || actions.iter().any(is_long) {
        return Some(("actions", "no more than three, of 20, 20 and 40 characters"));
    }
    let (is_completed, has_conclusion) = (body["status"] == "completed", body["conclusion"].is_string());
    (is_completed != has_conclusion).then_some(("conclusion", "goes with the status `completed`, and only with it"))
}
