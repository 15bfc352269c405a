//! The web app: the files that `make web` built, embedded, and the shell that stands under every address of a page. Knows no page.
//!
//! Who has no script, or asks for text, gets the pages without script instead; `?plain` asks for them outright. A binary
//! that was built without the app has only those.

use axum::{
    body::Body,
    extract::Path,
    http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use rust_embed::{Embed, EmbeddedFile};

use super::{auth::wants_html, problem::Problem};

/// What Vite wrote; beside each file stand its compressed forms.
#[derive(Embed)]
#[folder = "web/dist"]
struct Files;

/// What may load: our own files. Nothing inline, nothing from elsewhere; texts become markup only by Svelte's own templates.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
     trusted-types svelte-trusted-html";

/// Names of assets hold a hash of their content.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// Says whether this binary has the app.
pub(crate) fn is_built() -> bool {
    Files::get("app/index.html").is_some()
}

/// Answers with the shell where a browser asks for a page, and lets the pages without script answer all others.
pub(crate) async fn shell(request: Request<Body>, next: Next) -> Response {
    let is_looking = *request.method() == Method::GET || *request.method() == Method::HEAD;
    let mut words = request.uri().query().unwrap_or_default().split('&');
    let is_plain = words.any(|word| word == "plain" || word.starts_with("plain="));
    if is_looking && !is_plain && wants_html(request.headers()) && is_built() {
        file("app/index.html", request.headers(), "no-cache")
    } else {
        next.run(request).await
    }
}

/// Serves a file of the app. It says nothing about anybody, so it needs no token.
pub(crate) async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    file(&format!("app/assets/{path}"), &headers, FOR_EVER)
}

fn file(path: &str, headers: &HeaderMap, keep: &'static str) -> Response {
    let Some(whole) = Files::get(path) else {
        return Problem::not_found("the app has no such file; it may be one of another version").into_response();
    };
    let (content, encoding) = best(path, headers).unwrap_or((whole, None));
    let tag = format!("\"{}\"", hex::encode(&content.metadata.sha256_hash()[..8]));
    let is_known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => content.data.into_response(),
    };
    let own = response.headers_mut();
    own.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(path)));
    own.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    own.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    own.insert(header::VARY, HeaderValue::from_static("accept-encoding, accept, cookie"));
    if let Some(encoding) = encoding {
        own.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        own.insert(header::ETAG, tag);
    }
    response
}

/// Finds the smallest form that the client understands.
fn best(path: &str, headers: &HeaderMap) -> Option<(EmbeddedFile, Option<&'static str>)> {
    let accepted = headers.get(header::ACCEPT_ENCODING)?.to_str().ok()?;
    let accepts = |name: &str| {
        accepted.split(',').any(|offer| {
            let (offered, weight) = offer.split_once(';').unwrap_or((offer, "q=1"));
            let is_refused = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse().ok()) == Some(0.0);
            offered.trim().eq_ignore_ascii_case(name) && !is_refused
        })
    };
    [("br", "br"), ("gzip", "gz")]
        .into_iter()
        .filter(|(encoding, _)| accepts(encoding))
        .find_map(|(encoding, ending)| Some((Files::get(&format!("{path}.{ending}"))?, Some(encoding))))
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
