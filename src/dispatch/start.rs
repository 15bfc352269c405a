//! What a worker is told about a node, and which queue a node stands in.

use std::collections::BTreeMap;

use super::{options::Options, pool::QueueKey, shared::Shared};
use crate::{
    engine::Pipeline,
    model::{Fence, Isolation, NodeIndex, NodeKind, Resources},
    worker::protocol::Start,
};

/// Time between SIGTERM and SIGKILL.
pub(super) const GRACE_MS: u64 = 10_000;

const GIB: f64 = 1_073_741_824.0;

/// Returns the queue whose workers can run this leaf.
pub(super) fn queue(options: &Options, pipeline: &Pipeline, node: NodeIndex) -> QueueKey {
    let tree = pipeline.definition();
    let Resources { cpu, mem, gpu: _ } = tree.resources(node);
    QueueKey {
        pipeline: pipeline.launch().pipeline.clone(),
        image: tree.image(node).unwrap_or(&options.default_image).to_owned(),
        milli_cpu: whole(cpu * 1_000.0),
        mem: whole(mem * GIB),
    }
}

/// Returns what to tell the worker; nothing for a node that is no leaf.
pub(super) fn start(shared: &Shared, pipeline: &Pipeline, node: NodeIndex, fence: Fence) -> Option<Start> {
    let tree = pipeline.definition();
    let NodeKind::Exec(exec) = &tree.node(node).kind else { return None };
    let max_time = tree.max_time(node).unwrap_or(crate::model::DEFAULT_MAX_TIME);
    let mut env = generated(shared, pipeline, node, fence);
    // What the author wrote wins over conventions; what the server knows wins over both.
    let mut merged = BTreeMap::from([("CI".to_owned(), "true".to_owned())]);
    merged.extend(tree.environment(node));
    merged.append(&mut env);
    Some(Start {
        fence,
        command: exec.command.clone(),
        env: merged,
        max_time_ms: u64::try_from(max_time.as_millis()).unwrap_or(u64::MAX),
        grace_ms: GRACE_MS,
        keep: false,
        isolation: Isolation::Shared,
    })
}

fn generated(shared: &Shared, pipeline: &Pipeline, node: NodeIndex, fence: Fence) -> BTreeMap<String, String> {
    let launch = pipeline.launch();
    let trigger = &launch.trigger;
    let layout = &shared.options.layout;
    let number = pipeline.leaf(node).map_or(1, |leaf| leaf.attempts.len());
    let isolates = shared.parts.executor.isolates();
    let folder = |inside: &str, outside: std::path::PathBuf| {
        if isolates { inside.to_owned() } else { outside.to_string_lossy().into_owned() }
    };
    let pairs = [
        ("CONDUCTO_PIPELINE_ID", launch.pipeline.to_string()),
        ("CONDUCTO_EXECUTION_ENV", "worker_local".to_owned()),
        ("CONDUCTO_PROFILE", layout.profile().to_owned()),
        ("CONDUCTO_AUTO_URL", shared.options.public_url.clone()),
        ("CONDUCTO_NODE", pipeline.definition().path(node).to_string()),
        ("CONDUCTO_ATTEMPT", number.to_string()),
        ("CONDUCTO_FENCE", fence.to_string()),
        ("CONDUCTO_GIT_URL", format!("{}/{}.git", shared.options.git_url, trigger.repository.full_name)),
        ("CONDUCTO_GIT_BRANCH", trigger.branch().unwrap_or_default().to_owned()),
        ("CONDUCTO_GIT_SHA", trigger.sha.clone()),
        ("CONDUCTO_DATA_PIPELINE", folder("/conducto/data/pipeline", layout.pipeline_data(&launch.pipeline))),
        ("CONDUCTO_DATA_USER", folder("/conducto/data/user", layout.user_data())),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates; sizes are small and positive")]
fn whole(number: f64) -> u64 {
    number.round().max(0.0) as u64
}
