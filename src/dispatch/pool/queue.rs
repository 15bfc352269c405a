//! Queues of leaves that wait for a worker, one per kind of worker. Knows no workers.

use std::{collections::VecDeque, time::Duration};

use indexmap::IndexMap;
use jiff::Timestamp;

use crate::model::{NodeIndex, PipelineId};

/// What a worker must be like to run a leaf. Never shared between pipelines, so never between trust classes either.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::dispatch) struct QueueKey {
    pub(in crate::dispatch) pipeline: PipelineId,
    pub(in crate::dispatch) image: String,
    /// Thousandths of a processor.
    pub(in crate::dispatch) milli_cpu: u64,
    /// Bytes of memory.
    pub(in crate::dispatch) mem: u64,
}

pub(super) struct Queue {
    pub(super) leaves: VecDeque<NodeIndex>,
    /// When a leaf last left it, or it got its first.
    pub(super) moved_at: Timestamp,
}

/// All queues that are not empty, in the order of their turn.
#[derive(Default)]
pub(super) struct Queues {
    queues: IndexMap<QueueKey, Queue>,
}

impl Queues {
    /// Adds a leaf at the end of its queue, once.
    pub(super) fn push(&mut self, key: QueueKey, node: NodeIndex, now: Timestamp) {
        let empty = || Queue { leaves: VecDeque::new(), moved_at: now };
        let queue = self.queues.entry(key).or_insert_with(empty);
        if !queue.leaves.contains(&node) {
            queue.leaves.push_back(node);
        }
    }

    /// Takes the first leaf.
    pub(super) fn pop(&mut self, key: &QueueKey, now: Timestamp) -> Option<NodeIndex> {
        let queue = self.queues.get_mut(key)?;
        let node = queue.leaves.pop_front();
        queue.moved_at = now;
        if queue.leaves.is_empty() {
            self.queues.shift_remove(key);
        }
        node
    }

    /// Puts this queue behind the others, so that each gets its turn at a free slot.
    pub(super) fn rotate(&mut self, key: &QueueKey) {
        if let Some(queue) = self.queues.shift_remove(key) {
            self.queues.insert(key.clone(), queue);
        }
    }

    pub(super) fn keys(&self) -> Vec<QueueKey> {
        self.queues.keys().cloned().collect()
    }

    pub(super) fn has_waiting(&self, key: &QueueKey) -> bool {
        self.queues.contains_key(key)
    }

    /// Says whether nothing has left the queue for so long, though it is not empty.
    pub(super) fn is_stuck(&self, key: &QueueKey, for_long: Duration, now: Timestamp) -> bool {
        let Some(queue) = self.queues.get(key) else { return false };
        Duration::try_from(now.duration_since(queue.moved_at)).is_ok_and(|waited| waited >= for_long)
    }

    /// Takes out all leaves of a queue.
    pub(super) fn drain(&mut self, key: &QueueKey) -> Vec<NodeIndex> {
        self.queues.shift_remove(key).map(|queue| queue.leaves.into()).unwrap_or_default()
    }

    /// Forgets what waits of a pipeline.
    pub(super) fn forget(&mut self, pipeline: &PipelineId) {
        self.queues.retain(|key, _| key.pipeline != *pipeline);
    }

    pub(super) fn waiting(&self) -> usize {
        self.queues.values().map(|queue| queue.leaves.len()).sum()
    }
}
