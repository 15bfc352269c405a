//! conducto.cfg as it was understood. Knows no syntax.

use std::{collections::BTreeMap, time::Duration};

use super::{
    super::{
        codes,
        command::Command,
        filter::Filter,
        params::Params,
        schedule::Schedule,
        template::{ALWAYS, Name},
    },
    paths::Paths,
};
use crate::model::{Diagnostic, Duplicate, Span};

/// The sections of one conducto.cfg, in the order of the file.
#[derive(Clone, Debug)]
pub struct Cfg {
    /// How it is written.
    pub dialect: Dialect,
    /// The sections.
    pub sections: Vec<Section>,
}

/// How a conducto.cfg is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Ours: every section that matches launches.
    Toml,
    /// The old product's: one event launches one section at most.
    Ini,
}

impl Dialect {
    /// Returns its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Toml => "TOML",
            Self::Ini => "the old INI dialect",
        }
    }
}

/// Where the tree to run comes from.
#[derive(Clone, Debug)]
pub enum Work {
    /// A definition file.
    File {
        /// Its path in the repository.
        path: String,
        /// Where that path is written.
        span: Span,
    },
    /// What a script prints.
    Command(Command),
}

/// An event that sections answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Commits arrived on a branch.
    Push,
    /// A pull request was opened, reopened or got new commits.
    PullRequest,
    /// A branch was made.
    CreateBranch,
    /// A branch was deleted.
    DeleteBranch,
    /// A tag was made.
    CreateTag,
    /// A tag was deleted.
    DeleteTag,
    /// The clock reached a time of a schedule.
    Cron,
    /// Pull requests wait in a merge queue.
    MergeGroup,
    /// A release was published.
    Release,
    /// Somebody commented on a pull request.
    Comment,
    /// Somebody asked for it.
    Manual,
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
    /// When it launches; sections for times have one, and no others.
    pub schedule: Option<Schedule>,
    /// What can be given with a request for it.
    pub params: Params,
    /// What is run.
    pub work: Work,
    /// Image of nodes that name none.
    pub image: Option<String>,
    /// Environment of all nodes.
    pub env: BTreeMap<String, String>,
    /// Which secrets nodes get: names of variables, each with the name of its secret; nothing: all.
    pub secrets: Option<BTreeMap<String, String>>,
    /// Longest time for the whole pipeline.
    pub max_time: Option<Duration>,
    /// What becomes of it beside an earlier one.
    pub duplicate: Duplicate,
    /// Slack channel that wants to hear of it.
    pub slack_channel: Option<String>,
}

impl Event {
    /// Every event that is answered.
    pub const ALL: [Self; 11] = [
        Self::Push,
        Self::PullRequest,
        Self::CreateBranch,
        Self::DeleteBranch,
        Self::CreateTag,
        Self::DeleteTag,
        Self::Cron,
        Self::MergeGroup,
        Self::Release,
        Self::Comment,
        Self::Manual,
    ];

    /// Returns the event's name as sections are called, the same as [`crate::model::Trigger::event_name`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::PullRequest => "pr",
            Self::CreateBranch => "create-branch",
            Self::DeleteBranch => "delete-branch",
            Self::CreateTag => "create-tag",
            Self::DeleteTag => "delete-tag",
            Self::Cron => "cron",
            Self::MergeGroup => "merge-group",
            Self::Release => "release",
            Self::Comment => "comment",
            Self::Manual => "manual",
        }
    }

    /// Returns the event of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.name() == name)
    }

    /// Returns words for one of its kind: `a push`, `a new tag`.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Push => "a push",
            Self::PullRequest => "a pull request",
            Self::CreateBranch => "a new branch",
            Self::DeleteBranch => "the deletion of a branch",
            Self::CreateTag => "a new tag",
            Self::DeleteTag => "the deletion of a tag",
            Self::Cron => "a time of a schedule",
            Self::MergeGroup => "a merge group",
            Self::Release => "a release",
            Self::Comment => "a comment",
            Self::Manual => "a request",
        }
    }

    /// Returns the names that have a value when it happens, besides the parameters of a request.
    pub(crate) fn substitutions(self) -> Vec<Name> {
        let own: &[Name] = match self {
            Self::Push | Self::CreateBranch | Self::DeleteBranch | Self::Cron | Self::Manual => &[Name::Branch],
            Self::PullRequest => &[Name::Branch, Name::Base, Name::PrNumber, Name::Pr],
            Self::CreateTag | Self::DeleteTag => &[Name::Tag],
            Self::MergeGroup => &[Name::Branch, Name::Base],
            Self::Release => &[Name::Tag, Name::Release],
            Self::Comment => &[Name::PrNumber, Name::Pr, Name::Comment],
        };
        [own, ALWAYS].concat()
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

    /// Returns what it runs, as its author wrote it: a file or a script.
    pub fn runs(&self) -> &str {
        match &self.work {
            Work::File { path, .. } => path,
            Work::Command(command) => command.as_str(),
        }
    }

    /// Returns the path of its definition file and where that is written; nothing where a script prints the tree.
    pub fn file(&self) -> Option<(&str, &Span)> {
        match &self.work {
            Work::File { path, span } => Some((path, span)),
            Work::Command(_) => None,
        }
    }
}

/// Makes the diagnostic for a commit that has the configuration under two names.
pub fn two_cfgs(name: &str, other: &str) -> Diagnostic {
    Diagnostic::warning(codes::CFG_TWO_FILES, format!("there are both {name} and {other}; only {name} is read"))
        .help(format!("take {other} out, or move what is in it to {name}"))
}

/// Makes the diagnostic for a definition file that the commit does not hold.
pub fn missing_file(path: &str, span: &Span) -> Diagnostic {
    let message = format!("the definition file `{path}` does not exist in this commit");
    Diagnostic::error(codes::CFG_MISSING_FILE, message)
        .at(span.clone(), "no such file")
        .help("paths start at the root of the repository; is the file committed?")
}
