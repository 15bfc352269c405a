//! The end of a worker, and of all that a pipeline had. Repeated until it works, or the server stops.

use std::{sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable as _};

use super::{book::End, chores, room::Message};
use crate::{
    clock,
    dispatch::shared::Shared,
    model::{Command, Fence, Outcome, PipelineId, WorkerId},
    store::pipelines,
    worker::protocol::ToWorker,
};

/// Removes a worker. Only then the ends of its attempts are facts: before, they might still print or even succeed.
pub(super) async fn remove(shared: Arc<Shared>, pipeline: PipelineId, worker: WorkerId, ends: Vec<(Fence, End)>) {
    if ends.is_empty() {
        shared.parts.hub.send(&worker, ToWorker::Bye);
    }
    remove_first(&shared, &pipeline, &worker).await;
    for (fence, end) in ends {
        settle(&shared, &pipeline, fence, end).await;
    }
    strike_off(&shared, worker).await;
}

/// Removes a worker's container and directory; tries until it works, or the server stops.
async fn remove_first(shared: &Arc<Shared>, pipeline: &PipelineId, worker: &WorkerId) {
    let gate = shared.gate(worker).unwrap_or_default();
    gate.leave.cancel();
    let mut is_to_go = gate.door.lock().await;
    *is_to_go = true;
    let attempt = || async { shared.parts.executor.remove(pipeline, worker).await };
    let patience = ExponentialBuilder::default().with_jitter().without_max_times();
    let removal = attempt.retry(patience).notify(|error, _| {
        tracing::warn!(worker = %worker, error = %error, "a worker cannot be removed yet");
    });
    tokio::select! {
        removed = removal => if let Err(error) = removed {
            tracing::error!(worker = %worker, error = %error, "a worker is left behind");
        },
        () = shared.stop.cancelled() => return,
    }
    shared.parts.hub.forget(worker).await;
    let directory = shared.options.layout.worker(worker);
    if let Err(error) = tokio::fs::remove_dir_all(&directory).await
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(worker = %worker, error = %error, "a worker's directory is left behind");
    }
}

/// Forgets a worker.
async fn strike_off(shared: &Arc<Shared>, worker: WorkerId) {
    if shared.stop.is_cancelled() {
        return;
    }
    shared.strike_off(&worker);
    shared.tell_pool(Message::Removed { worker }).await;
}

/// Tells the pipeline how an attempt ended whose worker cannot say it any more. Nobody else would: repeated until the
/// pipeline knows.
pub(super) async fn settle(shared: &Arc<Shared>, pipeline: &PipelineId, fence: Fence, end: End) {
    let outcome = match end {
        End::GiveBack(evidence) => {
            let command = Command::Unlease { fence, evidence: evidence.clone() };
            if chores::tell(shared, pipeline, command).await {
                return;
            }
            // It had begun, or must not go on: then this is its end.
            Outcome::Infrastructure { message: evidence }
        }
        End::Stopped(reason) => Outcome::Stopped { reason },
        End::OutOfMemory => Outcome::OutOfMemory,
        End::Failed(message) => Outcome::Infrastructure { message },
    };
    let log = shared.log_path(pipeline, fence);
    let closed = async {
        shared.logs().notice(&log, clock::now(), format!("conducto: {outcome}")).await?;
        shared.logs().finish(&log).await
    };
    let log_bytes = closed.await.unwrap_or_else(|error| {
        tracing::warn!(pipeline = %pipeline, error = %error, "a log cannot be closed");
        0
    });
    // If it is rejected, its own report came first.
    chores::tell(shared, pipeline, Command::AttemptFinished { fence, outcome, log_bytes, grown: None }).await;
}

/// Ends an attempt whose worker is of no use any more: a leaf that had not begun goes back to its queue.
pub(in crate::dispatch) async fn give_up(
    shared: &Arc<Shared>,
    pipeline: &PipelineId,
    worker: &WorkerId,
    fence: Fence,
    evidence: String,
) {
    remove_first(shared, pipeline, worker).await;
    settle(shared, pipeline, fence, End::GiveBack(evidence)).await;
}

/// Gives back what a pipeline had as a whole.
pub(super) async fn release(shared: Arc<Shared>, pipeline: PipelineId) {
    let executor = &shared.parts.executor;
    let attempt = || async {
        // A start that was given up may have left a container after all.
        for (_, worker) in executor.owned().await?.into_iter().filter(|(of, _)| *of == pipeline) {
            executor.remove(&pipeline, &worker).await?;
        }
        executor.release(&pipeline).await
    };
    let patience = ExponentialBuilder::default().with_jitter().without_max_times();
    tokio::select! {
        released = attempt.retry(patience) => if let Err(error) = released {
            tracing::error!(pipeline = %pipeline, error = %error, "a network is left behind");
        },
        () = shared.stop.cancelled() => return,
    }
    remove_folders(&shared, &pipeline).await;
    record_release(&shared, &pipeline).await;
    shared.tell_pool(Message::Released { pipeline }).await;
}

async fn remove_folders(shared: &Shared, pipeline: &PipelineId) {
    let layout = &shared.options.layout;
    for folder in [layout.source_folder(pipeline), layout.spare(pipeline)] {
        if let Err(error) = tokio::fs::remove_dir_all(&folder).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(pipeline = %pipeline, error = %error, "a pipeline's files are left behind");
        }
    }
}

/// Removes spares when the server stops. What cannot be removed now, the next start finds.
pub(super) async fn dissolve(shared: &Shared, spares: Vec<(PipelineId, WorkerId)>) {
    const PATIENCE: Duration = Duration::from_secs(5);
    for (pipeline, worker) in spares {
        let removed = async {
            shared.parts.executor.remove(&pipeline, &worker).await?;
            shared.parts.executor.release(&pipeline).await
        };
        match tokio::time::timeout(PATIENCE, removed).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(worker = %worker, error = %error, "a spare worker is left behind"),
            Err(_) => tracing::warn!(worker = %worker, "a spare worker is left behind"),
        }
        shared.parts.hub.forget(&worker).await;
        tokio::fs::remove_dir_all(shared.options.layout.worker(&worker)).await.ok();
        remove_folders(shared, &pipeline).await;
    }
}

/// As long as it is not recorded, what turns up of the pipeline later is taken for something that it needs.
async fn record_release(shared: &Arc<Shared>, pipeline: &PipelineId) {
    loop {
        let id = pipeline.clone();
        let recorded = shared.store.write(move |connection| pipelines::set_released(connection, &id)).await;
        let Err(error) = recorded else { return };
        tracing::warn!(pipeline = %pipeline, error = %error, "a release is not recorded yet");
        if !chores::rest(shared).await {
            return;
        }
    }
}
