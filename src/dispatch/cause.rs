//! Why things ended, in words for people. Reads the engine's state, knows no service.

use crate::{
    engine::Pipeline,
    model::{Ending, NodeIndex, State},
};

/// Says why a leaf ended badly; nothing when it did not.
pub(super) fn of_leaf(pipeline: &Pipeline, node: NodeIndex) -> Option<String> {
    let leaf = pipeline.leaf(node)?;
    if !pipeline.state(node).is_failed() {
        return None;
    }
    let attempt = leaf.attempts.iter().rev().find(|attempt| !attempt.detached);
    let own = leaf.cause.as_deref().map(str::to_owned);
    own.or_else(|| attempt?.outcome.as_ref().map(ToString::to_string))
}

/// Returns the leaves that ended badly, in the order of the tree.
pub(super) fn failed_leaves(pipeline: &Pipeline) -> Vec<NodeIndex> {
    let tree = pipeline.definition();
    tree.indices().filter(|node| tree.is_exec(*node) && pipeline.state(*node).is_failed()).collect()
}

/// Says why a pipeline ended as it did; nothing while it runs and when it is done.
pub(super) fn of_pipeline(pipeline: &Pipeline) -> Option<String> {
    let (ending, _) = pipeline.finished()?;
    let first = || {
        let failed = failed_leaves(pipeline);
        let wanted = match ending {
            // A command's own failure explains more than what was killed around it.
            Ending::Failed => failed.iter().find(|node| pipeline.state(**node) == State::Error),
            _ => None,
        };
        let node = *wanted.or(failed.first())?;
        let path = pipeline.definition().path(node);
        let more = match failed.len() {
            0 | 1 => String::new(),
            count => format!(" (+{} more)", count - 1),
        };
        Some(format!("{path}: {}{more}", of_leaf(pipeline, node)?))
    };
    match ending {
        Ending::Done => None,
        Ending::Cancelled => Some(match pipeline.cancelled_by() {
            Some(actor) => format!("cancelled by {actor}"),
            None => "cancelled".to_owned(),
        }),
        Ending::Failed | Ending::Infrastructure => first(),
    }
}
