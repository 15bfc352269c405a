//! Views of pipelines, made from the engine's state.

use super::{
    callbacks, cause,
    glance::Head,
    shared::Shared,
    start,
    view::{AttemptView, EnvView, NodeView, PipelineSummary, PipelineView, ResourcesView},
    waiting,
};
use crate::{
    engine::{Attempt, Pipeline},
    model::{Definition, Isolation, NodeIndex, NodeKind, Outcome, Resources, State},
    store::pipelines::{Listed, Projection},
};

/// Returns what lists show of a pipeline.
pub(super) fn projection(pipeline: &Pipeline) -> Projection {
    Projection {
        state: pipeline.state(NodeIndex::ROOT),
        ending: pipeline.finished().map(|(ending, _)| ending),
        cause: cause::of_pipeline(pipeline),
        counts: pipeline.counts(NodeIndex::ROOT),
        finished_at: pipeline.finished().map(|(_, at)| at),
        hold: pipeline.hold(),
        is_asleep: pipeline.asleep().is_some(),
    }
}

/// Returns a line of the list from the store's row.
pub(super) fn summary(listed: Listed) -> PipelineSummary {
    let Projection { state, ending, cause, counts, finished_at, .. } = listed.projection;
    PipelineSummary {
        id: listed.id.into(),
        title: listed.title,
        state,
        ending,
        cause,
        counts,
        repository: listed.repository,
        trigger: listed.described,
        section: listed.section,
        sha: listed.sha,
        sender: listed.sender,
        trust: listed.trust,
        created_at: listed.created_at,
        finished_at,
    }
}

/// Returns what is shown above a pipeline's tree.
pub(super) fn head(shared: &Shared, pipeline: &Pipeline) -> Head {
    let executor = &shared.parts.executor;
    let launch = pipeline.launch();
    let trigger = &launch.trigger;
    let Projection { state, ending, cause, counts, finished_at, hold, is_asleep } = projection(pipeline);
    let summary = PipelineSummary {
        id: launch.pipeline.to_string(),
        title: launch.title.clone(),
        state,
        ending,
        cause,
        counts,
        repository: trigger.repository.full_name.clone(),
        trigger: trigger.describe(),
        section: launch.section.clone(),
        sha: trigger.sha.clone(),
        sender: trigger.sender.clone(),
        trust: launch.trust,
        created_at: pipeline.created_at(),
        finished_at,
    };
    Head {
        summary,
        executor: executor.name().to_owned(),
        isolated: executor.isolates(),
        hold,
        asleep: is_asleep,
        waits_for: waiting::turn(shared, pipeline),
    }
}

/// Returns a pipeline with its whole tree.
pub(super) fn pipeline(shared: &Shared, pipeline: &Pipeline) -> PipelineView {
    let Head { summary, executor, isolated, hold, asleep, waits_for } = head(shared, pipeline);
    PipelineView {
        summary,
        seq: pipeline.seq(),
        executor,
        isolated,
        hold,
        asleep,
        waits_for,
        nodes: pipeline
            .definition()
            .subtree(NodeIndex::ROOT)
            .into_iter()
            .map(|at| node(shared, pipeline, at))
            .collect(),
    }
}

/// Returns one node, with what only somebody who looks at it alone wants to know.
pub(super) fn node_alone(shared: &Shared, pipeline: &Pipeline, index: NodeIndex) -> NodeView {
    let tree = pipeline.definition();
    let from = |name: &str| tree.lineage(index).find(|at| tree.node(*at).settings.env.contains_key(name));
    let variable = |(name, value): (String, String)| EnvView {
        from: from(&name).map(|at| tree.path(at).into()).unwrap_or_default(),
        name,
        value,
    };
    let env = tree.environment(index).into_iter().map(variable).collect();
    NodeView { env, ..node(shared, pipeline, index) }
}

/// Returns one node.
pub(super) fn node(shared: &Shared, pipeline: &Pipeline, index: NodeIndex) -> NodeView {
    let tree = pipeline.definition();
    let path = tree.path(index);
    let (kind, command) = match &tree.node(index).kind {
        NodeKind::Exec(exec) => ("exec", Some(exec.command.clone())),
        NodeKind::Serial { .. } => ("serial", None),
        NodeKind::Parallel => ("parallel", None),
    };
    let settings = &tree.node(index).settings;
    let attempts = pipeline.leaf(index).map(|leaf| leaf.attempts.as_slice()).unwrap_or_default();
    NodeView {
        index: index.0,
        name: path.name().to_owned(),
        depth: path.depth(),
        path: path.into(),
        kind: kind.to_owned(),
        state: pipeline.state(index),
        waits_for: waiting::reason(shared, pipeline, index),
        skipped_by: skipped_by(pipeline, index),
        cause: cause::of_leaf(pipeline, index),
        resources: command.as_ref().map(|_| resources(tree, index)),
        container_group: tree.reuse_group(index).map(|group| tree.path(group).into()),
        isolation: command
            .as_ref()
            .map(|_| start::isolation(&shared.options, pipeline, index))
            .filter(|isolation| *isolation != Isolation::Shared),
        remark: command.as_ref().and_then(|_| start::no_layer(&shared.options, pipeline, index)).map(str::to_owned),
        suppress_errors: settings.suppress_errors,
        max_concurrent: settings.max_concurrent,
        callbacks: settings
            .callbacks
            .iter()
            .map(callbacks::words)
            .chain(settings.watches.iter().map(callbacks::told))
            .collect(),
        image: command.as_ref().and_then(|_| tree.image(index)).map(ToString::to_string),
        command,
        doc: settings.doc.clone(),
        counts: pipeline.counts(index),
        env: Vec::new(),
        attempts: (1..).zip(attempts).map(|(number, attempt)| attempt_view(pipeline, number, attempt)).collect(),
    }
}

/// Returns the outermost of the nodes above it, itself included, that are skipped.
fn skipped_by(pipeline: &Pipeline, index: NodeIndex) -> Option<String> {
    let tree = pipeline.definition();
    let outermost = tree.lineage(index).take_while(|at| pipeline.is_skipped(*at)).last()?;
    Some(tree.path(outermost).into())
}

fn resources(tree: &Definition, index: NodeIndex) -> ResourcesView {
    let Resources { cpu, mem, gpu } = tree.resources(index);
    ResourcesView { cpu, mem, gpu, docker: tree.requires_docker(index) }
}

fn attempt_view(pipeline: &Pipeline, number: u32, attempt: &Attempt) -> AttemptView {
    let state = match (&attempt.outcome, attempt.started_at) {
        (Some(outcome), _) => outcome.state(),
        (None, Some(_)) => State::Running,
        (None, None) => State::Queued,
    };
    AttemptView {
        number,
        fence: attempt.fence.0,
        worker: attempt.worker.to_string(),
        asked_by: pipeline.asked_by(attempt).to_string(),
        state,
        outcome: attempt.outcome.as_ref().map(ToString::to_string),
        exit_code: match attempt.outcome {
            Some(Outcome::Exited { code }) => Some(code),
            _ => None,
        },
        kill_reason: attempt.outcome.as_ref().and_then(Outcome::kill_reason),
        cpu: attempt.needs.resources().cpu,
        mem: attempt.needs.resources().mem,
        leased_at: attempt.leased_at,
        started_at: attempt.started_at,
        finished_at: attempt.finished_at,
        log_bytes: attempt.finished_at.map(|_| attempt.log_bytes),
    }
}
