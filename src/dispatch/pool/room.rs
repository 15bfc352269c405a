//! The pool's loop: takes messages, tells the book, sets chores going for what the book wishes.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot};

use super::{
    book::{Book, Lots, Wish},
    chores, leave,
    queue::Queue,
    spare, start,
    workers::Gone,
    works,
};
use crate::{
    clock,
    dispatch::{disk, shared::Shared, start::GRACE_MS},
    executor,
    model::{Fence, KillReason, NodeIndex, PipelineId, WorkerId},
    worker::protocol::{Start, ToWorker},
};

/// How often the book is looked through for what has become due.
const TICK: Duration = Duration::from_millis(100);

/// How many messages are taken before the book is asked what to do about them.
const BATCH: usize = 256;

/// A leaf that a worker could take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::dispatch) struct Lease {
    pub(in crate::dispatch) node: NodeIndex,
    pub(in crate::dispatch) fence: Fence,
    pub(in crate::dispatch) worker: WorkerId,
}

/// What the pool is told.
pub(in crate::dispatch) enum Message {
    /// A leaf is ready.
    Offer { queue: Queue, node: NodeIndex },
    /// A leaf is ready, and may not run here.
    Refuse { pipeline: PipelineId, node: NodeIndex, message: String },
    /// A leaf waits no more, or not as it did.
    Withdraw { pipeline: PipelineId, node: NodeIndex },
    /// The pipeline has leased a leaf to a worker.
    Start { pipeline: PipelineId, worker: WorkerId, start: Box<Start> },
    /// The pipeline has not. With `again` it could not, and the leaf waits as before.
    LeaseRefused { worker: WorkerId, fence: Fence, again: bool },
    /// End an attempt.
    Stop { pipeline: PipelineId, worker: WorkerId, fence: Fence, reason: KillReason },
    /// End an attempt by ending its worker.
    Destroy { pipeline: PipelineId, worker: WorkerId, fence: Fence, reason: KillReason },
    /// The worker's container runs.
    Launched { worker: WorkerId },
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
    /// The worker has given an attempt back, and that is committed.
    Returned { worker: WorkerId, fence: Fence },
    /// What the runtime says of a silent worker; nothing while it runs.
    Checked { worker: WorkerId, gone: Option<Gone> },
    /// The runtime does not answer.
    RuntimeAway,
    /// The runtime answers again.
    RuntimeBack,
    /// Nothing of a worker is left.
    Removed { worker: WorkerId },
    /// A group needs its container no more.
    ReleaseGroup { pipeline: PipelineId, node: NodeIndex, generation: u32 },
    /// A pipeline has ended.
    Release { pipeline: PipelineId },
    /// Nothing of a pipeline is left.
    Released { pipeline: PipelineId },
    /// Give the spare to a pipeline that is about to be launched: it takes the id that is answered.
    TakeSpare { reply: oneshot::Sender<Option<PipelineId>> },
    /// The pipeline that took the spare is not launched after all.
    DropSpare { pipeline: PipelineId },
    /// After a start of the server: this worker had this leaf.
    Adopt { worker: WorkerId, queue: Queue, node: NodeIndex, fence: Fence, started: bool },
    /// After a start of the server: this worker is the container of a group, and something has run in it.
    AdoptGroup { worker: WorkerId, queue: Queue },
}

/// Runs until the server stops.
pub(in crate::dispatch) async fn run(shared: Arc<Shared>, mut messages: mpsc::Receiver<Message>) {
    let book = Book::new(shared.options.budget, shared.options.idle_timeout);
    let mut room = Room { shared, book, starts: HashMap::new() };
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let stop = room.shared.stop.clone();
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            count = messages.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    return;
                }
                batch.drain(..).for_each(|message| room.take(message));
            }
            _ = ticks.tick() => room.tick(),
            () = stop.cancelled() => break,
        }
        room.go_on();
    }
    // Nobody would find anything in a spare after a restart.
    leave::dissolve(&room.shared, room.book.spares()).await;
}

struct Room {
    shared: Arc<Shared>,
    book: Book,
    /// What workers are to be told about attempts, until they are.
    starts: HashMap<Fence, Box<Start>>,
}

impl Lots for Arc<Shared> {
    fn worker(&mut self) -> WorkerId {
        clock::new_worker_id()
    }

    fn fence(&mut self) -> Fence {
        self.draw_fence()
    }
}

impl Room {
    fn take(&mut self, message: Message) {
        let (book, now) = (&mut self.book, clock::now());
        match message {
            Message::Offer { queue, node } => book.offer(&queue, node, now),
            Message::Refuse { pipeline, node, message } => book.refuse(pipeline, node, message),
            Message::Withdraw { pipeline, node } => book.withdraw(&pipeline, node),
            Message::Start { pipeline, worker, start } => {
                let fence = start.fence;
                self.starts.insert(fence, start);
                book.leased(&pipeline, &worker, fence);
            }
            Message::LeaseRefused { worker, fence, again } => book.lease_refused(&worker, fence, again, now),
            Message::Stop { pipeline, worker, fence, reason } => {
                let by = works::stop_deadline(now, Duration::from_millis(GRACE_MS));
                book.stop(&pipeline, &worker, fence, reason, by);
            }
            Message::Destroy { pipeline, worker, fence, reason } => book.destroy(&pipeline, &worker, fence, reason),
            Message::Launched { worker } => book.launched(&worker, now),
            Message::StartFailed { worker, error } => self.start_failed(&worker, &error),
            Message::Connected { worker } => {
                book.connected(&worker, now);
                if book.spares().iter().any(|(_, spare)| *spare == worker) {
                    tracing::debug!(worker = %worker, "stands by for the next pipeline");
                }
            }
            Message::Disconnected { worker } => book.disconnected(&worker, now),
            Message::Started { worker, fence } => book.started(&worker, fence),
            Message::Finished { worker, fence } => book.finished(&worker, fence, now),
            Message::Returned { worker, fence } => book.returned(&worker, fence, now),
            Message::Checked { worker, gone } => book.checked(&worker, gone.as_ref(), now),
            Message::RuntimeAway => book.runtime_away(),
            Message::RuntimeBack => book.runtime_back(),
            Message::Removed { worker } => book.removed(&worker),
            Message::ReleaseGroup { pipeline, node, generation } => book.release_group(&pipeline, node, generation),
            Message::Release { pipeline } => book.release(pipeline),
            Message::Released { pipeline } => book.released(&pipeline),
            Message::TakeSpare { reply } => {
                let spare = book.take_spare(now);
                // Whoever asked is there, unless the server stops.
                drop(reply.send(spare));
            }
            Message::DropSpare { pipeline } => book.drop_spare(pipeline),
            Message::Adopt { worker, queue, node, fence, started } => {
                book.adopt(&worker, &queue, (node, fence, started), now);
            }
            Message::AdoptGroup { worker, queue } => book.adopt_group(&worker, &queue, now),
        }
    }

    fn start_failed(&mut self, worker: &WorkerId, error: &executor::Error) {
        let trouble = match error {
            executor::Error::Unavailable { .. } => Some(error.to_string()),
            executor::Error::Image { .. } | executor::Error::Refused { .. } => None,
        };
        self.shared.set_problem("executor", trouble);
        self.book.start_failed(worker, error);
    }

    fn tick(&mut self) {
        self.book.is_disk_short = self.shared.problem(disk::PROBLEM).is_some();
        let now = clock::now();
        self.book.tick(now);
        if self.shared.options.spare
            && self.shared.parts.executor.isolates()
            && let Some(kind) = self.book.wants_spare(now)
        {
            let (worker, queue) = (clock::new_worker_id(), spare::queue_for(clock::new_pipeline_id(), kind));
            self.shared.enrol(worker.clone(), queue.pipeline.clone());
            self.book.keep_spare(worker.clone(), Arc::clone(&queue), now);
            self.shared.tasks.spawn(start::spare(Arc::clone(&self.shared), queue, worker));
        }
        metrics::gauge!("conducto_workers").set(count(self.book.workers.len()));
        metrics::gauge!("conducto_queued_nodes").set(count(self.book.queues.total()));
    }

    fn go_on(&mut self) {
        let wishes = self.book.go_on(clock::now(), &mut Arc::clone(&self.shared));
        let mut leases: Vec<(Queue, Vec<Lease>)> = Vec::new();
        for wish in wishes {
            match wish {
                // Those of one queue share a commit.
                Wish::Lease { queue, worker, node, fence } => {
                    let lease = Lease { node, fence, worker };
                    match leases.iter_mut().find(|(other, _)| *other == queue) {
                        Some((_, leases)) => leases.push(lease),
                        None => leases.push((queue, vec![lease])),
                    }
                }
                other => self.grant(other),
            }
        }
        for (queue, leases) in leases {
            self.shared.tasks.spawn(chores::lease(Arc::clone(&self.shared), queue, leases));
        }
    }

    fn grant(&mut self, wish: Wish) {
        let shared = Arc::clone(&self.shared);
        let (hub, tasks) = (&self.shared.parts.hub, &self.shared.tasks);
        match wish {
            Wish::Lease { queue, worker, node, fence } => {
                tasks.spawn(chores::lease(shared, queue, vec![Lease { node, fence, worker }]));
            }
            Wish::Launch { queue, worker, fence } => {
                let Some(start) = self.starts.remove(&fence) else { return };
                shared.enrol(worker.clone(), queue.pipeline.clone());
                tasks.spawn(start::start(shared, queue, worker, *start));
            }
            Wish::Send { worker, fence } => {
                let Some(start) = self.starts.remove(&fence) else { return };
                hub.lease(&worker, fence);
                hub.send(&worker, ToWorker::Start(start));
            }
            Wish::Stop { worker, fence, reason } => hub.send(&worker, ToWorker::Stop { fence, reason }),
            Wish::Recall { worker, fence } => hub.send(&worker, ToWorker::Recall { fence }),
            Wish::Settle { pipeline, fence, end } => {
                self.starts.remove(&fence);
                tasks.spawn(async move { leave::settle(&shared, &pipeline, fence, end).await });
            }
            Wish::CannotRun { pipeline, nodes, message } => {
                tasks.spawn(chores::cannot_run(shared, pipeline, nodes, message));
            }
            Wish::Check { pipeline, worker } => drop(tasks.spawn(chores::check(shared, pipeline, worker))),
            Wish::Remove { pipeline, worker, ends } => {
                ends.iter().for_each(|(fence, _)| drop(self.starts.remove(fence)));
                tasks.spawn(leave::remove(shared, pipeline, worker, ends));
            }
            Wish::Release { pipeline } => drop(tasks.spawn(leave::release(shared, pipeline))),
            Wish::AwaitRuntime => {
                tracing::warn!("the container runtime does not answer; nodes wait");
                tasks.spawn(chores::await_runtime(shared));
            }
            Wish::Explain { queue, reason } => self.shared.explain(queue, reason),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge")]
fn count(number: usize) -> f64 {
    number as f64
}
