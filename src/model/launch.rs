//! Everything that is settled when a pipeline is born. Knows nothing of how it then goes.

use serde::{Deserialize, Serialize};

use super::{Definition, PipelineId, Trigger};

/// How far the code of a pipeline is trusted. Nothing is shared between the classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Code of the repository itself.
    Trusted,
    /// Code of a fork.
    Fork,
}

/// One pipeline to be started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

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
