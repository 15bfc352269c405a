//! After a stop or a crash: what the store says goes on, what nobody knows is removed.

use std::{sync::Arc, time::Duration};

use super::{error::Error, live, registry, shared::Shared};
use crate::{
    model::{PipelineId, WorkerId},
    store::{outbox, pipelines},
};

/// How often the runtime is searched for what nobody knows.
const SWEEP: Duration = Duration::from_secs(60);

/// Brings every pipeline back to life that has not ended, or of which something may be left.
pub(super) async fn run(shared: &Arc<Shared>) -> Result<(), Error> {
    let interrupted = shared.store.write(outbox::recover).await?;
    if interrupted > 0 {
        tracing::info!(messages = interrupted, "messages are sent again whose arrival is unknown");
    }
    let ids = shared.store.read(pipelines::unreleased).await?;
    for id in &ids {
        let pipeline = match registry::load(shared, id).await {
            Ok(pipeline) => pipeline,
            // One damaged log is no reason to keep all the others waiting.
            Err(error) => {
                tracing::error!(pipeline = %id, error = %error, "a pipeline cannot be resumed");
                shared.set_problem("recovery", Some(format!("pipeline {id} cannot be resumed: {error}")));
                continue;
            }
        };
        for (_, attempt) in pipeline.live_attempts() {
            let directory = shared.options.layout.worker(&attempt.worker);
            shared.enrol(attempt.worker.clone(), id.clone());
            if directory.exists() {
                let hub = &shared.parts.hub;
                if let Err(error) = hub.listen(&attempt.worker, &directory) {
                    tracing::error!(worker = %attempt.worker, error = %error, "nobody listens for a worker");
                }
                hub.lease(&attempt.worker, attempt.fence);
            }
        }
        let sender = shared.registry.insert(shared, pipeline).await;
        if sender.send(live::Message::Resume).await.is_err() {
            return Err(Error::Stopping);
        }
    }
    if !ids.is_empty() {
        tracing::info!(pipelines = ids.len(), "pipelines are resumed");
    }
    Ok(())
}

/// Removes, again and again, what exists in the runtime and nowhere else: left by a crash in the wrong moment.
pub(super) async fn sweep(shared: Arc<Shared>) {
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
