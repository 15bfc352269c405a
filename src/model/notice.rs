//! What an author wants told, to whom, when a node changes its state. Knows no service that could tell it.

use serde::{Deserialize, Serialize};

use super::{On, State};

/// What to tell, and where. Names and defaults are those of the old product (`compat.md` §2.10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "snake_case")]
pub enum Notice {
    /// A summary by e-mail.
    Email {
        /// Addresses; without any, those of the server's settings.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        to: Vec<String>,
        /// Addresses that get a copy.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        cc: Vec<String>,
    },
    /// A message in Slack.
    SlackStatus {
        /// A channel, `#builds`, or the id of a channel or person.
        recipient: String,
        /// Words of the author's; without them a summary is told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// Whether a summary follows the author's words.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        node_summary: bool,
    },
    /// A commit status that tells of this node.
    GithubStatus {
        /// Address of the repository.
        url: String,
        /// The commit.
        sha: String,
    },
    /// A commit status that tells of the whole pipeline, wherever it is asked for.
    GithubPipelineStatus {
        /// Address of the repository.
        url: String,
        /// The commit.
        sha: String,
    },
}

impl Notice {
    /// Returns the name by which authors know it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Email { .. } => "email",
            Self::SlackStatus { .. } => "slack_status",
            Self::GithubStatus { .. } => "github_status",
            Self::GithubPipelineStatus { .. } => "github_pipeline_status",
        }
    }
}

/// One notice of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// When.
    pub on: On,
    /// What, and to whom.
    #[serde(flatten)]
    pub notice: Notice,
    /// Whether it also tells of every node below, each by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inherited: bool,
}

impl On {
    /// Says whether a node that has come into this state is meant.
    pub fn is(self, state: State) -> bool {
        match self {
            Self::Queued => state == State::Queued,
            Self::Running => state == State::Running,
            Self::Done => state == State::Done,
            Self::Error => state == State::Error,
            Self::WorkerError => state == State::Killed,
            Self::StateChange => state != State::Pending,
        }
    }
}
