//! The state of one pipeline and what can be read from it. Changed only by `evolve`.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use crate::model::{
    Actor, Counts, Definition, Ending, Fence, KillReason, Launch, NodeIndex, NodeKind, Outcome, State, WorkerId,
};

/// How long beyond `max_time` the server waits for a worker to end a node before it ends the worker.
pub(super) const WORKER_MARGIN: Duration = Duration::from_secs(60);

/// One try of a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Server-wide number.
    pub fence: Fence,
    /// Who ran it.
    pub worker: WorkerId,
    /// Who or what asked for it: the launch, or a reset.
    pub asked_by: Actor,
    /// When it got its worker.
    pub leased_at: Timestamp,
    /// When its command began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Bytes of its log, once it has ended.
    pub log_bytes: u64,
    /// Whether its node was reset while it ran: its end decides nothing any more.
    pub detached: bool,
}

/// What only leaves have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaf {
    /// Every try, oldest first.
    pub attempts: Vec<Attempt>,
    /// Why it ended without an attempt of its own, where it did.
    pub cause: Option<String>,
    /// Why it was killed, where it was.
    pub kill_reason: Option<KillReason>,
    pub(super) state: State,
    pub(super) asked_by: Option<Box<Actor>>,
}

/// Where a node stands in the course of its parent. `Idle` → `Active` → `Finished`; a reset leads back to `Idle`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not reached.
    #[default]
    Idle,
    /// Reached and not finished. Its parent is active too.
    Active,
    /// Cannot proceed any more.
    Finished {
        /// Whether it counts as failed for its parent.
        failed: bool,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) phase: Phase,
    pub(super) counts: Counts,
    pub(super) active_children: u32,
    pub(super) failed_children: u32,
    /// Children before this position have been dealt with.
    pub(super) cursor: u32,
    /// Nothing below may start, for this reason.
    pub(super) halted: Option<KillReason>,
    /// When the first command below began, since the last reset.
    pub(super) started_at: Option<Timestamp>,
    /// Boxed, since most of a large tree has not run yet and groups never have one.
    pub(super) leaf: Option<Box<Leaf>>,
}

/// The state of one pipeline: a fold of its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    pub(super) launch: Launch,
    pub(super) launched_by: Actor,
    pub(super) created_at: Timestamp,
    pub(super) finished: Option<(Ending, Timestamp)>,
    pub(super) cancelled_by: Option<Actor>,
    pub(super) nodes: Vec<Node>,
    /// Leaves whose predecessors are satisfied, not queued yet.
    pub(super) frontier: BTreeSet<NodeIndex>,
    /// Attempts that have not ended, detached ones included.
    pub(super) live: BTreeMap<Fence, NodeIndex>,
    pub(super) seq: u64,
}

impl Pipeline {
    /// Returns what was settled at its birth.
    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    /// Returns its tree.
    pub fn definition(&self) -> &Definition {
        &self.launch.definition
    }

    /// Returns the number of the last event folded in.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Returns when it was launched.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// Returns how and when it ended, if it has.
    pub fn finished(&self) -> Option<(Ending, Timestamp)> {
        self.finished
    }

    /// Returns who asked to cancel it, if anybody has.
    pub fn cancelled_by(&self) -> Option<&Actor> {
        self.cancelled_by.as_ref()
    }

    /// Returns a node's state: a leaf's own, a group's by the one rule of `decisions.md` 7.
    pub fn state(&self, node: NodeIndex) -> State {
        if let Some(leaf) = &self.node(node).leaf {
            return leaf.state;
        }
        let Node { counts, phase, .. } = self.node(node);
        match phase {
            _ if counts.running > 0 => State::Running,
            _ if counts.queued > 0 => State::Queued,
            Phase::Finished { failed: true } => State::Error,
            Phase::Finished { failed: false } => State::Done,
            // Between two leaves, or while an old attempt is being ended: it is under way.
            Phase::Active if counts.finished() > 0 => State::Running,
            Phase::Active | Phase::Idle => State::Pending,
        }
    }

    /// Returns the leaves below a node by state; for a leaf, itself.
    pub fn counts(&self, node: NodeIndex) -> Counts {
        self.node(node).counts
    }

    /// Returns what only leaves have; nothing for a group.
    pub fn leaf(&self, node: NodeIndex) -> Option<&Leaf> {
        self.node(node).leaf.as_deref()
    }

    /// Returns the live attempts with their leaves, detached ones included.
    pub fn live_attempts(&self) -> impl Iterator<Item = (NodeIndex, &Attempt)> {
        self.live.iter().filter_map(|(fence, node)| {
            let attempts = &self.leaf(*node)?.attempts;
            attempts.iter().rev().find(|attempt| attempt.fence == *fence).map(|attempt| (*node, attempt))
        })
    }

    /// Returns a live attempt with its leaf.
    pub fn live_attempt(&self, fence: Fence) -> Option<(NodeIndex, &Attempt)> {
        let node = *self.live.get(&fence)?;
        let attempts = &self.leaf(node)?.attempts;
        attempts.iter().rev().find(|attempt| attempt.fence == fence).map(|attempt| (node, attempt))
    }

    /// Returns the leaves that stand in a queue and have no worker, in the order of the tree.
    pub fn queued_leaves(&self) -> Vec<NodeIndex> {
        self.definition().indices().filter(|node| self.is_waiting_in_queue(*node)).collect()
    }

    /// Returns which container a leaf shares with its group: the group's node, and a number that grows with every reset of
    /// the group. Nothing for a leaf that runs in whatever container fits.
    pub fn group_container(&self, leaf: NodeIndex) -> Option<(NodeIndex, u32)> {
        self.definition().reuse_group(leaf).map(|group| (group, 0))
    }

    /// Returns the next moment at which `Command::DeadlinePassed` is due, and for which node.
    pub fn next_deadline(&self) -> Option<(Timestamp, NodeIndex)> {
        let tree = self.definition();
        self.live_attempts()
            .filter(|(_, attempt)| !attempt.detached)
            .flat_map(|(leaf, _)| tree.lineage(leaf))
            .filter_map(|node| Some((self.deadline(node)?, node)))
            .min()
    }

    pub(super) fn deadline(&self, node: NodeIndex) -> Option<Timestamp> {
        let Node { started_at, halted, .. } = self.node(node);
        if halted.is_some() {
            return None;
        }
        let limit = self.definition().max_time(node)?;
        // A leaf's limit is its worker's business; the server steps in when the worker does not.
        let margin = if self.definition().is_exec(node) { WORKER_MARGIN } else { Duration::ZERO };
        started_at.as_ref()?.checked_add(limit + margin).ok()
    }

    pub(super) fn node(&self, node: NodeIndex) -> &Node {
        &self.nodes[node.as_usize()]
    }

    pub(super) fn node_mut(&mut self, node: NodeIndex) -> &mut Node {
        &mut self.nodes[node.as_usize()]
    }

    pub(super) fn leaf_mut(&mut self, node: NodeIndex) -> Option<&mut Leaf> {
        self.nodes[node.as_usize()].leaf.as_deref_mut()
    }

    pub(super) fn attempt_mut(&mut self, fence: Fence) -> Option<&mut Attempt> {
        let node = *self.live.get(&fence)?;
        self.leaf_mut(node)?.attempts.iter_mut().rev().find(|attempt| attempt.fence == fence)
    }

    /// The attempt that decides the leaf's state, while it has not ended.
    pub(super) fn current_attempt(&self, node: NodeIndex) -> Option<&Attempt> {
        self.leaf(node)?.attempts.last().filter(|attempt| attempt.finished_at.is_none() && !attempt.detached)
    }

    /// Whether an attempt of an earlier life of the leaf is still being ended.
    pub(super) fn has_detached_attempt(&self, node: NodeIndex) -> bool {
        self.leaf(node).is_some_and(|leaf| leaf.attempts.iter().any(|a| a.detached && a.finished_at.is_none()))
    }

    pub(super) fn is_waiting_in_queue(&self, node: NodeIndex) -> bool {
        self.leaf(node).is_some_and(|leaf| leaf.state == State::Queued) && self.current_attempt(node).is_none()
    }

    pub(super) fn is_halted(&self, node: NodeIndex) -> Option<KillReason> {
        self.definition().lineage(node).find_map(|at| self.node(at).halted)
    }

    pub(super) fn stops_on_error(&self, node: NodeIndex) -> bool {
        matches!(self.definition().node(node).kind, NodeKind::Serial { stop_on_error: true })
    }
}
