//! The frame around every page: head, bar with the way back, main part.

use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{html::Html, style};
use crate::{
    http::{auth::wants_html, problem::Problem},
    model::State,
    present::glyph,
};

/// What may load: our own style and small pictures in the page itself. No script at all.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A page before it is framed.
pub(crate) struct Page {
    /// What it is, without the name of the product.
    pub(crate) title: String,
    /// The way back, outermost first: words and address.
    pub(crate) crumbs: Vec<(String, String)>,
    /// Whether what it shows is still changing.
    pub(crate) refresh: bool,
    /// The state it is about, for the picture in the browser's tab.
    pub(crate) state: Option<State>,
    /// The main part.
    pub(crate) body: Html,
}

impl Page {
    /// Frames the page and makes it an answer.
    pub(crate) fn respond(self, status: StatusCode) -> Response {
        let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, POLICY)];
        (status, headers, self.document()).into_response()
    }

    /// Writes the whole document.
    pub(crate) fn document(&self) -> String {
        let mut html = Html::new();
        html.element("html", &[("lang", "en")], |html| {
            html.element("head", &[], |head| self.head(head));
            html.element("body", &[], |body| {
                body.words("a", &[("class", "skip"), ("href", "#main")], "Skip to the content");
                self.bar(body);
                body.element("main", &[("id", "main")], |main| main.piece(&self.body));
            });
        });
        html.into_document()
    }

    fn head(&self, head: &mut Html) {
        head.void("meta", &[("charset", "utf-8")]);
        head.void("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]);
        head.void("meta", &[("name", "color-scheme"), ("content", "light dark")]);
        head.void("meta", &[("name", "robots"), ("content", "noindex")]);
        if self.refresh {
            head.void("meta", &[("http-equiv", "refresh"), ("content", "3")]);
        }
        let mark = self.state.map(|state| format!("{} ", glyph(state))).unwrap_or_default();
        head.words("title", &[], &format!("{mark}{} – Conducto", self.title));
        head.void("link", &[("rel", "icon"), ("href", &icon(self.state))]);
        head.void("link", &[("rel", "stylesheet"), ("href", &style::address())]);
    }

    fn bar(&self, body: &mut Html) {
        body.element("header", &[("class", "bar")], |bar| {
            bar.words("a", &[("class", "name"), ("href", "/app/")], "conducto");
            bar.element("nav", &[("aria-label", "Where you are")], |nav| {
                for (words, address) in &self.crumbs {
                    nav.words("span", &[("class", "sep"), ("aria-hidden", "true")], "/");
                    nav.link(address, words);
                }
            });
            bar.words("a", &[("class", "side"), ("href", "/app/deliveries")], "Deliveries");
        });
    }
}

/// Draws the tab's picture: each state has a shape of its own.
fn icon(state: Option<State>) -> String {
    let (color, shape) = match state {
        None => ("%230b5fc0", "<circle cx='8' cy='8' r='4'/>"),
        Some(State::Pending) => {
            ("%235b6470", "<circle cx='8' cy='8' r='6' fill='none' stroke='%235b6470' stroke-width='2'/>")
        }
        Some(State::Queued) => ("%237a27c2", "<path d='M8 2a6 6 0 1 0 6 6H8z'/>"),
        Some(State::Running) => ("%230b5fc0", "<path d='M4 2l10 6-10 6z'/>"),
        Some(State::Done) => ("%230f7038", "<circle cx='8' cy='8' r='7'/>"),
        Some(State::Error) => ("%23b3201a", "<path d='M5 1h6l4 4v6l-4 4H5l-4-4V5z'/>"),
        Some(State::Killed) => ("%238a4b00", "<path d='M2 2h12v12H2z'/>"),
    };
    let svg = "xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'";
    format!("data:image/svg+xml,<svg {svg} fill='{color}'>{shape}</svg>")
}

/// Shows a problem as a page, or as it is to those who do not read pages.
pub(crate) fn problem(headers: &HeaderMap, problem: Problem) -> Response {
    if !wants_html(headers) {
        return problem.into_response();
    }
    let status = problem.status();
    let title = status.canonical_reason().unwrap_or("Error").to_owned();
    let mut body = Html::new();
    body.words("h1", &[], &title);
    body.words("p", &[], problem.words());
    body.element("p", &[], |line| line.link("/app/", "All pipelines"));
    Page { title, crumbs: Vec::new(), refresh: false, state: None, body }.respond(status)
}

/// Answers an address that no page has.
pub(crate) async fn not_found(headers: HeaderMap) -> Response {
    problem(&headers, Problem::not_found("No page has this address."))
}

/// Answers with plain text.
pub(crate) fn plain(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}
