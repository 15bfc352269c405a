//! The events beside pushes and pull requests. Most of their payloads name no commit: it is the tip of a reference, which
//! whoever deals with the trigger asks for.

use jiff::Timestamp;

use super::{
    Ask, Named, Parsed, Reason, Source, What, asks, commit, first_line, missing,
    payload::{Comment, Moment, Payload, Repository},
    repository,
};
use crate::model::{Trigger, TriggerKind};

/// Those who may write to the repository, or could soon; GitHub works it out for each comment.
const HAVE_A_SAY: [&str; 3] = ["OWNER", "MEMBER", "COLLABORATOR"];

/// A branch or a tag was made. For a branch this is all there is; for a tag the push says the same, and the two are one event
/// as soon as the commit is known. GitHub leaves out the push when more than three tags come at once, but not this.
pub(super) fn create(host: &str, payload: Payload) -> Result<(Trigger, Source), Reason> {
    let kind = match named(&payload)? {
        Named::Branch(branch) => TriggerKind::BranchCreated { branch },
        Named::Tag(tag) => TriggerKind::Tag { tag },
    };
    at_tip(host, payload, kind, String::new())
}

/// A branch or a tag was deleted.
pub(super) fn delete(host: &str, payload: Payload) -> Result<(Trigger, Source), Reason> {
    deleted(host, named(&payload)?, payload)
}

/// A deletion is delivered twice, as `delete` and as a push to nothing. What both payloads have, and what another deletion of
/// the same name does not, is the time of the last push to the repository; the deletion itself is one.
pub(super) fn deleted(host: &str, named: Named, payload: Payload) -> Result<(Trigger, Source), Reason> {
    let mark = mark(payload.repository.as_ref())?;
    let kind = match named {
        Named::Branch(branch) => TriggerKind::BranchDeleted { branch, mark },
        Named::Tag(tag) => TriggerKind::TagDeleted { tag, mark },
    };
    at_tip(host, payload, kind, String::new())
}

/// Pull requests wait in a merge queue.
pub(super) fn merge_group(host: &str, payload: Payload) -> Result<(Trigger, Source), Reason> {
    let action = payload.action.as_deref().ok_or_else(|| missing("action"))?;
    if action != "checks_requested" {
        return Err(format!("action `{action}` of a merge group starts nothing"));
    }
    let group = payload.merge_group.ok_or_else(|| missing("merge_group"))?;
    let branch = |field: &str, reference: Option<String>| {
        let reference = reference.ok_or_else(|| missing(field))?;
        let short = reference.strip_prefix("refs/heads/").unwrap_or(&reference).to_owned();
        if short.is_empty() { Err(missing(field)) } else { Ok(short) }
    };
    let kind = TriggerKind::MergeGroup {
        branch: branch("merge_group.head_ref", group.head_ref)?,
        base: branch("merge_group.base_ref", group.base_ref)?,
        base_sha: commit("merge_group.base_sha", group.base_sha)?,
    };
    let sha = commit("merge_group.head_sha", group.head_sha)?;
    let (repository, clone_url) = repository(payload.repository)?;
    let trigger = Trigger {
        host: host.to_owned(),
        repository,
        sha,
        kind,
        title: first_line(group.head_commit.and_then(|commit| commit.message)),
        sender: payload.sender.and_then(|sender| sender.login).unwrap_or_default(),
    };
    let reference = trigger.reference();
    Ok((trigger, Source { clone_url, reference }))
}

/// A release was published.
pub(super) fn release(host: &str, mut payload: Payload) -> Result<(Trigger, Source), Reason> {
    let action = payload.action.as_deref().ok_or_else(|| missing("action"))?;
    if action != "published" {
        return Err(format!("action `{action}` of a release starts nothing"));
    }
    let release = payload.release.take().ok_or_else(|| missing("release"))?;
    let tag = release.tag_name.filter(|tag| !tag.is_empty()).ok_or_else(|| missing("release.tag_name"))?;
    let name = release.name.unwrap_or_default();
    let title = first_line(Some(name.clone()));
    let kind = TriggerKind::Release { tag, name, prerelease: release.prerelease.unwrap_or(false) };
    at_tip(host, payload, kind, title)
}

/// Somebody commented on a pull request.
pub(super) fn comment(host: &str, mut payload: Payload) -> Result<Parsed, Reason> {
    let action = payload.action.as_deref().ok_or_else(|| missing("action"))?;
    if action != "created" {
        return Err(format!("action `{action}` of a comment starts nothing"));
    }
    let issue = payload.issue.take().ok_or_else(|| missing("issue"))?;
    let number = issue.number.ok_or_else(|| missing("issue.number"))?;
    if issue.pull_request.is_none() {
        return Err(format!("a comment on issue #{number}, which is no pull request, starts nothing"));
    }
    let comment = payload.comment.take().ok_or_else(|| missing("comment"))?;
    check_author(&comment)?;
    let (id, text) = (comment.id.ok_or_else(|| missing("comment.id"))?, comment.body.unwrap_or_default());
    if let Some(command) = asks::command(&text) {
        // Of the one who wrote it: whoever edits or delivers it has nothing to do with it.
        let sender = comment.user.and_then(|user| user.login).ok_or_else(|| missing("comment.user.login"))?;
        let what = What::Command { number, comment: id, command };
        return Ok(Parsed::Asked(Box::new(Ask { repository: repository(payload.repository)?.0, sender, what })));
    }
    let kind = TriggerKind::Comment { number, comment: id, text };
    at_tip(host, payload, kind, first_line(issue.title)).map(super::trigger)
}

/// Whoever likes can comment on a public repository. Answers of programs to what programs have said would never end.
fn check_author(comment: &Comment) -> Result<(), Reason> {
    let user = comment.user.as_ref();
    let login = user.and_then(|user| user.login.as_deref()).unwrap_or_default();
    if login.ends_with("[bot]") || user.and_then(|user| user.kind.as_deref()) == Some("Bot") {
        return Err(format!("the comment is by the program {login}, and starts nothing"));
    }
    let association = comment.author_association.as_deref().ok_or_else(|| missing("comment.author_association"))?;
    if HAVE_A_SAY.contains(&association) {
        return Ok(());
    }
    Err(format!("the comment is by {login}, who is no owner, member or collaborator of the repository"))
}

fn named(payload: &Payload) -> Result<Named, Reason> {
    let name = payload.reference.clone().filter(|name| !name.is_empty()).ok_or_else(|| missing("ref"))?;
    match payload.ref_type.as_deref() {
        Some("branch") => Ok(Named::Branch(name)),
        Some("tag") => Ok(Named::Tag(name)),
        Some(other) => Err(format!("`{name}` is a {other}, neither a branch nor a tag")),
        None => Err(missing("ref_type")),
    }
}

fn mark(repository: Option<&Repository>) -> Result<String, Reason> {
    let second = match repository.and_then(|repository| repository.pushed_at.as_ref()) {
        Some(Moment::Second(second)) => Some(*second),
        Some(Moment::Text(text)) => text.parse::<Timestamp>().ok().map(Timestamp::as_second),
        Some(Moment::Other(_)) | None => None,
    };
    second.map(|second| second.to_string()).ok_or_else(|| missing("repository.pushed_at"))
}

/// Makes a trigger whose commit is the tip of its reference.
fn at_tip(host: &str, payload: Payload, kind: TriggerKind, title: String) -> Result<(Trigger, Source), Reason> {
    let (repository, clone_url) = repository(payload.repository)?;
    let sender = payload.sender.and_then(|sender| sender.login).unwrap_or_default();
    let trigger = Trigger { host: host.to_owned(), repository, sha: String::new(), kind, title, sender };
    let reference = trigger.reference();
    Ok((trigger, Source { clone_url, reference }))
}
