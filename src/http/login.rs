//! The login page: takes a token, and keeps it in a cookie that only lets people look.

use axum::{
    Form,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    auth::{self, COOKIE},
    extract::Query,
    pages::{Html, Page},
    problem::Problem,
    router::App,
};

#[derive(Deserialize)]
pub(crate) struct Destination {
    next: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Submission {
    token: String,
    next: Option<String>,
}

/// Shows the form.
pub(crate) async fn form(Query(destination): Query<Destination>) -> Response {
    page(destination.next.as_deref(), None).respond(StatusCode::OK)
}

/// Takes the token; a good one becomes a cookie.
pub(crate) async fn submit(
    State(app): State<App>,
    headers: HeaderMap,
    Form(submission): Form<Submission>,
) -> Result<Response, Problem> {
    refuse_other_sites(&headers)?;
    let token = submission.token.trim();
    let is_cookie_text =
        !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !is_cookie_text || !auth::is_valid(&app, token).await? {
        let page = page(submission.next.as_deref(), Some("This token is not known here."));
        return Ok(page.respond(StatusCode::UNAUTHORIZED));
    }
    let secure = if app.is_secure { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000{secure}");
    let next = local(submission.next.as_deref());
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(next)).into_response())
}

/// Forgets the cookie.
pub(crate) async fn logout(headers: HeaderMap) -> Result<Response, Problem> {
    refuse_other_sites(&headers)?;
    let cookie = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/login")).into_response())
}

/// Another site may not log people in or out.
fn refuse_other_sites(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get("sec-fetch-site").map(|value| value.as_bytes()) {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => Err(Problem::new(StatusCode::FORBIDDEN).detail("this form was sent by another site")),
    }
}

/// Returns the address if it is a page of ours, else the list of pipelines.
fn local(next: Option<&str>) -> &str {
    let next = next.unwrap_or_default();
    let is_plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if (next == "/app" || next.starts_with("/app/")) && is_plain { next } else { "/app/" }
}

fn page(next: Option<&str>, error: Option<&str>) -> Page {
    let mut body = Html::new();
    body.element("form", &[("method", "post"), ("action", "/login"), ("class", "login")], |form| {
        form.words("h1", &[], "Log in");
        form.words("p", &[], "Paste an API token. The first start of the server wrote the admin's to the file admin-token in its base directory.");
        if let Some(error) = error {
            form.words("p", &[("class", "alert"), ("role", "alert")], error);
        }
        form.words("label", &[("for", "token")], "API token");
        form.void("input", &[("id", "token"), ("name", "token"), ("type", "password"), ("autocomplete", "current-password"), ("required", "")]);
        form.void("input", &[("name", "next"), ("type", "hidden"), ("value", local(next))]);
        form.words("button", &[("type", "submit")], "Log in");
    });
    Page { title: "Log in".to_owned(), crumbs: Vec::new(), refresh: false, state: None, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_ours_can_follow_a_login() {
        assert_eq!(local(Some("/app/p/abc-def/n/a%20b")), "/app/p/abc-def/n/a%20b");
        for next in
            ["https://evil.example", "//evil.example", "/app/\\evil", "/\\evil", "/application", "/app/\r\nx", ""]
        {
            assert_eq!(local(Some(next)), "/app/", "{next:?}");
        }
    }
}
