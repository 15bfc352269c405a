//! Webhook deliveries: the list, and one with its verdict and the mistakes that were found.

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
    dispatch::view::DeliveryView,
    http::{auth::wants_html, extract::Path, problem::Problem, router::App},
};

/// Shows the newest deliveries.
pub(crate) async fn list(State(app): State<App>, headers: HeaderMap) -> Response {
    match app.dispatch.deliveries(None, 100).await {
        Ok(deliveries) if wants_html(&headers) => list_page(&deliveries, clock::now()).respond(StatusCode::OK),
        Ok(deliveries) => plain(deliveries.iter().map(|delivery| text(delivery) + "\n").collect()),
        Err(error) => problem(&headers, error.into()),
    }
}

/// Shows one delivery.
pub(crate) async fn one(State(app): State<App>, Path(guid): Path<String>, headers: HeaderMap) -> Response {
    match app.dispatch.delivery(&guid).await {
        Ok(Some(delivery)) if wants_html(&headers) => page(&delivery).respond(StatusCode::OK),
        Ok(Some(delivery)) => plain(text(&delivery)),
        Ok(None) => problem(&headers, Problem::not_found("There is no such delivery.")),
        Err(error) => problem(&headers, error.into()),
    }
}

fn list_page(deliveries: &[DeliveryView], now: Timestamp) -> Page {
    let mut body = Html::new();
    body.words("h1", &[], "Deliveries");
    if deliveries.is_empty() {
        body.words(
            "p",
            &[("class", "empty")],
            "No webhook has been delivered yet. Let one lead to /webhooks/github on this server.",
        );
    } else {
        body.element("div", &[("class", "scroll")], |scroll| {
            scroll.element("table", &[("class", "list")], |table| {
                table.element("thead", &[], |head| {
                    head.element("tr", &[], |row| {
                        for name in ["Delivery", "Event", "Repository", "What became of it", "Arrived"] {
                            row.words("th", &[("scope", "col")], name);
                        }
                    });
                });
                table.element("tbody", &[], |rows| deliveries.iter().for_each(|delivery| row(rows, delivery, now)));
            });
        });
    }
    let crumbs = vec![("deliveries".to_owned(), "/app/deliveries".to_owned())];
    Page { title: "Deliveries".to_owned(), crumbs, refresh: false, state: None, body }
}

fn row(rows: &mut Html, delivery: &DeliveryView, now: Timestamp) {
    rows.element("tr", &[], |row| {
        row.element("th", &[("scope", "row"), ("class", "id")], |cell| {
            let short = delivery.guid.get(..8).unwrap_or(&delivery.guid);
            cell.link(&address(&delivery.guid), short);
        });
        row.words("td", &[], &delivery.event);
        row.words("td", &[], delivery.repository.as_deref().unwrap_or("–"));
        row.words(
            "td",
            &[("class", verdict_class(delivery))],
            delivery.verdict.as_deref().unwrap_or("not looked at yet"),
        );
        row.element("td", &[("class", "number")], |cell| parts::time(cell, delivery.received_at, now));
    });
}

fn page(delivery: &DeliveryView) -> Page {
    let mut body = Html::new();
    body.words("h1", &[], &format!("Delivery {}", delivery.guid));
    let verdict = delivery.verdict.as_deref().unwrap_or("not looked at yet");
    body.words("p", &[("class", &format!("headline {}", verdict_class(delivery)))], verdict);
    let often = (delivery.deliveries > 1).then(|| format!("{} times; it was acted on once", delivery.deliveries));
    let facts = [
        ("Event", Some(delivery.event.clone())),
        ("Repository", delivery.repository.clone()),
        ("Arrived", Some(delivery.received_at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())),
        ("Delivered", often),
    ];
    parts::facts(&mut body, &facts);
    if !delivery.diagnostics.is_empty() {
        body.words("h2", &[], "What was found");
        body.words("pre", &[("class", "log"), ("tabindex", "0"), ("aria-label", "Diagnostics")], &delivery.diagnostics);
    }
    if !delivery.pipelines.is_empty() {
        body.words("h2", &[], "Pipelines it started");
        body.element("ul", &[], |list| {
            for id in &delivery.pipelines {
                list.element("li", &[], |item| item.link(&format!("/app/p/{id}"), id));
            }
        });
    }
    let crumbs = vec![
        ("deliveries".to_owned(), "/app/deliveries".to_owned()),
        (delivery.guid.get(..8).unwrap_or(&delivery.guid).to_owned(), address(&delivery.guid)),
    ];
    Page { title: format!("Delivery {}", delivery.guid), crumbs, refresh: delivery.state == "new", state: None, body }
}

fn address(guid: &str) -> String {
    format!("/app/deliveries/{}", parts::node_address(guid))
}

fn verdict_class(delivery: &DeliveryView) -> &'static str {
    if delivery.state == "failed" { "bad" } else { "plain" }
}

fn text(delivery: &DeliveryView) -> String {
    let repository = delivery.repository.as_deref().unwrap_or("-");
    let verdict = delivery.verdict.as_deref().unwrap_or("not looked at yet");
    format!("{}  {}  {repository}  {verdict}\n{}", delivery.guid, delivery.event, delivery.diagnostics)
}
