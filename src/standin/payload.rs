//! Payloads as GitHub sends them for a push and a pull request, with the fields that receivers read.

use serde_json::{Value, json};

use crate::clock;

const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// What payloads say of a repository.
#[derive(Clone, Debug)]
pub struct RepositoryFacts {
    /// Number.
    pub id: u64,
    /// `owner/name`.
    pub full_name: String,
    /// Address for git.
    pub clone_url: String,
    /// Name of the default branch.
    pub default_branch: String,
}

/// A push to a branch.
#[derive(Clone, Debug)]
pub struct Push<'a> {
    /// Short name of the branch.
    pub branch: &'a str,
    /// Commit before; nothing for a new branch.
    pub before: Option<&'a str>,
    /// Commit after; nothing when the branch was deleted.
    pub after: Option<&'a str>,
    /// Message of the last commit.
    pub message: &'a str,
    /// Login of the person.
    pub sender: &'a str,
}

/// A pull request that something happened to.
#[derive(Clone, Debug)]
pub struct PullRequest<'a> {
    /// `opened`, `synchronize`, `reopened`, `closed` …
    pub action: &'a str,
    /// Its number.
    pub number: u64,
    /// Its title.
    pub title: &'a str,
    /// Short name of the branch it comes from.
    pub branch: &'a str,
    /// Tip of that branch.
    pub sha: &'a str,
    /// Number of the repository it comes from, when that is a fork.
    pub fork: Option<u64>,
    /// Short name of the branch it wants to go to.
    pub base: &'a str,
    /// Tip of that branch.
    pub base_sha: &'a str,
    /// Login of the person.
    pub sender: &'a str,
}

/// Builds the payload of a `push`.
pub fn push(repository: &RepositoryFacts, push: &Push<'_>) -> Value {
    let now = clock::now();
    let head = push.after.map(|after| {
        json!({
            "id": after, "tree_id": after, "distinct": true, "message": push.message, "timestamp": now,
            "url": format!("https://github.com/{}/commit/{after}", repository.full_name),
            "author": person(push.sender), "committer": person(push.sender),
            "added": [], "removed": [], "modified": [],
        })
    });
    let (before, after) = (push.before.unwrap_or(NO_COMMIT), push.after.unwrap_or(NO_COMMIT));
    json!({
        "ref": format!("refs/heads/{}", push.branch),
        "before": before, "after": after,
        "created": push.before.is_none(), "deleted": push.after.is_none(), "forced": false, "base_ref": null,
        "compare": format!("https://github.com/{}/compare/{before}...{after}", repository.full_name),
        "commits": head.iter().collect::<Vec<_>>(), "head_commit": head,
        "repository": facts(repository), "pusher": person(push.sender), "sender": user(push.sender),
    })
}

/// Builds the payload of a `pull_request`.
pub fn pull_request(repository: &RepositoryFacts, pull: &PullRequest<'_>) -> Value {
    let own = facts(repository);
    let mut origin = own.clone();
    if let Some(fork) = pull.fork {
        origin["id"] = json!(fork);
        origin["fork"] = json!(true);
    }
    json!({
        "action": pull.action, "number": pull.number,
        "pull_request": {
            "number": pull.number, "title": pull.title, "draft": false, "merged": false,
            "state": if pull.action == "closed" { "closed" } else { "open" },
            "user": user(pull.sender), "updated_at": clock::now(), "author_association": "MEMBER",
            "head": {"ref": pull.branch, "sha": pull.sha, "repo": origin, "user": user(pull.sender)},
            "base": {"ref": pull.base, "sha": pull.base_sha, "repo": own, "user": user(pull.sender)},
        },
        "repository": own, "sender": user(pull.sender),
    })
}

/// Builds the payload of the `ping` that follows the making of a hook.
pub fn ping(repository: &RepositoryFacts, hook_id: u64) -> Value {
    json!({
        "zen": "Keep it logically awesome.", "hook_id": hook_id,
        "hook": {"type": "Repository", "id": hook_id, "active": true, "events": ["push", "pull_request"]},
        "repository": facts(repository), "sender": user("nobody"),
    })
}

fn facts(repository: &RepositoryFacts) -> Value {
    let (owner, name) = repository.full_name.split_once('/').unwrap_or(("nobody", &repository.full_name));
    json!({
        "id": repository.id, "name": name, "full_name": repository.full_name, "private": true, "fork": false,
        "owner": user(owner), "html_url": format!("https://github.com/{}", repository.full_name),
        "clone_url": repository.clone_url, "default_branch": repository.default_branch,
        "pushed_at": clock::now().as_second(),
    })
}

fn user(login: &str) -> Value {
    json!({"login": login, "id": 1, "type": "User", "site_admin": false})
}

fn person(login: &str) -> Value {
    json!({"name": login, "email": format!("{login}@example.com"), "username": login})
}
