//! Queues of leaves that wait for a worker, one per kind of worker. Knows no workers.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use indexmap::IndexMap;
use jiff::Timestamp;

use super::budget::Amounts;
use crate::model::{Image, Isolation, NodeIndex, PipelineId, Trust};

/// What a worker must be like to run a leaf. Never shared between pipelines, so never between trust classes either.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::dispatch) struct QueueKey {
    pub(in crate::dispatch) pipeline: PipelineId,
    /// Whose code it is: decides what the worker gets to see.
    pub(in crate::dispatch) trust: Trust,
    /// Whose user data it gets to see, where that is not the user's whose profile this is.
    pub(in crate::dispatch) owner: Option<String>,
    /// The group that has a container to itself, and which of the group's containers it is. A group whose leaves differ in
    /// what follows has one container for each kind.
    pub(in crate::dispatch) group: Option<(NodeIndex, u32)>,
    pub(in crate::dispatch) image: Image,
    /// Folder of the commit that is the working copy.
    pub(in crate::dispatch) folder: String,
    pub(in crate::dispatch) amounts: Amounts,
    pub(in crate::dispatch) requires_docker: bool,
    pub(in crate::dispatch) docker_run_args: Vec<String>,
    pub(in crate::dispatch) isolation: Isolation,
}

/// A key, shared by all that have it.
pub(in crate::dispatch) type Queue = Arc<QueueKey>;

struct Line {
    /// Leaves by their number in the line.
    leaves: BTreeMap<u64, NodeIndex>,
    since: Timestamp,
}

/// Where a leaf stands.
struct Place {
    queue: Queue,
    number: u64,
}

/// All queues that are not empty, in the order of their turn.
#[derive(Default)]
pub(super) struct Queues {
    lines: IndexMap<Queue, Line>,
    places: HashMap<PipelineId, HashMap<NodeIndex, Place>>,
    next: u64,
}

impl Queues {
    /// Adds a leaf at the end of its queue. One that stands there already keeps its place; one that stands in another moves.
    pub(super) fn push(&mut self, queue: &Queue, node: NodeIndex, now: Timestamp) {
        if let Some(place) = self.places.get(&queue.pipeline).and_then(|places| places.get(&node)) {
            if place.queue == *queue {
                return;
            }
            self.remove(&queue.pipeline, node);
        }
        let number = self.next;
        self.next += 1;
        let empty = || Line { leaves: BTreeMap::new(), since: now };
        self.lines.entry(Arc::clone(queue)).or_insert_with(empty).leaves.insert(number, node);
        let place = Place { queue: Arc::clone(queue), number };
        self.places.entry(queue.pipeline.clone()).or_default().insert(node, place);
    }

    /// Says whether a leaf stands in any queue.
    pub(super) fn has(&self, pipeline: &PipelineId, node: NodeIndex) -> bool {
        self.places.get(pipeline).is_some_and(|places| places.contains_key(&node))
    }

    /// Takes the first leaf.
    pub(super) fn pop(&mut self, queue: &Queue) -> Option<NodeIndex> {
        let node = *self.lines.get(queue)?.leaves.first_key_value()?.1;
        self.remove(&queue.pipeline, node);
        Some(node)
    }

    /// Takes a leaf out, wherever it stands.
    pub(super) fn remove(&mut self, pipeline: &PipelineId, node: NodeIndex) {
        let Some(places) = self.places.get_mut(pipeline) else { return };
        let Some(Place { queue, number }) = places.remove(&node) else { return };
        if places.is_empty() {
            self.places.remove(pipeline);
        }
        if let Some(line) = self.lines.get_mut(&queue) {
            line.leaves.remove(&number);
            if line.leaves.is_empty() {
                self.lines.shift_remove(&queue);
            }
        }
    }

    /// Takes out all leaves of a queue.
    pub(super) fn drain(&mut self, queue: &Queue) -> Vec<NodeIndex> {
        std::iter::from_fn(|| self.pop(queue)).collect()
    }

    /// Forgets what waits of a pipeline.
    pub(super) fn forget(&mut self, pipeline: &PipelineId) {
        self.places.remove(pipeline);
        self.lines.retain(|queue, _| queue.pipeline != *pipeline);
    }

    /// Puts this queue behind the others, so that each gets its turn at what the machine has.
    pub(super) fn rotate(&mut self, queue: &Queue, now: Timestamp) {
        if let Some(mut line) = self.lines.shift_remove(queue) {
            line.since = now;
            self.lines.insert(Arc::clone(queue), line);
        }
    }

    /// Returns the queues in which somebody waits, in the order of their turn.
    pub(super) fn waiting(&self) -> Vec<Queue> {
        self.lines.keys().cloned().collect()
    }

    /// Returns how many leaves wait in a queue.
    pub(super) fn length(&self, queue: &Queue) -> usize {
        self.lines.get(queue).map_or(0, |line| line.leaves.len())
    }

    /// Returns since when a queue has waited for its turn; nothing when it is empty.
    pub(super) fn since(&self, queue: &Queue) -> Option<Timestamp> {
        self.lines.get(queue).map(|line| line.since)
    }

    /// Returns how many leaves wait in all.
    pub(super) fn total(&self) -> usize {
        self.lines.values().map(|line| line.leaves.len()).sum()
    }
}
