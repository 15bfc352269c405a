//! Everything that is settled when a pipeline is born. Knows nothing of how it then goes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Definition, PipelineId, Trigger, Turn};

/// How far the code of a pipeline is trusted. Nothing is shared between the classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Code of the repository itself.
    Trusted,
    /// Code of a fork.
    Fork,
}

/// What a pipeline waits for before its first node starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// It was launched to be started by hand.
    Manual,
    /// It runs the code of a fork, and somebody with the right to do so must approve it.
    Approval,
    /// Others of the same section, and of the same branch, pull request or tag, go first. The server starts it after them.
    Turn,
}

/// One pipeline to be started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Launch {
    /// Public id.
    pub pipeline: PipelineId,
    /// The tree to run.
    pub definition: Definition,
    /// Title for people.
    pub title: String,
    /// Section of conducto.cfg that asked for it, `push` or `push.release`; also the tail of the status context.
    pub section: String,
    /// What happened on the forge.
    pub trigger: Trigger,
    /// Slack channel that wants to hear of it.
    pub slack_channel: Option<String>,
    /// Trust class of the code.
    pub trust: Trust,
    /// Why nothing starts before somebody says so; nothing where it starts at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// GiB of memory that one node can get at most on this server: retries with more memory stop there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_mem: Option<f64>,
    /// Its place among those that are in one another's way; nothing where it is in nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<Turn>,
    /// Which secrets its nodes get: names of variables, each with the name of its secret. Nothing: all that are in reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<BTreeMap<String, String>>,
}

/// The bound of memory is compared as it was set.
impl Eq for Launch {}

impl Launch {
    /// Returns the name under which the commit status is known on the forge.
    pub fn status_context(&self) -> String {
        status_context(&self.section)
    }
}

/// Returns the commit status context of a section.
pub fn status_context(section: &str) -> String {
    format!("conducto/{section}")
}
