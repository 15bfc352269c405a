//! The stand-in for GitHub's API: who may ask, and what for, with the original's rules. Knows no pipeline.

mod app;
mod checks;
mod limits;
mod people;
mod statuses;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub use app::MissedDelivery;
pub use checks::ReceivedCheck;
pub use limits::Limits;
pub use people::{Said, StandingPull};

use super::server::{Board, Fault, Request};

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
    /// The personal token that is accepted; empty where only an App is.
    token: String,
    app: Option<app::App>,
    repositories: HashMap<u64, String>,
    /// Repositories that nobody may write to.
    locked: HashSet<u64>,
    statuses: Vec<ReceivedStatus>,
    checks: Vec<ReceivedCheck>,
    deliveries: Vec<MissedDelivery>,
    pulls: HashMap<u64, StandingPull>,
    writers: HashSet<String>,
    said: Vec<Said>,
    limits: Option<Limits>,
    writes: Vec<limits::Written>,
    overruns: usize,
    judge: Option<String>,
}

/// Who asks.
enum Asker {
    /// The holder of the personal token.
    Person,
    /// The App itself, by its signature.
    App,
    /// An installation of the App.
    Installation {
        /// Whether it may only read files.
        reads_only: bool,
    },
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

    /// Starts with an App of this number, whose signatures are checked with the public key (PEM), and nothing else.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn start_for_app(listener: TcpListener, id: u64, public_key: &str) -> std::io::Result<Self> {
        let state = State { app: Some(app::App::new(id, public_key)), ..State::default() };
        Ok(Self { board: Board::start(listener, state, answer)? })
    }

    /// Returns the base URL of the API.
    pub fn url(&self) -> String {
        format!("http://{}", self.board.address())
    }

    /// Makes a repository known; requests about others are answered 404.
    pub fn add_repository(&self, id: u64, full_name: impl Into<String>) {
        let name = full_name.into();
        self.board.change(|state| state.repositories.insert(id, name));
    }

    /// Lets nobody write to a repository any more, or everybody again: 403, as where a permission lacks.
    pub fn lock_repository(&self, id: u64, is_locked: bool) {
        self.board.change(|state| if is_locked { state.locked.insert(id) } else { state.locked.remove(&id) });
    }

    /// Has every accepted write judged by a server of GitHub's API description, whose complaints become the answer.
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
    let asker = match app::asker(&board, &request) {
        Ok(asker) => asker,
        Err(words) => return refuse(StatusCode::UNAUTHORIZED, words),
    };
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let steps: Vec<&str> = path.trim_matches('/').split('/').collect();
    if let ("app", _) | (_, Some("installation")) = (steps[0], steps.get(2).copied()) {
        return match asker {
            Asker::App => app::answer(&board, &request, &steps, query),
            Asker::Person | Asker::Installation { .. } => {
                refuse(StatusCode::UNAUTHORIZED, "A JSON web token could not be decoded")
            }
        };
    }
    if matches!(asker, Asker::App) {
        return refuse(StatusCode::FORBIDDEN, "Resource not accessible by integration");
    }
    let id = steps.get(1).and_then(|id| id.parse::<u64>().ok()).unwrap_or_default();
    let is_write = request.method != "GET";
    if let Some(refusal) = limits::refusal(&board, &request) {
        return refusal;
    }
    let (is_known, is_locked) = board.look(|state| (state.repositories.contains_key(&id), state.locked.contains(&id)));
    if steps[0] != "repositories" || !is_known {
        return refuse(StatusCode::NOT_FOUND, "Not Found");
    }
    if is_write && (is_locked || matches!(asker, Asker::Installation { reads_only: true })) {
        return refuse(StatusCode::FORBIDDEN, "Resource not accessible by integration");
    }
    let is_app = matches!(asker, Asker::Installation { .. });
    match (request.method.as_str(), &steps[2..]) {
        ("POST", ["statuses", sha]) => statuses::create(&board, &request, id, sha).await,
        ("GET", ["commits", sha, "statuses"]) => statuses::list(&board, sha),
        (_, ["check-runs", ..]) if !is_app => refuse(StatusCode::FORBIDDEN, "You must authenticate via a GitHub App."),
        ("POST", ["check-runs"]) => checks::create(&board, &request, id).await,
        ("PATCH", ["check-runs", number]) => checks::update(&board, &request, id, number).await,
        ("GET", ["commits", sha, "check-runs"]) => checks::list(&board, sha, query),
        _ => people::answer(&board, &request, id, &steps[2..]).await,
    }
}

/// Passes a request on to the judge, as it was received.
async fn judged(board: &Board<State>, request: &Request, repository: u64) -> Result<(), Response> {
    let Some((judge, name)) =
        board.look(|state| Some((state.judge.clone()?, state.repositories.get(&repository).cloned()?)))
    else {
        return Ok(());
    };
    let path = request.path.replacen(&format!("/repositories/{repository}/"), &format!("/repos/{name}/"), 1);
    let fail = |error: reqwest::Error| refuse(StatusCode::BAD_GATEWAY, &format!("the judge does not answer: {error}"));
    let client = reqwest::Client::builder().tls_certs_only([]).build().map_err(fail)?;
    let method = reqwest::Method::from_bytes(request.method.as_bytes()).unwrap_or_default();
    let call = client.request(method, format!("{judge}{path}")).json(&request.body);
    let response = call.header("authorization", "Bearer judge").send().await.map_err(fail)?;
    if response.status().is_success() {
        return Ok(());
    }
    let status = StatusCode::from_u16(response.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let words = response.text().await.map_err(fail)?;
    Err(refuse(status, &words))
}

fn refuse(status: StatusCode, message: &str) -> Response {
    let documentation = "https://docs.github.com/rest";
    let body = json!({"message": message, "documentation_url": documentation, "status": status.as_str()});
    (status, Json(body)).into_response()
}

fn invalid(resource: &str, field: &str, message: &str) -> Response {
    let errors = Value::from(vec![json!({"resource": resource, "code": "custom", "field": field, "message": message})]);
    let body = json!({"message": "Validation Failed", "errors": errors, "status": "422"});
    (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
}

/// Returns the value of a parameter of a query.
fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
