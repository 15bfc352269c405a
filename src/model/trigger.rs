//! What happened on the forge, in words that belong to no provider. Made from verified bytes only.

use serde::{Deserialize, Serialize};

/// A repository, addressed by number; the names are display data and may change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// Numeric id on the forge.
    pub id: u64,
    /// `owner/name` as it was at the time.
    pub full_name: String,
    /// Default branch, where the forge told it.
    pub default_branch: Option<String>,
}

/// What kind of event it was, with what only that kind has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TriggerKind {
    /// Commits arrived on a branch.
    Push {
        /// Short name of the branch.
        branch: String,
        /// What the branch pointed at before; nothing for a new branch.
        before: Option<String>,
    },
    /// A tag was pushed. No section of this release answers it; the verdict says so.
    Tag {
        /// Short name of the tag.
        tag: String,
    },
    /// A pull request was opened, reopened or got new commits.
    PullRequest {
        /// Its number.
        number: u64,
        /// Short name of the branch it comes from.
        branch: String,
        /// Short name of the branch it wants to go to.
        base: String,
        /// Tip of the base branch at the time.
        base_sha: String,
        /// Whether the code comes from another repository (or one that is gone).
        from_fork: bool,
        /// `opened`, `synchronize` or `reopened`.
        action: String,
    },
}

/// One event on the forge that may start pipelines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// Host name of the forge, e.g. `github.com`.
    pub host: String,
    /// Where it happened (for a pull request: the base repository).
    pub repository: Repository,
    /// The commit to run.
    pub sha: String,
    /// What happened.
    #[serde(flatten)]
    pub kind: TriggerKind,
    /// Subject of the commit message or title of the pull request; may be empty.
    pub title: String,
    /// Login of the person who caused it.
    pub sender: String,
}

impl Trigger {
    /// Returns the event's name as sections of conducto.cfg are called: `push`, `pr`, `create-tag`.
    pub fn event_name(&self) -> &'static str {
        match self.kind {
            TriggerKind::Push { .. } => "push",
            TriggerKind::Tag { .. } => "create-tag",
            TriggerKind::PullRequest { .. } => "pr",
        }
    }

    /// Returns the branch the code is on, nothing for a tag.
    pub fn branch(&self) -> Option<&str> {
        match &self.kind {
            TriggerKind::Push { branch, .. } | TriggerKind::PullRequest { branch, .. } => Some(branch),
            TriggerKind::Tag { .. } => None,
        }
    }

    /// Returns the key under which the same event is known however often and through however many hooks it is delivered
    /// (`integration.md` §1.4).
    pub fn dedupe_key(&self) -> String {
        let Self { host, repository, sha, .. } = self;
        let id = repository.id;
        match &self.kind {
            TriggerKind::Push { branch, before } => {
                format!("push:{host}:{id}:{branch}:{sha}:{}", before.as_deref().unwrap_or("new"))
            }
            TriggerKind::Tag { tag } => format!("tag:{host}:{id}:{tag}:{sha}"),
            TriggerKind::PullRequest { number, base, action, .. } => {
                // Closing and reopening a pull request asks for a new run of the same commit.
                let again = if action == "reopened" { ":reopened" } else { "" };
                format!("pr:{host}:{id}:{number}:{sha}:{base}{again}")
            }
        }
    }

    /// Returns words for people: `push to main`, `pull request #7 to main`.
    pub fn describe(&self) -> String {
        match &self.kind {
            TriggerKind::Push { branch, .. } => format!("push to {branch}"),
            TriggerKind::Tag { tag } => format!("push of tag {tag}"),
            TriggerKind::PullRequest { number, base, .. } => format!("pull request #{number} to {base}"),
        }
    }
}
