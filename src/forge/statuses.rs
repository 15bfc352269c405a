//! Commit statuses: one request, one classified answer. Knows no outbox, no retries and no pipeline.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{github::GitHub, transport::Call};
use crate::model::SendError;

/// GitHub answers 422 to longer descriptions.
const MAX_DESCRIPTION: usize = 140;

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

impl GitHub {
    /// Sends one status, once.
    ///
    /// # Errors
    /// By what the sender can do about it.
    pub async fn post_status(&self, status: &CommitStatus) -> Result<(), SendError> {
        let route = format!("/repositories/{}/statuses/{}", status.repository_id, status.sha);
        let mut body = json!({
            "state": status.state, "description": cut(&status.description), "context": status.context,
        });
        if let Some(url) = &status.target_url {
            body["target_url"] = url.as_str().into();
        }
        self.send(status.repository_id, Call::post(&route, &body, hint)).await.map(drop)
    }
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

fn cut(description: &str) -> String {
    if description.chars().count() <= MAX_DESCRIPTION {
        return description.to_owned();
    }
    description.chars().take(MAX_DESCRIPTION - 3).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_cut_by_characters() {
        assert_eq!(cut(&"é".repeat(140)), "é".repeat(140));
        let long = cut(&"é".repeat(141));
        assert_eq!((long.chars().count(), long.ends_with("é...")), (140, true));
    }
}
