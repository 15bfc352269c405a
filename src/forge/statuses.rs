//! Commit statuses: one request, one classified answer. Knows no outbox, no retries and no pipeline.

use std::time::Duration;

use octocrab::{Octocrab, OctocrabBuilder};
use reqwest::Client;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::{clock, model::SendError};

/// GitHub answers 422 to longer descriptions.
const MAX_DESCRIPTION: usize = 140;
const DEADLINE: Duration = Duration::from_secs(10);
/// What GitHub asks for when it says nothing more precise.
const DEFAULT_REST: Duration = Duration::from_secs(60);
const LONGEST_REST: Duration = Duration::from_secs(3600);

/// The four words GitHub knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommitState {
    /// Something else than the commit is wrong.
    Error,
    /// The commit is wrong.
    Failure,
    /// Nothing is decided yet.
    Pending,
    /// All is well.
    Success,
}

/// One status, as it lies in the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitStatus {
    /// Number of the repository.
    pub repository_id: u64,
    /// The commit.
    pub sha: String,
    /// Whose word it is, e.g. `conducto/push`.
    pub context: String,
    /// The word.
    pub state: CommitState,
    /// Words for people; cut when it is sent.
    pub description: String,
    /// Where to look.
    pub target_url: Option<String>,
}

/// The client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The address is none.
    #[error("`{0}` is not an address that GitHub's API can have")]
    Address(String),
    /// Mostly: the machine has no CA certificates.
    #[error("no HTTPS client can be made ({0}); are there CA certificates on this machine (SSL_CERT_FILE)?")]
    Client(String),
}

/// Sends commit statuses to one GitHub.
#[derive(Clone, Debug)]
pub struct Statuses {
    github: Octocrab,
    deadline: Duration,
}

#[derive(Serialize)]
struct Body<'a> {
    state: CommitState,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_url: Option<&'a str>,
    description: String,
    context: &'a str,
}

/// What of an answer decides its class.
#[derive(Default)]
struct Answer {
    status: u16,
    retry_after: Option<u64>,
    quota_left: Option<u64>,
    quota_reset: Option<i64>,
    body: String,
}

impl Statuses {
    /// Makes a client for the API at `base_url`, e.g. `https://api.github.com`. Must be called on a Tokio runtime.
    ///
    /// # Errors
    /// When the address is none, or the machine has no CA certificates.
    pub fn build(base_url: &str, token: Option<SecretString>) -> Result<Self, BuildError> {
        let address = || BuildError::Address(base_url.to_owned());
        let host = base_url.strip_prefix("https://").or_else(|| base_url.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.starts_with('/')) {
            return Err(address());
        }
        let client = Client::builder().timeout(DEADLINE);
        // Plain HTTP needs no CA certificates, and an image made from nothing has none.
        let client = if base_url.starts_with("http://") { client.tls_certs_only([]) } else { client };
        let client = client.build().map_err(|error| BuildError::Client(chain(&error)))?;
        let builder = OctocrabBuilder::new()
            .base_uri(base_url.trim_end_matches('/'))
            .map_err(|_| address())?
            .add_header("x-github-api-version".parse().expect("a header name"), "2022-11-28".to_owned());
        let builder = match token {
            Some(token) => builder.personal_token(token),
            None => builder,
        };
        let github = builder.build_with_reqwest(client).map_err(|error| BuildError::Client(chain(&error)))?;
        Ok(Self { github, deadline: DEADLINE })
    }

    /// Changes how long an answer is waited for, from ten seconds.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Sends one status, once.
    ///
    /// # Errors
    /// By what the sender can do about it.
    pub async fn post(&self, status: &CommitStatus) -> Result<(), SendError> {
        let route = format!("/repositories/{}/statuses/{}", status.repository_id, status.sha);
        let body = Body {
            state: status.state,
            target_url: status.target_url.as_deref(),
            description: cut(&status.description),
            context: &status.context,
        };
        let answer = tokio::time::timeout(self.deadline, self.call(&route, &body))
            .await
            .map_err(|_| transient(format!("GitHub did not answer within {} s", self.deadline.as_secs_f64())))??;
        classify(&answer, clock::now().as_second())
    }

    async fn call(&self, route: &str, body: &Body<'_>) -> Result<Answer, SendError> {
        let unreachable = |error: octocrab::Error| transient(format!("GitHub cannot be reached: {}", chain(&error)));
        let response = self.github._post(route, Some(body)).await.map_err(unreachable)?;
        let header = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        let answer = Answer {
            status: response.status().as_u16(),
            retry_after: header("retry-after").and_then(|value| value.parse().ok()),
            quota_left: header("x-ratelimit-remaining").and_then(|value| value.parse().ok()),
            quota_reset: header("x-ratelimit-reset").and_then(|value| value.parse().ok()),
            body: String::new(),
        };
        Ok(Answer { body: self.github.body_to_string(response).await.map_err(unreachable)?, ..answer })
    }
}

fn classify(answer: &Answer, now: i64) -> Result<(), SendError> {
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
        status => Err(SendError::Permanent { message: format!("{message}{}", hint(status)) }),
    }
}

fn is_rate_limit(answer: &Answer) -> bool {
    answer.status == 429
        || answer.retry_after.is_some()
        || answer.quota_left == Some(0)
        || answer.body.to_ascii_lowercase().contains("rate limit")
}

fn hint(status: u16) -> &'static str {
    match status {
        401 => " (the token is missing, wrong or expired)",
        403 => {
            " (the token needs the permission to write commit statuses: `Commit statuses: write`, or the scope `repo:status`)"
        }
        404 => " (no such repository, or the token may not see it)",
        422 => " (is the commit in that repository, and has the context had fewer than 1,000 statuses on it?)",
        _ => "",
    }
}

/// Returns GitHub's own words: `message` and the messages in `errors`.
fn words(body: &str) -> String {
    let Ok(body) = serde_json::from_str::<serde_json::Value>(body) else {
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

fn cut(description: &str) -> String {
    if description.chars().count() <= MAX_DESCRIPTION {
        return description.to_owned();
    }
    description.chars().take(MAX_DESCRIPTION - 3).chain("...".chars()).collect()
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

    fn rest(answer: &Answer) -> Option<u64> {
        match classify(answer, 1_000) {
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
        let said = |status, body: &str| classify(&answer(status, body), 0).unwrap_err();
        assert!(classify(&answer(201, "{}"), 0).is_ok());
        assert!(matches!(said(502, "<html>"), SendError::Transient { .. }));
        insta::assert_snapshot!(said(403, r#"{"message": "Resource not accessible by personal access token"}"#), @"GitHub answered 403: Resource not accessible by personal access token (the token needs the permission to write commit statuses: `Commit statuses: write`, or the scope `repo:status`)");
        insta::assert_snapshot!(said(422, r#"{"message": "Validation Failed", "errors": [{"message": "No commit found for SHA"}, "more"]}"#), @"GitHub answered 422: Validation Failed; No commit found for SHA; more (is the commit in that repository, and has the context had fewer than 1,000 statuses on it?)");
        assert!(matches!(said(404, "{}"), SendError::Permanent { .. }));
    }

    #[test]
    fn descriptions_are_cut_by_characters() {
        assert_eq!(cut(&"é".repeat(140)), "é".repeat(140));
        let long = cut(&"é".repeat(141));
        assert_eq!((long.chars().count(), long.ends_with("é...")), (140, true));
    }
}
