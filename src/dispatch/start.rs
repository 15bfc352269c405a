//! What a worker is told about a node, and which queue a node stands in.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::{
    options::Options,
    pool::{Amounts, Queue, QueueKey},
    secrets,
    shared::Shared,
};
use crate::{
    engine::{Attempt, Pipeline},
    model::{Fence, Isolation, Needs, NodeIndex, NodeKind, Trust},
    worker::protocol::Start,
};

/// Time between SIGTERM and SIGKILL.
pub(super) const GRACE_MS: u64 = 10_000;

/// Docker gives no less than a hundredth of a processor.
const LEAST_CPU: f64 = 0.01;

/// Returns the queue whose workers can run this leaf.
pub(super) fn queue(options: &Options, pipeline: &Pipeline, node: NodeIndex) -> Queue {
    key(options, pipeline, pipeline.group_container(node), &pipeline.definition().needs(node))
}

/// Returns the queue for which the worker of an attempt was made, in this container of its group. Its leaf may have been
/// edited or reset since then, and stand in another queue now.
pub(super) fn queue_of(
    options: &Options,
    pipeline: &Pipeline,
    attempt: &Attempt,
    container: Option<(NodeIndex, u32)>,
) -> Queue {
    key(options, pipeline, container, &attempt.needs)
}

fn key(options: &Options, pipeline: &Pipeline, group: Option<(NodeIndex, u32)>, needs: &Needs) -> Queue {
    Arc::new(QueueKey {
        pipeline: pipeline.launch().pipeline.clone(),
        trust: pipeline.launch().trust,
        group,
        image: needs.image.as_ref().unwrap_or(&options.default_image).clone(),
        folder: needs.folder.clone(),
        amounts: amounts(options, needs),
        requires_docker: needs.requires_docker,
        docker_run_args: needs.docker_run_args.clone(),
        isolation: granted(options, pipeline, needs.isolation),
    })
}

/// How clean the leaf's container is: a layer of its own only where it may have one.
pub(super) fn isolation(options: &Options, pipeline: &Pipeline, node: NodeIndex) -> Isolation {
    granted(options, pipeline, pipeline.definition().isolation(node))
}

/// Says, for people, why a leaf that asked for a layer of its own runs without; nothing when it has one, or did not ask.
pub(super) fn no_layer(options: &Options, pipeline: &Pipeline, node: NodeIndex) -> Option<&'static str> {
    if pipeline.definition().isolation(node) == Isolation::Shared { None } else { no_mounts(options, pipeline) }
}

fn granted(options: &Options, pipeline: &Pipeline, asked: Isolation) -> Isolation {
    if no_mounts(options, pipeline).is_some() { Isolation::Shared } else { asked }
}

/// Says why the workers of this pipeline may not mount; nothing when they may.
fn no_mounts(options: &Options, pipeline: &Pipeline) -> Option<&'static str> {
    match pipeline.launch().trust {
        Trust::Fork => Some("runs without a layer of its own: the code of a fork gets no worker that may mount"),
        Trust::Trusted if !options.pristine => Some(
            "runs without a layer of its own: an admin can allow it with pristine = true in section [containers] of the \
             server's settings",
        ),
        Trust::Trusted => None,
    }
}

/// Says, for people, why this leaf may not run here, where workers are isolated or not; nothing when it may.
pub(super) fn refusal(options: &Options, isolates: bool, pipeline: &Pipeline, node: NodeIndex) -> Option<String> {
    let (tree, launch) = (pipeline.definition(), pipeline.launch());
    if launch.trust == Trust::Fork && !isolates {
        let words = "the code of a fork runs only in containers, and this server runs plain processes; set executor = \"docker\" \
                     in the server's settings";
        return Some(words.to_owned());
    }
    let privilege = if tree.requires_docker(node) {
        "requires_docker"
    } else if !tree.docker_run_args(node).is_empty() {
        "docker_run_args"
    } else {
        return None;
    };
    let repository = &launch.trigger.repository.full_name;
    if launch.trust == Trust::Fork {
        return Some(format!("`{privilege}` is not allowed for the code of a fork"));
    }
    let is_privileged = options.privileged_repositories.iter().any(|name| name.eq_ignore_ascii_case(repository));
    (!is_privileged).then(|| {
        format!(
            "`{privilege}` is not allowed for {repository}: whoever can use it owns the machine; an admin can allow it \
             with privileged_repositories = [\"{repository}\"] in section [containers] of the server's settings"
        )
    })
}

/// What a leaf asks for. What nobody has asked for is never more than a small machine can give.
fn amounts(options: &Options, needs: &Needs) -> Amounts {
    let resources = needs.resources();
    let mut amounts = Amounts::of(resources.cpu.max(LEAST_CPU), resources.mem, resources.gpu);
    let largest = options.budget.largest;
    if needs.cpu.is_none() {
        amounts.milli_cpu = amounts.milli_cpu.min(largest.milli_cpu);
    }
    if needs.mem.is_none() {
        amounts.mem = amounts.mem.min(largest.mem);
    }
    amounts
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
    if tree.grows_at(node).is_some() {
        // Tells the old product's client to print the pipeline instead of launching it (`compat.md` §1.2).
        merged.insert("__RUN_BY_WORKER__".to_owned(), "1".to_owned());
    }
    Some(Start {
        fence,
        command: exec.command.clone(),
        env: merged,
        max_time_ms: u64::try_from(max_time.as_millis()).unwrap_or(u64::MAX),
        grace_ms: GRACE_MS,
        keep: pipeline.group_container(node).is_some(),
        isolation: isolation(&shared.options, pipeline, node),
        shell: tree.shell(node).map(str::to_owned),
        secrets: secrets::is_to_ask(shared, pipeline.launch()),
    })
}

/// Says where in the repository the working copy is from, so that paths within it can be printed (`compat.md` §2.9, §3.6).
fn path_map(shared: &Shared, pipeline: &Pipeline, node: NodeIndex, fence: Fence) -> String {
    let trigger = &pipeline.launch().trigger;
    let url = format!("https://{}/{}", trigger.host, trigger.repository.full_name);
    let mut mark = json!({ "type": "git", "url": url });
    if let Some(branch) = trigger.branch() {
        mark["branch"] = branch.into();
    }
    let below = pipeline.definition().folder(node).split('/').filter(|name| !name.is_empty());
    let parts: Vec<Value> = std::iter::once(mark).chain(below.map(Value::from)).collect();
    let path = json!({ "pathsep": "/", "path": parts });
    let worker = pipeline.live_attempt(fence).map(|(_, attempt)| &attempt.worker);
    let directory = worker.map(|worker| shared.options.layout.worker(worker)).unwrap_or_default();
    let work = shared.parts.executor.work(&directory);
    json!({ path.to_string(): work.to_string_lossy() }).to_string()
}

/// Returns the variable in which a node finds a parameter of the request.
fn param_variable(name: &str) -> String {
    format!("CONDUCTO_PARAM_{}", name.to_uppercase())
}

/// Returns the variables that the server sets itself: nothing else may have their names.
pub(super) fn generated(
    shared: &Shared,
    pipeline: &Pipeline,
    node: NodeIndex,
    fence: Fence,
) -> BTreeMap<String, String> {
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
        ("CONDUCTO_PATH_MAP", path_map(shared, pipeline, node, fence)),
        ("CONDUCTO_DATA_PIPELINE", folder("/conducto/data/pipeline", layout.pipeline_data(&launch.pipeline))),
        ("CONDUCTO_DATA_USER", folder("/conducto/data/user", layout.user_data_for(&launch.pipeline, launch.trust))),
    ];
    let parameters = trigger.parameters().iter().map(|(name, value)| (param_variable(name), value.clone()));
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(parameters).collect()
}
