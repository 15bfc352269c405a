//! The pool's bookkeeping: plain data and plain decisions. No task, no clock, no runtime: `now` and ids are arguments.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use jiff::Timestamp;

use super::queue::{QueueKey, Queues};
use crate::model::{Fence, KillReason, NodeIndex, PipelineId, WorkerId};

/// How long a queue may stand still before another worker is started beside busy ones. About what a container takes to
/// start: nodes shorter than that are better served by the workers that are there.
const GROW_AFTER: Duration = Duration::from_millis(300);

/// How many workers of a queue may be starting at once before one of them has proved that they can.
const FIRST_WORKERS: usize = 2;

/// How often a leaf may lose its worker before it began; then it is the leaf's fault, or the image's.
pub(super) const LOSSES: u32 = 3;

/// Where a worker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Promised to a leaf; nothing of it exists yet.
    Promised,
    /// Its container is being made ready, or it has not dialled yet.
    Starting,
    /// It has dialled at least once.
    Ready,
    /// It is being removed.
    Leaving,
}

/// What a worker works at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) node: NodeIndex,
    /// Nothing until the pipeline has agreed.
    pub(super) fence: Option<Fence>,
    pub(super) started: bool,
    /// By when it must have ended, once it was told to stop.
    pub(super) stop_by: Option<(Timestamp, KillReason)>,
}

/// One worker.
#[derive(Clone, Debug)]
pub(super) struct Worker {
    pub(super) key: QueueKey,
    pub(super) phase: Phase,
    pub(super) work: Option<Work>,
    /// Since when it has no work.
    pub(super) idle_since: Timestamp,
    /// Since when it has no connection; nothing while it has one.
    pub(super) silent_since: Option<Timestamp>,
    /// Whether the runtime is being asked about it.
    pub(super) is_checked: bool,
}

/// What the pool wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Ask the pipeline to lease this leaf to this worker.
    Lease { worker: WorkerId, node: NodeIndex, pipeline: PipelineId },
    /// Remove a worker and all trace of it.
    Remove { worker: WorkerId, pipeline: PipelineId },
    /// Give back what a pipeline had as a whole.
    Release { pipeline: PipelineId },
}

pub(super) struct Book {
    pub(super) slots: usize,
    pub(super) idle_timeout: Duration,
    pub(super) workers: BTreeMap<WorkerId, Worker>,
    pub(super) queues: Queues,
    /// Pipelines that have ended and whose workers are leaving; with those whose release is under way.
    releasing: HashMap<PipelineId, bool>,
    /// How often a leaf lost its worker before it began.
    losses: HashMap<(PipelineId, NodeIndex), u32>,
    /// Whether nothing is started, since the runtime does not answer.
    pub(super) is_resting: bool,
}

impl Book {
    pub(super) fn new(slots: usize, idle_timeout: Duration) -> Self {
        Self {
            slots: slots.max(1),
            idle_timeout,
            workers: BTreeMap::new(),
            queues: Queues::default(),
            releasing: HashMap::new(),
            losses: HashMap::new(),
            is_resting: false,
        }
    }

    /// A leaf is ready.
    pub(super) fn offer(&mut self, key: QueueKey, node: NodeIndex, now: Timestamp) {
        // A pipeline that was reopened while its workers were leaving goes on; while it is being released, it waits.
        if self.releasing.get(&key.pipeline) == Some(&false) {
            self.releasing.remove(&key.pipeline);
        }
        let is_worked_at = self.workers.values().any(|worker| {
            worker.key.pipeline == key.pipeline && worker.work.as_ref().is_some_and(|work| work.node == node)
        });
        if !is_worked_at {
            self.queues.push(key, node, now);
        }
    }

    /// Gives waiting leaves to idle workers, and starts workers where that is worth it.
    pub(super) fn schedule(&mut self, now: Timestamp, mut draw: impl FnMut() -> WorkerId) -> Vec<Wish> {
        let mut wishes = Vec::new();
        for key in self.queues.keys() {
            if self.releasing.contains_key(&key.pipeline) {
                continue;
            }
            while let Some(worker) = self.idle_worker(&key) {
                let Some(node) = self.queues.pop(&key, now) else { break };
                wishes.push(self.assign(&worker, node));
            }
            while self.may_start(&key, now) {
                if self.workers.len() >= self.slots {
                    wishes.extend(self.make_room(&key));
                    break;
                }
                let Some(node) = self.queues.pop(&key, now) else { break };
                let worker = draw();
                self.workers.insert(worker.clone(), Worker::promised(key.clone(), now));
                wishes.push(self.assign(&worker, node));
            }
            self.queues.rotate(&key);
        }
        wishes
    }

    /// Lets workers go that have had nothing to do for a while, and pipelines whose last worker is gone.
    pub(super) fn tidy(&mut self, now: Timestamp) -> Vec<Wish> {
        let idle: Vec<WorkerId> = self
            .workers
            .iter()
            .filter(|(_, worker)| worker.is_idle() && !self.queues.has_waiting(&worker.key))
            .filter(|(_, worker)| {
                let is_over = self.releasing.contains_key(&worker.key.pipeline);
                is_over || passed(worker.idle_since, self.idle_timeout, now)
            })
            .map(|(id, _)| id.clone())
            .collect();
        let mut wishes: Vec<Wish> = idle.iter().filter_map(|id| self.remove(id)).collect();
        let over: Vec<PipelineId> = self
            .releasing
            .iter()
            .filter(|(_, is_under_way)| !**is_under_way)
            .map(|(pipeline, _)| pipeline.clone())
            .filter(|pipeline| self.workers.values().all(|worker| worker.key.pipeline != *pipeline))
            .collect();
        for pipeline in over {
            self.releasing.insert(pipeline.clone(), true);
            wishes.push(Wish::Release { pipeline });
        }
        wishes
    }

    /// A pipeline has ended: nothing of it is to be left.
    pub(super) fn release(&mut self, pipeline: PipelineId) {
        self.queues.forget(&pipeline);
        self.losses.retain(|(of, _), _| *of != pipeline);
        self.releasing.entry(pipeline).or_insert(false);
    }

    /// Nothing of a pipeline is left.
    pub(super) fn released(&mut self, pipeline: &PipelineId) {
        self.releasing.remove(pipeline);
    }

    /// Marks a worker as leaving. Nothing when it is unknown or leaves already.
    pub(super) fn remove(&mut self, id: &WorkerId) -> Option<Wish> {
        let worker = self.workers.get_mut(id)?;
        if worker.phase == Phase::Leaving {
            return None;
        }
        worker.phase = Phase::Leaving;
        worker.work = None;
        Some(Wish::Remove { worker: id.clone(), pipeline: worker.key.pipeline.clone() })
    }

    /// Counts a leaf that lost its worker before it began. Returns whether it may have another.
    pub(super) fn may_lose(&mut self, pipeline: &PipelineId, node: NodeIndex) -> bool {
        let losses = self.losses.entry((pipeline.clone(), node)).or_default();
        *losses += 1;
        *losses < LOSSES
    }

    /// The work of a worker has ended, or came to nothing.
    pub(super) fn set_idle(&mut self, id: &WorkerId, now: Timestamp) {
        if let Some(worker) = self.workers.get_mut(id) {
            worker.work = None;
            worker.idle_since = now;
        }
    }

    /// Returns the worker that works at an attempt.
    pub(super) fn working_at(&mut self, id: &WorkerId, fence: Fence) -> Option<&mut Work> {
        self.workers.get_mut(id)?.work.as_mut().filter(|work| work.fence == Some(fence))
    }

    /// Returns the workers that have had no connection for so long.
    pub(super) fn silent(&self, for_long: Duration, now: Timestamp) -> Vec<WorkerId> {
        let is_silent = |worker: &Worker| worker.silent_since.is_some_and(|since| passed(since, for_long, now));
        self.workers
            .iter()
            .filter(|(_, worker)| matches!(worker.phase, Phase::Starting | Phase::Ready) && !worker.is_checked)
            .filter(|(_, worker)| is_silent(worker))
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// Returns the workers that did not end their work in time after being told to.
    pub(super) fn overdue(&self, now: Timestamp) -> Vec<(WorkerId, Fence, KillReason)> {
        let late = |work: &Work| Some((work.fence?, work.stop_by.filter(|(by, _)| *by <= now)?.1));
        self.workers
            .iter()
            .filter(|(_, worker)| worker.phase != Phase::Leaving)
            .filter_map(|(id, worker)| worker.work.as_ref().and_then(late).map(|(fence, why)| (id.clone(), fence, why)))
            .collect()
    }

    fn assign(&mut self, id: &WorkerId, node: NodeIndex) -> Wish {
        let worker = self.workers.get_mut(id).expect("the caller has just found or made it");
        worker.work = Some(Work { node, fence: None, started: false, stop_by: None });
        Wish::Lease { worker: id.clone(), node, pipeline: worker.key.pipeline.clone() }
    }

    fn idle_worker(&self, key: &QueueKey) -> Option<WorkerId> {
        self.workers.iter().find(|(_, worker)| worker.key == *key && worker.is_idle()).map(|(id, _)| id.clone())
    }

    /// Short nodes finish on a few workers; a queue that stands still gets more, twice as many each time.
    fn may_start(&self, key: &QueueKey, now: Timestamp) -> bool {
        if self.is_resting || !self.queues.has_waiting(key) {
            return false;
        }
        let (mut starting, mut busy) = (0, 0);
        for worker in self.workers.values().filter(|worker| worker.key == *key) {
            match worker.phase {
                Phase::Promised | Phase::Starting => starting += 1,
                Phase::Ready => busy += 1,
                Phase::Leaving => {}
            }
        }
        if busy == 0 { starting < FIRST_WORKERS } else { starting < busy && self.queues.is_stuck(key, GROW_AFTER, now) }
    }

    /// All slots are taken: the worker of another queue that has been idle longest makes room.
    fn make_room(&mut self, key: &QueueKey) -> Option<Wish> {
        if self.workers.values().any(|worker| worker.phase == Phase::Leaving) {
            return None;
        }
        let idle = self.workers.iter().filter(|(_, worker)| worker.is_idle() && worker.key != *key);
        let longest = idle.min_by_key(|(_, worker)| worker.idle_since).map(|(id, _)| id.clone())?;
        self.remove(&longest)
    }
}

impl Worker {
    pub(super) fn promised(key: QueueKey, now: Timestamp) -> Self {
        Self { key, phase: Phase::Promised, work: None, idle_since: now, silent_since: None, is_checked: false }
    }

    fn is_idle(&self) -> bool {
        self.phase == Phase::Ready && self.work.is_none() && self.silent_since.is_none()
    }
}

fn passed(since: Timestamp, long: Duration, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(since)).is_ok_and(|waited| waited >= long)
}
