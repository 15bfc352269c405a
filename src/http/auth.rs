//! Who asks, and whether they may: a bearer token, or a cookie that holds one. Knows no page and no answer.
//!
//! Browsers send the cookie along with requests that other sites cause. So it may always show, but it may do something only
//! where the request is one that our own pages alone can make.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, Method, Request, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse as _, Redirect, Response},
};

use super::{problem::Problem, router::App};
use crate::{
    dispatch::{self, Access, Identity, Scope},
    model::Actor,
};

/// Name of the cookie that holds the token.
pub(crate) const COOKIE: &str = "conducto_token";

/// The header by which the web app shows that it is the one who asks.
const APP_HEADER: &str = "x-conducto-app";

/// Who asks; every handler behind the layers can have it.
#[derive(Clone, Debug)]
pub(crate) struct Caller(Option<Identity>);

impl Caller {
    /// Returns the actor that goes into commands and events.
    pub(crate) fn actor(&self) -> Actor {
        let name = self.0.as_ref().map_or("anonymous", |identity| identity.name.as_str());
        Actor::Token { name: name.to_owned() }
    }

    /// Returns the pipeline whose node asks; nothing where a person asks.
    pub(crate) fn node(&self) -> Option<&Access> {
        self.0.as_ref().and_then(|identity| identity.node.as_ref())
    }

    /// Says whether nobody knows who asks.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the name of the token, nothing for somebody without one.
    pub(crate) fn name(&self) -> Option<&str> {
        self.0.as_ref().map(|identity| identity.name.as_str())
    }

    /// Refuses those who may not do something of this scope.
    pub(crate) fn require(&self, needed: Scope) -> Result<(), Problem> {
        match self.may(needed) {
            true => Ok(()),
            false => Err(Problem::new(StatusCode::FORBIDDEN).detail("this token may not do that")),
        }
    }

    /// Says whether something of this scope is allowed.
    pub(crate) fn may(&self, needed: Scope) -> bool {
        match &self.0 {
            Some(identity) => identity.may(needed),
            None => needed == Scope::Read,
        }
    }
}

/// Lets API requests through, or answers with a problem.
pub(crate) async fn for_api(State(app): State<App>, mut request: Request<Body>, next: Next) -> Response {
    match admit(&app, request.headers(), request.method()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Lets nodes through, and nobody else: what comes by way of a worker has no other business here.
pub(crate) async fn for_nodes(State(app): State<App>, mut request: Request<Body>, next: Next) -> Response {
    let identity = match bearer(request.headers()) {
        Some(token) => app.dispatch.identify(token).await,
        None => Ok(None),
    };
    match identity {
        Ok(Some(identity)) if identity.node.is_some() => {
            request.extensions_mut().insert(Caller(Some(identity)));
            next.run(request).await
        }
        Ok(_) => Problem::new(StatusCode::UNAUTHORIZED)
            .detail("the token of a node that runs is needed, as in CONDUCTO_TOKEN")
            .into_response(),
        Err(error) => Problem::from(error).into_response(),
    }
}

/// Lets requests for shared data through: those of people, and those of nodes, whose tokens open no other door.
pub(crate) async fn for_data(State(app): State<App>, mut request: Request<Body>, next: Next) -> Response {
    let node = match bearer(request.headers()) {
        Some(token) => app.dispatch.identify(token).await.map(|found| found.filter(|found| found.node.is_some())),
        None => Ok(None),
    };
    let admitted = match node {
        Ok(Some(node)) => Ok(Caller(Some(node))),
        Ok(None) => admit(&app, request.headers(), request.method()).await,
        Err(error) => Err(error.into()),
    };
    match admitted {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Lets requests about secrets through: each says itself what a token needs for it, and nobody comes without one.
pub(crate) async fn for_secrets(State(app): State<App>, mut request: Request<Body>, next: Next) -> Response {
    match identify(&app, request.headers(), request.method()).await {
        Ok(Some(identity)) => {
            request.extensions_mut().insert(Caller(Some(identity)));
            next.run(request).await
        }
        Ok(None) => no_token().into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// Lets page requests through, or leads browsers to the login.
pub(crate) async fn for_pages(State(app): State<App>, mut request: Request<Body>, next: Next) -> Response {
    match admit(&app, request.headers(), request.method()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) if problem.status() == StatusCode::UNAUTHORIZED && wants_html(request.headers()) => {
            let original = request.extensions().get::<axum::extract::OriginalUri>().map(|original| &original.0);
            let address = original.unwrap_or(request.uri());
            Redirect::to(&login_address(address)).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

async fn admit(app: &App, headers: &HeaderMap, method: &Method) -> Result<Caller, Problem> {
    let is_looking = is_looking(method);
    let caller = match identify(app, headers, method).await? {
        Some(identity) => Caller(Some(identity)),
        None if app.anonymous_read && is_looking && bearer(headers).is_none() => Caller(None),
        None => return Err(no_token()),
    };
    let needed = if is_looking { Scope::Read } else { Scope::Operate };
    if caller.may(needed) {
        Ok(caller)
    } else {
        Err(Problem::new(StatusCode::FORBIDDEN).detail("this token may look, but not do that"))
    }
}

/// Says whether only a page of ours can have made this request: another site cannot add the header without asking first, and
/// is never answered. What browsers say themselves about where it comes from must fit.
fn is_our_own(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_same_site = text("sec-fetch-site").is_none_or(|site| site == "same-origin");
    // Behind a proxy the host is that of the proxy, which must hand it on as it came.
    let is_same_host = text("origin").is_none_or(|origin| {
        let host = origin.split_once("://").map(|(_, host)| host);
        host.is_some() && host == text("host")
    });
    text(APP_HEADER).is_some() && is_same_site && is_same_host
}

async fn identify(app: &App, headers: &HeaderMap, method: &Method) -> Result<Option<Identity>, Problem> {
    // A cookie comes along with requests that other sites cause; what they cause may show, it may not do.
    let may_use_cookie = is_looking(method) || is_our_own(headers);
    let token = bearer(headers).or_else(|| cookie(headers).filter(|_| may_use_cookie));
    match token {
        Some(token) => Ok(app.dispatch.identify(token).await?),
        None => Ok(None),
    }
}

fn is_looking(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

fn no_token() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED).detail("a valid API token is needed")
}

/// Says whether a token may be used to look.
pub(crate) async fn is_valid(app: &App, token: &str) -> Result<bool, dispatch::Error> {
    Ok(app.dispatch.identify(token).await?.is_some())
}

/// Says whether the client would rather have a page than data.
pub(crate) fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    accept.contains("text/html") || !(accept.contains("text/plain") || accept.contains("json"))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    pairs.flat_map(|value| value.split(';')).find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

fn login_address(address: &Uri) -> String {
    let wanted = address.path_and_query().map_or("/app/", |wanted| wanted.as_str());
    format!("/login?next={}", encode_query(wanted))
}

fn encode_query(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    text.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
