//! Which pipelines are in one another's way, and who gives way. Knows none that is at work.

use serde::{Deserialize, Serialize};

use super::{PipelineId, Trigger};

/// What becomes of a pipeline while an earlier one of the same section, and of the same branch, pull request or tag, goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duplicate {
    /// Both run.
    #[default]
    Allow,
    /// The new one is not launched.
    SuppressNew,
    /// The new one waits until the earlier ones are over.
    Defer,
    /// The earlier ones are put to sleep.
    SleepOld,
}

impl Duplicate {
    /// Returns the word for it in conducto.cfg.
    pub fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::SuppressNew => "suppress",
            Self::Defer => "queue",
            Self::SleepOld => "cancel-old",
        }
    }

    /// Says whether a pipeline begins only when no earlier one runs any more.
    pub fn waits(self) -> bool {
        matches!(self, Self::Defer | Self::SleepOld)
    }
}

/// The place of a pipeline among those that are in one another's way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// The same for all of them: repository, section, and branch, pull request or tag.
    pub key: String,
    /// What its section asks for.
    pub duplicate: Duplicate,
    /// The one that it was launched behind, where it had to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<PipelineId>,
}

impl Turn {
    /// Makes the place of what a section launches.
    pub fn of(trigger: &Trigger, section: &str, duplicate: Duplicate) -> Self {
        let (kind, name) = trigger.subject();
        let key = format!("{} {} {section} {kind} {name}", trigger.host, trigger.repository.id);
        Self { key, duplicate, behind: None }
    }

    /// Says what it waits for: the pipeline before it, where that is known.
    pub fn words(&self, before: Option<&PipelineId>) -> String {
        let word = self.duplicate.word();
        match (before, self.duplicate) {
            (Some(before), Duplicate::SleepOld) => {
                format!("waits for pipeline {before} to stop (duplicate = \"{word}\")")
            }
            (Some(before), _) => format!("waits for pipeline {before} (duplicate = \"{word}\")"),
            (None, _) => format!("waits for its turn (duplicate = \"{word}\")"),
        }
    }
}
