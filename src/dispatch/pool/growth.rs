//! Who gets what: waiting leaves to idle workers, leaves ahead to busy ones, new workers where that is worth it.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    book::{Book, Lots, Wish},
    budget::Held,
    queue::Queue,
    tempo::{Tempo, between, passed},
    worker::{Phase, Worker},
    workers::lost_group,
};
use crate::model::WorkerId;

/// How many workers of a queue may be starting at once before one of them has proved that they can.
const FIRST_WORKERS: usize = 2;

/// A leaf that has run for so long is none of the short ones behind which others may wait.
pub(super) const STUCK: Duration = Duration::from_millis(300);

/// How long a queue waits for a share of the machine before smaller ones may no longer pass it by, and busy workers of
/// other queues make room for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a worker works before it may be sent away in favour of another queue: much more than a container costs.
const SLICE: Duration = Duration::from_secs(15);

impl Book {
    pub(super) fn schedule(&mut self, now: Timestamp, lots: &mut dyn Lots) {
        let starved = self.starved(now);
        for queue in self.queues.waiting() {
            if self.is_releasing(&queue.pipeline) {
                continue;
            }
            if let Some(evidence) = self.lost_groups.get(&queue) {
                let message = lost_group(evidence);
                let nodes = self.queues.drain(&queue);
                self.wishes.push(Wish::CannotRun { pipeline: queue.pipeline.clone(), nodes, message });
                continue;
            }
            if self.is_disk_short {
                continue;
            }
            self.give_to_idle(&queue, now, lots, starved.as_ref());
            self.send_ahead(&queue, now, lots);
            self.grow(&queue, now, lots, starved.as_ref());
        }
    }

    /// Returns the queue that has waited longest, if that was long enough, without having anybody: what becomes free is kept
    /// for it.
    fn starved(&self, now: Timestamp) -> Option<Queue> {
        let has_none = |queue: &Queue| {
            let mut mine = self.workers.values().filter(|worker| worker.queue == *queue);
            mine.all(|worker| worker.phase == Phase::Leaving || !worker.holds())
        };
        let since = |queue: &Queue| self.queues.since(queue).filter(|since| passed(*since, PATIENCE, now));
        let waiting = self.queues.waiting().into_iter().filter_map(|queue| Some((since(&queue)?, queue)));
        waiting.filter(|(_, queue)| has_none(queue)).min_by_key(|(since, _)| *since).map(|(_, queue)| queue)
    }

    /// Says whether a worker of this queue may take its share now; if not, sees to it that it can later.
    fn claim(&mut self, queue: &Queue, starved: Option<&Queue>, now: Timestamp) -> bool {
        if starved.is_some_and(|starved| starved != queue) {
            return false;
        }
        let has_room = self.budget.lack(self.held(), queue.amounts).is_none();
        if !has_room {
            self.make_room(queue, starved.is_none(), now);
        }
        has_room
    }

    fn give_to_idle(&mut self, queue: &Queue, now: Timestamp, lots: &mut dyn Lots, starved: Option<&Queue>) {
        while self.queues.length(queue) > 0 {
            let idle = self.workers.iter().find(|(_, worker)| worker.is_idle() && worker.queue == *queue);
            let Some((id, worker)) = idle else { return };
            let must_fit = !worker.holds();
            let id = id.clone();
            if must_fit && !self.claim(queue, starved, now) {
                return;
            }
            let Some(node) = self.queues.pop(queue) else { return };
            self.assign(&id, node, lots.fence(), now);
        }
    }

    /// Gives short leaves to busy workers, so that the next start is on its way before the leaf before has ended.
    fn send_ahead(&mut self, queue: &Queue, now: Timestamp, lots: &mut dyn Lots) {
        let depth = self.tempos.get(queue).map_or(0, Tempo::ahead);
        // In a group every leaf depends on what the one before left.
        if depth == 0 || queue.group.is_some() {
            return;
        }
        let is_quick = |worker: &Worker| between(worker.turned_at, now) < STUCK && !worker.works.is_empty();
        let mut busy: Vec<(WorkerId, usize)> = self
            .workers
            .iter()
            .filter(|(_, worker)| worker.queue == *queue && worker.is_available() && is_quick(worker))
            .map(|(id, worker)| (id.clone(), worker.works.len()))
            .collect();
        // At the end of a queue each gets its part.
        let fair = self.queues.length(queue).div_ceil(busy.len().max(1));
        for (id, has) in &mut busy {
            let more = depth.min(fair).saturating_sub(*has - 1);
            for _ in 0..more {
                let Some(node) = self.queues.pop(queue) else { return };
                self.assign(id, node, lots.fence(), now);
            }
        }
    }

    fn grow(&mut self, queue: &Queue, now: Timestamp, lots: &mut dyn Lots, starved: Option<&Queue>) {
        for _ in 0..self.may_start(queue, now) {
            if self.queues.length(queue) == 0 || !self.claim(queue, starved, now) {
                return;
            }
            let Some(node) = self.queues.pop(queue) else { return };
            let id = lots.worker();
            self.workers.insert(id.clone(), Worker::promised(queue.clone(), now));
            self.assign(&id, node, lots.fence(), now);
            self.queues.rotate(queue, now);
            if let Some(tempo) = self.tempos.get_mut(queue) {
                tempo.moved(now);
            }
        }
    }

    /// Short leaves are done by few workers; a queue that stands still, or has much left, gets more, twice as many each time.
    fn may_start(&self, queue: &Queue, now: Timestamp) -> usize {
        if self.is_resting {
            return 0;
        }
        let (mut starting, mut ready) = (0, 0);
        for worker in self.workers.values().filter(|worker| worker.queue == *queue) {
            match worker.phase {
                // A group never has two: also not while the old one is being removed.
                _ if queue.group.is_some() => return 0,
                Phase::Promised | Phase::Starting => starting += 1,
                Phase::Ready => ready += 1,
                Phase::Leaving => {}
            }
        }
        if queue.group.is_some() {
            return 1;
        }
        if ready == 0 {
            return FIRST_WORKERS.saturating_sub(starting);
        }
        let (waiting, cost) = (self.queues.length(queue), self.start_cost.unwrap_or_default());
        let wants_more = self.tempos.get(queue).is_some_and(|tempo| tempo.wants_more(waiting, ready, cost, now));
        if wants_more { ready.saturating_sub(starting) } else { 0 }
    }

    /// There is no room for a worker of this queue: idle workers of others go, longest idle first. When the queue has waited
    /// long enough, a busy one of another queue goes too, when it has ended what it runs.
    fn make_room(&mut self, queue: &Queue, is_patient: bool, now: Timestamp) {
        let mut freed = Held::default();
        let is_going = |worker: &&Worker| worker.holds() && (worker.phase == Phase::Leaving || worker.is_dismissed);
        self.workers.values().filter(is_going).for_each(|worker| freed.add(worker.queue.amounts));
        loop {
            if self.budget.lack(self.held().without(freed), queue.amounts).is_none() {
                return;
            }
            let others = || {
                let is_other = |w: &Worker| w.queue != *queue && w.queue.group.is_none() && w.standby.is_none();
                self.workers.iter().filter(move |(_, worker)| is_other(worker))
            };
            let idle = others().filter(|(_, worker)| worker.is_idle()).min_by_key(|(_, worker)| worker.turned_at);
            let old = |worker: &Worker| worker.is_available() && passed(worker.born_at, SLICE, now);
            let busy = || others().filter(|(_, worker)| old(worker)).min_by_key(|(_, worker)| worker.born_at);
            let victim = idle.or_else(|| if is_patient { None } else { busy() });
            let Some((id, worker)) = victim else { return };
            let (id, amounts, is_idle) = (id.clone(), worker.queue.amounts, worker.is_idle());
            freed.add(amounts);
            if is_idle {
                self.remove(&id);
            } else if let Some(worker) = self.workers.get_mut(&id) {
                worker.is_dismissed = true;
                self.recall(&id);
            }
        }
    }
}
