//! The start of a worker: its folders, its network, its container. Told to give up, it leaves nothing half-made.

use std::{path::Path, sync::Arc};

use super::{
    queue::{Queue, QueueKey},
    room::Message,
};
use crate::{
    clock,
    definition::docker_args::{self, BadDockerArg},
    dispatch::{images, refetch, registry, shared::Shared},
    executor::{self, WorkerSpec},
    layout::SOURCE,
    model::{PipelineId, WorkerId},
    worker::protocol::{Start, ToWorker},
};

/// Makes everything ready for a worker, starts it, and lets it know of its first node.
pub(super) async fn start(shared: Arc<Shared>, queue: Queue, worker: WorkerId, start: Start) {
    let log = shared.log_path(&queue.pipeline, start.fence);
    let starting = try_start(&shared, &queue, &worker, start, &log);
    let Some(error) = Box::pin(behind_gate(&shared, &worker, starting)).await else { return };
    let notice = shared.logs().notice(&log, clock::now(), format!("conducto: {error}")).await;
    if let Err(error) = notice {
        tracing::warn!(error = %error, "a notice is lost");
    }
    shared.tell_pool(Message::StartFailed { worker, error }).await;
}

/// Starts a worker for a pipeline that does not exist yet.
pub(super) async fn spare(shared: Arc<Shared>, queue: Queue, worker: WorkerId) {
    let starting = try_spare(&shared, &queue, &worker);
    let Some(error) = behind_gate(&shared, &worker, starting).await else { return };
    tracing::info!(worker = %worker, error = %error, "no worker can be kept ready");
    shared.tell_pool(Message::StartFailed { worker, error }).await;
}

/// Starts a worker unless it is to go already, and tells the pool that it runs. Returns why it does not.
async fn behind_gate(
    shared: &Arc<Shared>,
    worker: &WorkerId,
    starting: impl Future<Output = Result<(), executor::Error>>,
) -> Option<executor::Error> {
    let gate = shared.gate(worker)?;
    let is_to_go = gate.door.lock().await;
    if *is_to_go {
        return None;
    }
    let started = tokio::select! {
        started = starting => started,
        () = gate.leave.cancelled() => return None,
        // The next server finds out what came of it.
        () = shared.stop.cancelled() => return None,
    };
    drop(is_to_go);
    match started {
        Ok(()) => {
            shared.tell_pool(Message::Launched { worker: worker.clone() }).await;
            None
        }
        Err(error) => Some(error),
    }
}

async fn try_spare(shared: &Arc<Shared>, queue: &Queue, worker: &WorkerId) -> Result<(), executor::Error> {
    let (source, data) = shared.options.layout.create_spare(&queue.pipeline).map_err(|error| refused(&error))?;
    let spec = WorkerSpec { source, pipeline_data: data, ..spec(shared, queue, worker)? };
    listen(shared, &spec)?;
    shared.parts.executor.start(&spec, &|_| ()).await
}

fn spec(shared: &Shared, queue: &Queue, worker: &WorkerId) -> Result<WorkerSpec, executor::Error> {
    let layout = &shared.options.layout;
    let docker_args = docker_args::parse(&queue.docker_run_args);
    let source = match queue.image.copy() {
        Some(other) => layout.other_source_folder(&queue.pipeline, &other.key()),
        None => layout.source_folder(&queue.pipeline),
    };
    Ok(WorkerSpec {
        trust: queue.trust,
        keeps_workdir: queue.image.keeps_workdir(),
        folder: queue.folder.clone(),
        worker: worker.clone(),
        pipeline: queue.pipeline.clone(),
        // Of one that is made, the name is not known before it is.
        image: queue.image.reference().unwrap_or_default().to_owned(),
        cpu: queue.amounts.cpu(),
        mem: queue.amounts.mem,
        isolation: queue.isolation,
        gpu: queue.amounts.gpu,
        requires_docker: queue.requires_docker,
        docker_args: docker_args.map_err(|bad| executor::Error::Refused { message: words(&bad) })?,
        directory: layout.worker(worker),
        source,
        mounts_data: shared.options.data.mount,
        pipeline_data: layout.pipeline_data(&queue.pipeline),
        user_data: layout.user_data_for(&queue.pipeline, queue.trust, queue.owner.as_deref()),
    })
}

fn refused(error: &dyn std::fmt::Display) -> executor::Error {
    executor::Error::Refused { message: error.to_string() }
}

/// Listens for a worker before it is there.
fn listen(shared: &Shared, spec: &WorkerSpec) -> Result<(), executor::Error> {
    std::fs::create_dir_all(&spec.directory).map_err(|error| refused(&error))?;
    shared.parts.hub.listen(&spec.worker, &spec.directory).map_err(|error| refused(&error))
}

async fn try_start(
    shared: &Arc<Shared>,
    queue: &Queue,
    worker: &WorkerId,
    start: Start,
    log: &Path,
) -> Result<(), executor::Error> {
    let executor = &shared.parts.executor;
    if !executor.isolates() {
        let words = "conducto: runs as a plain process on the server's own machine, without isolation";
        shared.logs().notice(log, clock::now(), words).await.map_err(|error| refused(&error))?;
    }
    let spec = spec(shared, queue, worker)?;
    let layout = &shared.options.layout;
    layout.launch_spare(&spec.pipeline).map_err(|error| refused(&error))?;
    layout.create_pipeline(&spec.pipeline, queue.trust, queue.owner.as_deref()).map_err(|error| refused(&error))?;
    std::fs::create_dir_all(&spec.source).map_err(|error| refused(&error))?;
    listen(shared, &spec)?;
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
    let source = async { prepare_files(shared, queue).await.map_err(|error| refused(&error)) };
    let image = async {
        let image = images::have(shared, queue, &progress).await?;
        let spec = WorkerSpec { image, ..spec.clone() };
        executor.prepare(&spec, &progress).await.map(|()| spec)
    };
    let started = match tokio::try_join!(source, image) {
        Ok(((), spec)) => {
            // A spare is there already, and may begin.
            shared.parts.hub.lease(worker, start.fence);
            shared.parts.hub.send(worker, ToWorker::Start(Box::new(start)));
            executor.start(&spec, &progress).await
        }
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

/// Writes out what the working copies of a queue are made from.
async fn prepare_files(shared: &Arc<Shared>, queue: &QueueKey) -> Result<(), String> {
    prepare_source(shared, &queue.pipeline).await?;
    let Some(other) = queue.image.copy() else { return Ok(()) };
    let folder = shared.options.layout.other_source_folder(&queue.pipeline, &other.key());
    let place = folder.join(SOURCE);
    place_whole(&place, async |draft: &Path| {
        let written = refetch::checkout_other(shared, other, draft).await;
        written.map_err(|error| format!("branch {} of {} cannot be copied: {error}", other.branch, other.url))
    })
    .await
}

/// Writes out the commit's files, once a pipeline. Half-written ones are never seen: they are moved into place whole.
async fn prepare_source(shared: &Arc<Shared>, id: &PipelineId) -> Result<(), String> {
    let source = &shared.options.layout.source(id);
    if source.exists() {
        return Ok(());
    }
    let pipeline = registry::load(shared, id).await.map_err(|error| error.to_string())?;
    let trigger = &pipeline.launch().trigger;
    place_whole(source, async |draft: &Path| {
        let written = refetch::checkout(shared, trigger, draft).await;
        written.map_err(|error| format!("the files of commit {} cannot be written out: {error}", trigger.sha))
    })
    .await
}

async fn place_whole(source: &Path, write: impl AsyncFnOnce(&Path) -> Result<(), String>) -> Result<(), String> {
    if source.exists() {
        return Ok(());
    }
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let draft = source.with_extension(format!("draft-{}", clock::new_uuid()));
    let parent = draft.parent().unwrap_or(&draft);
    std::fs::create_dir_all(parent).map_err(|error| words(&error))?;
    let written = write(&draft).await;
    let placed = match written {
        Ok(()) => match std::fs::rename(&draft, source) {
            // Another worker of the same pipeline was faster.
            Err(_) if source.exists() => Ok(()),
            renamed => renamed.map_err(|error| words(&error)),
        },
        Err(error) => Err(error),
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
