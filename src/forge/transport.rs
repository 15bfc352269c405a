//! One request to GitHub's REST API and its classified answer. Knows no credentials of its own and never repeats a request.

use std::time::Duration;

use octocrab::{Octocrab, OctocrabBuilder};
use reqwest::Client;
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::BuildError;
use crate::{clock, model::SendError};

const DEADLINE: Duration = Duration::from_secs(10);
/// What GitHub asks for when it says nothing more precise.
const DEFAULT_REST: Duration = Duration::from_secs(60);
const LONGEST_REST: Duration = Duration::from_secs(3600);

/// What the answers to wrong requests may be due to, in words for people.
pub(super) type Hint = fn(u16) -> &'static str;

/// The way to one GitHub.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    octocrab: Octocrab,
    pub(super) deadline: Duration,
}

/// A request. Addresses are relative to the API's base.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) method: &'static str,
    pub(super) route: &'a str,
    pub(super) body: Option<&'a Value>,
    pub(super) hint: Hint,
}

/// What of an answer decides its class.
#[derive(Default)]
struct Answer {
    status: u16,
    retry_after: Option<u64>,
    quota_left: Option<u64>,
    quota_reset: Option<i64>,
    link: Option<String>,
    body: String,
}

impl<'a> Call<'a> {
    pub(super) fn get(route: &'a str, hint: Hint) -> Self {
        Self { method: "GET", route, body: None, hint }
    }

    pub(super) fn post(route: &'a str, body: &'a Value, hint: Hint) -> Self {
        Self { method: "POST", route, body: Some(body), hint }
    }
}

impl Transport {
    /// Makes a client for the API at `base_url`. Must be called on a Tokio runtime.
    pub(super) fn build(base_url: &str) -> Result<Self, BuildError> {
        let address = || BuildError::Address(base_url.to_owned());
        let host = base_url.strip_prefix("https://").or_else(|| base_url.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.starts_with('/')) {
            return Err(address());
        }
        let client = Client::builder().timeout(DEADLINE);
        // Plain HTTP needs no CA certificates, and an image made from nothing has none.
        let client = if base_url.starts_with("http://") { client.tls_certs_only([]) } else { client };
        let client = client.build().map_err(|error| BuildError::Client(chain(&error)))?;
        let octocrab = OctocrabBuilder::new()
            .base_uri(base_url.trim_end_matches('/'))
            .map_err(|_| address())?
            .add_header("x-github-api-version".parse().expect("a header name"), "2022-11-28".to_owned())
            .build_with_reqwest(client)
            .map_err(|error| BuildError::Client(chain(&error)))?;
        Ok(Self { octocrab, deadline: DEADLINE })
    }

    /// Sends one request, once, and returns the JSON of the answer (null where it has none).
    pub(super) async fn send(&self, call: Call<'_>, bearer: Option<&SecretString>) -> Result<Value, SendError> {
        self.exchange(call, bearer).await.map(|(answer, _)| answer)
    }

    /// The same, with the address of the next page where there is one.
    pub(super) async fn exchange(
        &self,
        call: Call<'_>,
        bearer: Option<&SecretString>,
    ) -> Result<(Value, Option<String>), SendError> {
        let answer = tokio::time::timeout(self.deadline, self.ask(call, bearer))
            .await
            .map_err(|_| transient(format!("GitHub did not answer within {} s", self.deadline.as_secs_f64())))??;
        classify(&answer, clock::now().as_second(), call.hint)?;
        let next = answer.link.as_deref().and_then(next_page);
        Ok((serde_json::from_str(&answer.body).unwrap_or_default(), next))
    }

    async fn ask(&self, call: Call<'_>, bearer: Option<&SecretString>) -> Result<Answer, SendError> {
        let unreachable = |error: octocrab::Error| transient(format!("GitHub cannot be reached: {}", chain(&error)));
        let mut request = http_request(call.method, call.route);
        if let Some(bearer) = bearer {
            // Set here and not by octocrab, which leaves it out for every other address than api.github.com.
            let mut value = axum::http::HeaderValue::try_from(format!("Bearer {}", bearer.expose_secret()))
                .map_err(|_| SendError::Permanent { message: "the token for GitHub holds a line end".into() })?;
            value.set_sensitive(true);
            request = request.header("authorization", value);
        }
        let request = self.octocrab.build_request(request, call.body).map_err(unreachable)?;
        let response = self.octocrab.execute(request).await.map_err(unreachable)?;
        let header = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        let answer = Answer {
            status: response.status().as_u16(),
            retry_after: header("retry-after").and_then(|value| value.parse().ok()),
            quota_left: header("x-ratelimit-remaining").and_then(|value| value.parse().ok()),
            quota_reset: header("x-ratelimit-reset").and_then(|value| value.parse().ok()),
            link: header("link"),
            body: String::new(),
        };
        Ok(Answer { body: self.octocrab.body_to_string(response).await.map_err(unreachable)?, ..answer })
    }
}

/// Finds the next page in a `Link` header.
fn next_page(link: &str) -> Option<String> {
    let next = link.split(',').find(|one| one.contains("rel=\"next\""))?;
    let (_, rest) = next.split_once('<')?;
    rest.split_once('>').map(|(address, _)| address.to_owned())
}

fn http_request(method: &str, route: &str) -> axum::http::request::Builder {
    axum::http::Request::builder().method(method).uri(route)
}

/// Reads an answer into the shape it is expected in.
pub(super) fn shaped<T: DeserializeOwned>(answer: Value) -> Result<T, SendError> {
    serde_json::from_value(answer).map_err(|error| transient(format!("GitHub's answer cannot be read: {error}")))
}

fn classify(answer: &Answer, now: i64, hint: Hint) -> Result<(), SendError> {
    let message = format!("GitHub answered {}: {}", answer.status, words(&answer.body));
    match answer.status {
        200..=299 => Ok(()),
        403 | 429 if is_rate_limit(answer) => {
            let by_reset = || {
                let reset = answer.quota_reset.filter(|_| answer.quota_left == Some(0))?;
                u64::try_from(reset.saturating_sub(now)).ok()
            };
            let rest = answer.retry_after.or_else(by_reset).map_or(DEFAULT_REST, Duration::from_secs);
            Err(SendError::RateLimited { after: rest.clamp(Duration::from_secs(1), LONGEST_REST), message })
        }
        408 | 500..=599 => Err(SendError::Transient { message }),
        status @ (403 | 404) => Err(SendError::NoAccess { message: format!("{message}{}", hint(status)) }),
        401 => Err(SendError::Unauthorized { message: format!("{message}{}", hint(401)) }),
        status => Err(SendError::Permanent { message: format!("{message}{}", hint(status)) }),
    }
}

fn is_rate_limit(answer: &Answer) -> bool {
    answer.status == 429
        || answer.retry_after.is_some()
        || answer.quota_left == Some(0)
        || answer.body.to_ascii_lowercase().contains("rate limit")
}

/// Returns GitHub's own words: `message` and the messages in `errors`.
fn words(body: &str) -> String {
    let Ok(body) = serde_json::from_str::<Value>(body) else {
        return "no words of its own".into();
    };
    let mut words = body["message"].as_str().unwrap_or("no words of its own").to_owned();
    for error in body["errors"].as_array().into_iter().flatten() {
        if let Some(more) = error.as_str().or(error["message"].as_str()) {
            words.push_str("; ");
            words.push_str(more);
        }
    }
    words
}

fn transient(message: String) -> SendError {
    SendError::Transient { message }
}

/// Octocrab's errors say little at the top; the cause lies below.
fn chain(error: &dyn std::error::Error) -> String {
    let deepest = std::iter::successors(Some(error), |error| error.source()).last().map(ToString::to_string);
    deepest.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, body: body.into(), ..Answer::default() }
    }

    fn hint(status: u16) -> &'static str {
        if status == 403 { " (a hint)" } else { "" }
    }

    fn rest(answer: &Answer) -> Option<u64> {
        match classify(answer, 1_000, hint) {
            Err(SendError::RateLimited { after, .. }) => Some(after.as_secs()),
            _ => None,
        }
    }

    #[test]
    fn limits_say_how_long_to_rest() {
        assert_eq!(rest(&Answer { retry_after: Some(7), ..answer(403, "{}") }), Some(7));
        let spent = Answer { quota_left: Some(0), quota_reset: Some(1_030), ..answer(403, "{}") };
        assert_eq!(rest(&spent), Some(30));
        assert_eq!(rest(&Answer { quota_reset: Some(10), ..spent }), Some(60));
        assert_eq!(rest(&answer(403, r#"{"message": "You have exceeded a secondary rate limit"}"#)), Some(60));
        assert_eq!(rest(&answer(429, "")), Some(60));
        assert_eq!(rest(&Answer { retry_after: Some(90_000), ..answer(429, "") }), Some(3_600));
    }

    #[test]
    fn answers_fall_into_classes_with_a_hint() {
        let said = |status, body: &str| classify(&answer(status, body), 0, hint).unwrap_err();
        assert!(classify(&answer(201, "{}"), 0, hint).is_ok());
        assert!(matches!(said(502, "<html>"), SendError::Transient { .. }));
        insta::assert_snapshot!(said(403, r#"{"message": "Resource not accessible by integration"}"#), @"GitHub answered 403: Resource not accessible by integration (a hint)");
        insta::assert_snapshot!(said(422, r#"{"message": "Validation Failed", "errors": [{"message": "No commit found for SHA"}, "more"]}"#), @"GitHub answered 422: Validation Failed; No commit found for SHA; more");
        assert!(matches!(said(404, "{}"), SendError::NoAccess { .. }));
        assert!(matches!(said(401, "{}"), SendError::Unauthorized { .. }));
    }
}
