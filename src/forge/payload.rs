//! The few fields of GitHub's payloads that we read, each of them optional. Knows nothing of what they mean.

use serde::{Deserialize, de::IgnoredAny};

/// Every payload that is read, in one shape: what an event does not have stays empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Payload {
    pub(super) action: Option<String>,
    pub(super) after: Option<String>,
    pub(super) before: Option<String>,
    pub(super) check_run: Option<CheckRun>,
    pub(super) check_suite: Option<CheckRun>,
    pub(super) comment: Option<Comment>,
    pub(super) deleted: Option<bool>,
    pub(super) head_commit: Option<HeadCommit>,
    pub(super) hook_id: Option<u64>,
    pub(super) installation: Option<Numbered>,
    pub(super) issue: Option<Issue>,
    pub(super) merge_group: Option<MergeGroup>,
    pub(super) number: Option<u64>,
    pub(super) pull_request: Option<PullRequest>,
    pub(super) pusher: Option<Pusher>,
    #[serde(rename = "ref")]
    pub(super) reference: Option<String>,
    pub(super) ref_type: Option<String>,
    pub(super) release: Option<Release>,
    pub(super) repository: Option<Repository>,
    pub(super) repositories: Option<Vec<Repository>>,
    pub(super) repositories_added: Option<Vec<Repository>>,
    pub(super) repositories_removed: Option<Vec<Repository>>,
    pub(super) requested_action: Option<RequestedAction>,
    pub(super) sender: Option<User>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Repository {
    pub(super) id: Option<u64>,
    pub(super) full_name: Option<String>,
    pub(super) default_branch: Option<String>,
    pub(super) clone_url: Option<String>,
    pub(super) pushed_at: Option<Moment>,
}

/// A time: GitHub writes it as a number in pushes and as a text everywhere else.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Moment {
    Second(i64),
    Text(String),
    /// Neither; nobody needs it then.
    Other(IgnoredAny),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct HeadCommit {
    pub(super) id: Option<String>,
    pub(super) message: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PullRequest {
    pub(super) title: Option<String>,
    pub(super) head: Option<End>,
    pub(super) base: Option<End>,
}

/// One end of a pull request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct End {
    #[serde(rename = "ref")]
    pub(super) branch: Option<String>,
    pub(super) sha: Option<String>,
    /// Empty when the repository is gone.
    pub(super) repo: Option<Repository>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct User {
    pub(super) login: Option<String>,
    /// `User`, `Bot`, `Organization`.
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MergeGroup {
    pub(super) head_sha: Option<String>,
    pub(super) head_ref: Option<String>,
    pub(super) base_sha: Option<String>,
    pub(super) base_ref: Option<String>,
    pub(super) head_commit: Option<HeadCommit>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Release {
    pub(super) tag_name: Option<String>,
    pub(super) name: Option<String>,
    pub(super) prerelease: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Issue {
    pub(super) number: Option<u64>,
    pub(super) title: Option<String>,
    /// There only when the issue is a pull request.
    pub(super) pull_request: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Comment {
    pub(super) id: Option<u64>,
    pub(super) body: Option<String>,
    pub(super) author_association: Option<String>,
    pub(super) user: Option<User>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pusher {
    pub(super) name: Option<String>,
}

/// What has only a number for us: an installation, an App.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Numbered {
    pub(super) id: Option<u64>,
}

/// A check run, or a suite of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CheckRun {
    pub(super) external_id: Option<String>,
    pub(super) head_sha: Option<String>,
    pub(super) app: Option<Numbered>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RequestedAction {
    pub(super) identifier: Option<String>,
}
