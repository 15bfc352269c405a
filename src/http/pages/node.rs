//! One node: what it runs, every attempt, and the end of the log of the last.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use jiff::Timestamp;

use super::{
    html::Html,
    page::{Page, plain, problem},
    parts,
    pipeline::{find, read_log},
};
use crate::{
    clock,
    dispatch::view::{AttemptView, NodeView, PipelineView, ResourcesView},
    http::{auth::wants_html, extract::Path, problem::Problem, router::App},
    present::{attempt_outcome, glyph, remarks, shell_word, took},
};

/// Lines of log on the page.
const TAIL_LINES: usize = 200;

/// Shows a node below the root.
pub(crate) async fn show(
    State(app): State<App>,
    Path((id, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    answer(&app, &id, &format!("/{path}"), &headers).await
}

/// Shows the root.
pub(crate) async fn show_root(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    answer(&app, &id, "/", &headers).await
}

async fn answer(app: &App, id: &str, path: &str, headers: &HeaderMap) -> Response {
    let pipeline = match find(&app.dispatch, id).await {
        Ok(pipeline) => pipeline,
        Err(error) => return problem(headers, error),
    };
    let Some(node) = pipeline.nodes.iter().find(|node| node.path == path) else {
        return problem(headers, Problem::not_found("This pipeline has no such node."));
    };
    let log = match node.attempts.is_empty() {
        true => String::new(),
        false => read_log(&app.dispatch, id, path, None).await,
    };
    let now = clock::now();
    if wants_html(headers) { page(&pipeline, node, &log, now).respond(StatusCode::OK) } else { plain(text(node, &log)) }
}

pub(crate) fn page(pipeline: &PipelineView, node: &NodeView, log: &str, now: Timestamp) -> Page {
    let id = &pipeline.summary.id;
    let mut body = Html::new();
    body.element("div", &[("class", "heading")], |heading| {
        parts::state(heading, node.state);
        heading.words("h1", &[], &node.path);
    });
    let words = match &remarks(node)[..] {
        [] => node.waits_for.clone(),
        remarks => Some(remarks.join(" · ")),
    };
    if let Some(words) = words {
        body.words("p", &[("class", "headline")], &words);
    }
    parts::isolation(&mut body, pipeline);
    if node.kind == "exec" {
        leaf(&mut body, id, node, log, now);
    } else {
        parts::counts(&mut body, &node.counts);
        children(&mut body, pipeline, node);
    }
    let mut crumbs = vec![(id.clone(), format!("/app/p/{id}"))];
    let mut path = String::new();
    for part in node.path.split('/').filter(|part| !part.is_empty()) {
        path = format!("{path}/{part}");
        crumbs.push((part.to_owned(), format!("/app/p/{id}/n/{}", parts::node_address(&path))));
    }
    let title = format!("{} · {} {id}", node.path, pipeline.summary.repository);
    let refresh = pipeline.summary.ending.is_none() && !node.state.is_finished();
    Page { title, crumbs, refresh, state: Some(node.state), body }
}

fn leaf(body: &mut Html, id: &str, node: &NodeView, log: &str, now: Timestamp) {
    let needs = node.resources.map(needs);
    let callbacks = Some(node.callbacks.join(", ")).filter(|words| !words.is_empty());
    let container = node.container_group.as_ref().map(|group| format!("shared by all of {group}"));
    let facts = [
        ("Image", node.image.clone()),
        ("Needs", needs),
        ("Container", container),
        ("Asked for in advance", callbacks),
    ];
    parts::facts(body, &facts);
    if let Some(doc) = &node.doc {
        body.words("p", &[("class", "doc")], doc);
    }
    if let Some(command) = &node.command {
        body.words("h2", &[], "Command");
        body.words("pre", &[("class", "command"), ("tabindex", "0"), ("aria-label", "Command")], command);
    }
    body.words("h2", &[], "Attempts");
    if node.attempts.is_empty() {
        body.words("p", &[("class", "quiet")], "None yet.");
        return;
    }
    body.element("div", &[("class", "scroll")], |scroll| {
        scroll.element("table", &[("class", "list")], |table| attempts(table, id, node, now));
    });
    body.words("h2", &[], "End of the log");
    parts::log(body, log, TAIL_LINES, &parts::log_address(id, &node.path, None));
    body.element("p", &[("class", "quiet")], |line| {
        line.text("follow it: ");
        line.words("code", &[], &format!("conducto logs -f {id} {}", shell_word(&node.path)));
        line.text(" · run it again: ");
        line.words("code", &[], &format!("conducto reset {id} {}", shell_word(&node.path)));
        line.text(" · pass it over: ");
        line.words("code", &[], &format!("conducto skip {id} {}", shell_word(&node.path)));
    });
}

fn needs(resources: ResourcesView) -> String {
    let ResourcesView { cpu, mem, gpu, docker } = resources;
    let gpu = if gpu > 0 { format!(", {gpu} gpu") } else { String::new() };
    let docker = if docker { ", the machine's Docker" } else { "" };
    format!("{cpu} cpu, {mem} GiB{gpu}{docker}")
}

fn attempts(table: &mut Html, id: &str, node: &NodeView, now: Timestamp) {
    table.element("thead", &[], |head| {
        head.element("tr", &[], |row| {
            for name in ["Attempt", "State", "How it ended", "Took", "With", "Asked for by", "Began", "Log"] {
                row.words("th", &[("scope", "col")], name);
            }
        });
    });
    table.element("tbody", &[], |rows| {
        for attempt in node.attempts.iter().rev() {
            rows.element("tr", &[], |row| attempt_row(row, id, node, attempt, now));
        }
    });
}

fn attempt_row(row: &mut Html, id: &str, node: &NodeView, attempt: &AttemptView, now: Timestamp) {
    row.words("th", &[("scope", "row"), ("class", "number")], &attempt.number.to_string());
    row.element("td", &[], |cell| parts::state(cell, attempt.state));
    row.words("td", &[], &attempt_outcome(attempt));
    let took = took(attempt.started_at, attempt.finished_at, now);
    row.words("td", &[("class", "number")], &took.unwrap_or_default());
    row.words("td", &[], &format!("{} cpu, {} GiB", attempt.cpu, attempt.mem));
    row.words("td", &[], &attempt.asked_by);
    row.element("td", &[("class", "number")], |cell| {
        parts::time(cell, attempt.started_at.unwrap_or(attempt.leased_at), now);
    });
    row.element("td", &[], |cell| {
        let words = attempt.log_bytes.map_or_else(|| "so far".to_owned(), |bytes| format!("{bytes} bytes"));
        cell.link(&parts::log_address(id, &node.path, Some(attempt.number)), &words);
    });
}

fn children(body: &mut Html, pipeline: &PipelineView, group: &NodeView) {
    let prefix = if group.path == "/" { "/".to_owned() } else { format!("{}/", group.path) };
    let below = pipeline.nodes.iter().filter(|node| node.depth == group.depth + 1 && node.path.starts_with(&prefix));
    body.words("h2", &[], "Children");
    body.element("ul", &[("class", "children")], |list| {
        for node in below {
            list.element("li", &[], |item| {
                parts::state(item, node.state);
                item.text(" ");
                let address = format!("/app/p/{}/n/{}", pipeline.summary.id, parts::node_address(&node.path));
                item.link(&address, &node.name);
            });
        }
    });
}

fn text(node: &NodeView, log: &str) -> String {
    let mut text = format!("{} {} {}\n", glyph(node.state), node.path, node.state);
    for attempt in &node.attempts {
        text.push_str(&format!("attempt {}: {}\n", attempt.number, attempt_outcome(attempt)));
    }
    for line in log.lines() {
        text.push_str(&format!("  | {line}\n"));
    }
    text
}
