//! What all rooms of dispatch share: the parts below, the signals between them, the fences.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    action::{Receipt, Request},
    error::Error,
    feed::Feed,
    intake::Door,
    live::Message,
    options::{Options, Parts},
    pool,
    registry::Registry,
    turns::Turns,
};
use crate::{
    logs,
    model::{Fence, PipelineId, WorkerId},
    store::Store,
};

/// Keeps the starting and the removing of one worker apart. Holds whether the worker is to go.
#[derive(Clone, Default)]
pub(super) struct Gate {
    pub(super) door: Arc<tokio::sync::Mutex<bool>>,
    /// Tells a start that is under way (an image pull may take long) to give up.
    pub(super) leave: CancellationToken,
}

struct Enrolled {
    pipeline: PipelineId,
    gate: Gate,
}

pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) parts: Parts,
    /// The same as in `parts`, since almost everybody needs it.
    pub(super) store: Store,
    pub(super) feed: Feed,
    pub(super) registry: Registry,
    pub(super) pool: mpsc::Sender<pool::Message>,
    roster: Mutex<HashMap<WorkerId, Enrolled>>,
    pub(super) door: Door,
    pub(super) outbox_changed: Notify,
    pub(super) schedules_changed: Notify,
    pub(super) turns: Turns,
    /// Why the leaves of each queue wait.
    reasons: Mutex<HashMap<pool::Queue, pool::Reason>>,
    /// What is wrong now, in words for the health page, by the room that noticed.
    pub(super) problems: Mutex<HashMap<&'static str, String>>,
    /// Held by the one who removes what is old.
    pub(super) pruning: tokio::sync::Mutex<()>,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
    next_fence: AtomicU64,
    has_secrets: AtomicBool,
}

impl Shared {
    pub(super) fn new(
        options: Options,
        parts: Parts,
        pool: mpsc::Sender<pool::Message>,
        next_fence: Fence,
        stop: CancellationToken,
    ) -> Self {
        Self {
            options,
            store: parts.store.clone(),
            parts,
            feed: Feed::new(),
            registry: Registry::default(),
            pool,
            roster: Mutex::default(),
            door: Door::default(),
            outbox_changed: Notify::new(),
            schedules_changed: Notify::new(),
            turns: Turns::default(),
            reasons: Mutex::default(),
            problems: Mutex::default(),
            pruning: tokio::sync::Mutex::default(),
            tasks: TaskTracker::new(),
            stop,
            next_fence: AtomicU64::new(next_fence.0),
            has_secrets: AtomicBool::new(false),
        }
    }

    pub(super) fn draw_fence(&self) -> Fence {
        Fence(self.next_fence.fetch_add(1, Ordering::Relaxed))
    }

    /// Says whether there is any secret that a pipeline could have.
    pub(super) fn has_secrets(&self) -> bool {
        self.has_secrets.load(Ordering::Relaxed)
    }

    pub(super) fn note_secrets(&self, has_any: bool) {
        self.has_secrets.store(has_any, Ordering::Relaxed);
    }

    pub(super) fn logs(&self) -> &logs::Logs {
        &self.parts.logs
    }

    pub(super) fn log_path(&self, pipeline: &PipelineId, fence: Fence) -> PathBuf {
        self.options.layout.log(pipeline, fence)
    }

    /// Notes that something is wrong, or (with nothing) that it is right again.
    pub(super) fn set_problem(&self, room: &'static str, problem: Option<String>) {
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        match problem {
            Some(problem) => drop(problems.insert(room, problem)),
            None => drop(problems.remove(room)),
        }
    }

    /// Returns what is wrong with a room, if anything is.
    pub(super) fn problem(&self, room: &'static str) -> Option<String> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).get(room).cloned()
    }

    /// Notes why the leaves of a queue wait, or (with nothing) that none does.
    pub(super) fn explain(&self, queue: pool::Queue, reason: Option<pool::Reason>) {
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        match reason {
            Some(reason) => drop(reasons.insert(queue, reason)),
            None => drop(reasons.remove(&queue)),
        }
    }

    /// Returns why the leaves of a queue wait, as the pool last said.
    pub(super) fn reason(&self, queue: &pool::QueueKey) -> Option<pool::Reason> {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner).get(queue).copied()
    }

    /// Returns the pipeline that a worker works for.
    pub(super) fn pipeline_of(&self, worker: &WorkerId) -> Option<PipelineId> {
        self.roster().get(worker).map(|enrolled| enrolled.pipeline.clone())
    }

    /// Says whether a worker works for this pipeline, or will.
    pub(super) fn has_workers(&self, pipeline: &PipelineId) -> bool {
        self.roster().values().any(|enrolled| enrolled.pipeline == *pipeline)
    }

    pub(super) fn enrol(&self, worker: WorkerId, pipeline: PipelineId) {
        self.roster().entry(worker).or_insert_with(|| Enrolled { pipeline, gate: Gate::default() });
    }

    /// Returns what keeps the starting and the removing of a worker apart.
    pub(super) fn gate(&self, worker: &WorkerId) -> Option<Gate> {
        self.roster().get(worker).map(|enrolled| enrolled.gate.clone())
    }

    pub(super) fn strike_off(&self, worker: &WorkerId) {
        self.roster().remove(worker);
    }

    fn roster(&self) -> MutexGuard<'_, HashMap<WorkerId, Enrolled>> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a request to a pipeline, live or not.
    pub(super) async fn ask(
        self: &Arc<Self>,
        id: &PipelineId,
        request: impl Into<Request>,
        key: Option<String>,
    ) -> Result<Receipt, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(id, Message::Ask { request: request.into(), key, reply }).await?;
        answer.await.map_err(|_| Error::Stopping)?
    }

    /// Gives a message to a pipeline's task, which is started where it does not run.
    pub(super) async fn send(self: &Arc<Self>, id: &PipelineId, mut message: Message) -> Result<(), Error> {
        loop {
            if self.stop.is_cancelled() {
                return Err(Error::Stopping);
            }
            let sender = self.registry.find(self, id).await?;
            match sender.send(message).await {
                Ok(()) => return Ok(()),
                // It has just retired; the next one is found or started.
                Err(returned) => message = returned.0,
            }
        }
    }

    /// Takes the id of a pipeline for which a worker is ready, if there is one.
    pub(super) async fn take_spare(&self) -> Option<PipelineId> {
        if !self.options.spare {
            return None;
        }
        let (reply, spare) = oneshot::channel();
        self.tell_pool(pool::Message::TakeSpare { reply }).await;
        spare.await.ok().flatten()
    }

    /// Gives the pool something to do. The pool never waits for anybody, so this waits only briefly.
    pub(super) async fn tell_pool(&self, message: pool::Message) {
        // The pool is gone only when the server stops; recovery makes up for what it did not hear.
        drop(self.pool.send(message).await);
    }
}
