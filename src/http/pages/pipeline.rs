//! One pipeline: what failed first, with the end of its log, then the whole tree.

use std::time::Duration;

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
};
use crate::{
    clock,
    dispatch::{
        self, Dispatch,
        view::{NodeView, PipelineView},
    },
    http::{
        api::{
            address::{no_pipeline, pipeline_id},
            logs::tail,
        },
        auth::wants_html,
        extract::Path,
        problem::Problem,
        router::App,
    },
    model::{NodePath, Trust},
    present::{Row, failures, headline, plain_text, remarks, rows, shell_word, standstill, took, tree_text},
};

/// Failures shown with their logs; more are only in the tree.
const MOST_FAILURES: usize = 10;
/// Lines of log of each.
const TAIL_LINES: usize = 20;
/// A log that does not come in time is left out: the page must.
const LOG_TIMEOUT: Duration = Duration::from_secs(3);

/// A failed leaf with the end of its log.
pub(crate) struct Failure<'a> {
    pub(crate) node: &'a NodeView,
    pub(crate) log: String,
}

/// Shows the pipeline.
pub(crate) async fn show(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    match find(&app.dispatch, &id).await {
        Ok(pipeline) => {
            let failures = read_failures(&app.dispatch, &pipeline).await;
            if wants_html(&headers) {
                page(&pipeline, &failures, clock::now()).respond(StatusCode::OK)
            } else {
                plain(text(&pipeline, &failures, clock::now()))
            }
        }
        Err(error) => problem(&headers, error),
    }
}

/// Finds a pipeline by the id in an address.
pub(crate) async fn find(dispatch: &Dispatch, id: &str) -> Result<PipelineView, Problem> {
    let id = pipeline_id(id)?;
    dispatch.pipeline(&id).await?.ok_or_else(|| no_pipeline(&id))
}

/// Reads the end of a node's log as harmless text; empty where there is none.
pub(crate) async fn read_log(dispatch: &Dispatch, id: &str, path: &str, attempt: Option<u32>) -> String {
    let (Ok(id), Ok(path)) = (pipeline_id(id), NodePath::parse(path)) else { return String::new() };
    let read = async {
        match dispatch.log(&id, &path, attempt, false).await {
            Ok(chunks) => Some(tail(chunks, 64 * 1024).await),
            Err(dispatch::Error::Gone(words)) => Some(words.into_bytes()),
            Err(_) => None,
        }
    };
    match tokio::time::timeout(LOG_TIMEOUT, read).await {
        Ok(Some(bytes)) => plain_text(&bytes),
        Ok(None) | Err(_) => String::new(),
    }
}

async fn read_failures<'a>(dispatch: &Dispatch, pipeline: &'a PipelineView) -> Vec<Failure<'a>> {
    let mut read = Vec::new();
    for node in failures(pipeline).take(MOST_FAILURES) {
        let log = match node.attempts.is_empty() {
            true => String::new(),
            false => read_log(dispatch, &pipeline.summary.id, &node.path, None).await,
        };
        read.push(Failure { node, log });
    }
    read
}

pub(crate) fn page(pipeline: &PipelineView, failures: &[Failure<'_>], now: Timestamp) -> Page {
    let summary = &pipeline.summary;
    let mut body = Html::new();
    body.element("div", &[("class", "heading")], |heading| {
        parts::state(heading, summary.state);
        heading.words("h1", &[], if summary.title.is_empty() { &summary.id } else { &summary.title });
    });
    body.words("p", &[("class", "headline")], &headline(summary));
    if let Some(words) = standstill(pipeline) {
        body.words("p", &[("class", "note")], &words);
    }
    parts::counts(&mut body, &summary.counts);
    parts::isolation(&mut body, pipeline);
    let trust = (summary.trust == Trust::Fork).then(|| "code of a fork: no secrets".to_owned());
    let facts = [
        ("Repository", Some(summary.repository.clone())),
        ("Started by", Some(format!("{} ({})", summary.trigger, summary.sender))),
        ("Commit", Some(summary.sha.get(..12).unwrap_or(&summary.sha).to_owned())),
        ("Section", Some(summary.section.clone())),
        ("Started", Some(summary.created_at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())),
        ("Took", took(Some(summary.created_at), summary.finished_at, now)),
        ("Runs in", Some(pipeline.executor.clone())),
        ("Trust", trust),
    ];
    parts::facts(&mut body, &facts);
    if !failures.is_empty() {
        body.element("section", &[("aria-labelledby", "failures")], |section| {
            section.words("h2", &[("id", "failures")], "What failed");
            for failure in failures {
                self::failure(section, &summary.id, failure, now);
            }
        });
    }
    body.element("section", &[("aria-labelledby", "tree")], |section| {
        section.words("h2", &[("id", "tree")], "Tree");
        section.element("div", &[("class", "scroll")], |scroll| {
            scroll.element("table", &[("class", "tree")], |table| tree(table, pipeline, now));
        });
    });
    let crumbs = vec![(summary.id.clone(), format!("/app/p/{}", summary.id))];
    let title = format!("{} {} {}", summary.repository, summary.section, summary.id);
    Page { title, crumbs, refresh: summary.ending.is_none(), state: Some(summary.state), body }
}

fn failure(section: &mut Html, id: &str, failure: &Failure<'_>, now: Timestamp) {
    let node = failure.node;
    let last = node.attempts.last();
    section.element("article", &[("class", &format!("card {}", node.state.word()))], |card| {
        card.element("h3", &[], |title| {
            title.link(&format!("/app/p/{id}/n/{}", parts::node_address(&node.path)), &node.path);
        });
        card.element("p", &[("class", "line")], |line| {
            parts::state(line, node.state);
            let took = last.and_then(|attempt| took(attempt.started_at, attempt.finished_at, now));
            let attempt = last.map(|attempt| format!("attempt {}", attempt.number));
            for words in [node.cause.clone(), took, attempt].into_iter().flatten() {
                line.text(" · ");
                line.text(&words);
            }
        });
        let address = parts::log_address(id, &node.path, None);
        if last.is_some() {
            parts::log(card, &failure.log, TAIL_LINES, &address);
        }
        card.element("p", &[("class", "quiet")], |line| {
            if last.is_some() {
                line.link(&address, "whole log");
                line.text(" · ");
            }
            line.text("run it again: ");
            line.words("code", &[], &format!("conducto reset {id} {}", shell_word(&node.path)));
        });
    });
}

fn tree(table: &mut Html, pipeline: &PipelineView, now: Timestamp) {
    table.element("thead", &[], |head| {
        head.element("tr", &[], |row| {
            for name in ["Node", "State", "Took", "Attempts", "Details"] {
                row.words("th", &[("scope", "col")], name);
            }
        });
    });
    table.element("tbody", &[], |body| {
        for row in rows(pipeline, now) {
            tree_row(body, &pipeline.summary.id, &row);
        }
    });
}

fn tree_row(body: &mut Html, id: &str, row: &Row<'_>) {
    let node = row.node;
    let is_leaf = node.kind == "exec";
    body.element("tr", &[("class", if is_leaf { "leaf" } else { "group" })], |line| {
        line.element("th", &[("scope", "row")], |cell| {
            cell.words("span", &[("class", "guide"), ("aria-hidden", "true")], &row.guide);
            cell.link(&format!("/app/p/{id}/n/{}", parts::node_address(&node.path)), &node.name);
            if !is_leaf {
                cell.words("span", &[("class", "kind")], &node.kind);
            }
        });
        line.element("td", &[], |cell| parts::state(cell, node.state));
        line.words("td", &[("class", "number")], row.took.as_deref().unwrap_or(""));
        let attempts =
            if is_leaf && !node.attempts.is_empty() { node.attempts.len().to_string() } else { String::new() };
        line.words("td", &[("class", "number")], &attempts);
        let details = if is_leaf { &remarks(node).join(" · ") } else { &row.details };
        line.words("td", &[("class", "quiet")], details);
    });
}

pub(crate) fn text(pipeline: &PipelineView, failures: &[Failure<'_>], now: Timestamp) -> String {
    let summary = &pipeline.summary;
    let mut text = format!("{}  {} {} {}\n", summary.id, summary.repository, summary.trigger, summary.sha);
    let standstill = standstill(pipeline).map(|words| words + "\n").unwrap_or_default();
    text.push_str(&format!("{}\n{}\n{standstill}\n", plain_text(summary.title.as_bytes()), headline(summary)));
    if !pipeline.isolated {
        text.push_str("nodes run as plain processes on the server's machine: no isolation\n\n");
    }
    text.push_str(&tree_text(pipeline, now));
    for Failure { node, log } in failures {
        let cause = node.cause.as_deref().unwrap_or_default();
        text.push_str(&format!("\n{} {}  {cause}\n", crate::present::glyph(node.state), node.path));
        for line in crate::present::tail(log, TAIL_LINES).0.lines() {
            text.push_str(&format!("  | {line}\n"));
        }
        text.push_str(&format!("  └ {}\n", parts::log_address(&summary.id, &node.path, None)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::sample;

    #[test]
    fn a_failed_pipeline_shows_what_failed_before_the_tree() {
        let pipeline = sample::failed_pipeline();
        let failures: Vec<_> =
            failures(&pipeline).map(|node| Failure { node, log: "one\n<b>two</b>\n".into() }).collect();
        let now = pipeline.summary.finished_at.unwrap();
        let document = page(&pipeline, &failures, now).document();
        assert!(document.find("What failed").unwrap() < document.find(">Tree<").unwrap());
        assert!(document.contains("&lt;b&gt;two&lt;/b&gt;") && !document.contains("<script"));
        assert!(!document.contains("http-equiv"));
        insta::assert_snapshot!(document.replace("><", ">\n<"));
        insta::assert_snapshot!(text(&pipeline, &failures, now));
    }

    #[test]
    fn a_running_pipeline_renews_its_page_and_says_what_is_no_isolation() {
        let pipeline = sample::running_pipeline();
        let document = page(&pipeline, &[], pipeline.summary.created_at).document();
        assert!(document.contains("http-equiv=\"refresh\"") && document.contains("no isolation"));
    }
}
