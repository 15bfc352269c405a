//! What is asked and said about people who comment: whether they may write, which commit they mean, a sign that they were
//! heard. Knows no command.

use serde::Deserialize;
use serde_json::json;

use super::{
    github::GitHub,
    transport::{Call, shaped},
};
use crate::model::SendError;

/// The head of a pull request, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The commit.
    pub sha: String,
    /// Short name of the branch.
    pub branch: String,
    /// Whether it lies in another repository, or in one that is gone.
    pub is_fork: bool,
}

#[derive(Deserialize)]
struct Permission {
    permission: String,
}

#[derive(Deserialize)]
struct Pull {
    head: End,
}

#[derive(Deserialize)]
struct End {
    sha: String,
    #[serde(rename = "ref")]
    branch: String,
    repo: Option<Place>,
}

#[derive(Deserialize)]
struct Place {
    id: u64,
}

impl GitHub {
    /// Says whether somebody may write to a repository.
    ///
    /// # Errors
    /// By what the asker can do about it.
    pub async fn may_write(&self, repository: u64, login: &str) -> Result<bool, SendError> {
        let login: String = form_urlencoded::byte_serialize(login.as_bytes()).collect();
        let route = format!("/repositories/{repository}/collaborators/{login}/permission");
        let found: Permission = match self.send(repository, Call::get(&route, no_hint)).await {
            Ok(answer) => shaped(answer)?,
            // So GitHub answers for people it does not know.
            Err(SendError::NoAccess { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        Ok(matches!(found.permission.as_str(), "admin" | "write"))
    }

    /// Returns the head of a pull request.
    ///
    /// # Errors
    /// By what the asker can do about it.
    pub async fn head(&self, repository: u64, number: u64) -> Result<Head, SendError> {
        let route = format!("/repositories/{repository}/pulls/{number}");
        let Pull { head } = shaped(self.send(repository, Call::get(&route, no_hint)).await?)?;
        let is_fork = head.repo.is_none_or(|place| place.id != repository);
        Ok(Head { sha: head.sha, branch: head.branch, is_fork })
    }

    /// Puts a sign under a comment. Doing it twice changes nothing more.
    ///
    /// # Errors
    /// By what the sender can do about it.
    pub async fn react(&self, repository: u64, comment: u64, sign: &str) -> Result<(), SendError> {
        let route = format!("/repositories/{repository}/issues/comments/{comment}/reactions");
        let body = json!({"content": sign});
        self.send(repository, Call::post(&route, &body, no_hint)).await.map(drop)
    }

    /// Says something below a pull request.
    ///
    /// # Errors
    /// By what the sender can do about it.
    pub async fn comment(&self, repository: u64, number: u64, words: &str) -> Result<(), SendError> {
        let route = format!("/repositories/{repository}/issues/{number}/comments");
        let body = json!({"body": words});
        self.send(repository, Call::post(&route, &body, no_hint)).await.map(drop)
    }
}

fn no_hint(_: u16) -> &'static str {
    ""
}
