//! From a verified payload to a trigger, or to words that say why it starts nothing. Knows no signature, store or git.

mod asks;
mod others;

pub use asks::{Ask, Change, Command, What};

use serde::de::IgnoredAny;
use tokio_util::bytes::Bytes;

use super::{
    payload::{self, End, Payload, PullRequest},
    signature::Verified,
};
use crate::model::{Repository, Trigger, TriggerKind};

/// What a delivery asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The forge tries the hook.
    Ping {
        /// Number of the hook, where it was told.
        hook_id: Option<u64>,
    },
    /// Something happened that may start pipelines.
    Trigger(Box<Trigger>, Source),
    /// Somebody asks something of pipelines that exist.
    Asked(Box<Ask>),
    /// Something became of a repository, or of the App.
    Changed(Change),
    /// Nothing to do.
    Ignored {
        /// Why, in words for people.
        reason: String,
    },
}

/// Where the commit of a trigger can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Address for git, as the forge gives it; nothing when the payload has none.
    pub clone_url: Option<String>,
    /// Full name of a reference in that repository that leads to the commit, for servers that give out no single commits.
    /// Where the payload names no commit, and the trigger therefore none either, the commit is the tip of it.
    pub reference: String,
}

/// What is shown of a payload whatever it leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// `owner/name`, where the payload has one.
    pub repository: Option<String>,
    /// `opened`, `closed` …, where the payload has one.
    pub action: Option<String>,
    /// Number of the repository and of the installation of the App that has it, where the payload has both.
    pub installation: Option<(u64, u64)>,
}

/// The body is no payload at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A form without the field that holds the JSON.
    #[error("the form has no field `payload`")]
    NoPayload,
    /// Not JSON.
    #[error("the payload is not JSON: {0}")]
    NotJson(String),
    /// JSON, but not an object.
    #[error("the payload is not a JSON object")]
    NotAnObject,
}

type Reason = String;

/// What a reference is, with its short name.
enum Named {
    Branch(String),
    Tag(String),
}

/// Refuses at once what cannot be an object. To read all of a body takes as long as everything else that is done before a
/// delivery is answered, and is left to [`parse`].
///
/// # Errors
/// [`Malformed::NotAnObject`].
pub fn check_braces(body: &Verified<Bytes>) -> Result<(), Malformed> {
    match body.as_inner().trim_ascii() {
        [b'{', .., b'}'] => Ok(()),
        _ => Err(Malformed::NotAnObject),
    }
}

/// Tells what a payload is about and asks for. `host` is the forge it comes from, e.g. `github.com`; `event` is
/// `X-GitHub-Event`.
///
/// # Errors
/// When the body is no JSON object. What is merely unknown or incomplete is [`Parsed::Ignored`].
pub fn parse(host: &str, event: &str, body: &Verified<Bytes>) -> Result<(Envelope, Parsed), Malformed> {
    let payload = match read(body)? {
        Ok(payload) => payload,
        Err(reason) => return Ok((Envelope::default(), Parsed::Ignored { reason })),
    };
    let repository = payload.repository.as_ref().and_then(|repository| repository.full_name.clone());
    let numbers =
        (payload.repository.as_ref().and_then(|one| one.id), payload.installation.as_ref().and_then(|one| one.id));
    let installation = numbers.0.zip(numbers.1);
    let envelope = Envelope { repository, action: payload.action.clone(), installation };
    let asked = |outcome: Result<Ask, Reason>| outcome.map(|ask| Parsed::Asked(Box::new(ask)));
    let outcome = match event {
        "ping" => return Ok((envelope, Parsed::Ping { hook_id: payload.hook_id })),
        "push" => push(host, payload).map(trigger),
        "pull_request" => pull_request(host, payload).map(trigger),
        "create" => others::create(host, payload).map(trigger),
        "delete" => others::delete(host, payload).map(trigger),
        "merge_group" => others::merge_group(host, payload).map(trigger),
        "release" => others::release(host, payload).map(trigger),
        "issue_comment" => others::comment(host, payload),
        "check_run" => asked(asks::check_run(payload)),
        "check_suite" => asked(asks::check_suite(payload)),
        "installation" | "installation_repositories" => asks::installation(event, payload).map(Parsed::Changed),
        "repository" => asks::repository_changed(payload).map(Parsed::Changed),
        other => Err(format!("event `{other}` starts nothing")),
    };
    Ok((envelope, outcome.unwrap_or_else(|reason| Parsed::Ignored { reason })))
}

fn trigger((trigger, source): (Trigger, Source)) -> Parsed {
    Parsed::Trigger(Box::new(trigger), source)
}

/// The inner error is for JSON objects in which a field that we read has another type than ever before.
fn read(body: &Verified<Bytes>) -> Result<Result<Payload, Reason>, Malformed> {
    let body = body.as_inner();
    let is_object = body.trim_ascii_start().first() == Some(&b'{');
    // Nearly all are well: the reasons why one is not are looked for afterwards, since each look costs as much as the first.
    if is_object && let Ok(payload) = serde_json::from_slice(body) {
        return Ok(Ok(payload));
    }
    serde_json::from_slice::<IgnoredAny>(body).map_err(|error| Malformed::NotJson(error.to_string()))?;
    if !is_object {
        return Err(Malformed::NotAnObject);
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    Ok(serde_path_to_error::deserialize(&mut json)
        .map_err(|error| format!("the payload has an unexpected `{}`: {}", error.path(), error.inner())))
}

fn push(host: &str, payload: Payload) -> Result<(Trigger, Source), Reason> {
    let reference = payload.reference.clone().ok_or_else(|| missing("ref"))?;
    let (branch, tag) = (reference.strip_prefix("refs/heads/"), reference.strip_prefix("refs/tags/"));
    let named = match (branch, tag) {
        (Some(name), _) => Named::Branch(name.to_owned()),
        (_, Some(name)) => Named::Tag(name.to_owned()),
        _ => return Err(format!("`{reference}` is neither a branch nor a tag")),
    };
    if payload.deleted == Some(true) || payload.after.as_deref().is_some_and(is_zero) {
        return others::deleted(host, named, payload);
    }
    let after = payload.after.unwrap_or_default();
    let head = payload.head_commit.unwrap_or_default();
    // `after` of an annotated tag is the tag object, not a commit.
    let (field, sha) = match head.id {
        Some(id) if tag.is_some() => ("head_commit.id", id),
        _ => ("after", after),
    };
    let kind = match named {
        Named::Tag(tag) => TriggerKind::Tag { tag },
        Named::Branch(branch) => {
            let before = payload.before.filter(|before| !is_zero(before) && is_commit(before));
            TriggerKind::Push { branch, before }
        }
    };
    let (repository, clone_url) = repository(payload.repository)?;
    let sender = payload.sender.and_then(|sender| sender.login).or(payload.pusher.and_then(|pusher| pusher.name));
    let trigger = Trigger {
        host: host.to_owned(),
        repository,
        sha: commit(field, Some(sha))?,
        kind,
        title: first_line(head.message),
        sender: sender.unwrap_or_default(),
    };
    Ok((trigger, Source { clone_url, reference }))
}

fn pull_request(host: &str, payload: Payload) -> Result<(Trigger, Source), Reason> {
    let number = payload.number.ok_or_else(|| missing("number"))?;
    let action = payload.action.ok_or_else(|| missing("action"))?;
    if !matches!(action.as_str(), "opened" | "synchronize" | "reopened") {
        return Err(format!("action `{action}` of pull request #{number} starts nothing"));
    }
    let PullRequest { title, head, base } = payload.pull_request.ok_or_else(|| missing("pull_request"))?;
    let head = head.ok_or_else(|| missing("pull_request.head"))?;
    let base = base.ok_or_else(|| missing("pull_request.base"))?;
    let (repository, clone_url) = repository(payload.repository)?;
    let kind = TriggerKind::PullRequest {
        number,
        from_fork: is_fork(&head, &base, repository.id),
        branch: head.branch.ok_or_else(|| missing("pull_request.head.ref"))?,
        base: base.branch.ok_or_else(|| missing("pull_request.base.ref"))?,
        base_sha: commit("pull_request.base.sha", base.sha)?,
        action,
    };
    let trigger = Trigger {
        host: host.to_owned(),
        repository,
        sha: commit("pull_request.head.sha", head.sha)?,
        kind,
        title: first_line(title),
        sender: payload.sender.and_then(|sender| sender.login).unwrap_or_default(),
    };
    // The base repository has every pull request's commits: no access to a fork is ever needed.
    Ok((trigger, Source { clone_url, reference: format!("refs/pull/{number}/head") }))
}

/// Unknown or deleted repositories count as foreign.
fn is_fork(head: &End, base: &End, repository: u64) -> bool {
    let own = base.repo.as_ref().and_then(|repo| repo.id).unwrap_or(repository);
    head.repo.as_ref().and_then(|repo| repo.id) != Some(own)
}

fn repository(found: Option<payload::Repository>) -> Result<(Repository, Option<String>), Reason> {
    let found = found.ok_or_else(|| missing("repository"))?;
    let repository = Repository {
        id: found.id.ok_or_else(|| missing("repository.id"))?,
        full_name: found.full_name.ok_or_else(|| missing("repository.full_name"))?,
        default_branch: found.default_branch,
    };
    Ok((repository, found.clone_url))
}

fn commit(field: &str, sha: Option<String>) -> Result<String, Reason> {
    let sha = sha.filter(|sha| !sha.is_empty()).ok_or_else(|| missing(field))?;
    if is_commit(&sha) { Ok(sha) } else { Err(format!("`{field}` of the payload is not a commit id")) }
}

fn missing(field: &str) -> Reason {
    format!("the payload has no `{field}`")
}

fn is_commit(sha: &str) -> bool {
    matches!(sha.len(), 40 | 64) && sha.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_zero(sha: &str) -> bool {
    !sha.is_empty() && sha.bytes().all(|byte| byte == b'0')
}

fn first_line(text: Option<String>) -> String {
    text.unwrap_or_default().lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests;
