//! After a stop or a crash: what the store says goes on, what nobody knows is removed.
//!
//! First, before anything else may look: which workers are ours. Then, while the server already serves, one pipeline after
//! the other is told to order again what must be under way. Whoever asks for a pipeline earlier brings it to life earlier.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, stream};

use super::{error::Error, intake, live, pool, shared::Shared};
use crate::{
    model::{Fence, PipelineId, WorkerId},
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
    /// Attempts whose workers belong to the time before the database was restored from a back-up.
    lost: HashMap<PipelineId, Vec<Leased>>,
}

/// Recognises every worker that has an attempt, so that it is listened for and not taken for a leftover.
pub(super) async fn prepare(shared: &Arc<Shared>, first_fence: Fence) -> Result<Backlog, Error> {
    let interrupted = shared.store.write(outbox::recover).await?;
    if interrupted > 0 {
        tracing::info!(messages = interrupted, "messages are sent again whose arrival is unknown");
    }
    let (leased, pipelines) =
        shared.store.read(|connection| Ok((pipelines::leased(connection)?, pipelines::to_resume(connection)?))).await?;
    let mut lost: HashMap<PipelineId, Vec<Leased>> = HashMap::new();
    for attempt in leased {
        if attempt.fence < first_fence {
            lost.entry(attempt.pipeline.clone()).or_default().push(attempt);
            continue;
        }
        let directory = shared.options.layout.worker(&attempt.worker);
        shared.enrol(attempt.worker.clone(), attempt.pipeline);
        if directory.exists() {
            let hub = &shared.parts.hub;
            if let Err(error) = hub.listen(&attempt.worker, &directory) {
                tracing::error!(worker = %attempt.worker, error = %error, "nobody listens for a worker");
            }
            hub.lease(&attempt.worker, attempt.fence);
        }
    }
    Ok(Backlog { pipelines, lost })
}

/// Brings every pipeline back to life for which there is something to do; then takes new ones, and looks for leftovers.
pub(super) async fn run(shared: Arc<Shared>, backlog: Backlog) {
    let Backlog { pipelines, mut lost } = backlog;
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
    shared.tasks.spawn(sweep(Arc::clone(&shared)));
}

async fn resume(shared: &Arc<Shared>, id: PipelineId, lost: Vec<Leased>) {
    if lost.is_empty() {
        return tell(shared, &id).await;
    }
    // Removing their workers takes as long as the runtime takes; the others need not wait.
    let shared = Arc::clone(shared);
    shared.tasks.clone().spawn(async move {
        for Leased { fence, worker, .. } in lost {
            let evidence = "its worker was left behind when the server was restored from a back-up";
            pool::give_up(&shared, &id, &worker, fence, evidence.to_owned()).await;
        }
        tell(&shared, &id).await;
    });
}

async fn tell(shared: &Arc<Shared>, id: &PipelineId) {
    match shared.send(id, live::Message::Resume).await {
        Ok(()) | Err(Error::Stopping) => {}
        // One damaged log is no reason to keep all the others waiting.
        Err(error) => {
            tracing::error!(pipeline = %id, error = %error, "a pipeline cannot be resumed");
            shared.set_problem("recovery", Some(format!("pipeline {id} cannot be resumed: {error}")));
        }
    }
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
    for pipeline in executor.owned_pipelines().await? {
        if !live.contains(&pipeline) {
            executor.release(&pipeline).await?;
        }
    }
    Ok(())
}
