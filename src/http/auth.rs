//! Who asks, and whether they may: a bearer token, or for looking a cookie that holds one. Knows no page and no answer.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, Method, Request, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse as _, Redirect, Response},
};

use super::{problem::Problem, router::App};
use crate::{
    dispatch::{self, Identity, Scope},
    model::Actor,
};

/// Name of the cookie that holds the token.
pub(crate) const COOKIE: &str = "conducto_token";

/// Who asks; every handler behind the layers can have it.
#[derive(Clone, Debug)]
pub(crate) struct Caller(Option<Identity>);

impl Caller {
    /// Returns the actor that goes into commands and events.
    pub(crate) fn actor(&self) -> Actor {
        let name = self.0.as_ref().map_or("anonymous", |identity| identity.name.as_str());
        Actor::Token { name: name.to_owned() }
    }

    /// Refuses those who may not do something of this scope.
    pub(crate) fn require(&self, needed: Scope) -> Result<(), Problem> {
        match self.may(needed) {
            true => Ok(()),
            false => Err(Problem::new(StatusCode::FORBIDDEN).detail("this token may not do that")),
        }
    }

    fn may(&self, needed: Scope) -> bool {
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

async fn identify(app: &App, headers: &HeaderMap, method: &Method) -> Result<Option<Identity>, Problem> {
    // A cookie comes along with requests that other sites cause; it may show, it may not do.
    let token = bearer(headers).or_else(|| if is_looking(method) { cookie(headers) } else { None });
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
