//! After a stop or a crash: what the store says goes on, what nobody knows is removed.
//!
//! First, before anything else may look: which workers are ours. Then, while the server already serves, one pipeline after
//! the other is told to order again what must be under way. Whoever asks for a pipeline earlier brings it to life earlier.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use tokio::sync::oneshot;

use super::{error::Error, images, intake, live, options::Options, pool, pool::Queue, shared::Shared, start, turns};
use crate::{
    engine::{Attempt, Pipeline},
    model::{Fence, NodeIndex, PipelineId, WorkerId},
    store::{
        outbox,
        pipelines::{self, Leased},
    },
};

/// How often the runtime is searched for what nobody knows.
const SWEEP: Duration = Duration::from_secs(60);

/// How many pipelines are read from the store at once.
const AT_ONCE: usize = 4;

/// What is still to be done after a start.
pub(super) struct Backlog {
    pipelines: Vec<PipelineId>,
    /// Those of them whose workers go on.
    live: BTreeSet<PipelineId>,
    /// Attempts whose workers belong to the time before the database was restored from a back-up.
    lost: HashMap<PipelineId, Vec<Leased>>,
}

/// Recognises every worker that has an attempt, so that it is not taken for a leftover.
pub(super) async fn prepare(shared: &Arc<Shared>, first_fence: Fence) -> Result<Backlog, Error> {
    images::recover(shared).await?;
    let interrupted = shared.store.write(outbox::recover).await?;
    if interrupted > 0 {
        tracing::info!(messages = interrupted, "messages are sent again whose arrival is unknown");
    }
    let (leased, pipelines) =
        shared.store.read(|connection| Ok((pipelines::leased(connection)?, pipelines::to_resume(connection)?))).await?;
    let (mut live, mut lost) = (BTreeSet::new(), HashMap::<PipelineId, Vec<Leased>>::new());
    for attempt in leased {
        if attempt.fence < first_fence {
            lost.entry(attempt.pipeline.clone()).or_default().push(attempt);
            continue;
        }
        shared.enrol(attempt.worker.clone(), attempt.pipeline.clone());
        live.insert(attempt.pipeline);
    }
    Ok(Backlog { pipelines, live, lost })
}

/// Brings every pipeline back to life for which there is something to do; then takes new ones, and looks for leftovers.
pub(super) async fn run(shared: Arc<Shared>, backlog: Backlog) {
    let Backlog { pipelines, live, mut lost } = backlog;
    // All workers are known to the pool before it hears of a leaf: else it would start others beside them.
    stream::iter(live).for_each_concurrent(AT_ONCE, async |id| adopt(&shared, &id).await).await;
    let (total, left) = (pipelines.len(), AtomicUsize::new(pipelines.len()));
    let resumed = stream::iter(pipelines.into_iter().map(|id| (lost.remove(&id).unwrap_or_default(), id)))
        .for_each_concurrent(AT_ONCE, async |(lost, id)| {
            let words = format!("{} of {total} pipelines are still being resumed", left.load(Ordering::Relaxed));
            shared.set_problem("resume", Some(words));
            resume(&shared, id, lost).await;
            left.fetch_sub(1, Ordering::Relaxed);
        });
    tokio::select! {
        () = resumed => {}
        () = shared.stop.cancelled() => return,
    }
    shared.set_problem("resume", None);
    if total > 0 {
        tracing::info!(pipelines = total, "pipelines are resumed");
    }
    shared.tasks.spawn(intake::run(Arc::clone(&shared)));
    shared.tasks.spawn(turns::run(Arc::clone(&shared)));
    shared.tasks.spawn(sweep(Arc::clone(&shared)));
}

async fn resume(shared: &Arc<Shared>, id: PipelineId, lost: Vec<Leased>) {
    if lost.is_empty() {
        return restart(shared, &id).await;
    }
    // Removing their workers takes as long as the runtime takes; the others need not wait.
    let shared = Arc::clone(shared);
    shared.tasks.clone().spawn(async move {
        for Leased { fence, worker, .. } in lost {
            let evidence = "its worker was left behind when the server was restored from a back-up";
            pool::give_up(&shared, &id, &worker, fence, evidence.to_owned()).await;
        }
        restart(&shared, &id).await;
    });
}

async fn adopt(shared: &Arc<Shared>, id: &PipelineId) {
    let (reply, adopted) = oneshot::channel();
    tell(shared, id, live::Message::Adopt { reply }).await;
    // Without an answer the pipeline cannot be loaded, and that was said.
    adopted.await.ok();
}

/// Nobody may look for leftovers before every pipeline has said which containers its groups keep.
async fn restart(shared: &Arc<Shared>, id: &PipelineId) {
    let (reply, resumed) = oneshot::channel();
    tell(shared, id, live::Message::Resume { reply }).await;
    resumed.await.ok();
}

async fn tell(shared: &Arc<Shared>, id: &PipelineId, message: live::Message) {
    match shared.send(id, message).await {
        Ok(()) | Err(Error::Stopping) => {}
        // One damaged log is no reason to keep all the others waiting.
        Err(error) => {
            tracing::error!(pipeline = %id, error = %error, "a pipeline cannot be resumed");
            shared.set_problem("recovery", Some(format!("pipeline {id} cannot be resumed: {error}")));
        }
    }
}

/// Listens for a worker of before, which may speak of these attempts. The pool must have heard of it already: else it would
/// hear of its connection first, not know whose it is, and wait for it for ever.
pub(super) fn listen(shared: &Shared, worker: &WorkerId, fences: &[Fence]) {
    let directory = shared.options.layout.worker(worker);
    if !directory.exists() {
        return;
    }
    if let Err(error) = shared.parts.hub.listen_for(worker, &directory, fences) {
        tracing::error!(worker = %worker, error = %error, "nobody listens for a worker");
    }
}

/// Returns the containers that groups have to themselves and in which something has run, with their queues: whatever becomes
/// of them, none takes their place.
pub(super) fn kept_groups(options: &Options, pipeline: &Pipeline) -> Vec<(WorkerId, Queue)> {
    let with_queue = |(container, worker): ((NodeIndex, u32), &WorkerId)| {
        let attempt = began_last(pipeline, container.0, worker)?;
        Some((worker.clone(), start::queue_of(options, pipeline, attempt, Some(container))))
    };
    pipeline.group_workers().filter_map(with_queue).collect()
}

/// Returns the attempt at a leaf of a group that a worker began last.
fn began_last<'a>(pipeline: &'a Pipeline, group: NodeIndex, worker: &WorkerId) -> Option<&'a Attempt> {
    let leaves = pipeline.definition().subtree(group).into_iter().filter_map(|node| pipeline.leaf(node));
    let mine = |attempt: &&Attempt| attempt.worker == *worker && attempt.started_at.is_some();
    leaves.flat_map(|leaf| &leaf.attempts).filter(mine).max_by_key(|attempt| attempt.fence)
}

/// Removes, again and again, what exists in the runtime and nowhere else: left by a crash in the wrong moment.
async fn sweep(shared: Arc<Shared>) {
    loop {
        if let Err(error) = sweep_once(&shared).await {
            tracing::warn!(error = %error, "the runtime cannot be searched for leftovers");
        }
        tokio::select! {
            () = tokio::time::sleep(SWEEP) => {}
            () = shared.stop.cancelled() => return,
        }
    }
}

async fn sweep_once(shared: &Arc<Shared>) -> Result<(), crate::executor::Error> {
    let executor = &shared.parts.executor;
    let orphans: Vec<(PipelineId, WorkerId)> =
        executor.owned().await?.into_iter().filter(|(_, worker)| shared.pipeline_of(worker).is_none()).collect();
    for (pipeline, worker) in orphans {
        tracing::warn!(worker = %worker, pipeline = %pipeline, "a worker that nobody knows is removed");
        executor.remove(&pipeline, &worker).await?;
        shared.parts.hub.forget(&worker).await;
    }
    let live = shared.store.read(pipelines::unreleased).await;
    let Ok(live) = live else { return Ok(()) };
    for folder in shared.options.layout.spares() {
        let pipeline = folder.file_name().and_then(|name| PipelineId::parse(name.to_str()?).ok());
        if !pipeline.is_some_and(|pipeline| shared.has_workers(&pipeline))
            && let Err(error) = tokio::fs::remove_dir_all(&folder).await
        {
            tracing::warn!(error = %error, folder = %folder.display(), "the folders of a spare are left behind");
        }
    }
    for pipeline in executor.owned_pipelines().await? {
        if !live.contains(&pipeline) && !shared.has_workers(&pipeline) {
            executor.release(&pipeline).await?;
        }
    }
    Ok(())
}
