//! Why a node does not run. Reads the state, changes nothing.

use super::pipeline::{Attempt, Phase, Pipeline};
use crate::model::{KillReason, NodeIndex, NodeKind, State};

/// Says in words what a node waits for; nothing when it runs or has ended.
pub fn waits_for(pipeline: &Pipeline, node: NodeIndex) -> Option<String> {
    match pipeline.state(node) {
        State::Pending => Some(pending(pipeline, node)),
        State::Queued if pipeline.current_attempt(node).is_some() => Some("its worker is being made ready".into()),
        State::Queued => Some("waits for a worker".into()),
        State::Running | State::Done | State::Error | State::Killed => None,
    }
}

fn pending(pipeline: &Pipeline, node: NodeIndex) -> String {
    if pipeline.cancelled_by().is_some() {
        return "not reached before the pipeline was cancelled".into();
    }
    if pipeline.has_detached_attempt(node) {
        return "waits until its previous attempt has ended".into();
    }
    let tree = pipeline.definition();
    let mut child = node;
    for above in tree.lineage(node).skip(1) {
        if matches!(tree.node(above).kind, NodeKind::Serial { .. }) {
            let earlier = tree.children(above).iter().copied().take_while(|at| *at != child);
            for sibling in earlier {
                let path = tree.path(sibling);
                match pipeline.node(sibling).phase {
                    Phase::Finished { failed: true } if pipeline.stops_on_error(above) => {
                        return format!("held back: {path} failed");
                    }
                    Phase::Finished { .. } => {}
                    Phase::Idle | Phase::Active => return format!("waits for {path}"),
                }
            }
        }
        child = above;
    }
    "has not been reached".into()
}

/// Says why an attempt that has not ended must be ended; nothing when it may go on.
pub fn must_stop(pipeline: &Pipeline, node: NodeIndex, attempt: &Attempt) -> Option<KillReason> {
    if attempt.detached { Some(KillReason::User) } else { pipeline.is_halted(node) }
}
