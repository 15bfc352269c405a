//! What becomes of workers: they come up, fall silent, are lost, are removed, are found again after a restart.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    book::{Book, End, Wish},
    queue::Queue,
    tempo::{between, follow, passed},
    worker::{Phase, Standby, Step, Work, Worker},
};
use crate::{
    executor,
    model::{Fence, NodeIndex, WorkerId},
};

/// How long a worker may have no connection before its runtime is asked about it.
const SILENCE: Duration = Duration::from_secs(2);

/// A worker that is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::dispatch) struct Gone {
    /// What was seen, for people.
    pub(in crate::dispatch) evidence: String,
    pub(in crate::dispatch) out_of_memory: bool,
}

impl Book {
    /// A worker's container runs. From now on the runtime is asked about it until it dials: it may never come to that.
    pub(in crate::dispatch) fn launched(&mut self, id: &WorkerId, now: Timestamp) {
        let Some(worker) = self.workers.get_mut(id).filter(|worker| worker.phase == Phase::Starting) else { return };
        if worker.standby == Some(Standby::Taken) {
            // It has dialled long ago.
            worker.standby = None;
            worker.phase = Phase::Ready;
            worker.turned_at = now;
        } else {
            worker.silent_since.get_or_insert(now);
        }
    }

    /// A worker has a connection.
    pub(in crate::dispatch) fn connected(&mut self, id: &WorkerId, now: Timestamp) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        let was_adopted = worker.silent_since.take().is_some();
        if worker.phase == Phase::Starting && worker.standby != Some(Standby::Taken) {
            if !was_adopted {
                self.start_cost = Some(follow(self.start_cost, between(worker.born_at, now)));
            }
            worker.phase = Phase::Ready;
            worker.turned_at = now;
            if let Some(tempo) = self.tempos.get_mut(&worker.queue) {
                tempo.moved(now);
            }
            let queue = worker.queue.clone();
            self.note_kind(&queue);
        }
    }

    /// A worker has lost its connection.
    pub(in crate::dispatch) fn disconnected(&mut self, id: &WorkerId, now: Timestamp) {
        if let Some(worker) = self.workers.get_mut(id) {
            worker.silent_since.get_or_insert(now);
        }
    }

    /// What the runtime says of a silent worker; nothing while it runs.
    pub(in crate::dispatch) fn checked(&mut self, id: &WorkerId, gone: Option<&Gone>, now: Timestamp) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        worker.is_checked = false;
        match gone {
            Some(_) if worker.silent_since.is_none() => {}
            Some(gone) => self.lost(id, gone),
            // It runs, and will dial again.
            None => {
                worker.silent_since.replace(now);
            }
        }
    }

    /// A worker's container could not be had.
    pub(in crate::dispatch) fn start_failed(&mut self, id: &WorkerId, error: &executor::Error) {
        let Some(worker) = self.workers.get(id) else { return };
        let (queue, message) = (worker.queue.clone(), error.to_string());
        if self.lose_spare(id, &message) {
            return;
        }
        match error {
            executor::Error::Image { .. } => {
                // What waits for the same image cannot run either.
                let nodes = self.queues.drain(&queue);
                let pipeline = queue.pipeline.clone();
                self.wishes.push(Wish::CannotRun { pipeline, nodes, message: message.clone() });
                self.let_go(id, End::Failed(message.clone()), &message);
            }
            executor::Error::Refused { .. } => self.let_go(id, End::Failed(message.clone()), &message),
            executor::Error::Unavailable { .. } => {
                self.runtime_away();
                self.let_go(id, End::GiveBack(message.clone()), &message);
            }
        }
    }

    /// The runtime does not answer: nothing is started until it does.
    pub(in crate::dispatch) fn runtime_away(&mut self) {
        if !self.is_resting {
            self.is_resting = true;
            self.wishes.push(Wish::AwaitRuntime);
        }
    }

    /// The runtime answers again.
    pub(in crate::dispatch) fn runtime_back(&mut self) {
        self.is_resting = false;
    }

    /// Nothing of a worker is left.
    pub(in crate::dispatch) fn removed(&mut self, id: &WorkerId) {
        self.workers.remove(id);
    }

    /// After a start of the server: this worker had this leaf. Several leaves of one worker come in the order of their fences.
    pub(in crate::dispatch) fn adopt(
        &mut self,
        id: &WorkerId,
        queue: &Queue,
        (node, fence, is_started): (NodeIndex, Fence, bool),
        now: Timestamp,
    ) {
        let worker = self.adopted(id, queue, now);
        worker.has_served |= is_started;
        if worker.work(fence).is_none() {
            let step = if is_started { Step::Begun } else { Step::Sent };
            worker.works.push_back(Work { step, ..Work::new(node, fence) });
        }
    }

    /// After a start of the server: a group's container in which something has run.
    pub(in crate::dispatch) fn adopt_group(&mut self, id: &WorkerId, queue: &Queue, now: Timestamp) {
        self.adopted(id, queue, now).has_served = true;
    }

    fn adopted(&mut self, id: &WorkerId, queue: &Queue, now: Timestamp) -> &mut Worker {
        let queue = self.known(queue, now);
        self.workers.entry(id.clone()).or_insert_with(|| {
            let mut worker = Worker::promised(queue, now);
            worker.phase = Phase::Starting;
            worker.silent_since = Some(now);
            worker
        })
    }

    /// Has the runtime asked about workers that have had no connection for a while.
    pub(super) fn check_silent(&mut self, now: Timestamp) {
        for (id, worker) in &mut self.workers {
            let is_silent = worker.silent_since.is_some_and(|since| passed(since, SILENCE, now));
            if is_silent && !worker.is_checked && matches!(worker.phase, Phase::Starting | Phase::Ready) {
                worker.is_checked = true;
                let pipeline = worker.queue.pipeline.clone();
                self.wishes.push(Wish::Check { pipeline, worker: id.clone() });
            }
        }
    }

    /// Removes a worker that has no work.
    pub(super) fn remove(&mut self, id: &WorkerId) {
        let Some(worker) = self.workers.get_mut(id).filter(|worker| worker.phase != Phase::Leaving) else { return };
        worker.phase = Phase::Leaving;
        let pipeline = worker.queue.pipeline.clone();
        self.wishes.push(Wish::Remove { pipeline, worker: id.clone(), ends: Vec::new() });
    }

    /// Removes a worker together with what it has: `end` is the end of what runs, the rest goes back into its queue.
    pub(super) fn let_go(&mut self, id: &WorkerId, end: End, evidence: &str) {
        let Some(worker) = self.workers.get_mut(id).filter(|worker| worker.phase != Phase::Leaving) else { return };
        worker.phase = Phase::Leaving;
        if worker.queue.group.is_some() && worker.has_served {
            self.lost_groups.insert(worker.queue.clone(), evidence.to_owned());
        }
        let mut end = Some(end);
        let ends = std::mem::take(&mut worker.works).into_iter().filter_map(|work| {
            let first = end.take();
            let end = match work.stop_by {
                // The pipeline has not even said yes.
                _ if work.step == Step::Asked => return None,
                Some((_, reason)) => End::Stopped(reason),
                None => first.unwrap_or_else(|| End::GiveBack(evidence.to_owned())),
            };
            Some((work.fence, end))
        });
        let wish = Wish::Remove { pipeline: worker.queue.pipeline.clone(), worker: id.clone(), ends: ends.collect() };
        self.wishes.push(wish);
    }

    fn lost(&mut self, id: &WorkerId, gone: &Gone) {
        if self.lose_spare(id, &gone.evidence) {
            return;
        }
        let Some(worker) = self.workers.get(id) else { return };
        let (queue, has_served) = (worker.queue.clone(), worker.has_served);
        let evidence = gone.evidence.clone();
        let end = match worker.works.front().map(|work| (work.step, work.node)) {
            Some((Step::Begun, _)) if gone.out_of_memory => End::OutOfMemory,
            Some((Step::Begun, _)) | None => End::Failed(evidence),
            Some(_) if queue.group.is_some() && has_served => End::Failed(lost_group(&evidence)),
            Some((_, node)) => match self.count_loss(&queue.pipeline, node) {
                None => End::GiveBack(evidence),
                Some(losses) => End::Failed(format!("{evidence} {losses} times before its command began")),
            },
        };
        self.let_go(id, end, &gone.evidence);
    }
}

/// Says why a leaf of a group cannot run.
pub(super) fn lost_group(evidence: &str) -> String {
    format!("the group's container is gone: {evidence}; reset the group to begin it again in a new one")
}
