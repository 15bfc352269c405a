//! The few fields of GitHub's payloads that we read, each of them optional. Knows nothing of what they mean.

use serde::Deserialize;

/// Every payload that is read, in one shape: what an event does not have stays empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Payload {
    pub(super) action: Option<String>,
    pub(super) after: Option<String>,
    pub(super) before: Option<String>,
    pub(super) deleted: Option<bool>,
    pub(super) head_commit: Option<HeadCommit>,
    pub(super) hook_id: Option<u64>,
    pub(super) number: Option<u64>,
    pub(super) pull_request: Option<PullRequest>,
    pub(super) pusher: Option<Pusher>,
    #[serde(rename = "ref")]
    pub(super) reference: Option<String>,
    pub(super) repository: Option<Repository>,
    pub(super) sender: Option<User>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Repository {
    pub(super) id: Option<u64>,
    pub(super) full_name: Option<String>,
    pub(super) default_branch: Option<String>,
    pub(super) clone_url: Option<String>,
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
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pusher {
    pub(super) name: Option<String>,
}
