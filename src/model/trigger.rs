//! What happened on the forge, in words that belong to no provider. Made from verified bytes only.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Host name of what comes from no forge, but from a working copy on the machine of the server itself.
pub const LOCAL: &str = "local";

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
    /// A branch was made.
    BranchCreated {
        /// Short name of the branch.
        branch: String,
    },
    /// A branch was deleted. The commit is the tip of the default branch.
    BranchDeleted {
        /// Short name of the branch.
        branch: String,
        /// What tells it from an earlier deletion of a branch of that name.
        mark: String,
    },
    /// A tag was pushed.
    Tag {
        /// Short name of the tag.
        tag: String,
    },
    /// A tag was deleted. The commit is the tip of the default branch.
    TagDeleted {
        /// Short name of the tag.
        tag: String,
        /// What tells it from an earlier deletion of a tag of that name.
        mark: String,
    },
    /// Pull requests wait in a merge queue, merged for a try.
    MergeGroup {
        /// Short name of the temporary branch.
        branch: String,
        /// Short name of the branch it wants to go to.
        base: String,
        /// Tip of the base branch at the time.
        base_sha: String,
    },
    /// A release was published.
    Release {
        /// Short name of its tag.
        tag: String,
        /// Its name; may be empty.
        name: String,
        /// Whether it is marked as not ready for production.
        prerelease: bool,
    },
    /// Somebody with a say in the repository commented on a pull request. The commit is the tip of the default branch: nobody's
    /// code runs because somebody else spoke of it.
    Comment {
        /// Number of the pull request.
        number: u64,
        /// Number of the comment.
        comment: u64,
        /// What was said.
        text: String,
    },
    /// The clock reached a time of a schedule. The commit is the tip of the branch.
    Cron {
        /// Short name of the branch, the default branch of the repository.
        branch: String,
        /// Section whose schedule it is.
        section: String,
        /// The time that was reached, not when somebody noticed.
        due: Timestamp,
    },
    /// Somebody asked for a section. The commit is the tip of the branch.
    Manual {
        /// Short name of the branch.
        branch: String,
        /// Section that was asked for.
        section: String,
        /// What was given for its parameters, checked and complete.
        parameters: BTreeMap<String, String>,
        /// What tells it from another request for the same.
        request: String,
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
    /// Returns the event's name as sections of conducto.cfg are called: `push`, `pr`, `create-tag` …
    pub fn event_name(&self) -> &'static str {
        match self.kind {
            TriggerKind::Push { .. } => "push",
            TriggerKind::PullRequest { .. } => "pr",
            TriggerKind::BranchCreated { .. } => "create-branch",
            TriggerKind::BranchDeleted { .. } => "delete-branch",
            TriggerKind::Tag { .. } => "create-tag",
            TriggerKind::TagDeleted { .. } => "delete-tag",
            TriggerKind::MergeGroup { .. } => "merge-group",
            TriggerKind::Release { .. } => "release",
            TriggerKind::Comment { .. } => "comment",
            TriggerKind::Cron { .. } => "cron",
            TriggerKind::Manual { .. } => "manual",
        }
    }

    /// Says whether the code is a working copy on the server's own machine, which no forge knows of.
    pub fn is_local(&self) -> bool {
        self.host == LOCAL
    }

    /// Returns the branch the code is on, nothing for a tag or where it is not known.
    pub fn branch(&self) -> Option<&str> {
        match &self.kind {
            TriggerKind::Push { branch, .. }
            | TriggerKind::PullRequest { branch, .. }
            | TriggerKind::BranchCreated { branch }
            | TriggerKind::MergeGroup { branch, .. }
            | TriggerKind::Cron { branch, .. }
            | TriggerKind::Manual { branch, .. } => Some(branch),
            TriggerKind::BranchDeleted { .. } | TriggerKind::TagDeleted { .. } | TriggerKind::Comment { .. } => {
                self.repository.default_branch.as_deref()
            }
            TriggerKind::Tag { .. } | TriggerKind::Release { .. } => None,
        }
    }

    /// Returns the section that alone is meant; nothing where every section that matches is.
    pub fn only_section(&self) -> Option<&str> {
        match &self.kind {
            TriggerKind::Cron { section, .. } | TriggerKind::Manual { section, .. } => Some(section),
            _ => None,
        }
    }

    /// Returns what was given for the parameters of a request; nothing for every other event.
    pub fn parameters(&self) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        match &self.kind {
            TriggerKind::Manual { parameters, .. } => parameters,
            _ => &NONE,
        }
    }

    /// Returns what it is about, the kind of thing and its name: ("branch", "main").
    pub fn subject(&self) -> (&'static str, String) {
        match &self.kind {
            TriggerKind::Push { branch, .. }
            | TriggerKind::BranchCreated { branch }
            | TriggerKind::BranchDeleted { branch, .. }
            | TriggerKind::MergeGroup { branch, .. }
            | TriggerKind::Cron { branch, .. }
            | TriggerKind::Manual { branch, .. } => ("branch", branch.clone()),
            TriggerKind::PullRequest { number, .. } | TriggerKind::Comment { number, .. } => {
                ("pull request", number.to_string())
            }
            TriggerKind::Tag { tag } | TriggerKind::TagDeleted { tag, .. } | TriggerKind::Release { tag, .. } => {
                ("tag", tag.clone())
            }
        }
    }

    /// Returns the full name of the reference under which a server of repositories has the commit.
    pub fn reference(&self) -> String {
        match &self.kind {
            TriggerKind::Push { branch, .. }
            | TriggerKind::BranchCreated { branch }
            | TriggerKind::MergeGroup { branch, .. }
            | TriggerKind::Cron { branch, .. }
            | TriggerKind::Manual { branch, .. } => format!("refs/heads/{branch}"),
            TriggerKind::BranchDeleted { .. } | TriggerKind::TagDeleted { .. } | TriggerKind::Comment { .. } => {
                let branch = self.repository.default_branch.as_deref().unwrap_or("HEAD");
                if branch == "HEAD" { branch.to_owned() } else { format!("refs/heads/{branch}") }
            }
            TriggerKind::Tag { tag } | TriggerKind::Release { tag, .. } => format!("refs/tags/{tag}"),
            TriggerKind::PullRequest { number, .. } => format!("refs/pull/{number}/head"),
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
            TriggerKind::BranchCreated { branch } => format!("create-branch:{host}:{id}:{branch}:{sha}"),
            TriggerKind::BranchDeleted { branch, mark } => format!("delete-branch:{host}:{id}:{branch}:{mark}"),
            TriggerKind::Tag { tag } => format!("tag:{host}:{id}:{tag}:{sha}"),
            TriggerKind::TagDeleted { tag, mark } => format!("delete-tag:{host}:{id}:{tag}:{mark}"),
            TriggerKind::MergeGroup { branch, .. } => format!("merge-group:{host}:{id}:{branch}:{sha}"),
            TriggerKind::Release { tag, .. } => format!("release:{host}:{id}:{tag}:{sha}"),
            TriggerKind::Comment { comment, .. } => format!("comment:{host}:{id}:{comment}"),
            TriggerKind::Cron { section, due, .. } => format!("cron:{host}:{id}:{section}:{due}"),
            TriggerKind::Manual { request, .. } => format!("manual:{host}:{id}:{request}"),
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
            TriggerKind::BranchCreated { branch } => format!("new branch {branch}"),
            TriggerKind::BranchDeleted { branch, .. } => format!("deletion of branch {branch}"),
            TriggerKind::Tag { tag } => format!("push of tag {tag}"),
            TriggerKind::TagDeleted { tag, .. } => format!("deletion of tag {tag}"),
            TriggerKind::PullRequest { number, base, .. } => format!("pull request #{number} to {base}"),
            TriggerKind::MergeGroup { base, .. } => format!("merge group to {base}"),
            TriggerKind::Release { tag, .. } => format!("release {tag}"),
            TriggerKind::Comment { number, .. } => format!("comment on pull request #{number}"),
            TriggerKind::Cron { section, due, .. } => format!("schedule of {section} at {due}"),
            TriggerKind::Manual { section, branch, .. } => format!("request for {section} on {branch}"),
        }
    }
}
