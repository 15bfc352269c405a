//! Why the leaves of a queue wait, as far as the pool knows. Puts nothing in words that need the tree.

use std::sync::Arc;

use super::{
    book::{Book, Wish},
    budget::Lack,
    queue::Queue,
    worker::{Phase, Worker},
};
use crate::model::NodeIndex;

/// Why the leaves of a queue wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dispatch) enum Reason {
    /// The machine has no more to give.
    Lack(Lack),
    /// The container of their group is at work.
    Group {
        /// The leaf that runs in it.
        busy_with: NodeIndex,
    },
    /// Their first container is being made ready.
    Starting,
    /// As many workers as are worth it are at work.
    Turn,
    /// The container runtime does not answer.
    Runtime,
    /// The disk is nearly full.
    Disk,
    /// What the pipeline had before it was reopened is being removed.
    Clearing,
}

impl Book {
    /// Tells people why leaves wait, as far as that has changed.
    pub(super) fn explain(&mut self) {
        let waiting = self.queues.waiting();
        if waiting.is_empty() && self.reasons.is_empty() {
            return;
        }
        let over: Vec<Queue> = self.reasons.keys().filter(|queue| self.queues.length(queue) == 0).cloned().collect();
        for queue in over {
            self.reasons.remove(&queue);
            self.wishes.push(Wish::Explain { queue, reason: None });
        }
        for queue in waiting {
            let reason = self.reason(&queue);
            if self.reasons.get(&queue) != Some(&reason) {
                self.reasons.insert(Arc::clone(&queue), reason);
                self.wishes.push(Wish::Explain { queue, reason: Some(reason) });
            }
        }
    }

    fn reason(&self, queue: &Queue) -> Reason {
        if self.is_disk_short {
            return Reason::Disk;
        }
        if self.is_releasing(&queue.pipeline) {
            return Reason::Clearing;
        }
        let mine = || self.workers.values().filter(|worker| worker.queue == *queue);
        if queue.group.is_some()
            && let Some(work) = mine().find_map(|worker| worker.works.front())
        {
            return Reason::Group { busy_with: work.node };
        }
        if self.is_resting {
            return Reason::Runtime;
        }
        let is_starting = |worker: &Worker| matches!(worker.phase, Phase::Promised | Phase::Starting);
        if mine().any(is_starting) && !mine().any(Worker::is_available) {
            return Reason::Starting;
        }
        match self.budget.lack(self.held(), queue.amounts) {
            Some(lack) => Reason::Lack(lack),
            None => Reason::Turn,
        }
    }
}
