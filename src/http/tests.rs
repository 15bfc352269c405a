//! The HTTP side as clients meet it: the true inside on an empty directory, without a socket.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode, header},
};
use futures_util::future::BoxFuture;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rstest::rstest;
use secrecy::SecretString;
use serde_json::Value;
use sha2::Sha256;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{Options, router, webhook::BODY_LIMIT};
use crate::{
    clock,
    dispatch::{
        self, Dispatch, Parts,
        hub::{self, Hub},
    },
    executor::{Error, Executor, Progress, WorkerSpec, WorkerStatus},
    forge::Statuses,
    git::{self, Mirrors},
    layout::Layout,
    logs::Logs,
    model::{Launch, PipelineId, WorkerId},
    store::{self, Store},
};

mod actions;

const SECRET: &str = "It's a Secret to Everybody";

/// An executor with nothing to execute: none of these tests gets as far as a worker.
struct Nowhere;

impl Executor for Nowhere {
    fn name(&self) -> &'static str {
        "nowhere"
    }

    fn isolates(&self) -> bool {
        true
    }

    fn work(&self, directory: &std::path::Path) -> std::path::PathBuf {
        directory.to_owned()
    }

    fn prepare<'a>(&'a self, _: &'a WorkerSpec, _: Progress<'a>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { Err(Error::Unavailable { message: "there is nothing here".into() }) })
    }

    fn start<'a>(&'a self, _: &'a WorkerSpec, _: Progress<'a>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { Err(Error::Unavailable { message: "there is nothing here".into() }) })
    }

    fn status<'a>(&'a self, _: &'a PipelineId, _: &'a WorkerId) -> BoxFuture<'a, Result<WorkerStatus, Error>> {
        Box::pin(async { Ok(WorkerStatus::Gone) })
    }

    fn remove<'a>(&'a self, _: &'a PipelineId, _: &'a WorkerId) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    fn owned(&self) -> BoxFuture<'_, Result<Vec<(PipelineId, WorkerId)>, Error>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn release<'a>(&'a self, _: &'a PipelineId) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    fn owned_pipelines(&self) -> BoxFuture<'_, Result<Vec<PipelineId>, Error>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// A server's inside on an empty directory, with two tokens: `admin` and `reader`.
struct Service {
    _base: tempfile::TempDir,
    dispatch: Dispatch,
}

impl Service {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts with these pipelines under way.
    async fn start_with(launches: &[Launch]) -> Self {
        let base = tempfile::tempdir().unwrap();
        let layout = Layout::find(base.path(), "acme", "ada");
        layout.create().unwrap();
        let store = Store::open(&layout.database()).unwrap();
        let (now, uuid) = (clock::now(), clock::new_uuid());
        let identity = store.write(move |connection| store::server::begin(connection, now, uuid)).await.unwrap();
        for launch in launches {
            actions::begin(&store, launch.clone()).await;
        }
        let (sink, reported) = tokio::sync::mpsc::channel(8);
        let keys_directory = layout.worker_keys();
        let heartbeat = Duration::from_secs(10);
        let hub_options = hub::Options { keys_directory, heartbeat, orphan: heartbeat * 10, window: 1 };
        // A port of this machine on which nobody listens: nothing here may leave it.
        let nowhere = "http://127.0.0.1:1".to_owned();
        let parts = Parts {
            store,
            logs: Logs::start().unwrap(),
            mirrors: Mirrors::build(git::Options::new(layout.mirrors())).unwrap(),
            executor: Arc::new(Nowhere),
            hub: Hub::new(hub_options, sink),
            statuses: Statuses::build(&nowhere, None).unwrap(),
            vault: Arc::new(crate::vault::Vault::in_file(layout.secret_key())),
            slack: None,
        };
        let day = Duration::from_secs(24 * 3_600);
        let options = dispatch::Options {
            layout,
            public_url: "http://ci.example.org".into(),
            owner: "ada".into(),
            forge_host: "github.com".into(),
            git_url: nowhere,
            forge_token: None,
            budget: crate::dispatch::Budget {
                whole: crate::dispatch::Amounts::of(1.0, 2.0, 0),
                largest: crate::dispatch::Amounts::of(1.0, 2.0, 0),
                workers: 1,
            },
            privileged_repositories: Vec::new(),
            pristine: false,
            spare: false,
            idle_timeout: heartbeat,
            default_image: "busybox".into(),
            slack_channel: None,
            retention: dispatch::Retention { logs: day, data: day, sleeping: day, mirrors: day },
            reserve: dispatch::Reserve::Bytes(0),
        };
        let dispatch = Dispatch::start(options, parts, reported, identity, CancellationToken::new()).await.unwrap();
        dispatch.keep_token("admin", "admin", "admin").await.unwrap();
        dispatch.keep_token("reader", "read", "reader").await.unwrap();
        Self { _base: base, dispatch }
    }

    fn app(&self, anonymous_read: bool) -> Router {
        let webhook_secrets = vec![SecretString::from(SECRET)];
        let options = Options { webhook_secrets, anonymous_read, is_secure: false, metrics: None };
        router(self.dispatch.clone(), options)
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        ask(self.app(false), request).await
    }

    async fn get(&self, address: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(request(Request::get(address), headers)).await
    }

    async fn post(&self, address: &str, headers: &[(&str, &str)]) -> Answer {
        ask(self.app(true), request(Request::post(address), headers)).await
    }
}

fn request(mut builder: axum::http::request::Builder, headers: &[(&str, &str)]) -> Request<Body> {
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Body::empty()).unwrap()
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
    let service = Service::start().await;
    let send = || service.ask(delivery(PUSH).body(PUSH.into()).unwrap());
    assert_eq!(send().await.status, StatusCode::ACCEPTED);
    assert_eq!(send().await.status, StatusCode::OK);
}

#[tokio::test]
async fn forms_are_signed_as_they_are_sent() {
    const FORM: &str = "payload=%7B%22ref%22%3A%22refs%2Fheads%2Fmain%22%7D";
    let mut request = delivery(FORM).body(FORM.into()).unwrap();
    let media_type = "application/x-www-form-urlencoded".parse().unwrap();
    request.headers_mut().insert(header::CONTENT_TYPE, media_type);
    assert_eq!(Service::start().await.ask(request).await.status, StatusCode::ACCEPTED);
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
    let answer = Service::start().await.ask(request).await;
    assert_eq!(answer.status.as_u16(), status);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
    let problem: Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(problem["status"], status);
    assert!(!answer.text.contains("sha256"), "{}", answer.text);
}

#[tokio::test]
async fn a_changed_byte_is_refused() {
    let request = delivery(PUSH).body(PUSH.replace("main", "mair").into()).unwrap();
    assert_eq!(Service::start().await.ask(request).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_malformed() {
    let service = Service::start().await;
    for body in ["[]", "nonsense"] {
        let request = delivery(body).body(body.into()).unwrap();
        assert_eq!(service.ask(request).await.status, StatusCode::BAD_REQUEST, "{body}");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_too_large() {
    let request = delivery("").body(vec![b' '; BODY_LIMIT + 1].into()).unwrap();
    let answer = Service::start().await.ask(request).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
}

#[tokio::test]
async fn without_a_secret_every_delivery_is_refused() {
    let options = Options { webhook_secrets: vec![], anonymous_read: false, is_secure: false, metrics: None };
    let request = delivery(PUSH).body(PUSH.into()).unwrap();
    assert_eq!(ask(router(Service::start().await.dispatch, options), request).await.status, StatusCode::UNAUTHORIZED);
}

#[rstest]
#[case("/api/v1/pipelines", &[], 401)]
#[case("/api/v1/pipelines", &[("authorization", "Bearer wrong")], 401)]
#[case("/api/v1/pipelines", &[READER], 200)]
#[case("/api/v1/pipelines", &[("cookie", "a=b; conducto_token=reader")], 200)]
#[case("/api/v1/pipelines/abc-def", &[READER], 404)]
#[case("/api/v1/pipelines/abc-def/events", &[READER], 404)]
#[case("/api/v1/pipelines/abc-def/nodes/a/b/log", &[READER], 404)]
#[case("/api/v1/pipelines?before=zzz", &[READER], 404)]
#[case("/api/v1/deliveries", &[READER], 200)]
#[case("/api/v1/deliveries/none", &[READER], 404)]
#[case("/api/v1/outbox?state=dead", &[READER], 200)]
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
    let answer = Service::start().await.get(address, headers).await;
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    assert!(answer.headers.contains_key("x-request-id"));
    assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    if status >= 400 {
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
    }
}

#[tokio::test]
async fn doing_needs_a_bearer_token_that_may() {
    let service = Service::start().await;
    let pipeline = ["start", "cancel", "sleep", "wake"].map(|verb| format!("/api/v1/pipelines/abc-def/{verb}"));
    let node = ["reset", "rerun-failed", "skip", "unskip", "kill"]
        .map(|verb| format!("/api/v1/pipelines/abc-def/nodes/a/b/{verb}"));
    for address in pipeline.iter().chain(&node).map(String::as_str).chain(["/api/v1/outbox/7/retry"]) {
        assert_eq!(service.post(address, &[]).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(service.post(address, &[("cookie", "conducto_token=admin")]).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(service.post(address, &[READER]).await.status, StatusCode::FORBIDDEN);
        // The token may; there is only nothing to do it to.
        assert_eq!(service.post(address, &[ADMIN, ("idempotency-key", "k")]).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn anonymous_people_may_look_where_that_is_allowed() {
    let service = Service::start().await;
    for address in ["/api/v1/pipelines", "/app/"] {
        let answer = ask(service.app(true), request(Request::get(address), &[])).await;
        assert_eq!(answer.status, StatusCode::OK, "{address}");
    }
    let wrong = request(Request::get("/api/v1/pipelines"), &[("authorization", "Bearer wrong")]);
    assert_eq!(ask(service.app(true), wrong).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn browsers_without_a_token_are_led_to_the_login_and_back() {
    let service = Service::start().await;
    let answer = service.get("/app/p/abc-def/n/checks/lint%20&%20style", &[("accept", "text/html")]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.headers[header::LOCATION], "/login?next=/app/p/abc-def/n/checks/lint%2520%26%2520style");
    let form = |token: &str| {
        Request::post("/login")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(format!("token={token}&next=/app/p/abc-def")))
            .unwrap()
    };
    assert_eq!(service.ask(form("wrong")).await.status, StatusCode::UNAUTHORIZED);
    let answer = service.ask(form("reader")).await;
    assert_eq!(answer.headers[header::LOCATION], "/app/p/abc-def");
    let cookie = "conducto_token=reader; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000";
    assert_eq!(answer.headers[header::SET_COOKIE], cookie);
    let mut foreign = form("reader");
    foreign.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
    assert_eq!(service.ask(foreign).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_delivery_shows_up_with_its_verdict_in_data_page_and_text() {
    let service = Service::start().await;
    let guid = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
    service.ask(delivery(PUSH).body(PUSH.into()).unwrap()).await;
    let list = || async {
        let list: Value = serde_json::from_str(&service.get("/api/v1/deliveries", &[READER]).await.text).unwrap();
        assert_eq!(list[0]["guid"], guid);
        list[0]["repository"].clone()
    };
    // What a delivery is about is known once its payload was read.
    let read = async {
        while list().await.is_null() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), read).await.unwrap();
    assert_eq!(list().await, "acme/api");
    for (accept, words) in [("text/html,*/*", "<td>acme/api</td>"), ("text/plain", "push  acme/api")] {
        let answer = service.get("/app/deliveries", &[READER, ("accept", accept)]).await;
        assert!(answer.text.contains(words), "{}", answer.text);
    }
    let page = service.get(&format!("/app/deliveries/{guid}"), &[READER]).await;
    assert!(page.text.contains(&format!("<h1>Delivery {guid}</h1>")), "{}", page.text);
}

#[rstest]
#[case("/app/", 200, "No pipeline has run yet")]
#[case("/app/deliveries", 200, "No webhook has been delivered yet")]
#[case("/app/p/abc-def", 404, "deleted or never existed")]
#[case("/app/p/abc-def/n/", 404, "deleted or never existed")]
#[case("/app/p/abc-def/n/checks/lint%20%26%20style", 404, "deleted or never existed")]
#[case("/app/deliveries/none", 404, "no such delivery")]
#[case("/app/nothing", 404, "No page has this address")]
#[tokio::test]
async fn pages_are_complete_documents_that_run_nothing(
    #[case] address: &str,
    #[case] status: u16,
    #[case] words: &str,
) {
    let answer = Service::start().await.get(address, &[READER, ("accept", "text/html,*/*")]).await;
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    assert!(answer.text.contains(words), "{}", answer.text);
    assert!(answer.text.starts_with("<!doctype html>") && answer.text.trim_end().ends_with("</html>"));
    assert!(!answer.text.contains("<script") && !answer.text.contains(" style="));
    let policy = answer.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'"));
}
