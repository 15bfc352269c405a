//! What takes time: starting and removing workers, asking pipelines and the runtime. Each reports back to the pool.

use std::{path::Path, sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable as _};

use super::{queue::QueueKey, room::Message};
use crate::{
    clock,
    dispatch::{error::Error, shared::Shared},
    executor::{self, WorkerSpec, WorkerStatus},
    git::MirrorName,
    model::{Actor, Command, Fence, Isolation, KillReason, NodeIndex, Outcome, PipelineId, WorkerId},
    store::pipelines,
    worker::protocol::{Start, ToWorker},
};

/// How often a runtime that does not answer is asked again.
const PROBE: Duration = Duration::from_secs(2);

/// A worker that is no more.
#[derive(Debug)]
pub(in crate::dispatch) struct Gone {
    /// What was seen, for people.
    pub(super) evidence: String,
    pub(super) out_of_memory: bool,
}

/// How the work of a worker that went away ended.
#[derive(Debug)]
pub(super) enum End {
    /// It was to be ended anyway.
    Stopped(KillReason),
    /// It had not begun: another worker may take it.
    GiveBack(String),
    OutOfMemory,
    Failed(String),
}

/// Asks the pipeline to lease a leaf. Its yes comes back as an effect of its own.
pub(super) async fn lease(shared: Arc<Shared>, pipeline: PipelineId, worker: WorkerId, node: NodeIndex) {
    let fence = shared.draw_fence();
    let command = Command::Lease { node, fence, worker: worker.clone() };
    if let Err(error) = shared.ask(&pipeline, command.by(Actor::Server), None).await {
        if !matches!(error, Error::Rejected(_)) {
            tracing::warn!(pipeline = %pipeline, error = %error, "a lease failed");
        }
        shared.tell_pool(Message::LeaseRefused { worker }).await;
    }
}

/// Makes everything ready for a worker and starts it.
pub(super) async fn start(shared: Arc<Shared>, key: QueueKey, worker: WorkerId, start: Start) {
    let log = shared.log_path(&key.pipeline, start.fence);
    let Some(gate) = shared.gate(&worker) else { return };
    let is_to_go = gate.door.lock().await;
    if *is_to_go {
        return;
    }
    let started = tokio::select! {
        started = try_start(&shared, key, &worker, start, &log) => started,
        () = gate.leave.cancelled() => return,
        // The next server finds out what came of it.
        () = shared.stop.cancelled() => return,
    };
    drop(is_to_go);
    if let Err(error) = started {
        let notice = shared.logs().notice(&log, clock::now(), format!("conducto: {error}")).await;
        if let Err(error) = notice {
            tracing::warn!(error = %error, "a notice is lost");
        }
        shared.tell_pool(Message::StartFailed { worker, error }).await;
    }
}

async fn try_start(
    shared: &Arc<Shared>,
    key: QueueKey,
    worker: &WorkerId,
    start: Start,
    log: &Path,
) -> Result<(), executor::Error> {
    let executor = &shared.parts.executor;
    let refused = |message: String| executor::Error::Refused { message };
    if !executor.isolates() {
        let words = "conducto: runs as a plain process on the server's own machine, without isolation";
        shared.logs().notice(log, clock::now(), words).await.map_err(|error| refused(error.to_string()))?;
    }
    let layout = &shared.options.layout;
    let source = layout.source(&key.pipeline);
    prepare_source(shared, &key.pipeline, &source).await.map_err(refused)?;
    let spec = WorkerSpec {
        worker: worker.clone(),
        directory: layout.worker(worker),
        source,
        pipeline_data: layout.pipeline_data(&key.pipeline),
        user_data: layout.user_data(),
        image: key.image,
        #[expect(clippy::cast_precision_loss, reason = "thousandths of a processor are few")]
        cpu: key.milli_cpu as f64 / 1_000.0,
        mem: key.mem,
        isolation: Isolation::Shared,
        pipeline: key.pipeline,
    };
    layout.create_pipeline(&spec.pipeline).map_err(|error| refused(error.to_string()))?;
    std::fs::create_dir_all(&spec.directory).map_err(|error| refused(error.to_string()))?;
    let hub = &shared.parts.hub;
    hub.listen(worker, &spec.directory).map_err(|error| refused(error.to_string()))?;
    hub.lease(worker, start.fence);
    hub.send(worker, ToWorker::Start(Box::new(start)));
    let (lines, mut printed) = tokio::sync::mpsc::unbounded_channel::<String>();
    let (logs, log) = (shared.logs().clone(), log.to_owned());
    let printer = shared.tasks.spawn(async move {
        while let Some(line) = printed.recv().await {
            if let Err(error) = logs.notice(&log, clock::now(), format!("conducto: {line}")).await {
                tracing::warn!(error = %error, "a notice is lost");
            }
        }
    });
    let progress = move |line: &str| drop(lines.send(line.to_owned()));
    let started = executor.start(&spec, &progress).await;
    drop(progress);
    if printer.await.is_err() {
        tracing::error!("the printer of notices ended badly");
    }
    if started.is_ok() {
        shared.set_problem("executor", None);
    }
    started
}

/// Writes out the commit's files, once a pipeline. Half-written ones are never seen: they are moved into place whole.
async fn prepare_source(shared: &Arc<Shared>, id: &PipelineId, source: &Path) -> Result<(), String> {
    if source.exists() {
        return Ok(());
    }
    let (wanted, words) = (id.clone(), |error: &dyn std::fmt::Display| error.to_string());
    let pipeline = super::super::registry::load(shared, &wanted).await.map_err(|error| words(&error))?;
    let trigger = &pipeline.launch().trigger;
    let mirror = MirrorName { host: trigger.host.clone(), id: trigger.repository.id };
    let draft = source.with_extension(format!("draft-{}", clock::new_uuid()));
    let parent = draft.parent().unwrap_or(&draft);
    std::fs::create_dir_all(parent).map_err(|error| words(&error))?;
    let written = shared.parts.mirrors.checkout(&mirror, &trigger.sha, &draft).await;
    let placed = match written {
        Ok(()) => match std::fs::rename(&draft, source) {
            // Another worker of the same pipeline was faster.
            Err(_) if source.exists() => Ok(()),
            renamed => renamed.map_err(|error| words(&error)),
        },
        Err(error) => Err(format!("the files of commit {} cannot be written out: {error}", trigger.sha)),
    };
    if draft.exists()
        && let Err(error) = std::fs::remove_dir_all(&draft)
    {
        tracing::warn!(error = %error, "a half-written working copy is left behind");
    }
    placed
}

/// Waits until the runtime answers again. Meanwhile leaves stay in their queues: a try a second would only fill their history.
pub(super) async fn await_runtime(shared: Arc<Shared>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(PROBE) => {}
            () = shared.stop.cancelled() => return,
        }
        if shared.parts.executor.owned().await.is_ok() {
            tracing::info!("the container runtime answers again");
            shared.set_problem("executor", None);
            return shared.tell_pool(Message::RuntimeBack).await;
        }
    }
}

/// Asks the runtime about a worker that has no connection.
pub(super) async fn check(shared: Arc<Shared>, pipeline: PipelineId, worker: WorkerId) {
    let gone = match shared.parts.executor.status(&pipeline, &worker).await {
        Ok(WorkerStatus::Running) => None,
        Ok(WorkerStatus::Exited { code, out_of_memory }) => {
            let code = code.map_or_else(|| "an unknown code".to_owned(), |code| format!("code {code}"));
            Some(Gone { evidence: format!("its worker ended with {code}"), out_of_memory })
        }
        Ok(WorkerStatus::Gone) => Some(Gone { evidence: "its worker is gone".to_owned(), out_of_memory: false }),
        Err(error) => {
            shared.set_problem("executor", Some(error.to_string()));
            None
        }
    };
    shared.tell_pool(Message::Checked { worker, gone }).await;
}

/// Removes a worker that has no work.
pub(super) async fn remove(shared: Arc<Shared>, pipeline: PipelineId, worker: WorkerId) {
    shared.parts.hub.send(&worker, ToWorker::Bye);
    remove_first(&shared, &pipeline, &worker).await;
    strike_off(&shared, worker).await;
}

/// Removes a worker's container and directory; tries until it works, or the server stops.
pub(super) async fn remove_first(shared: &Arc<Shared>, pipeline: &PipelineId, worker: &WorkerId) {
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
pub(super) async fn strike_off(shared: &Arc<Shared>, worker: WorkerId) {
    if shared.stop.is_cancelled() {
        return;
    }
    shared.strike_off(&worker);
    shared.tell_pool(Message::Removed { worker }).await;
}

/// Tells the pipeline how an attempt ended whose worker cannot say it any more.
pub(super) async fn settle(shared: &Arc<Shared>, pipeline: &PipelineId, fence: Fence, end: End) {
    let outcome = match end {
        End::GiveBack(evidence) => {
            let command = Command::Unlease { fence, evidence: evidence.clone() };
            match shared.ask(pipeline, command.by(Actor::Server), None).await {
                Ok(_) => return,
                // It had begun, or must not go on: then this is its end.
                Err(_) => Outcome::Infrastructure { message: evidence },
            }
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
    let command = Command::AttemptFinished { fence, outcome, log_bytes, grown: None };
    match shared.ask(pipeline, command.by(Actor::Server), None).await {
        // Its own report came first.
        Ok(_) | Err(Error::Rejected(_)) => {}
        Err(error) => tracing::error!(pipeline = %pipeline, error = %error, "an attempt's end is not recorded"),
    }
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

/// Tells the pipeline that these leaves cannot run.
pub(super) async fn cannot_run(shared: Arc<Shared>, pipeline: PipelineId, nodes: Vec<NodeIndex>, message: String) {
    for node in nodes {
        let command = Command::CannotRun { node, message: message.clone() };
        if let Err(error) = shared.ask(&pipeline, command.by(Actor::Server), None).await {
            tracing::warn!(pipeline = %pipeline, error = %error, "a leaf without an image still waits");
        }
    }
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
    let source = shared.options.layout.source(&pipeline);
    if let Err(error) = tokio::fs::remove_dir_all(&source).await
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(pipeline = %pipeline, error = %error, "a pipeline's files are left behind");
    }
    let id = pipeline.clone();
    if let Err(error) = shared.store.write(move |connection| pipelines::set_released(connection, &id)).await {
        tracing::warn!(pipeline = %pipeline, error = %error, "the release is not recorded; it will be repeated");
    }
    shared.tell_pool(Message::Released { pipeline }).await;
}
