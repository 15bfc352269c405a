//! What people do to a run, in their own terms: nodes by path. Resolves the paths; whether it makes sense the engine judges.

use std::{collections::BTreeSet, fmt};

use sha2::{Digest as _, Sha256};

use super::{error::Error, find::find};
use crate::{
    engine::{self, Pipeline},
    model::{Actor, Asked, Command, Definition, Edit, Event, Fence, NodeIndex, NodePath, Recorded},
};

/// One thing that somebody does to a pipeline, or to a node of it and all below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Lets a pipeline begin that waits for somebody to say so.
    Start,
    /// No further starts, and end what runs.
    Cancel,
    /// End what runs, start nothing, until it is woken.
    Sleep,
    /// Go on where sleeping left off.
    Wake,
    /// Run the node and all below it again.
    Reset(NodePath),
    /// Run again what failed there, and nothing else.
    RerunFailed(NodePath),
    /// Pass it over.
    Skip(NodePath),
    /// Take that back.
    Unskip(NodePath),
    /// End what runs or waits there.
    Kill(NodePath),
    /// Change the node.
    Edit {
        /// The node.
        node: NodePath,
        /// What changes.
        edit: Edit,
        /// Whether it runs again at once, if it has been reached.
        rerun: bool,
    },
}

/// What a pipeline is asked, and by whom.
#[derive(Clone, Debug)]
pub(super) enum Request {
    /// By a part of the server, which knows the nodes by number.
    Command(Asked),
    /// By somebody outside.
    Action(Action, Actor),
}

/// What came of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Number of the last event it led to.
    pub seq: u64,
    /// Whether it had been carried out before, under the same key; nothing was done now.
    pub repeated: bool,
    /// How many Exec nodes run again because of it.
    pub reruns: u32,
    /// How many attempts are being ended because of it.
    pub stops: u32,
}

impl Action {
    fn command(self, tree: &Definition) -> Result<Command, Error> {
        let node = |path: &NodePath| find(tree, path);
        Ok(match self {
            Self::Start => Command::Run,
            Self::Cancel => Command::Cancel,
            Self::Sleep => Command::Sleep,
            Self::Wake => Command::Wake,
            Self::Reset(path) => Command::Reset { node: node(&path)? },
            Self::RerunFailed(path) => Command::RerunFailed { node: node(&path)? },
            Self::Skip(path) => Command::Skip { node: node(&path)? },
            Self::Unskip(path) => Command::Unskip { node: node(&path)? },
            Self::Kill(path) => Command::Kill { node: node(&path)? },
            Self::Edit { node: path, edit, rerun } => Command::Edit { node: node(&path)?, edit, rerun },
        })
    }
}

/// Tells one action from another, so that a caller's key cannot be taken for that of another action.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::Cancel => f.write_str("cancel"),
            Self::Sleep => f.write_str("sleep"),
            Self::Wake => f.write_str("wake"),
            Self::Reset(path) => write!(f, "reset {path}"),
            Self::RerunFailed(path) => write!(f, "rerun-failed {path}"),
            Self::Skip(path) => write!(f, "skip {path}"),
            Self::Unskip(path) => write!(f, "unskip {path}"),
            Self::Kill(path) => write!(f, "kill {path}"),
            Self::Edit { node, edit, rerun } => {
                let text = serde_json::to_vec(edit).map_err(|_| fmt::Error)?;
                write!(f, "edit {node} {rerun} {}", hex::encode(Sha256::digest(text)))
            }
        }
    }
}

impl Request {
    /// Finds the nodes that are meant.
    pub(super) fn resolve(self, tree: &Definition) -> Result<Asked, Error> {
        match self {
            Self::Command(asked) => Ok(asked),
            Self::Action(action, actor) => Ok(action.command(tree)?.by(actor)),
        }
    }
}

impl From<Asked> for Request {
    fn from(asked: Asked) -> Self {
        Self::Command(asked)
    }
}

impl Receipt {
    /// Says what an action led to, by its events and the state after them. What was being ended before is not its doing.
    pub(super) fn of(pipeline: &Pipeline, events: &[Recorded], ended_before: &BTreeSet<Fence>) -> Self {
        let tree = pipeline.definition();
        let resets = events.iter().filter_map(|recorded| match recorded.event {
            Event::NodeReset { node } => Some(node),
            _ => None,
        });
        let runs = |at: &NodeIndex| tree.is_exec(*at) && !pipeline.is_skipped(*at);
        let reruns: BTreeSet<NodeIndex> = resets.flat_map(|node| tree.subtree(node)).filter(runs).collect();
        let stops = being_ended(pipeline).difference(ended_before).count();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self { seq: pipeline.seq(), repeated: false, reruns: count(reruns.len()), stops: count(stops) }
    }
}

/// Returns the attempts that go on and must not.
pub(super) fn being_ended(pipeline: &Pipeline) -> BTreeSet<Fence> {
    let live = pipeline.live_attempts();
    live.filter(|(node, attempt)| engine::must_stop(pipeline, *node, attempt).is_some())
        .map(|(_, attempt)| attempt.fence)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_told_apart_by_what_they_change() {
        let edit = |mem: f64, rerun| {
            let edit = Edit { mem: Some(mem), ..Edit::default() };
            Action::Edit { node: NodePath::root(), edit, rerun }.to_string()
        };
        assert_eq!(edit(2.0, true), edit(2.0, true));
        assert_ne!(edit(2.0, true), edit(4.0, true));
        assert_ne!(edit(2.0, true), edit(2.0, false));
    }
}
