//! The list of pipelines.

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
    dispatch::{PipelineFilter, view::PipelineSummary},
    http::{auth::wants_html, router::App, web},
    present::{ago, glyph, headline, took},
};

/// Shows the newest pipelines.
pub(crate) async fn pipelines(State(app): State<App>, headers: HeaderMap) -> Response {
    let filter = PipelineFilter { limit: 100, ..PipelineFilter::default() };
    let now = clock::now();
    match app.dispatch.pipelines(filter).await {
        Ok(pipelines) if wants_html(&headers) => page(&pipelines, now).respond(StatusCode::OK),
        Ok(pipelines) => plain(text(&pipelines, now)),
        Err(error) => problem(&headers, error.into()),
    }
}

pub(crate) fn page(pipelines: &[PipelineSummary], now: Timestamp) -> Page {
    let mut body = Html::new();
    body.words("h1", &[], "Pipelines");
    if pipelines.is_empty() {
        body.element("div", &[("class", "empty")], |empty| {
            empty.words("p", &[], "No pipeline has run yet. One starts when a repository whose webhook leads here gets a push:");
            empty.element("ol", &[], |steps| {
                steps.words("li", &[], "Add a webhook to the repository: /webhooks/github on this server, content type JSON, the secret of the settings, events push and pull request.");
                steps.words("li", &[], "Put a conducto.cfg and a pipeline definition at its root.");
                steps.words("li", &[], "Push. The deliveries page says what became of it.");
            });
        });
    } else {
        body.element("div", &[("class", "scroll")], |scroll| {
            scroll.element("table", &[("class", "list")], |table| rows(table, pipelines, now));
        });
    }
    if !web::is_built() {
        body.words(
            "p",
            &[("class", "quiet")],
            "This server was built without the web app. `make web`, then building it again, adds it.",
        );
    }
    let refresh = pipelines.iter().any(|pipeline| pipeline.ending.is_none());
    Page { title: "Pipelines".to_owned(), crumbs: Vec::new(), refresh, state: None, body }
}

fn rows(table: &mut Html, pipelines: &[PipelineSummary], now: Timestamp) {
    table.element("thead", &[], |head| {
        head.element("tr", &[], |row| {
            for name in ["State", "Pipeline", "What", "How it went", "Took", "Started"] {
                row.words("th", &[("scope", "col")], name);
            }
        });
    });
    table.element("tbody", &[], |rows| {
        for pipeline in pipelines {
            rows.element("tr", &[], |row| {
                row.element("td", &[], |cell| parts::state(cell, pipeline.state));
                row.element("th", &[("scope", "row"), ("class", "id")], |cell| {
                    cell.link(&format!("/app/p/{}", pipeline.id), &pipeline.id);
                });
                row.element("td", &[("class", "what")], |cell| {
                    cell.words("div", &[("class", "title")], &pipeline.title);
                    let sha = pipeline.sha.get(..7).unwrap_or(&pipeline.sha);
                    let source =
                        format!("{} · {} · {} · {sha}", pipeline.repository, pipeline.trigger, pipeline.sender);
                    cell.words("div", &[("class", "quiet")], &source);
                });
                row.words("td", &[], &headline(pipeline));
                let took = took(Some(pipeline.created_at), pipeline.finished_at, now);
                row.words("td", &[("class", "number")], &took.unwrap_or_default());
                row.element("td", &[("class", "number")], |cell| parts::time(cell, pipeline.created_at, now));
            });
        }
    });
}

fn text(pipelines: &[PipelineSummary], now: Timestamp) -> String {
    let line = |p: &PipelineSummary| {
        let (mark, state, when) = (glyph(p.state), p.state.word(), ago(p.created_at, now));
        format!("{}  {mark} {state:<7}  {} {}  {when}  {}\n", p.id, p.repository, p.section, headline(p))
    };
    pipelines.iter().map(line).collect()
}
