//! Why a queued leaf does not run yet, in words: what the engine knows, and what the pool says of its queue.

use super::{pool::Reason, shared::Shared, start};
use crate::{
    engine::{self, Pipeline},
    model::{Hold, NodeIndex, State},
};

/// Says which pipeline one waits for before it begins; nothing where it waits for none.
pub(super) fn turn(shared: &Shared, pipeline: &Pipeline) -> Option<String> {
    let launch = pipeline.launch();
    let turn = launch.turn.as_ref().filter(|_| pipeline.hold() == Some(Hold::Turn))?;
    // The one that it was launched behind may have gone.
    let before = shared.turns.before(&launch.pipeline);
    Some(turn.words(before.as_ref().or(turn.behind.as_ref())))
}

/// Says what a node waits for; nothing when it runs or has ended.
pub(super) fn reason(shared: &Shared, pipeline: &Pipeline, node: NodeIndex) -> Option<String> {
    let words = engine::waits_for(pipeline, node);
    if words.is_some() && pipeline.hold() == Some(Hold::Turn) && !pipeline.is_skipped(node) {
        return turn(shared, pipeline);
    }
    let Some(leaf) = pipeline.leaf(node).filter(|_| pipeline.state(node) == State::Queued) else { return words };
    let is_leased = leaf.attempts.last().is_some_and(|attempt| attempt.finished_at.is_none() && !attempt.detached);
    if let Some(trouble) = shared.problem("executor") {
        return Some(format!("waits: {trouble}"));
    }
    let queue = start::queue(&shared.options, pipeline, node);
    if is_leased {
        return shared.images.words(&queue).or(words);
    }
    let tree = pipeline.definition();
    Some(match shared.reason(&queue) {
        None => return words,
        Some(Reason::Lack(lack)) => format!("waits for {lack}"),
        Some(Reason::Group { busy_with }) => {
            let group = queue.group.map_or(NodeIndex::ROOT, |(group, _)| group);
            format!("waits for the container of {}, in which {} runs", tree.path(group), tree.path(busy_with))
        }
        Some(Reason::Starting) => match shared.images.words(&queue) {
            Some(words) => words,
            None => "waits for a worker: its container is being made ready".to_owned(),
        },
        Some(Reason::Turn) => "waits for its turn: the workers of its queue are busy".to_owned(),
        Some(Reason::Runtime) => "waits: the container runtime does not answer".to_owned(),
        Some(Reason::Disk) => "waits: the disk of the server is nearly full".to_owned(),
        Some(Reason::Clearing) => "waits until the containers of before are removed".to_owned(),
    })
}
