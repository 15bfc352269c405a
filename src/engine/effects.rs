//! Events into orders to the world. Deterministic, and harmless when carried out twice.

use super::pipeline::Pipeline;
use crate::model::{Effect, Event, KillReason, Milestone, NodeIndex, Recorded};

/// Returns what the world must now do because of an event. The state is the one after the event (or any later one: what is
/// no longer true is then left out).
pub fn effects(pipeline: &Pipeline, recorded: &Recorded) -> Vec<Effect> {
    match &recorded.event {
        Event::PipelineCreated { .. } => vec![Effect::Report(Milestone::Begun)],
        Event::NodeQueued { node } => vec![Effect::Offer { node: *node }],
        Event::AttemptLeased { node, fence, worker } => {
            vec![Effect::Start { node: *node, fence: *fence, worker: worker.clone() }]
        }
        Event::AttemptUnleased { node, .. } if pipeline.is_waiting_in_queue(*node) => {
            vec![Effect::Offer { node: *node }]
        }
        Event::AttemptUnleased { .. } => vec![],
        Event::AttemptStarted { .. } | Event::AttemptFinished { .. } | Event::NodeCannotRun { .. } => {
            vec![Effect::Report(Milestone::Progress)]
        }
        Event::DeadlinePassed { node } if pipeline.definition().is_exec(*node) => pipeline
            .current_attempt(*node)
            .map(|attempt| Effect::Destroy {
                fence: attempt.fence,
                worker: attempt.worker.clone(),
                reason: KillReason::Timeout,
            })
            .into_iter()
            .collect(),
        Event::DeadlinePassed { node } => stops_below(pipeline, *node, KillReason::Timeout),
        Event::CancelRequested => stops_below(pipeline, NodeIndex::ROOT, KillReason::User),
        Event::NodeReset { node } => {
            let mut orders = stops_below(pipeline, *node, KillReason::User);
            orders.push(Effect::Report(Milestone::Begun));
            orders
        }
        Event::PipelineFinished { ending } => vec![Effect::Report(Milestone::Finished(*ending)), Effect::Release],
        _ => vec![],
    }
}

fn stops_below(pipeline: &Pipeline, top: NodeIndex, reason: KillReason) -> Vec<Effect> {
    pipeline
        .live_attempts()
        .filter(|(node, _)| pipeline.definition().lineage(*node).any(|above| above == top))
        .map(|(_, attempt)| Effect::Stop { fence: attempt.fence, worker: attempt.worker.clone(), reason })
        .collect()
}
