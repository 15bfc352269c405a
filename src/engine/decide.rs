//! Commands into events. Pure and total: every command either changes something or is rejected with a reason.

use jiff::Timestamp;

use super::pipeline::{Phase, Pipeline};
use crate::model::{Command, Counts, Ending, Event, Fence, KillReason, NodeIndex, Rejected, State};

/// Turns a command into the events it leads to, or says why it changes nothing.
pub(super) fn decide(pipeline: &Pipeline, now: Timestamp, command: &Command) -> Result<Event, Rejected> {
    match command {
        Command::Lease { node, fence, worker } => {
            waiting(pipeline, *node)?;
            Ok(Event::AttemptLeased { node: *node, fence: *fence, worker: worker.clone() })
        }
        Command::AttemptStarted { fence } => match pipeline.live_attempt(*fence) {
            Some((_, attempt)) if attempt.started_at.is_none() => Ok(Event::AttemptStarted { fence: *fence }),
            _ => Err(Rejected::StaleFence(*fence)),
        },
        Command::AttemptFinished { fence, outcome, log_bytes, .. } => {
            live(pipeline, *fence)?;
            Ok(Event::AttemptFinished { fence: *fence, outcome: outcome.clone(), log_bytes: *log_bytes })
        }
        Command::Unlease { fence, evidence } => match pipeline.live_attempt(*fence) {
            Some((node, attempt)) if attempt.started_at.is_none() && pipeline.is_halted(node).is_none() => {
                Ok(Event::AttemptUnleased { node, fence: *fence, evidence: evidence.clone() })
            }
            _ => Err(Rejected::StaleFence(*fence)),
        },
        Command::CannotRun { node, message } => {
            waiting(pipeline, *node)?;
            Ok(Event::NodeCannotRun { node: *node, message: message.clone() })
        }
        Command::DeadlinePassed { node } => match pipeline.next_deadline() {
            Some((at, due)) if at <= now && due == *node => Ok(Event::DeadlinePassed { node: *node }),
            _ => Err(Rejected::NoDeadline),
        },
        Command::Cancel => match (pipeline.finished, &pipeline.cancelled_by) {
            (Some(_), _) => Err(Rejected::Ended),
            (None, Some(_)) => Err(Rejected::BeingCancelled),
            (None, None) => Ok(Event::CancelRequested),
        },
        Command::Reset { node } => reset(pipeline, *node),
        _ => Err(Rejected::NoSuchNode),
    }
}

/// Returns the next fact that follows from the state alone, if there is one.
pub(super) fn follow_up(pipeline: &Pipeline) -> Option<Event> {
    if let Some(node) = pipeline.frontier.iter().find(|node| !pipeline.has_detached_attempt(**node)) {
        return Some(Event::NodeQueued { node: *node });
    }
    let has_ended = matches!(pipeline.node(NodeIndex::ROOT).phase, Phase::Finished { .. })
        && pipeline.live.is_empty()
        && pipeline.finished.is_none();
    has_ended.then(|| Event::PipelineFinished { ending: ending(pipeline) })
}

fn waiting(pipeline: &Pipeline, node: NodeIndex) -> Result<(), Rejected> {
    if node.as_usize() >= pipeline.nodes.len() {
        return Err(Rejected::NoSuchNode);
    }
    if pipeline.is_waiting_in_queue(node) { Ok(()) } else { Err(Rejected::NotQueued) }
}

fn live(pipeline: &Pipeline, fence: Fence) -> Result<(), Rejected> {
    if pipeline.live.contains_key(&fence) { Ok(()) } else { Err(Rejected::StaleFence(fence)) }
}

fn reset(pipeline: &Pipeline, node: NodeIndex) -> Result<Event, Rejected> {
    if node.as_usize() >= pipeline.nodes.len() {
        return Err(Rejected::NoSuchNode);
    }
    if pipeline.cancelled_by.is_some() && pipeline.finished.is_none() {
        return Err(Rejected::BeingCancelled);
    }
    let Counts { pending, .. } = pipeline.counts(node);
    let nothing_ran = pending == pipeline.counts(node).total() && pipeline.node(node).phase == Phase::Idle;
    if nothing_ran { Err(Rejected::NothingToReset) } else { Ok(Event::NodeReset { node }) }
}

/// How the pipeline ended: what a person did outweighs what a command did, which outweighs what the machinery did.
fn ending(pipeline: &Pipeline) -> Ending {
    if pipeline.cancelled_by.is_some() {
        return Ending::Cancelled;
    }
    if pipeline.node(NodeIndex::ROOT).phase == (Phase::Finished { failed: false }) {
        return Ending::Done;
    }
    let own_fault = pipeline.nodes.iter().filter_map(|node| node.leaf.as_deref()).any(|leaf| match leaf.state {
        State::Error => true,
        State::Killed => leaf.kill_reason != Some(KillReason::Infrastructure),
        _ => false,
    });
    if own_fault { Ending::Failed } else { Ending::Infrastructure }
}
