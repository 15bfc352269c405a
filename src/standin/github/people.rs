//! Pull requests, who may write, and what is said below them. Knows no credentials.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{Board, GitHub, Request, State, judged, refuse};

/// A pull request as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingPull {
    /// The commit at its head.
    pub sha: String,
    /// Short name of the branch at its head.
    pub branch: String,
    /// Number of the repository that the branch is in.
    pub repository: u64,
}

/// Something that was said below a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A sign under a comment: which comment, which sign.
    Sign(u64, String),
    /// A comment: below which pull request, what.
    Comment(u64, String),
}

impl GitHub {
    /// Makes a pull request known, or changes it.
    pub fn set_pull(&self, number: u64, pull: StandingPull) {
        self.board.change(|state| state.pulls.insert(number, pull));
    }

    /// Lets somebody write.
    pub fn add_writer(&self, login: impl Into<String>) {
        self.board.change(|state| state.writers.insert(login.into()));
    }

    /// Returns what was said, oldest first.
    pub fn said(&self) -> Vec<Said> {
        self.board.look(|state| state.said.clone())
    }
}

pub(super) async fn answer(board: &Board<State>, request: &Request, repository: u64, steps: &[&str]) -> Response {
    match (request.method.as_str(), steps) {
        ("GET", ["collaborators", login, "permission"]) => {
            let word = if board.look(|state| state.writers.contains(*login)) { "write" } else { "read" };
            Json(json!({"permission": word, "role_name": word})).into_response()
        }
        ("GET", ["pulls", number]) => {
            let number: u64 = number.parse().unwrap_or_default();
            match board.look(|state| state.pulls.get(&number).cloned()) {
                Some(pull) => {
                    let head = json!({"sha": pull.sha, "ref": pull.branch, "repo": {"id": pull.repository}});
                    Json(json!({"number": number, "head": head})).into_response()
                }
                None => refuse(StatusCode::NOT_FOUND, "Not Found"),
            }
        }
        ("POST", ["issues", "comments", comment, "reactions"]) => {
            let sign = text(&request.body, "content");
            if let Err(refusal) = judged(board, request, repository).await {
                return refusal;
            }
            say(board, Said::Sign(comment.parse().unwrap_or_default(), sign))
        }
        ("POST", ["issues", number, "comments"]) => {
            if let Err(refusal) = judged(board, request, repository).await {
                return refusal;
            }
            say(board, Said::Comment(number.parse().unwrap_or_default(), text(&request.body, "body")))
        }
        _ => refuse(StatusCode::NOT_FOUND, "Not Found"),
    }
}

fn say(board: &Board<State>, said: Said) -> Response {
    board.change(|state| {
        if !matches!(said, Said::Sign(..)) || !state.said.contains(&said) {
            state.said.push(said);
        }
    });
    (StatusCode::CREATED, Json(json!({"id": 1}))).into_response()
}

fn text(body: &Value, field: &str) -> String {
    body[field].as_str().unwrap_or_default().to_owned()
}
