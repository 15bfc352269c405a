//! A log by lines, for viewers that show a part of it: any lines by number, and a search in all of them.

use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    dispatch::{LogPage, LogSearch},
    http::{problem::Problem, router::App},
    logs,
    model::{NodePath, PipelineId},
};

/// Most lines that one answer has.
const MOST: u64 = 5_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Window {
    /// Number of the attempt; the last one if absent.
    attempt: Option<u32>,
    /// Number of the first line, from 1; without it, the last lines.
    from: Option<u64>,
    /// How many lines, 5,000 at most; 0 tells only how many there are.
    #[serde(default = "some")]
    #[param(default = 256)]
    count: u64,
    /// Waits up to 20 seconds until the log is longer than this (`length` of the last answer), or is over.
    beyond: Option<u64>,
}

fn some() -> u64 {
    256
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Words {
    /// Number of the attempt; the last one if absent.
    attempt: Option<u32>,
    /// The text; without it, lines that say that something is wrong.
    text: Option<String>,
    /// Whether the text is a regular expression.
    #[serde(default)]
    regex: bool,
    /// Whether large and small letters differ.
    #[serde(default, rename = "case")]
    is_case_sensitive: bool,
}

/// Lines of a log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Lines {
    /// Number of the attempt.
    attempt: u32,
    /// How many lines there are. While the attempt runs, there may be more, and the last may still change.
    total: u64,
    /// How much was counted; to wait for more, give it as `beyond`.
    length: u64,
    /// Whether the attempt has ended.
    is_over: bool,
    /// Number of the first line here.
    from: u64,
    /// Escape sequences of the colours that are set where the first line begins.
    style: String,
    /// The lines. There may be fewer than asked for where they are long.
    lines: Vec<Line>,
}

/// One line.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Line {
    /// Where it came from: `o`utput, `e`rror output, or a `n`otice of Conducto's own.
    s: char,
    /// When it was written down, milliseconds since 1970.
    t: i64,
    /// The text, with escape sequences.
    x: String,
    /// Bytes of a long line that are left out; the whole log has them.
    #[serde(skip_serializing_if = "is_zero")]
    cut: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// What a search has found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Found {
    /// Number of the attempt.
    attempt: u32,
    /// How many lines match, all counted.
    total: u64,
    /// Numbers of the first 10,000 of them.
    lines: Vec<u64>,
    /// How many lines were searched.
    searched: u64,
}

/// Reads lines of a node's log by number. The root's address is `/nodes/lines`.
#[utoipa::path(get, path = "/api/v1/pipelines/{id}/nodes/{path}/lines", tag = "pipelines", params(
        ("id" = String, Path, description = "The pipeline, as in abc-def"),
        ("path" = String, Path, description = "Path of the node without its first slash; it may hold slashes"), Window),
    responses((status = 200, body = Lines), (status = 404, body = Problem), (status = 410, body = Problem)))]
pub(super) async fn lines(app: &App, id: &PipelineId, path: &NodePath, window: Window) -> Result<Json<Lines>, Problem> {
    let Window { attempt, from, count, beyond } = window;
    let page = app.dispatch.log_lines(id, path, attempt, from, count.min(MOST), beyond).await?;
    let LogPage { attempt, is_over, page } = page;
    let logs::Page { from, total, length, style, lines } = page;
    Ok(Json(Lines { attempt, total, length, is_over, from, style, lines: lines.into_iter().map(line).collect() }))
}

/// Searches a node's whole log. The root's address is `/nodes/search`.
#[utoipa::path(get, path = "/api/v1/pipelines/{id}/nodes/{path}/search", tag = "pipelines", params(
        ("id" = String, Path, description = "The pipeline, as in abc-def"),
        ("path" = String, Path, description = "Path of the node without its first slash; it may hold slashes"), Words),
    responses((status = 200, body = Found), (status = 400, description = "No regular expression; `detail` says why", body = Problem),
        (status = 404, body = Problem), (status = 410, body = Problem)))]
pub(super) async fn search(app: &App, id: &PipelineId, path: &NodePath, words: Words) -> Result<Json<Found>, Problem> {
    let Words { attempt, text, regex, is_case_sensitive } = words;
    let wanted = match text {
        Some(text) => logs::Wanted::parse(&text, regex, is_case_sensitive),
        None => logs::Wanted::trouble(),
    };
    let wanted = wanted.map_err(Problem::bad_request)?;
    let LogSearch { attempt, found } = app.dispatch.log_search(id, path, attempt, wanted).await?;
    let logs::Found { total, lines, searched } = found;
    Ok(Json(Found { attempt, total, lines, searched }))
}

fn line(line: logs::Line) -> Line {
    let logs::Line { stream, at, text, cut } = line;
    let s = match stream {
        logs::Stream::Notice => 'n',
        logs::Stream::Stdout => 'o',
        logs::Stream::Stderr => 'e',
    };
    Line { s, t: at.as_millisecond(), x: text, cut }
}
