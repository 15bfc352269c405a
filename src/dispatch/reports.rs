//! What workers report, into logs and pipelines. Each worker's reports are taken in order; only what is safe is confirmed.
//!
//! A report does not wait for the one before to be safe: what a worker says in quick succession goes to the pipeline together
//! and shares its commit. Confirmed is in order, and nothing after a report that could not be taken.

use std::{collections::HashMap, sync::Arc};

use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesOrdered};
use tokio::sync::{mpsc, oneshot};

use super::{
    action::Receipt,
    error::Error,
    hub::{Incoming, Report},
    live, pool, secrets,
    shared::Shared,
};
use crate::{
    clock, logs,
    model::{Actor, Command, Fence, KillReason, Outcome, PipelineId, WorkerId},
    worker::protocol,
};

/// How many reports of one worker may wait.
const BACKLOG: usize = 64;

/// What a pipeline answers.
type Answer = oneshot::Receiver<Result<Receipt, Error>>;

/// A report on its way to being safe. Says whether it is.
type Delivery = BoxFuture<'static, bool>;

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
            let desk = Desk { shared: Arc::clone(&shared), worker: worker.clone(), is_deaf: false };
            shared.tasks.spawn(desk.run(receiver));
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

/// Takes the reports of one worker.
struct Desk {
    shared: Arc<Shared>,
    worker: WorkerId,
    /// After a report that could not be taken: everything is said again on the next connection.
    is_deaf: bool,
}

impl Desk {
    async fn run(mut self, mut reports: mpsc::Receiver<Incoming>) {
        let mut under_way: FuturesOrdered<BoxFuture<'static, (bool, oneshot::Sender<()>)>> = FuturesOrdered::new();
        loop {
            tokio::select! {
                // What waits is confirmed before more is taken.
                biased;
                Some((is_safe, done)) = under_way.next() => {
                    if is_safe && !self.is_deaf {
                        // The connection may be gone; the worker will say it again.
                        done.send(()).ok();
                    } else {
                        self.is_deaf = true;
                    }
                }
                report = reports.recv() => {
                    let Some(Incoming { report, done, .. }) = report else { return };
                    if matches!(report, Report::Connected { .. }) {
                        // What was not taken of the connection before is dropped with all after it.
                        while under_way.next().await.is_some() {}
                        self.is_deaf = false;
                    }
                    let Some(pipeline) = self.shared.pipeline_of(&self.worker) else { continue };
                    if self.is_deaf {
                        continue;
                    }
                    match self.take(&pipeline, report).await {
                        Some(delivery) => under_way.push_back(Box::pin(async move { (delivery.await, done) })),
                        None => self.is_deaf = true,
                    }
                }
            }
        }
    }

    /// Takes one report: at once into the log, and on its way to the pipeline. Nothing when it could not be taken.
    async fn take(&self, pipeline: &PipelineId, report: Report) -> Option<Delivery> {
        let worker = self.worker.clone();
        let safe = || Some(Box::pin(std::future::ready(true)) as Delivery);
        match report {
            Report::Connected { .. } => {
                self.shared.tell_pool(pool::Message::Connected { worker }).await;
                safe()
            }
            Report::Disconnected => {
                self.shared.tell_pool(pool::Message::Disconnected { worker }).await;
                safe()
            }
            Report::Wants { fence } => {
                let (shared, pipeline) = (Arc::clone(&self.shared), pipeline.clone());
                Some(Box::pin(async move { secrets::hand_over(&shared, &pipeline, &worker, fence).await }))
            }
            Report::Started { fence, .. } => {
                let command = Command::AttemptStarted { fence };
                self.ask(pipeline, command, pool::Message::Started { worker, fence }).await
            }
            Report::Returned { fence } => {
                let shared = Arc::clone(&self.shared);
                let pipeline = pipeline.clone();
                Some(Box::pin(async move { returned(&shared, &pipeline, worker, fence).await }))
            }
            Report::Output { fence, stream, offset, data } => {
                if self.keep(pipeline, fence, stream, offset, data).await { safe() } else { None }
            }
            Report::Finished { fence, outcome, log_bytes } => {
                if !close_log(&self.shared, pipeline, fence, &outcome, log_bytes).await {
                    return None;
                }
                metrics::counter!("conducto_attempts_finished_total", "state" => outcome.state().word()).increment(1);
                let command = Command::AttemptFinished { fence, outcome, log_bytes, grown: None };
                self.ask(pipeline, command, pool::Message::Finished { worker, fence }).await
            }
        }
    }

    async fn keep(
        &self,
        pipeline: &PipelineId,
        fence: Fence,
        stream: protocol::Stream,
        offset: u64,
        data: Vec<u8>,
    ) -> bool {
        let log = self.shared.log_path(pipeline, fence);
        let stream = match stream {
            protocol::Stream::Notice => logs::Stream::Notice,
            protocol::Stream::Stdout => logs::Stream::Stdout,
            protocol::Stream::Stderr => logs::Stream::Stderr,
        };
        let kept = self.shared.logs().output(&log, stream, offset, clock::now(), data).await;
        if let Err(error) = &kept {
            tracing::error!(pipeline = %pipeline, error = %error, "output cannot be kept; the worker keeps it");
            self.shared.set_problem("logs", Some(error.to_string()));
        }
        kept.is_ok()
    }

    /// Puts a worker's word to the pipeline and, when it is safe, tells the pool.
    async fn ask(&self, pipeline: &PipelineId, command: Command, then: pool::Message) -> Option<Delivery> {
        let answer = put(&self.shared, pipeline, command).await;
        let shared = Arc::clone(&self.shared);
        Some(Box::pin(async move {
            let is_safe = is_safe(answer).await;
            if is_safe {
                shared.tell_pool(then).await;
            }
            is_safe
        }))
    }
}

/// Puts a command to a pipeline. The answer comes later.
async fn put(shared: &Arc<Shared>, pipeline: &PipelineId, command: Command) -> Result<Answer, Error> {
    let (reply, answer) = oneshot::channel();
    let message = live::Message::Ask { request: command.by(Actor::Worker).into(), key: None, reply };
    shared.send(pipeline, message).await.map(|()| answer)
}

/// Waits for the answer. What the pipeline rejects is old news, and safe.
async fn is_safe(answer: Result<Answer, Error>) -> bool {
    let answered = match answer {
        Ok(answer) => answer.await.map_err(|_| Error::Stopping).and_then(|answered| answered),
        Err(error) => Err(error),
    };
    match answered {
        Ok(_) | Err(Error::Rejected(_) | Error::NotFound(_) | Error::NoSuchNode { .. } | Error::Gone(_)) => true,
        Err(Error::Unavailable(_) | Error::Stopping) => false,
    }
}

async fn returned(shared: &Arc<Shared>, pipeline: &PipelineId, worker: WorkerId, fence: Fence) -> bool {
    let is_safe = match shared.ask(pipeline, Command::Return { fence }.by(Actor::Worker), None).await {
        Ok(_) => true,
        Err(Error::Rejected(_)) => {
            // It must not go on: then this is its end.
            let outcome = Outcome::Stopped { reason: KillReason::User };
            let end = Command::AttemptFinished { fence, outcome, log_bytes: 0, grown: None };
            is_safe(put(shared, pipeline, end).await).await
        }
        Err(Error::NotFound(_) | Error::NoSuchNode { .. } | Error::Gone(_)) => true,
        Err(Error::Unavailable(_) | Error::Stopping) => false,
    };
    if is_safe {
        shared.tell_pool(pool::Message::Returned { worker, fence }).await;
    }
    is_safe
}

/// Closes the log of an attempt that has ended. Returns whether it is safe on the disk.
async fn close_log(
    shared: &Arc<Shared>,
    pipeline: &PipelineId,
    fence: Fence,
    outcome: &Outcome,
    log_bytes: u64,
) -> bool {
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
    true
}
