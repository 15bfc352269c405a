//! The stand-in for GitHub's API: commit statuses with the original's rules. Knows no pipeline.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::server::{Board, Fault, Request};

const MAX_PER_CONTEXT: usize = 1000;

/// A running stand-in. Cheap to clone; it stops with the last clone.
#[derive(Clone, Debug)]
pub struct GitHub {
    board: Arc<Board<State>>,
}

/// A status that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceivedStatus {
    /// Number of the repository.
    pub repository_id: u64,
    /// The commit.
    pub sha: String,
    /// Whose word it is.
    pub context: String,
    /// `pending`, `success`, `failure` or `error`.
    pub state: String,
    /// Words for people.
    pub description: String,
    /// Where to look.
    pub target_url: Option<String>,
    /// When it arrived.
    pub at: Timestamp,
}

#[derive(Debug, Default)]
struct State {
    token: String,
    repositories: HashMap<u64, String>,
    statuses: Vec<ReceivedStatus>,
    judge: Option<String>,
}

impl GitHub {
    /// Starts on a listener (of port 0, mostly) and accepts this token only.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn start(listener: TcpListener, token: impl Into<String>) -> std::io::Result<Self> {
        let state = State { token: token.into(), ..State::default() };
        Ok(Self { board: Board::start(listener, state, answer)? })
    }

    /// Returns the base URL of the API.
    pub fn url(&self) -> String {
        format!("http://{}", self.board.address())
    }

    /// Makes a repository known; statuses on others are answered 404.
    pub fn add_repository(&self, id: u64, full_name: impl Into<String>) {
        let name = full_name.into();
        self.board.change(|state| state.repositories.insert(id, name));
    }

    /// Has every accepted status judged by a server of GitHub's API description, whose complaints become the answer.
    ///
    /// That server knows `/repos/{owner}/{repo}/…`, ours are addressed by number: the body goes on unchanged.
    pub fn judge_by(&self, base_url: impl Into<String>) {
        let url = base_url.into();
        self.board.change(|state| state.judge = Some(url));
    }

    /// Lets the next requests meet a fault.
    pub fn fail_next(&self, count: usize, fault: Fault) {
        self.board.fail_next(count, fault);
    }

    /// Returns every request, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.board.requests()
    }

    /// Returns the statuses of a commit under one context, oldest first; the last one counts.
    pub fn statuses(&self, sha: &str, context: &str) -> Vec<ReceivedStatus> {
        self.all_statuses().into_iter().filter(|status| is_under(status, sha, context)).collect()
    }

    /// Returns all accepted statuses, oldest first.
    pub fn all_statuses(&self) -> Vec<ReceivedStatus> {
        self.board.look(|state| state.statuses.clone())
    }

    /// Waits until something is so; returns false when it is not within the deadline.
    pub async fn wait_for(&self, deadline: Duration, is_so: impl Fn(&Self) -> bool) -> bool {
        self.board.wait_for(deadline, || is_so(self)).await
    }
}

fn is_under(status: &ReceivedStatus, sha: &str, context: &str) -> bool {
    status.sha == sha && status.context.eq_ignore_ascii_case(context)
}

async fn answer(board: Arc<Board<State>>, request: Request) -> Response {
    let token = board.look(|state| state.token.clone());
    let given = request.header("authorization").unwrap_or_default();
    if given.is_empty() {
        return refuse(StatusCode::UNAUTHORIZED, "Requires authentication");
    }
    if given != format!("Bearer {token}") && given != format!("token {token}") {
        return refuse(StatusCode::UNAUTHORIZED, "Bad credentials");
    }
    let path = request.path.clone();
    let steps: Vec<&str> = path.split('?').next().unwrap_or_default().trim_matches('/').split('/').collect();
    match (request.method.as_str(), steps.as_slice()) {
        ("POST", ["repositories", id, "statuses", sha]) => create_status(&board, request, id, sha).await,
        ("GET", ["repositories", _, "commits", sha, "statuses"]) => {
            let mut found = board.look(|state| state.statuses.clone());
            found.retain(|status| status.sha == *sha);
            found.reverse();
            Json(found).into_response()
        }
        _ => refuse(StatusCode::NOT_FOUND, "Not Found"),
    }
}

async fn create_status(board: &Board<State>, request: Request, id: &str, sha: &str) -> Response {
    let repository_id = id.parse().unwrap_or_default();
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
        return invalid(field, complaint);
    }
    if let Some(judge) = board.look(|state| state.judge.clone())
        && let Err(refusal) = ask(&judge, &full_name, sha, &request).await
    {
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

/// Passes the request on, as it was received.
async fn ask(judge: &str, full_name: &str, sha: &str, request: &Request) -> Result<(), Response> {
    let fail = |error: reqwest::Error| refuse(StatusCode::BAD_GATEWAY, &format!("the judge does not answer: {error}"));
    let client = reqwest::Client::builder().tls_certs_only([]).build().map_err(fail)?;
    let call = client.post(format!("{judge}/repos/{full_name}/statuses/{sha}")).json(&request.body);
    let response = call.header("authorization", "Bearer judge").send().await.map_err(fail)?;
    if response.status().is_success() {
        return Ok(());
    }
    let status = StatusCode::from_u16(response.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let words = response.text().await.map_err(fail)?;
    Err(refuse(status, &words))
}

fn refuse(status: StatusCode, message: &str) -> Response {
    let documentation = "https://docs.github.com/rest/commits/statuses#create-a-commit-status";
    let body = json!({"message": message, "documentation_url": documentation, "status": status.as_str()});
    (status, Json(body)).into_response()
}

fn invalid(field: &str, message: String) -> Response {
    let errors = Value::from(vec![json!({"resource": "Status", "code": "custom", "field": field, "message": message})]);
    let body = json!({"message": "Validation Failed", "errors": errors, "status": "422"});
    (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
}
