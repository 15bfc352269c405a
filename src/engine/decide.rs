//! Commands into events. Pure and total: every command either changes something or is rejected with a reason.

use jiff::Timestamp;

use super::{
    growth::check_growth,
    pipeline::{Phase, Pipeline},
    remedies::{failed_leaves, remedy},
};
use crate::model::{
    Actor, Command, Definition, Edit, Ending, Event, Fence, KillReason, NodeIndex, Outcome, Rejected, State,
};

/// Turns a command into the events it leads to, or says why it changes nothing.
pub(super) fn decide(pipeline: &Pipeline, now: Timestamp, command: &Command) -> Result<Vec<Event>, Rejected> {
    let event = match command {
        Command::Lease { node, fence, worker } => {
            waiting(pipeline, *node)?;
            Event::AttemptLeased { node: *node, fence: *fence, worker: worker.clone() }
        }
        Command::AttemptStarted { fence } => match pipeline.live_attempt(*fence) {
            Some((_, attempt)) if attempt.started_at.is_none() => Event::AttemptStarted { fence: *fence },
            _ => return Err(Rejected::StaleFence(*fence)),
        },
        Command::AttemptFinished { fence, outcome, log_bytes, grown } => {
            return finish(pipeline, *fence, outcome, *log_bytes, grown.as_deref());
        }
        Command::Unlease { fence, evidence } => match pipeline.live_attempt(*fence) {
            Some((node, attempt)) if attempt.started_at.is_none() && pipeline.is_halted(node).is_none() => {
                Event::AttemptUnleased { node, fence: *fence, evidence: evidence.clone() }
            }
            _ => return Err(Rejected::StaleFence(*fence)),
        },
        Command::Return { fence } => match pipeline.live_attempt(*fence) {
            Some((node, attempt)) if attempt.started_at.is_none() && pipeline.is_halted(node).is_none() => {
                Event::AttemptReturned { node, fence: *fence }
            }
            _ => return Err(Rejected::StaleFence(*fence)),
        },
        Command::CannotRun { node, message } => {
            waiting(pipeline, *node)?;
            Event::NodeCannotRun { node: *node, message: message.clone() }
        }
        Command::DeadlinePassed { node } => match pipeline.next_deadline() {
            Some((at, due)) if at <= now && due == *node => Event::DeadlinePassed { node: *node },
            _ => return Err(Rejected::NoDeadline),
        },
        Command::Cancel => match (pipeline.finished, &pipeline.cancelled_by) {
            (Some(_), _) => return Err(Rejected::Ended),
            (None, Some(_)) => return Err(Rejected::BeingCancelled),
            (None, None) => Event::CancelRequested,
        },
        Command::Run => pipeline.hold.map(|_| Event::RunRequested).ok_or(Rejected::NotHeld)?,
        Command::Reset { node } => reset(pipeline, *node)?,
        Command::RerunFailed { node } => return rerun_failed(pipeline, *node),
        Command::Skip { node } => skip(pipeline, *node)?,
        Command::Unskip { node } => unskip(pipeline, *node)?,
        Command::Kill { node } => kill(pipeline, *node)?,
        Command::Edit { node, edit, rerun } => {
            known(pipeline, *node)?;
            check_edit(pipeline, *node, edit)?;
            let edited = Event::NodeEdited { node: *node, edit: edit.clone() };
            // A node that was not reached yet runs with the change anyway.
            let reset = if *rerun { reset(pipeline, *node).ok() } else { None };
            return Ok(std::iter::once(edited).chain(reset).collect());
        }
        Command::Sleep => match (pipeline.finished, &pipeline.asleep, &pipeline.cancelled_by) {
            (Some(_), ..) => return Err(Rejected::Ended),
            (None, Some(_), _) => return Err(Rejected::AsleepAlready),
            (None, None, Some(_)) => return Err(Rejected::BeingCancelled),
            (None, None, None) => Event::PipelineSlept,
        },
        Command::Wake => pipeline.asleep.as_ref().map(|_| Event::PipelineWoken).ok_or(Rejected::NotAsleep)?,
    };
    Ok(vec![event])
}

/// Returns the next fact that follows from the state alone, if there is one, and by whose word.
pub(super) fn follow_up(pipeline: &Pipeline) -> Option<(Actor, Event)> {
    // The innermost first: what is decided there may spare the others.
    if let Some(node) = pipeline.undecided.last() {
        return Some(remedy(pipeline, *node));
    }
    let is_over = |group: NodeIndex, generation: u32| {
        pipeline.generation(group) != generation
            || matches!(pipeline.node(group).phase, Phase::Idle | Phase::Finished { .. })
    };
    let released = pipeline.containers.iter().find(|((group, at), crew)| crew.live == 0 && is_over(*group, *at));
    if let Some(((node, generation), _)) = released {
        return Some((Actor::Server, Event::GroupReleased { node: *node, generation: *generation }));
    }
    if let Some(node) = pipeline.ready.first() {
        return Some((Actor::Server, Event::NodeQueued { node: *node }));
    }
    let has_ended = matches!(pipeline.node(NodeIndex::ROOT).phase, Phase::Finished { .. })
        && pipeline.live.is_empty()
        && pipeline.finished.is_none();
    has_ended.then(|| (Actor::Server, Event::PipelineFinished { ending: ending(pipeline) }))
}

fn known(pipeline: &Pipeline, node: NodeIndex) -> Result<(), Rejected> {
    if pipeline.definition().contains(node) { Ok(()) } else { Err(Rejected::NoSuchNode) }
}

fn waiting(pipeline: &Pipeline, node: NodeIndex) -> Result<(), Rejected> {
    known(pipeline, node)?;
    if pipeline.is_waiting_in_queue(node) { Ok(()) } else { Err(Rejected::NotQueued) }
}

fn finish(
    pipeline: &Pipeline,
    fence: Fence,
    outcome: &Outcome,
    log_bytes: u64,
    grown: Option<&Definition>,
) -> Result<Vec<Event>, Rejected> {
    let Some(live) = pipeline.live.get(&fence) else { return Err(Rejected::StaleFence(fence)) };
    let ended = |outcome| Event::AttemptFinished { fence, outcome, log_bytes };
    let decides = pipeline.live_attempt(fence).is_some_and(|(_, attempt)| !attempt.detached);
    let place = pipeline.definition().grows_at(live.node);
    let Some(place) = place.filter(|_| decides && *outcome == (Outcome::Exited { code: 0 })) else {
        return Ok(vec![ended(outcome.clone())]);
    };
    match check_growth(pipeline, live.node, place, grown) {
        Ok((target, tree)) => {
            let grown = Event::TreeGrown { generator: live.node, target, tree: Box::new(tree.clone()) };
            Ok(vec![grown, ended(outcome.clone())])
        }
        Err(message) => Ok(vec![ended(Outcome::Unreadable { message })]),
    }
}

fn not_being_cancelled(pipeline: &Pipeline) -> Result<(), Rejected> {
    if pipeline.cancelled_by.is_some() && pipeline.finished.is_none() { Err(Rejected::BeingCancelled) } else { Ok(()) }
}

fn reset(pipeline: &Pipeline, node: NodeIndex) -> Result<Event, Rejected> {
    known(pipeline, node)?;
    not_being_cancelled(pipeline)?;
    let node = pipeline.unit(node);
    let counts = pipeline.counts(node);
    let nothing_ran = counts.pending == counts.total() && pipeline.node(node).phase == Phase::Idle;
    if nothing_ran { Err(Rejected::NothingToReset) } else { Ok(Event::NodeReset { node }) }
}

fn rerun_failed(pipeline: &Pipeline, node: NodeIndex) -> Result<Vec<Event>, Rejected> {
    known(pipeline, node)?;
    not_being_cancelled(pipeline)?;
    let failed = failed_leaves(pipeline, node);
    let mut units: Vec<NodeIndex> = failed.into_iter().map(|leaf| pipeline.unit(leaf)).collect();
    units.sort_unstable();
    units.dedup();
    if units.is_empty() {
        return Err(Rejected::NothingFailed);
    }
    Ok(units.into_iter().map(|node| Event::NodeReset { node }).collect())
}

fn skip(pipeline: &Pipeline, node: NodeIndex) -> Result<Event, Rejected> {
    known(pipeline, node)?;
    not_being_cancelled(pipeline)?;
    if pipeline.is_skipped(node) {
        return Err(Rejected::SkippedAlready);
    }
    Ok(Event::NodeSkipped { node: pipeline.unit(node) })
}

fn unskip(pipeline: &Pipeline, node: NodeIndex) -> Result<Event, Rejected> {
    known(pipeline, node)?;
    not_being_cancelled(pipeline)?;
    let tree = pipeline.definition();
    if pipeline.skips_itself(node) {
        return match tree.lineage(node).skip(1).find(|above| pipeline.skips_itself(*above)) {
            Some(above) => Err(Rejected::SkippedAbove(tree.path(above))),
            None => Ok(Event::NodeUnskipped { node }),
        };
    }
    match tree.lineage(node).find(|above| pipeline.skips_itself(*above)) {
        // A group that shares one container is skipped as a whole, and taken back as a whole.
        Some(above) if above == pipeline.unit(node) => unskip(pipeline, above),
        Some(above) => Err(Rejected::SkippedAbove(tree.path(above))),
        None => Err(Rejected::NotSkipped),
    }
}

fn kill(pipeline: &Pipeline, node: NodeIndex) -> Result<Event, Rejected> {
    known(pipeline, node)?;
    if pipeline.node(node).phase != Phase::Active || pipeline.is_halted(node).is_some() {
        return Err(Rejected::NothingToKill);
    }
    Ok(Event::KillRequested { node })
}

fn check_edit(pipeline: &Pipeline, node: NodeIndex, edit: &Edit) -> Result<(), Rejected> {
    let Edit { command, env, cpu, mem, image } = edit;
    if *edit == Edit::default() {
        return Err(Rejected::NothingToEdit);
    }
    if command.is_some() && !pipeline.definition().is_exec(node) {
        return Err(Rejected::NotExec);
    }
    let fits = |amount: &Option<f64>| amount.is_none_or(|amount| amount > 0.0 && amount <= 100_000.0);
    if !fits(cpu) {
        return Err(Rejected::BadAmount("cpu"));
    }
    if !fits(mem) {
        return Err(Rejected::BadAmount("mem"));
    }
    if command.as_ref().is_some_and(|command| command.trim().is_empty() || command.contains('\0')) {
        return Err(Rejected::BadEdit("the command is empty or holds a null character"));
    }
    if image.as_ref().is_some_and(|image| image.is_empty() || image.contains(char::is_whitespace)) {
        return Err(Rejected::BadEdit("the image is empty or has a blank in it"));
    }
    let is_bad_name = |name: &String| name.is_empty() || name.contains(['=', '\0']);
    let is_bad_value = |value: &Option<String>| value.as_ref().is_some_and(|value| value.contains('\0'));
    if env.iter().any(|(name, value)| is_bad_name(name) || is_bad_value(value)) {
        return Err(Rejected::BadEdit("a variable has no name, a `=` in its name, or a null character in it"));
    }
    Ok(())
}

/// How the pipeline ended: what a person did outweighs what a command did, which outweighs what the machinery did.
fn ending(pipeline: &Pipeline) -> Ending {
    if pipeline.cancelled_by.is_some() {
        return Ending::Cancelled;
    }
    if pipeline.node(NodeIndex::ROOT).phase == (Phase::Finished { failed: false }) {
        return Ending::Done;
    }
    let own_fault = failed_leaves(pipeline, NodeIndex::ROOT).into_iter().any(|node| match pipeline.leaf(node) {
        Some(leaf) if leaf.state == State::Killed => leaf.kill_reason != Some(KillReason::Infrastructure),
        _ => true,
    });
    if own_fault { Ending::Failed } else { Ending::Infrastructure }
}
