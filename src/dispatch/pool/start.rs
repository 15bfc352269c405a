//! The start of a worker: its folders, its network, its container. Told to give up, it leaves nothing half-made.

use std::{path::Path, sync::Arc};

use super::{queue::Queue, room::Message};
use crate::{
    clock,
    definition::docker_args::{self, BadDockerArg},
    dispatch::{refetch, registry, shared::Shared},
    executor::{self, WorkerSpec},
    model::{PipelineId, WorkerId},
    worker::protocol::{Start, ToWorker},
};

/// Makes everything ready for a worker and starts it.
pub(super) async fn start(shared: Arc<Shared>, queue: Queue, worker: WorkerId, start: Start) {
    let log = shared.log_path(&queue.pipeline, start.fence);
    let Some(gate) = shared.gate(&worker) else { return };
    let is_to_go = gate.door.lock().await;
    if *is_to_go {
        return;
    }
    let started = tokio::select! {
        started = try_start(&shared, &queue, &worker, start, &log) => started,
        () = gate.leave.cancelled() => return,
        // The next server finds out what came of it.
        () = shared.stop.cancelled() => return,
    };
    drop(is_to_go);
    let Err(error) = started else { return shared.tell_pool(Message::Launched { worker }).await };
    let notice = shared.logs().notice(&log, clock::now(), format!("conducto: {error}")).await;
    if let Err(error) = notice {
        tracing::warn!(error = %error, "a notice is lost");
    }
    shared.tell_pool(Message::StartFailed { worker, error }).await;
}

async fn try_start(
    shared: &Arc<Shared>,
    queue: &Queue,
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
    let spec = WorkerSpec {
        worker: worker.clone(),
        pipeline: queue.pipeline.clone(),
        image: queue.image.clone(),
        cpu: queue.amounts.cpu(),
        mem: queue.amounts.mem,
        isolation: queue.isolation,
        gpu: queue.amounts.gpu,
        requires_docker: queue.requires_docker,
        docker_args: docker_args::parse(&queue.docker_run_args).map_err(|bad| refused(words(&bad)))?,
        directory: layout.worker(worker),
        source: layout.source(&queue.pipeline),
        pipeline_data: layout.pipeline_data(&queue.pipeline),
        user_data: layout.user_data(),
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
    // The image, the network, and the files of the commit are got side by side; the container needs them all.
    let source = async { prepare_source(shared, &spec.pipeline, &spec.source).await.map_err(refused) };
    let started = match tokio::try_join!(source, executor.prepare(&spec, &progress)) {
        Ok(((), ())) => executor.start(&spec, &progress).await,
        Err(error) => Err(error),
    };
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
    let pipeline = registry::load(shared, &wanted).await.map_err(|error| words(&error))?;
    let trigger = &pipeline.launch().trigger;
    let draft = source.with_extension(format!("draft-{}", clock::new_uuid()));
    let parent = draft.parent().unwrap_or(&draft);
    std::fs::create_dir_all(parent).map_err(|error| words(&error))?;
    let written = refetch::checkout(shared, trigger, &draft).await;
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

/// They were read once already, with the definition; a later release may think otherwise of them.
fn words(bad: &[BadDockerArg]) -> String {
    bad.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
