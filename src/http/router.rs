//! Which address leads where, and what every request goes through on its way. Knows no handler's inside.

use std::{any::Any, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::DefaultBodyLimit,
    http::{HeaderValue, Request, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Redirect, Response},
    routing::{get, post, put},
};
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
    timeout::TimeoutLayer,
    trace::TraceLayer,
};

use super::{
    api::{self, address::no_address},
    auth, health, login, openapi, pages,
    problem::Problem,
    webhook::{self, BODY_LIMIT},
};
use crate::{dispatch::Dispatch, forge::WebhookSecrets};

/// What the server decides about its HTTP side.
#[derive(Clone, Debug)]
pub struct Options {
    /// Secrets of the GitHub webhook, the current one first; without one every delivery is refused.
    pub webhook_secrets: Vec<SecretString>,
    /// Whether people without a token may look.
    pub anonymous_read: bool,
    /// Whether people reach the server by https, so that cookies must not travel otherwise.
    pub is_secure: bool,
    /// Where `/metrics` gets its text.
    pub metrics: Option<PrometheusHandle>,
}

/// What handlers are given.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) dispatch: Dispatch,
    pub(crate) secrets: Option<Arc<WebhookSecrets>>,
    pub(crate) anonymous_read: bool,
    pub(crate) is_secure: bool,
    pub(crate) metrics: Option<PrometheusHandle>,
}

/// Longest time until an answer begins; streams may then go on.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Builds the whole HTTP side.
pub fn router(dispatch: Dispatch, options: Options) -> Router {
    let secrets = WebhookSecrets::build(options.webhook_secrets).ok().map(Arc::new);
    let Options { anonymous_read, is_secure, metrics, .. } = options;
    let app = App { dispatch, secrets, anonymous_read, is_secure, metrics };

    let secrets = Router::new()
        .route("/secrets", get(api::secrets::list))
        .route("/secrets/rotate", post(api::secrets::rotate))
        .route("/secrets/{name}", put(api::secrets::set).delete(api::secrets::delete))
        .layer(middleware::from_fn_with_state(app.clone(), auth::for_secrets));
    let api = Router::new()
        .route("/deliveries", get(api::deliveries::list))
        .route("/deliveries/{guid}", get(api::deliveries::one))
        .route("/pipelines", get(api::pipelines::list))
        .route("/pipelines/{id}", get(api::pipelines::one))
        .route("/pipelines/{id}/events", get(api::events::stream))
        .route("/pipelines/{id}/{verb}", post(api::actions::on_pipeline))
        .route("/pipelines/{id}/nodes/{*path}", get(api::logs::read).post(api::actions::on_node))
        .route("/repositories/{owner}/{name}/launch", post(api::launch::launch))
        .route("/outbox", get(api::outbox::list))
        .route("/outbox/{id}/retry", post(api::outbox::retry))
        .route("/prune", post(api::prune::prune))
        .fallback(no_such_address)
        .layer(middleware::from_fn_with_state(app.clone(), auth::for_api))
        .merge(secrets)
        .route("/openapi.json", get(openapi::serve));
    let pages = Router::new()
        .route("/", get(pages::list::pipelines))
        .route("/deliveries", get(pages::delivery::list))
        .route("/deliveries/{guid}", get(pages::delivery::one))
        .route("/p/{id}", get(pages::pipeline::show))
        .route("/p/{id}/n/", get(pages::node::show_root))
        .route("/p/{id}/n/{*path}", get(pages::node::show))
        .fallback(pages::not_found)
        .layer(middleware::from_fn_with_state(app.clone(), auth::for_pages))
        .route("/style.css", get(pages::style::serve));
    // From the outside in: every answer, a panic's too, has an id and the guarding headers.
    let layers = ServiceBuilder::new()
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(TraceLayer::new_for_http().make_span_with(|request: &Request<Body>| {
            let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok());
            // The path only: a query may hold what a log should not.
            tracing::debug_span!("request", id, method = %request.method(), path = request.uri().path())
        }))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(middleware::from_fn(guard))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, ANSWER_TIMEOUT));
    Router::new()
        .route("/", get(async || Redirect::to("/app/")))
        .route("/app", get(async || Redirect::to("/app/")))
        .route("/webhooks/github", post(webhook::github).layer(DefaultBodyLimit::max(BODY_LIMIT)))
        .route("/login", get(login::form).post(login::submit))
        .route("/logout", post(login::logout))
        .route("/healthz", get(health::healthz))
        .route("/metrics", get(health::metrics))
        .nest("/api/v1", api)
        // `nest` would not serve `/app/` itself.
        .nest_service("/app/", pages.with_state(app.clone()))
        .fallback(no_such_address)
        .method_not_allowed_fallback(async || Problem::new(StatusCode::METHOD_NOT_ALLOWED))
        .layer(layers)
        .with_state(app)
}

/// Adds the headers that keep browsers from doing what nobody asked for; a handler's own policy stays.
async fn guard(request: Request<Body>, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn no_such_address() -> Problem {
    no_address()
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = words.unwrap_or("without words"), "a handler panicked");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR).into_response()
}
