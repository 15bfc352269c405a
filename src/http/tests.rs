//! The HTTP side as clients meet it, without a socket.

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode, header},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rstest::rstest;
use secrecy::SecretString;
use serde_json::Value;
use sha2::Sha256;
use tower::ServiceExt as _;

use super::{Options, router, webhook::BODY_LIMIT};
use crate::{
    dispatch::{Dispatch, LogChunk, Memory, view::DeliveryView},
    present::sample,
    worker::protocol::Stream,
};

const SECRET: &str = "It's a Secret to Everybody";

fn dispatch() -> Dispatch {
    let created = sample::failed_pipeline().summary.created_at;
    let piece = |stream, text: &'static str| LogChunk { stream, at: created, data: text.into() };
    let mut running = sample::running_pipeline();
    running.summary.id = "run-ing".into();
    Dispatch::of(Memory {
        pipelines: vec![running, sample::failed_pipeline()],
        deliveries: vec![DeliveryView {
            seq: 1,
            guid: "72d3162e-cc78-11e3-81ab-4c9367dc0958".into(),
            event: "push".into(),
            repository: Some("acme/api".into()),
            state: "failed".into(),
            verdict: Some("conducto.cfg:3:1 unknown key `filtre` in section `[push]`".into()),
            diagnostics: "error[cfg::unknown-key]: unknown key `filtre`\n --> conducto.cfg:3:1".into(),
            pipelines: vec![],
            deliveries: 2,
            received_at: created,
        }],
        log: vec![
            piece(Stream::Notice, "pulling debian:stable-slim\n"),
            piece(Stream::Stdout, "running 2 tests\n\u{1b}[31mtest a ... FAILED\u{1b}[0m\n"),
            piece(Stream::Stderr, "assertion failed: <left> == <right>\n"),
        ],
        ..Memory::default()
    })
}

fn app(anonymous_read: bool) -> Router {
    let webhook_secrets = vec![SecretString::from(SECRET)];
    router(dispatch(), Options { webhook_secrets, anonymous_read, is_secure: false, metrics: None })
}

struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    text: String,
}

async fn ask(app: Router, request: Request<Body>) -> Answer {
    let response: Response<Body> = app.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    Answer { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

async fn get(address: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(address);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    ask(app(false), request.body(Body::empty()).unwrap()).await
}

const ADMIN: (&str, &str) = ("authorization", "Bearer admin");
const READER: (&str, &str) = ("authorization", "Bearer reader");

fn sign(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

fn delivery(body: &'static str) -> axum::http::request::Builder {
    Request::post("/webhooks/github")
        .header("content-type", "application/json")
        .header("x-github-event", "push")
        .header("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
        .header("x-hub-signature-256", sign(body.as_bytes()))
}

const PUSH: &str = r#"{"ref":"refs/heads/main","repository":{"full_name":"acme/api"}}"#;

#[tokio::test]
async fn a_signed_delivery_is_stored_once() {
    let app = app(false);
    let send = || ask(app.clone(), delivery(PUSH).body(PUSH.into()).unwrap());
    assert_eq!(send().await.status, StatusCode::ACCEPTED);
    assert_eq!(send().await.status, StatusCode::OK);
}

#[tokio::test]
async fn forms_are_signed_as_they_are_sent() {
    const FORM: &str = "payload=%7B%22ref%22%3A%22refs%2Fheads%2Fmain%22%7D";
    let mut request = delivery(FORM).body(FORM.into()).unwrap();
    let media_type = "application/x-www-form-urlencoded".parse().unwrap();
    request.headers_mut().insert(header::CONTENT_TYPE, media_type);
    assert_eq!(ask(app(false), request).await.status, StatusCode::ACCEPTED);
}

#[rstest]
#[case::no_signature("x-hub-signature-256", None, 401)]
#[case::another_signature("x-hub-signature-256", Some("sha256=00"), 401)]
#[case::old_signature("x-hub-signature-256", Some("sha1=0123456789012345678901234567890123456789"), 401)]
#[case::no_event("x-github-event", None, 400)]
#[case::no_id("x-github-delivery", None, 400)]
#[case::odd_id("x-github-delivery", Some("a b"), 400)]
#[case::another_type("content-type", Some("text/xml"), 415)]
#[case::no_type("content-type", None, 415)]
#[tokio::test]
async fn wrong_deliveries_are_refused_with_a_problem(
    #[case] name: &'static str,
    #[case] value: Option<&'static str>,
    #[case] status: u16,
) {
    let mut request = delivery(PUSH).body(Body::from(PUSH)).unwrap();
    request.headers_mut().remove(name);
    if let Some(value) = value {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let answer = ask(app(false), request).await;
    assert_eq!(answer.status.as_u16(), status);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
    let problem: Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(problem["status"], status);
    assert!(!answer.text.contains("sha256"), "{}", answer.text);
}

#[tokio::test]
async fn a_changed_byte_is_refused() {
    let request = delivery(PUSH).body(PUSH.replace("main", "mair").into()).unwrap();
    assert_eq!(ask(app(false), request).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_malformed() {
    for body in ["[]", "nonsense"] {
        let request = delivery(body).body(body.into()).unwrap();
        assert_eq!(ask(app(false), request).await.status, StatusCode::BAD_REQUEST, "{body}");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_too_large() {
    let request = delivery("").body(vec![b' '; BODY_LIMIT + 1].into()).unwrap();
    let answer = ask(app(false), request).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
}

#[tokio::test]
async fn without_a_secret_every_delivery_is_refused() {
    let options = Options { webhook_secrets: vec![], anonymous_read: false, is_secure: false, metrics: None };
    let request = delivery(PUSH).body(PUSH.into()).unwrap();
    assert_eq!(ask(router(dispatch(), options), request).await.status, StatusCode::UNAUTHORIZED);
}

#[rstest]
#[case("/api/v1/pipelines", &[], 401)]
#[case("/api/v1/pipelines", &[("authorization", "Bearer wrong")], 401)]
#[case("/api/v1/pipelines", &[READER], 200)]
#[case("/api/v1/pipelines", &[("cookie", "a=b; conducto_token=reader")], 200)]
#[case("/api/v1/pipelines/abc-def", &[READER], 200)]
#[case("/api/v1/pipelines/zzz-zzz", &[READER], 404)]
#[case("/api/v1/pipelines/../../etc", &[READER], 404)]
#[case("/api/v1/pipelines?limit=many", &[READER], 400)]
#[case("/api/v1/outbox?state=lost", &[READER], 400)]
#[case("/api/v1/nothing", &[READER], 404)]
#[case("/api/v1/openapi.json", &[], 200)]
#[case("/healthz", &[], 200)]
#[case("/nothing", &[], 404)]
#[case("/app/style.css", &[], 200)]
#[tokio::test]
async fn addresses_answer_as_documented(#[case] address: &str, #[case] headers: &[(&str, &str)], #[case] status: u16) {
    let answer = get(address, headers).await;
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    assert!(answer.headers.contains_key("x-request-id"));
    assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    if status >= 400 {
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
    }
}

async fn post(address: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::post(address);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    ask(app(true), request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn doing_needs_a_bearer_token_that_may() {
    let cancel = "/api/v1/pipelines/run-ing/cancel";
    assert_eq!(post(cancel, &[]).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(post(cancel, &[("cookie", "conducto_token=admin")]).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(post(cancel, &[READER]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(post(cancel, &[ADMIN, ("idempotency-key", "k")]).await.text, r#"{"seq":32,"repeated":false}"#);
    let ended = post("/api/v1/pipelines/abc-def/cancel", &[ADMIN]).await;
    assert_eq!(ended.status, StatusCode::CONFLICT);
    let reset = post("/api/v1/pipelines/abc-def/nodes/checks/unit/reset", &[ADMIN]).await;
    assert_eq!(reset.status, StatusCode::OK);
}

#[tokio::test]
async fn anonymous_people_may_look_where_that_is_allowed() {
    let request = |address: &str| Request::get(address).body(Body::empty()).unwrap();
    assert_eq!(ask(app(true), request("/api/v1/pipelines")).await.status, StatusCode::OK);
    assert_eq!(ask(app(true), request("/app/")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn browsers_without_a_token_are_led_to_the_login_and_back() {
    let answer = get("/app/p/abc-def/n/checks/lint%20&%20style", &[("accept", "text/html")]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.headers[header::LOCATION], "/login?next=/app/p/abc-def/n/checks/lint%2520%26%2520style");
    let form = |token: &str| {
        Request::post("/login")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(format!("token={token}&next=/app/p/abc-def")))
            .unwrap()
    };
    assert_eq!(ask(app(false), form("wrong")).await.status, StatusCode::UNAUTHORIZED);
    let answer = ask(app(false), form("reader")).await;
    assert_eq!(answer.headers[header::LOCATION], "/app/p/abc-def");
    let cookie = "conducto_token=reader; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000";
    assert_eq!(answer.headers[header::SET_COOKIE], cookie);
    let mut foreign = form("reader");
    foreign.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
    assert_eq!(ask(app(false), foreign).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn logs_come_as_bytes_by_stream_or_as_json_lines() {
    let log = "/api/v1/pipelines/abc-def/nodes/checks/unit/log";
    let answer = get(&format!("{log}?stream=stderr"), &[READER]).await;
    assert_eq!(answer.text, "assertion failed: <left> == <right>\n");
    assert_eq!(answer.headers[header::CONTENT_TYPE], "text/plain; charset=utf-8");
    assert!(answer.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("sandbox"));
    assert!(get(log, &[READER]).await.text.starts_with("pulling"));
    let end = get(&format!("{log}?tail=40"), &[READER]).await.text;
    assert_eq!(end, "assertion failed: <left> == <right>\n");
    let lines = get(&format!("{log}?stream=notice"), &[READER, ("accept", "application/x-ndjson")]).await.text;
    let line: Value = serde_json::from_str(lines.trim()).unwrap();
    assert_eq!(
        (line["stream"].as_str(), line["text"].as_str()),
        (Some("notice"), Some("pulling debian:stable-slim\n"))
    );
    assert_eq!(get("/api/v1/pipelines/abc-def/nodes/nope/log", &[READER]).await.status, StatusCode::NOT_FOUND);
}

#[rstest]
#[case("/app/", "What")]
#[case("/app/p/abc-def", "What failed")]
#[case("/app/p/abc-def/n/", "Children")]
#[case("/app/p/abc-def/n/checks/lint%20%26%20style", "/checks/lint &amp; style")]
#[case("/app/p/abc-def/n/checks/unit", "Attempts")]
#[case("/app/deliveries", "What became of it")]
#[case("/app/deliveries/72d3162e-cc78-11e3-81ab-4c9367dc0958", "unknown key")]
#[tokio::test]
async fn pages_are_complete_documents_that_run_nothing(#[case] address: &str, #[case] words: &str) {
    let answer = get(address, &[READER, ("accept", "text/html,*/*")]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(answer.text.contains(words), "{}", answer.text);
    assert!(answer.text.starts_with("<!doctype html>") && answer.text.trim_end().ends_with("</html>"));
    assert!(!answer.text.contains("<script") && !answer.text.contains('\u{1b}') && !answer.text.contains(" style="));
    let policy = answer.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'"));
    if let Ok(directory) = std::env::var_os("CONDUCTO_PAGES").ok_or(()) {
        // For people who want to look at the pages: CONDUCTO_PAGES names a folder.
        let name = address.replace('/', "_") + ".html";
        let text = answer.text.replace("/app/style.css", "style.css");
        std::fs::write(std::path::Path::new(&directory).join(name), text).unwrap();
    }
}

#[tokio::test]
async fn plain_text_is_answered_with_the_same_in_text() {
    let answer = get("/app/p/abc-def", &[READER, ("accept", "text/plain")]).await;
    assert_eq!(answer.headers[header::CONTENT_TYPE], "text/plain; charset=utf-8");
    assert!(answer.text.contains("│ ├ ✗ unit          error"), "{}", answer.text);
    assert!(answer.text.contains("  | test a ... FAILED\n"), "{}", answer.text);
}

#[tokio::test]
async fn a_page_that_does_not_exist_says_so_as_a_page() {
    let answer = get("/app/p/zzz-zzz", &[READER, ("accept", "text/html")]).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(answer.text.contains("deleted or never existed"));
}
