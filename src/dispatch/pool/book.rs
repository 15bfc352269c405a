//! The pool's bookkeeping: plain data and plain decisions. No task, no clock, no runtime: `now`, ids and fences are arguments.
//!
//! Whatever happens is told by a plain call; [`Book::go_on`] then says what is to be done about it. This file has what is
//! offered and what is over; `works` what becomes of leaves with their workers, `workers` what becomes of these, `growth`
//! who gets what, `spare` who waits for a pipeline to come.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    budget::{Budget, Held},
    queue::{Queue, QueueKey, Queues},
    reason::Reason,
    tempo::{Tempo, passed},
    worker::{Phase, Standby, Worker},
};
use crate::model::{Fence, KillReason, NodeIndex, PipelineId, WorkerId};

/// How often a leaf may lose its worker before it began; then it is the leaf's fault, or the image's.
const LOSSES: u32 = 3;

/// Where ids and fences come from.
pub(in crate::dispatch) trait Lots {
    /// Draws the name of a new worker.
    fn worker(&mut self) -> WorkerId;
    /// Draws the fence of a new attempt, higher than all before.
    fn fence(&mut self) -> Fence;
}

/// How the work of a worker ended that cannot say it itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::dispatch) enum End {
    /// It was to be ended anyway.
    Stopped(KillReason),
    /// It had not begun: another worker may take it.
    GiveBack(String),
    /// The kernel ended it for want of memory.
    OutOfMemory,
    /// What it ran in went away.
    Failed(String),
}

/// What the pool wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::dispatch) enum Wish {
    /// Ask the pipeline to lease this leaf to this worker, if it still belongs into this queue.
    Lease { queue: Queue, worker: WorkerId, node: NodeIndex, fence: Fence },
    /// Make a worker, and tell it to start this attempt as soon as it dials.
    Launch { queue: Queue, worker: WorkerId, fence: Fence },
    /// Tell a worker to start this attempt.
    Send { worker: WorkerId, fence: Fence },
    /// Tell a worker to end this attempt.
    Stop { worker: WorkerId, fence: Fence, reason: KillReason },
    /// Tell a worker to give this attempt back, unless it has begun.
    Recall { worker: WorkerId, fence: Fence },
    /// Tell the pipeline how an attempt ended of which its worker knows nothing.
    Settle { pipeline: PipelineId, fence: Fence, end: End },
    /// Tell the pipeline that these leaves cannot run.
    CannotRun { pipeline: PipelineId, nodes: Vec<NodeIndex>, message: String },
    /// Ask the runtime about a worker.
    Check { pipeline: PipelineId, worker: WorkerId },
    /// Remove a worker and all trace of it; then tell the pipeline how its attempts ended.
    Remove { pipeline: PipelineId, worker: WorkerId, ends: Vec<(Fence, End)> },
    /// Give back what a pipeline had as a whole.
    Release { pipeline: PipelineId },
    /// Wait until the runtime answers again.
    AwaitRuntime,
    /// Let people know why the leaves of a queue wait; nothing: they wait no more.
    Explain { queue: Queue, reason: Option<Reason> },
}

/// The book.
pub(in crate::dispatch) struct Book {
    pub(super) budget: Budget,
    pub(super) idle_timeout: Duration,
    pub(super) workers: BTreeMap<WorkerId, Worker>,
    pub(super) queues: Queues,
    /// Of every queue that ever was, until its pipeline is released.
    pub(super) tempos: HashMap<Queue, Tempo>,
    /// What a worker takes to come up, by the latest; nothing before the first has.
    pub(super) start_cost: Option<Duration>,
    /// What kind of worker came up last.
    pub(super) latest_kind: Option<QueueKey>,
    /// Groups whose container is gone for good, and what is known of that.
    pub(super) lost_groups: HashMap<Queue, String>,
    /// Pipelines that have ended and whose workers are leaving; with those whose release is under way.
    releasing: BTreeMap<PipelineId, bool>,
    /// How often a leaf lost its worker before it began.
    losses: HashMap<(PipelineId, NodeIndex), u32>,
    /// Whether nothing is started, since the runtime does not answer.
    pub(super) is_resting: bool,
    /// Whether no leaf is given out, since the disk is nearly full.
    pub(super) is_disk_short: bool,
    /// What was last said of each queue.
    pub(super) reasons: HashMap<Queue, Reason>,
    pub(super) wishes: Vec<Wish>,
}

impl Book {
    pub(in crate::dispatch) fn new(budget: Budget, idle_timeout: Duration) -> Self {
        Self {
            budget,
            idle_timeout,
            workers: BTreeMap::new(),
            queues: Queues::default(),
            tempos: HashMap::new(),
            start_cost: None,
            latest_kind: None,
            lost_groups: HashMap::new(),
            releasing: BTreeMap::new(),
            losses: HashMap::new(),
            is_resting: false,
            is_disk_short: false,
            reasons: HashMap::new(),
            wishes: Vec::new(),
        }
    }

    /// A leaf is ready. Offering it again changes nothing; offering it to another queue moves it.
    pub(in crate::dispatch) fn offer(&mut self, queue: &Queue, node: NodeIndex, now: Timestamp) {
        // A pipeline that was reopened while its workers were leaving goes on; while it is being released, it waits.
        if self.releasing.get(&queue.pipeline) == Some(&false) {
            self.releasing.remove(&queue.pipeline);
        }
        if let Some(message) = self.budget.refusal(queue.amounts) {
            return self.refuse(queue.pipeline.clone(), node, message);
        }
        let queue = self.known(queue, now);
        self.queues.push(&queue, node, now);
    }

    /// A leaf is ready, and may not run here.
    pub(in crate::dispatch) fn refuse(&mut self, pipeline: PipelineId, node: NodeIndex, message: String) {
        self.wishes.push(Wish::CannotRun { pipeline, nodes: vec![node], message });
    }

    /// A leaf waits no more, or not as it did. A lease that is under way finds out from the pipeline.
    pub(in crate::dispatch) fn withdraw(&mut self, pipeline: &PipelineId, node: NodeIndex) {
        self.queues.remove(pipeline, node);
    }

    /// A group needs its container no more.
    pub(in crate::dispatch) fn release_group(&mut self, pipeline: &PipelineId, node: NodeIndex, generation: u32) {
        let is_of_group =
            |queue: &Queue| queue.pipeline == *pipeline && queue.group.is_some_and(|group| group == (node, generation));
        self.lost_groups.retain(|queue, _| !is_of_group(queue));
        for worker in self.workers.values_mut().filter(|worker| is_of_group(&worker.queue)) {
            worker.is_dismissed = true;
        }
    }

    /// A pipeline has ended: nothing of it is to be left.
    pub(in crate::dispatch) fn release(&mut self, pipeline: PipelineId) {
        self.queues.forget(&pipeline);
        self.losses.retain(|(of, _), _| *of != pipeline);
        self.tempos.retain(|queue, _| queue.pipeline != pipeline);
        self.lost_groups.retain(|queue, _| queue.pipeline != pipeline);
        self.releasing.entry(pipeline).or_insert(false);
    }

    /// Nothing of a pipeline is left.
    pub(in crate::dispatch) fn released(&mut self, pipeline: &PipelineId) {
        self.releasing.remove(pipeline);
    }

    /// Looks for what has become due.
    pub(in crate::dispatch) fn tick(&mut self, now: Timestamp) {
        self.check_silent(now);
        self.end_overdue(now);
        self.recall_stuck(now);
    }

    /// Whatever has happened: leaves may now find workers, and workers may have nothing left to do. Returns all that is to be
    /// done about what was told since the last call, in order.
    pub(in crate::dispatch) fn go_on(&mut self, now: Timestamp, lots: &mut dyn Lots) -> Vec<Wish> {
        self.schedule(now, lots);
        self.tidy(now);
        self.explain();
        std::mem::take(&mut self.wishes)
    }

    /// Returns the queue under the name by which everybody knows it: to compare names is then to compare addresses.
    pub(super) fn known(&mut self, queue: &Queue, now: Timestamp) -> Queue {
        match self.tempos.get_key_value(queue) {
            Some((known, _)) => Arc::clone(known),
            None => {
                self.tempos.insert(Arc::clone(queue), Tempo::new(now));
                Arc::clone(queue)
            }
        }
    }

    /// Whether nothing more is started of a pipeline.
    pub(super) fn is_releasing(&self, pipeline: &PipelineId) -> bool {
        self.releasing.contains_key(pipeline)
    }

    /// Counts a leaf that lost its worker before it began. Returns how often it has, when that was once too often.
    pub(super) fn count_loss(&mut self, pipeline: &PipelineId, node: NodeIndex) -> Option<u32> {
        let losses = self.losses.entry((pipeline.clone(), node)).or_default();
        *losses += 1;
        (*losses >= LOSSES).then_some(*losses)
    }

    /// Returns what the workers hold of the machine.
    pub(super) fn held(&self) -> Held {
        let mut held = Held::default();
        self.workers.values().filter(|worker| worker.holds()).for_each(|worker| held.add(worker.queue.amounts));
        held
    }

    /// Lets workers go that have had nothing to do for a while, and pipelines whose last worker is gone.
    fn tidy(&mut self, now: Timestamp) {
        let is_over = |worker: &Worker| {
            let waits_for_more = worker.queue.group.is_some() || !passed(worker.turned_at, self.idle_timeout, now);
            let is_free = worker.stands_by() || (worker.phase == Phase::Ready && worker.works.is_empty());
            if worker.standby == Some(Standby::Spare) && !self.is_releasing(&worker.queue.pipeline) {
                return false;
            }
            let is_needed = waits_for_more || worker.silent_since.is_some() || self.queues.length(&worker.queue) > 0;
            is_free && (worker.is_dismissed || self.is_releasing(&worker.queue.pipeline) || !is_needed)
        };
        let over: Vec<WorkerId> =
            self.workers.iter().filter(|(_, worker)| is_over(worker)).map(|(id, _)| id.clone()).collect();
        over.iter().for_each(|id| self.remove(id));
        let is_gone = |pipeline: &PipelineId| self.workers.values().all(|worker| worker.queue.pipeline != *pipeline);
        let gone: Vec<PipelineId> = self
            .releasing
            .iter()
            .filter(|(pipeline, is_under_way)| !**is_under_way && is_gone(pipeline))
            .map(|(pipeline, _)| pipeline.clone())
            .collect();
        for pipeline in gone {
            self.releasing.insert(pipeline.clone(), true);
            self.wishes.push(Wish::Release { pipeline });
        }
    }
}
