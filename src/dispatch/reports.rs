//! What workers report, into logs and pipelines. Each worker's reports are taken in order; only what is safe is confirmed.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::mpsc;

use super::{
    error::Error,
    hub::{Incoming, Report},
    pool::Message,
    shared::Shared,
};
use crate::{
    clock, logs,
    model::{Actor, Command, Fence, Outcome, PipelineId, WorkerId},
    worker::protocol,
};

/// How many reports of one worker may wait.
const BACKLOG: usize = 64;

/// Takes reports until the server stops.
pub(super) async fn run(shared: Arc<Shared>, mut incoming: mpsc::Receiver<Incoming>) {
    let mut desks: HashMap<WorkerId, mpsc::Sender<Incoming>> = HashMap::new();
    loop {
        let report = tokio::select! {
            report = incoming.recv() => report,
            // What is not confirmed, the workers say again to the next server.
            () = shared.stop.cancelled() => None,
        };
        let Some(report) = report else { return };
        let worker = report.worker.clone();
        let desk = desks.entry(worker.clone()).or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(BACKLOG);
            shared.tasks.spawn(desk(Arc::clone(&shared), worker.clone(), receiver));
            sender
        });
        if desk.send(report).await.is_err() {
            desks.remove(&worker);
        }
        if desks.len() > 64 {
            desks.retain(|worker, _| shared.pipeline_of(worker).is_some());
        }
    }
}

async fn desk(shared: Arc<Shared>, worker: WorkerId, mut reports: mpsc::Receiver<Incoming>) {
    while let Some(Incoming { report, done, .. }) = reports.recv().await {
        let Some(pipeline) = shared.pipeline_of(&worker) else { continue };
        if take(&shared, &pipeline, &worker, report).await {
            // The connection may be gone; the worker will say it again.
            done.send(()).ok();
        }
    }
}

/// Takes one report. Returns whether it is safe; if not, the worker keeps it and says it again.
async fn take(shared: &Arc<Shared>, pipeline: &PipelineId, worker: &WorkerId, report: Report) -> bool {
    match report {
        Report::Connected { .. } => shared.tell_pool(Message::Connected { worker: worker.clone() }).await,
        Report::Disconnected => shared.tell_pool(Message::Disconnected { worker: worker.clone() }).await,
        Report::Started { fence, .. } => {
            if !ask(shared, pipeline, Command::AttemptStarted { fence }).await {
                return false;
            }
            shared.tell_pool(Message::Started { worker: worker.clone(), fence }).await;
        }
        Report::Output { fence, stream, offset, data } => {
            let log = shared.log_path(pipeline, fence);
            let stream = match stream {
                protocol::Stream::Notice => logs::Stream::Notice,
                protocol::Stream::Stdout => logs::Stream::Stdout,
                protocol::Stream::Stderr => logs::Stream::Stderr,
            };
            if let Err(error) = shared.logs().output(&log, stream, offset, clock::now(), data).await {
                tracing::error!(pipeline = %pipeline, error = %error, "output cannot be kept; the worker keeps it");
                shared.set_problem("logs", Some(error.to_string()));
                return false;
            }
        }
        Report::Finished { fence, outcome, log_bytes } => {
            if !finished(shared, pipeline, fence, outcome, log_bytes).await {
                return false;
            }
            shared.tell_pool(Message::Finished { worker: worker.clone(), fence }).await;
        }
    }
    true
}

async fn finished(shared: &Arc<Shared>, pipeline: &PipelineId, fence: Fence, outcome: Outcome, log_bytes: u64) -> bool {
    let log = shared.log_path(pipeline, fence);
    let closed = async {
        if outcome.kill_reason().is_some() {
            shared.logs().notice(&log, clock::now(), format!("conducto: {outcome}")).await?;
        }
        shared.logs().finish(&log).await
    };
    match closed.await {
        Ok(kept) if kept == log_bytes => shared.set_problem("logs", None),
        Ok(kept) => tracing::error!(pipeline = %pipeline, kept, log_bytes, "a log is not what the worker says it is"),
        Err(error) => {
            tracing::error!(pipeline = %pipeline, error = %error, "a log cannot be closed; the worker will say it again");
            return false;
        }
    }
    metrics::counter!("conducto_attempts_finished_total", "state" => outcome.state().word()).increment(1);
    ask(shared, pipeline, Command::AttemptFinished { fence, outcome, log_bytes, grown: None }).await
}

/// Puts a worker's word to the pipeline. What it rejects is old news, and safe.
async fn ask(shared: &Arc<Shared>, pipeline: &PipelineId, command: Command) -> bool {
    match shared.ask(pipeline, command.by(Actor::Worker), None).await {
        Ok(_) | Err(Error::Rejected(_) | Error::NotFound(_) | Error::NoSuchNode { .. }) => true,
        Err(Error::Unavailable(_) | Error::Stopping) => false,
    }
}
