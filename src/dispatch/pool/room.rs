//! The pool's loop: takes messages, keeps the book, sets chores going.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::{
    book::{Book, Phase, Wish, Work, Worker},
    chores,
    queue::QueueKey,
};
use crate::{
    clock,
    dispatch::{shared::Shared, start::GRACE_MS},
    executor,
    model::{Fence, KillReason, NodeIndex, PipelineId, WorkerId},
    worker::protocol::{Start, ToWorker},
};

/// How often the book is looked through for what has become due.
const TICK: Duration = Duration::from_millis(100);

/// How long a worker may have no connection before its runtime is asked about it.
const SILENCE: Duration = Duration::from_secs(2);

/// How long beyond the grace time a worker gets to report the end of what it was told to stop.
const STOP_MARGIN: Duration = Duration::from_secs(20);

/// What the pool is told.
pub(in crate::dispatch) enum Message {
    /// A leaf is ready.
    Offer { queue: QueueKey, node: NodeIndex },
    /// The pipeline has leased a leaf to a worker.
    Start { worker: WorkerId, start: Box<Start> },
    /// The pipeline has not.
    LeaseRefused { worker: WorkerId },
    /// End an attempt.
    Stop { worker: WorkerId, fence: Fence, reason: KillReason },
    /// End an attempt by ending its worker.
    Destroy { worker: WorkerId, fence: Fence, reason: KillReason },
    /// The worker's container could not be had.
    StartFailed { worker: WorkerId, error: executor::Error },
    /// The worker has a connection.
    Connected { worker: WorkerId },
    /// The worker has lost it.
    Disconnected { worker: WorkerId },
    /// The command of an attempt runs.
    Started { worker: WorkerId, fence: Fence },
    /// The end of an attempt is committed.
    Finished { worker: WorkerId, fence: Fence },
    /// What the runtime says of a silent worker; nothing while it runs.
    Checked { worker: WorkerId, gone: Option<chores::Gone> },
    /// The runtime answers again.
    RuntimeBack,
    /// Nothing of a worker is left.
    Removed { worker: WorkerId },
    /// A pipeline has ended.
    Release { pipeline: PipelineId },
    /// Nothing of a pipeline is left.
    Released { pipeline: PipelineId },
    /// After a start of the server: this worker had this leaf.
    Adopt { worker: WorkerId, queue: QueueKey, node: NodeIndex, fence: Fence, started: bool },
}

/// Runs until the server stops.
pub(in crate::dispatch) async fn run(shared: Arc<Shared>, mut messages: mpsc::Receiver<Message>) {
    let slots = usize::try_from(shared.options.slots).unwrap_or(usize::MAX);
    let book = Book::new(slots, shared.options.idle_timeout);
    let mut room = Room { shared, book };
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let stop = room.shared.stop.clone();
    loop {
        tokio::select! {
            message = messages.recv() => match message {
                Some(message) => room.take(message),
                None => return,
            },
            _ = ticks.tick() => room.tick(),
            () = stop.cancelled() => return,
        }
        room.go_on();
    }
}

struct Room {
    shared: Arc<Shared>,
    book: Book,
}

impl Room {
    fn take(&mut self, message: Message) {
        let now = clock::now();
        match message {
            Message::Offer { queue, node } => self.book.offer(queue, node, now),
            Message::Start { worker, start } => self.start(worker, *start),
            Message::LeaseRefused { worker } => self.lease_refused(&worker),
            Message::Stop { worker, fence, reason } => self.stop(&worker, fence, reason),
            Message::Destroy { worker, fence, reason } => self.destroy(&worker, fence, reason),
            Message::StartFailed { worker, error } => self.start_failed(&worker, error),
            Message::Connected { worker } => {
                if let Some(known) = self.book.workers.get_mut(&worker) {
                    known.silent_since = None;
                    if known.phase == Phase::Starting {
                        known.phase = Phase::Ready;
                    }
                }
            }
            Message::Disconnected { worker } => {
                if let Some(known) = self.book.workers.get_mut(&worker) {
                    known.silent_since.get_or_insert(now);
                }
            }
            Message::Started { worker, fence } => {
                if let Some(work) = self.book.working_at(&worker, fence) {
                    work.started = true;
                }
            }
            Message::Finished { worker, fence } => {
                if self.book.working_at(&worker, fence).is_some() {
                    self.book.set_idle(&worker, now);
                }
            }
            Message::Checked { worker, gone } => self.checked(&worker, gone),
            Message::RuntimeBack => self.book.is_resting = false,
            Message::Removed { worker } => drop(self.book.workers.remove(&worker)),
            Message::Release { pipeline } => self.book.release(pipeline),
            Message::Released { pipeline } => self.book.released(&pipeline),
            Message::Adopt { worker, queue, node, fence, started } => {
                let mut known = Worker::promised(queue, now);
                known.phase = Phase::Starting;
                known.silent_since = Some(now);
                known.work = Some(Work { node, fence: Some(fence), started, stop_by: None });
                self.book.workers.insert(worker, known);
            }
        }
    }

    fn tick(&mut self) {
        let now = clock::now();
        for worker in self.book.silent(SILENCE, now) {
            let Some(known) = self.book.workers.get_mut(&worker) else { continue };
            known.is_checked = true;
            let pipeline = known.key.pipeline.clone();
            self.shared.tasks.spawn(chores::check(Arc::clone(&self.shared), pipeline, worker));
        }
        for (worker, fence, reason) in self.book.overdue(now) {
            self.destroy(&worker, fence, reason);
        }
        metrics::gauge!("conducto_workers").set(count(self.book.workers.len()));
        metrics::gauge!("conducto_queued_nodes").set(count(self.book.queues.waiting()));
    }

    /// Whatever happened, leaves may now find workers, and workers may have nothing left to do.
    fn go_on(&mut self) {
        let now = clock::now();
        let mut wishes = self.book.schedule(now, clock::new_worker_id);
        wishes.extend(self.book.tidy(now));
        for wish in wishes {
            let shared = Arc::clone(&self.shared);
            match wish {
                Wish::Lease { worker, node, pipeline } => {
                    self.shared.tasks.spawn(chores::lease(shared, pipeline, worker, node));
                }
                Wish::Remove { worker, pipeline } => {
                    self.shared.tasks.spawn(chores::remove(shared, pipeline, worker));
                }
                Wish::Release { pipeline } => drop(self.shared.tasks.spawn(chores::release(shared, pipeline))),
            }
        }
    }

    fn start(&mut self, worker: WorkerId, start: Start) {
        let hub = &self.shared.parts.hub;
        let Some(known) = self.book.workers.get_mut(&worker) else { return };
        let Some(work) = &mut known.work else { return };
        work.fence = Some(start.fence);
        let fence = start.fence;
        if known.phase == Phase::Promised {
            known.phase = Phase::Starting;
            let key = known.key.clone();
            self.shared.enrol(worker.clone(), key.pipeline.clone());
            self.shared.tasks.spawn(chores::start(Arc::clone(&self.shared), key, worker, start));
            return;
        }
        hub.lease(&worker, fence);
        hub.send(&worker, ToWorker::Start(Box::new(start)));
    }

    fn lease_refused(&mut self, worker: &WorkerId) {
        match self.book.workers.get(worker).map(|known| known.phase) {
            // Nothing of it exists.
            Some(Phase::Promised) => drop(self.book.workers.remove(worker)),
            _ => self.book.set_idle(worker, clock::now()),
        }
    }

    fn stop(&mut self, worker: &WorkerId, fence: Fence, reason: KillReason) {
        let by = clock::now() + Duration::from_millis(GRACE_MS) + STOP_MARGIN;
        let Some(known) = self.book.workers.get_mut(worker) else {
            // Nobody to be told: what the pipeline waits for has to be said by somebody.
            return self.settle(worker, fence, chores::End::Stopped(reason));
        };
        let Some(work) = known.work.as_mut().filter(|work| work.fence == Some(fence)) else { return };
        work.stop_by.get_or_insert((by, reason));
        if known.phase == Phase::Starting && !work.started && known.silent_since.is_none() {
            // Its container is not there yet: no need to wait for it.
            return self.destroy(worker, fence, reason);
        }
        self.shared.parts.hub.send(worker, ToWorker::Stop { fence, reason });
    }

    fn destroy(&mut self, worker: &WorkerId, fence: Fence, reason: KillReason) {
        if self.book.working_at(worker, fence).is_none() {
            return;
        }
        self.let_go(worker, chores::End::Stopped(reason));
    }

    fn start_failed(&mut self, worker: &WorkerId, error: executor::Error) {
        let Some(known) = self.book.workers.get(worker) else { return };
        let key = known.key.clone();
        let message = error.to_string();
        self.shared.set_problem("executor", None);
        match error {
            executor::Error::Image { .. } => {
                // What waits for the same image cannot run either.
                let others = self.book.queues.drain(&key);
                let shared = Arc::clone(&self.shared);
                self.shared.tasks.spawn(chores::cannot_run(shared, key.pipeline, others, message.clone()));
                self.let_go(worker, chores::End::Failed(message));
            }
            executor::Error::Refused { .. } => self.let_go(worker, chores::End::Failed(message)),
            executor::Error::Unavailable { .. } => {
                self.shared.set_problem("executor", Some(message.clone()));
                if !self.book.is_resting {
                    tracing::warn!(error = %message, "the container runtime does not answer; nodes wait");
                    self.book.is_resting = true;
                    self.shared.tasks.spawn(chores::await_runtime(Arc::clone(&self.shared)));
                }
                self.let_go(worker, chores::End::GiveBack(message));
            }
        }
    }

    fn checked(&mut self, worker: &WorkerId, gone: Option<chores::Gone>) {
        let Some(known) = self.book.workers.get_mut(worker) else { return };
        known.is_checked = false;
        match gone {
            // It runs, and will dial again.
            None => known.silent_since = Some(clock::now()),
            Some(_) if known.silent_since.is_none() => {}
            Some(gone) => self.lost(worker, gone),
        }
    }

    fn lost(&mut self, worker: &WorkerId, gone: chores::Gone) {
        let Some(known) = self.book.workers.get(worker) else { return };
        let pipeline = known.key.pipeline.clone();
        let end = match &known.work {
            Some(Work { stop_by: Some((_, reason)), .. }) => chores::End::Stopped(*reason),
            Some(Work { started: false, node, .. }) => {
                let node = *node;
                if self.book.may_lose(&pipeline, node) {
                    chores::End::GiveBack(gone.evidence)
                } else {
                    chores::End::Failed(format!(
                        "{} {} times before its command began",
                        gone.evidence,
                        super::book::LOSSES
                    ))
                }
            }
            _ if gone.out_of_memory => chores::End::OutOfMemory,
            _ => chores::End::Failed(gone.evidence),
        };
        self.let_go(worker, end);
    }

    /// Says how the work of a worker ended, and removes the worker.
    fn let_go(&mut self, worker: &WorkerId, end: chores::End) {
        let fence = self.book.workers.get(worker).and_then(|known| known.work.as_ref()?.fence);
        let Some(Wish::Remove { worker, pipeline }) = self.book.remove(worker) else { return };
        let shared = Arc::clone(&self.shared);
        // Only when the worker is gone is the end of its work a fact: before, it might still print or even succeed.
        self.shared.tasks.spawn(async move {
            chores::remove_first(&shared, &pipeline, &worker).await;
            if let Some(fence) = fence {
                chores::settle(&shared, &pipeline, fence, end).await;
            }
            chores::strike_off(&shared, worker).await;
        });
    }

    fn settle(&self, worker: &WorkerId, fence: Fence, end: chores::End) {
        let Some(pipeline) = self.shared.pipeline_of(worker) else { return };
        let shared = Arc::clone(&self.shared);
        self.shared.tasks.spawn(async move { chores::settle(&shared, &pipeline, fence, end).await });
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge")]
fn count(number: usize) -> f64 {
    number as f64
}
