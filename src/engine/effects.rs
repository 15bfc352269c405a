//! Events into orders to the world. Deterministic, and harmless when carried out twice.

use super::{pipeline::Pipeline, why::must_stop};
use crate::model::{Effect, Event, KillReason, Milestone, NodeIndex, Recorded};

/// Returns what the world must now do because of an event. The state is the one after the event (or any later one: what is
/// no longer true is then left out).
pub fn effects(pipeline: &Pipeline, recorded: &Recorded) -> Vec<Effect> {
    match &recorded.event {
        Event::NodeQueued { node } => vec![Effect::Offer { node: *node }],
        Event::AttemptLeased { node, fence, worker } => {
            vec![Effect::Start { node: *node, fence: *fence, worker: worker.clone() }]
        }
        Event::AttemptUnleased { node, .. } | Event::AttemptReturned { node, .. }
            if pipeline.is_waiting_in_queue(*node) =>
        {
            vec![Effect::Offer { node: *node }]
        }
        Event::AttemptUnleased { .. } | Event::AttemptReturned { .. } => vec![],
        // What still goes on in a pipeline that sleeps decides nothing. Telling of it might speak over another one of the commit.
        Event::AttemptStarted { .. } | Event::AttemptFinished { .. } if sleeps(pipeline) => vec![],
        Event::AttemptStarted { .. }
        | Event::AttemptFinished { .. }
        | Event::NodeCannotRun { .. }
        | Event::FailureStood { .. }
        | Event::TreeGrown { .. } => vec![report(pipeline, Milestone::Progress)],
        Event::DeadlinePassed { node } if pipeline.definition().is_exec(*node) => pipeline
            .current_attempt(*node)
            .map(|attempt| Effect::Destroy {
                fence: attempt.fence,
                worker: attempt.worker.clone(),
                reason: KillReason::Timeout,
            })
            .into_iter()
            .collect(),
        Event::DeadlinePassed { .. } | Event::KillRequested { .. } | Event::CancelRequested => stops(pipeline),
        Event::NodeReset { .. } | Event::NodeRetried { .. } => and(stops(pipeline), report(pipeline, Milestone::Begun)),
        Event::NodeSkipped { .. } | Event::NodeUnskipped { .. } | Event::ErrorsSkipped { .. } => {
            and(stops(pipeline), report(pipeline, Milestone::Progress))
        }
        Event::NodeEdited { node, .. } => moves(pipeline, *node),
        Event::PipelineCreated { .. } | Event::RunRequested | Event::PipelineWoken => {
            vec![report(pipeline, Milestone::Begun)]
        }
        Event::PipelineSlept => and(and(stops(pipeline), report(pipeline, Milestone::Progress)), Effect::Release),
        Event::GroupReleased { node, generation } => {
            vec![Effect::ReleaseGroup { node: *node, generation: *generation }]
        }
        Event::PipelineFinished { ending } => vec![Effect::Report(Milestone::Finished(*ending)), Effect::Release],
    }
}

fn sleeps(pipeline: &Pipeline) -> bool {
    pipeline.asleep().is_some() && pipeline.finished().is_none()
}

/// Something is to be told. Of a pipeline that has ended, and goes on having ended, its end is told again: nothing else would
/// tell the world that this was the last word.
fn report(pipeline: &Pipeline, milestone: Milestone) -> Effect {
    Effect::Report(pipeline.finished().map_or(milestone, |(ending, _)| Milestone::Finished(ending)))
}

fn and(mut orders: Vec<Effect>, last: Effect) -> Vec<Effect> {
    orders.push(last);
    orders
}

/// Everything that runs and must not: telling a worker twice is harmless.
fn stops(pipeline: &Pipeline) -> Vec<Effect> {
    pipeline
        .live_attempts()
        .filter_map(|(node, attempt)| Some((attempt, must_stop(pipeline, node, attempt)?)))
        .map(|(attempt, reason)| Effect::Stop { fence: attempt.fence, worker: attempt.worker.clone(), reason })
        .collect()
}

/// What waits for a worker may need another kind of worker now.
fn moves(pipeline: &Pipeline, node: NodeIndex) -> Vec<Effect> {
    let below = pipeline.definition().subtree(node).into_iter();
    below
        .filter(|leaf| pipeline.is_waiting_in_queue(*leaf))
        .flat_map(|node| [Effect::Withdraw { node }, Effect::Offer { node }])
        .collect()
}
