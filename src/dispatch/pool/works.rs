//! What becomes of leaves with their workers: leased, told, begun, ended, stopped, called back.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    book::{Book, End, Wish},
    queue::Queue,
    tempo::between,
    worker::{Phase, Step, Work, Worker},
};
use crate::model::{Fence, KillReason, NodeIndex, PipelineId, WorkerId};

/// Why an attempt goes back into its queue whose worker is no more when the lease arrives.
const GONE: &str = "its worker went away before it began";

/// Why a recalled attempt goes back.
const RECALLED: &str = "another worker may be free sooner";

impl Book {
    /// Notes that a leaf shall go to a worker, and asks the pipeline for it.
    pub(super) fn assign(&mut self, id: &WorkerId, node: NodeIndex, fence: Fence, now: Timestamp) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        if worker.works.is_empty() {
            worker.turned_at = now;
        }
        worker.works.push_back(Work::new(node, fence));
        self.wishes.push(Wish::Lease { queue: worker.queue.clone(), worker: id.clone(), node, fence });
    }

    /// The pipeline has leased a leaf. Also what it says after a restart, to have everything told again.
    pub(in crate::dispatch) fn leased(&mut self, pipeline: &PipelineId, id: &WorkerId, fence: Fence) {
        let worker = self.workers.get_mut(id).filter(|worker| worker.phase != Phase::Leaving);
        let Some(work) = worker.and_then(|worker| worker.work(fence)) else {
            let end = End::GiveBack(GONE.to_owned());
            return self.wishes.push(Wish::Settle { pipeline: pipeline.clone(), fence, end });
        };
        if work.step > Step::Leased {
            return self.wishes.push(Wish::Send { worker: id.clone(), fence });
        }
        work.step = Step::Leased;
        if work.is_recalled {
            self.drop_unsent(pipeline, id, fence, End::GiveBack(RECALLED.to_owned()));
        }
        self.send_leased(id);
    }

    /// The pipeline has not leased a leaf. With `again` it could not, and the leaf waits as before.
    pub(in crate::dispatch) fn lease_refused(&mut self, id: &WorkerId, fence: Fence, again: bool, now: Timestamp) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        let Some(work) = worker.work(fence) else { return };
        let (node, queue) = (work.node, worker.queue.clone());
        worker.drop_work(fence, now);
        // One that was edited or reset meanwhile stands where it belongs now, and stays there.
        if again && !self.is_releasing(&queue.pipeline) && !self.queues.has(&queue.pipeline, node) {
            self.queues.push(&queue, node, now);
        }
        self.send_leased(id);
        self.forget_if_nothing(id);
    }

    /// The command of an attempt runs.
    pub(in crate::dispatch) fn started(&mut self, id: &WorkerId, fence: Fence) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        worker.has_served = true;
        if let Some(work) = worker.work(fence) {
            work.step = Step::Begun;
            work.is_recalled = false;
        }
    }

    /// The end of an attempt is committed.
    pub(in crate::dispatch) fn finished(&mut self, id: &WorkerId, fence: Fence, now: Timestamp) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        let since = worker.turned_at;
        let Some(was_its_turn) = worker.drop_work(fence, now) else { return };
        if was_its_turn && let Some(tempo) = self.tempos.get_mut(&worker.queue) {
            tempo.took(between(since, now), now);
        }
    }

    /// A worker has given an attempt back, and the pipeline knows.
    pub(in crate::dispatch) fn returned(&mut self, id: &WorkerId, fence: Fence, now: Timestamp) {
        if let Some(worker) = self.workers.get_mut(id) {
            worker.drop_work(fence, now);
        }
    }

    /// An attempt is to be ended; its worker gets until `by` to say that it has.
    pub(in crate::dispatch) fn stop(
        &mut self,
        pipeline: &PipelineId,
        id: &WorkerId,
        fence: Fence,
        reason: KillReason,
        by: Timestamp,
    ) {
        let Some(worker) = self.workers.get_mut(id) else {
            // Nobody to be told: what the pipeline waits for has to be said by somebody.
            let end = End::Stopped(reason);
            return self.wishes.push(Wish::Settle { pipeline: pipeline.clone(), fence, end });
        };
        let (phase, is_absent) = (worker.phase, worker.silent_since.is_some());
        let Some(work) = worker.work(fence) else { return };
        work.stop_by.get_or_insert((by, reason));
        match (work.step, phase) {
            (Step::Asked | Step::Leased, _) => self.drop_unsent(pipeline, id, fence, End::Stopped(reason)),
            // Its container is not there yet: no need to wait for it.
            (Step::Sent, Phase::Promised | Phase::Starting) if !is_absent => self.destroy(pipeline, id, fence, reason),
            (Step::Sent | Step::Begun, _) => self.wishes.push(Wish::Stop { worker: id.clone(), fence, reason }),
        }
    }

    /// An attempt is to be ended by ending its worker.
    pub(in crate::dispatch) fn destroy(
        &mut self,
        pipeline: &PipelineId,
        id: &WorkerId,
        fence: Fence,
        reason: KillReason,
    ) {
        let Some(worker) = self.workers.get_mut(id) else {
            let end = End::Stopped(reason);
            return self.wishes.push(Wish::Settle { pipeline: pipeline.clone(), fence, end });
        };
        let Some(work) = worker.work(fence) else { return };
        // If it is not its turn yet, what runs before it loses its worker all the same.
        work.stop_by.get_or_insert((Timestamp::UNIX_EPOCH, reason));
        let evidence = "it was ended together with a node that did not end by itself";
        self.let_go(id, End::Failed(evidence.to_owned()), evidence);
    }

    /// Ends the workers that did not end an attempt in time after being told to.
    pub(super) fn end_overdue(&mut self, now: Timestamp) {
        let late = |work: &Work| work.stop_by.filter(|(by, _)| *by <= now).map(|(_, why)| (work.fence, why));
        let overdue: Vec<_> = self
            .workers
            .iter()
            .filter(|(_, worker)| worker.phase != Phase::Leaving)
            .filter_map(|(id, worker)| {
                let (fence, reason) = worker.works.iter().find_map(late)?;
                Some((worker.queue.pipeline.clone(), id.clone(), fence, reason))
            })
            .collect();
        for (pipeline, worker, fence, reason) in overdue {
            self.destroy(&pipeline, &worker, fence, reason);
        }
    }

    /// Calls back what waits behind a leaf that turned out to be long, where another worker could take it.
    pub(super) fn recall_stuck(&mut self, now: Timestamp) {
        let stuck: Vec<(WorkerId, Queue)> = self
            .workers
            .iter()
            .filter(|(_, worker)| {
                worker.works.len() > 1 && worker.phase == Phase::Ready && worker.queue.group.is_none()
            })
            .filter(|(_, worker)| between(worker.turned_at, now) >= super::growth::STUCK)
            .map(|(id, worker)| (id.clone(), worker.queue.clone()))
            .collect();
        for (id, queue) in stuck {
            let has_others = self.workers.iter().any(|(other, worker)| *other != id && worker.queue == queue);
            let has_room = self.budget.lack(self.held(), queue.amounts).is_none() && !self.is_resting;
            if has_others || has_room {
                self.recall(&id);
            }
        }
    }

    /// Wants back everything that a worker has not begun and whose turn it is not.
    pub(super) fn recall(&mut self, id: &WorkerId) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        let mut unsent = Vec::new();
        for work in worker.works.iter_mut().skip(1).filter(|work| !work.is_recalled && work.stop_by.is_none()) {
            work.is_recalled = work.step != Step::Begun;
            match work.step {
                Step::Sent => self.wishes.push(Wish::Recall { worker: id.clone(), fence: work.fence }),
                Step::Leased => unsent.push(work.fence),
                // Its lease is under way; what is done about it is done when the answer comes.
                Step::Asked | Step::Begun => {}
            }
        }
        let pipeline = worker.queue.pipeline.clone();
        for fence in unsent {
            self.drop_unsent(&pipeline, id, fence, End::GiveBack(RECALLED.to_owned()));
        }
    }

    /// Ends an attempt of which the worker has not heard.
    fn drop_unsent(&mut self, pipeline: &PipelineId, id: &WorkerId, fence: Fence, end: End) {
        if let Some(worker) = self.workers.get_mut(id) {
            worker.works.retain(|work| work.fence != fence);
        }
        self.wishes.push(Wish::Settle { pipeline: pipeline.clone(), fence, end });
        self.send_leased(id);
        self.forget_if_nothing(id);
    }

    /// Tells a worker what it may be told: in the order of the fences, since it refuses one that is not above all it has seen.
    fn send_leased(&mut self, id: &WorkerId) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        for work in &mut worker.works {
            match work.step {
                Step::Asked => return,
                Step::Sent | Step::Begun => {}
                Step::Leased => {
                    work.step = Step::Sent;
                    let (worker_id, fence) = (id.clone(), work.fence);
                    if worker.phase == Phase::Promised {
                        worker.phase = Phase::Starting;
                        let queue = worker.queue.clone();
                        self.wishes.push(Wish::Launch { queue, worker: worker_id, fence });
                    } else {
                        self.wishes.push(Wish::Send { worker: worker_id, fence });
                    }
                }
            }
        }
    }

    /// A worker of which nothing exists, and which nobody needs, was none.
    fn forget_if_nothing(&mut self, id: &WorkerId) {
        let is_nothing =
            |worker: &Worker| worker.phase == Phase::Promised && worker.works.is_empty() && worker.standby.is_none();
        if self.workers.get(id).is_some_and(is_nothing) {
            self.workers.remove(id);
        }
    }
}

/// Longest time an attempt that is to be stopped may take, beyond what its processes get.
pub(in crate::dispatch) fn stop_deadline(now: Timestamp, grace: Duration) -> Timestamp {
    /// For the worker's report to arrive.
    const MARGIN: Duration = Duration::from_secs(20);
    now + grace + MARGIN
}
