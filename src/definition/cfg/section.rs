//! conducto.cfg as it was understood. Knows no syntax.

use super::{
    super::{
        codes,
        filter::Filter,
        template::{Name, PR_NAMES, PUSH_NAMES},
    },
    paths::Paths,
};
use crate::model::{Diagnostic, Span};

/// The sections of one conducto.cfg that this release answers, in the order of the file.
#[derive(Clone, Debug)]
pub struct Cfg {
    /// The sections.
    pub sections: Vec<Section>,
}

/// An event that this release answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Commits arrived on a branch.
    Push,
    /// A pull request was opened, reopened or got new commits.
    PullRequest,
}

/// One section: what launches what.
#[derive(Clone, Debug)]
pub struct Section {
    /// What it answers.
    pub event: Event,
    /// Its label, nothing for a bare section.
    pub label: Option<String>,
    /// Condition on the event.
    pub filter: Option<Filter>,
    /// Condition on the changed files.
    pub paths: Option<Paths>,
    /// Path of the definition file in the repository.
    pub pipeline: String,
    /// Where that path is written.
    pub pipeline_span: Span,
    /// Slack channel that wants to hear of it.
    pub slack_channel: Option<String>,
}

impl Event {
    /// Every event that is answered.
    pub const ALL: [Self; 2] = [Self::Push, Self::PullRequest];

    /// Returns the event's name as sections are called, the same as [`crate::model::Trigger::event_name`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::PullRequest => "pr",
        }
    }

    /// Returns the names that have a value when it happens.
    pub(crate) fn substitutions(self) -> &'static [Name] {
        match self {
            Self::Push => PUSH_NAMES,
            Self::PullRequest => PR_NAMES,
        }
    }
}

impl Section {
    /// Returns its name for people and for statuses: `push` or `push.release`.
    pub fn name(&self) -> String {
        match &self.label {
            Some(label) => format!("{}.{label}", self.event.name()),
            None => self.event.name().to_owned(),
        }
    }

    /// Makes the diagnostic for a definition file that the commit does not hold.
    pub fn missing_file(&self) -> Diagnostic {
        let message = format!("the definition file `{}` does not exist in this commit", self.pipeline);
        Diagnostic::error(codes::CFG_MISSING_FILE, message)
            .at(self.pipeline_span.clone(), "no such file")
            .help("paths start at the root of the repository; is the file committed?")
    }
}
