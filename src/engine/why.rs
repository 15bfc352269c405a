//! Why a node does not run. Reads the state, changes nothing.

use super::pipeline::{Attempt, Phase, Pipeline};
use crate::model::{Actor, Hold, KillReason, NodeIndex, NodeKind, State};

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
    let tree = pipeline.definition();
    if let Some(above) = tree.lineage(node).find(|above| pipeline.skips_itself(*above)) {
        return if above == node { "skipped".into() } else { format!("skipped with {}", tree.path(above)) };
    }
    match pipeline.hold() {
        Some(Hold::Approval) => return "held: fork pull request needs approval".into(),
        Some(Hold::Manual) => return "held: waits for somebody to start the pipeline".into(),
        Some(Hold::Turn) => {
            let turn = pipeline.launch().turn.as_ref();
            return turn.map_or_else(|| "waits for its turn".into(), |turn| turn.words(turn.behind.as_ref()));
        }
        None => {}
    }
    if pipeline.cancelled_by().is_some() {
        return "not reached before the pipeline was cancelled".into();
    }
    if pipeline.asleep() == Some(&Actor::Server) {
        return "the pipeline sleeps: a newer one took its place".into();
    }
    if let Some(actor) = pipeline.asleep() {
        return format!("the pipeline sleeps (asked for by {actor})");
    }
    if pipeline.has_detached_attempt(node) {
        return "waits until its previous attempt has ended".into();
    }
    match pipeline.gates.parked_at(node) {
        Some((group, true)) => return format!("waits for its turn in the container of {}", tree.path(group)),
        Some((group, false)) => {
            let limit = tree.node(group).settings.max_concurrent.unwrap_or(0);
            return format!("waits for {}: at most {limit} at once", tree.path(group));
        }
        None => {}
    }
    if let Some(before) = what_stands_before(pipeline, node) {
        return before;
    }
    match pipeline.is_halted(node) {
        Some(KillReason::User) => "not reached before what it stands in was killed".into(),
        Some(_) => "not reached before the time of what it stands in was over".into(),
        None => "has not been reached".into(),
    }
}

fn what_stands_before(pipeline: &Pipeline, node: NodeIndex) -> Option<String> {
    let tree = pipeline.definition();
    let mut child = node;
    for above in tree.lineage(node).skip(1) {
        if matches!(tree.node(above).kind, NodeKind::Serial { .. }) {
            // What stands before the cursor has been dealt with.
            let cursor = pipeline.node(above).group.as_deref().map_or(0, |group| group.cursor) as usize;
            let before = tree.position(child) as usize;
            for sibling in &tree.children(above)[cursor.min(before)..before] {
                match pipeline.node(*sibling).phase {
                    Phase::Finished { failed: true } if pipeline.stops_on_error(above) => {
                        return Some(format!("held back: {} failed", tree.path(*sibling)));
                    }
                    Phase::Finished { .. } => {}
                    Phase::Idle if pipeline.skips_itself(*sibling) => {}
                    Phase::Idle | Phase::Active | Phase::Held => {
                        return Some(format!("waits for {}", tree.path(*sibling)));
                    }
                }
            }
        }
        child = above;
    }
    None
}

/// Says why an attempt that has not ended must be ended; nothing when it may go on.
pub fn must_stop(pipeline: &Pipeline, node: NodeIndex, attempt: &Attempt) -> Option<KillReason> {
    if attempt.detached { Some(KillReason::User) } else { pipeline.is_halted(node) }
}
