//! The state of one pipeline and what can be read from it. Changed only by `evolve`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::gates::Gates;
use crate::model::{
    Actor, Counts, Definition, Ending, Fence, Hold, KillReason, Launch, Needs, NodeDefinition, NodeIndex, NodeKind,
    Outcome, State, WorkerId,
};

/// How long beyond `max_time` the server waits for a worker to end a node before it ends the worker.
pub(super) const WORKER_MARGIN: Duration = Duration::from_secs(20);

/// One try of a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Server-wide number.
    pub fence: Fence,
    /// Who ran it.
    pub worker: WorkerId,
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
    /// What its node asked for when it got its worker; an edit since then changes nothing about it.
    pub needs: Arc<Needs>,
    /// Whether its node was reset while it ran: its end decides nothing any more.
    pub detached: bool,
    /// Who or what asked for it; nothing when it was the launch.
    pub(super) asked_by: Option<Arc<Actor>>,
}

/// What only leaves have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaf {
    /// Every try, oldest first.
    pub attempts: Vec<Attempt>,
    /// Why it ended without an attempt of its own, where it did.
    pub cause: Option<Box<str>>,
    /// Why it was killed, where it was.
    pub kill_reason: Option<KillReason>,
    pub(super) state: State,
    pub(super) asked_by: Option<Arc<Actor>>,
}

/// What only groups have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) counts: Counts,
    pub(super) active_children: u32,
    pub(super) failed_children: u32,
    /// Children before this position have been dealt with.
    pub(super) cursor: u32,
    /// When the first command below began, since the last reset.
    pub(super) started_at: Option<Timestamp>,
}

/// Where a node stands in the course of its parent. `Idle` → `Active` → (`Held` →) `Finished`; a reset leads back to `Idle`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not reached.
    #[default]
    Idle,
    /// Reached and not finished. Its parent is active too.
    Active,
    /// It has failed, and its callbacks have not said yet what comes of it. Never seen outside of one step.
    Held,
    /// Cannot proceed any more, or is passed over.
    Finished {
        /// Whether it counts as failed for its parent.
        failed: bool,
    },
}

/// Boxed, since most of a large tree has not run yet and no node needs both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) phase: Phase,
    /// Nothing below may start, for this reason.
    pub(super) halted: Option<KillReason>,
    /// What somebody said about skipping it, over what its author said.
    pub(super) skip: Option<bool>,
    pub(super) group: Option<Box<Group>>,
    pub(super) leaf: Option<Box<Leaf>>,
}

/// One of the containers that a group with `container_reuse_context = new` has had to itself.
pub(super) type Container = (NodeIndex, u32);

/// An attempt that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) node: NodeIndex,
    pub(super) container: Option<Container>,
}

/// Who works in a group's container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Crew {
    pub(super) workers: BTreeSet<WorkerId>,
    pub(super) live: u32,
}

/// Something that has grown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Growth {
    pub(super) generator: NodeIndex,
    pub(super) former: NodeDefinition,
}

/// Automatic retries since the last reset by hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Retries {
    pub(super) counted: u32,
    pub(super) much_memory: bool,
}

/// The state of one pipeline: a fold of its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    pub(super) launch: Launch,
    pub(super) launched_by: Actor,
    pub(super) created_at: Timestamp,
    pub(super) finished: Option<(Ending, Timestamp)>,
    pub(super) cancelled_by: Option<Actor>,
    pub(super) asleep: Option<Actor>,
    pub(super) hold: Option<Hold>,
    pub(super) nodes: Vec<Node>,
    /// Leaves that are active and not queued yet.
    pub(super) frontier: BTreeSet<NodeIndex>,
    /// Those of them that nothing keeps from being queued.
    pub(super) ready: BTreeSet<NodeIndex>,
    pub(super) gates: Gates,
    /// Attempts that have not ended, detached ones included.
    pub(super) live: BTreeMap<Fence, Live>,
    /// Failed nodes whose callbacks have not been asked yet.
    pub(super) undecided: BTreeSet<NodeIndex>,
    pub(super) retries: BTreeMap<NodeIndex, Retries>,
    /// How often the container of a group was given up.
    pub(super) generations: BTreeMap<NodeIndex, u32>,
    /// Containers of groups that have not been released.
    pub(super) containers: BTreeMap<Container, Crew>,
    pub(super) grown: BTreeMap<NodeIndex, Growth>,
    /// The different needs that attempts have had: few, however many nodes there are.
    pub(super) needs: Vec<Arc<Needs>>,
    pub(super) seq: u64,
}

impl Pipeline {
    /// Returns what was settled at its birth, with the tree as it is now.
    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    /// Returns its tree as it is now.
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

    /// Returns who sent it to sleep, while it sleeps.
    pub fn asleep(&self) -> Option<&Actor> {
        self.asleep.as_ref()
    }

    /// Returns why it has not begun, while it waits for somebody to say so.
    pub fn hold(&self) -> Option<Hold> {
        self.hold
    }

    /// Returns a node's state: a leaf's own, a group's by the one rule of `decisions.md` 7.
    pub fn state(&self, node: NodeIndex) -> State {
        if self.definition().is_exec(node) {
            return self.leaf(node).map_or(State::Pending, |leaf| leaf.state);
        }
        let counts = self.counts(node);
        match self.node(node).phase {
            _ if counts.running > 0 => State::Running,
            _ if counts.queued > 0 => State::Queued,
            Phase::Held | Phase::Finished { failed: true } => State::Error,
            // Passed over as a whole before anything below it had run. A pipeline that is skipped as a whole is done.
            Phase::Finished { failed: false }
                if counts.finished() == 0 && node != NodeIndex::ROOT && self.is_skipped(node) =>
            {
                State::Pending
            }
            Phase::Finished { failed: false } => State::Done,
            // Between two leaves, or while an old attempt is being ended: it is under way.
            Phase::Active if counts.finished() > 0 => State::Running,
            Phase::Active | Phase::Idle => State::Pending,
        }
    }

    /// Says whether a node is passed over, by its own word or that of a node above it.
    pub fn is_skipped(&self, node: NodeIndex) -> bool {
        self.definition().lineage(node).any(|at| self.skips_itself(at))
    }

    /// Returns the leaves below a node by state; for a leaf, itself.
    pub fn counts(&self, node: NodeIndex) -> Counts {
        if let Some(group) = self.node(node).group.as_deref().filter(|_| !self.definition().is_exec(node)) {
            return group.counts;
        }
        let mut counts = Counts::default();
        if let Some(leaf) = self.leaf(node) {
            *counts.slot(leaf.state) = 1;
        }
        counts
    }

    /// Returns what only leaves have; nothing for a group.
    pub fn leaf(&self, node: NodeIndex) -> Option<&Leaf> {
        self.node(node).leaf.as_deref()
    }

    /// Returns who or what asked for an attempt.
    pub fn asked_by<'a>(&'a self, attempt: &'a Attempt) -> &'a Actor {
        attempt.asked_by.as_deref().unwrap_or(&self.launched_by)
    }

    /// Returns the live attempts with their leaves, detached ones included.
    pub fn live_attempts(&self) -> impl Iterator<Item = (NodeIndex, &Attempt)> {
        self.live.keys().filter_map(|fence| self.live_attempt(*fence))
    }

    /// Returns a live attempt with its leaf.
    pub fn live_attempt(&self, fence: Fence) -> Option<(NodeIndex, &Attempt)> {
        let Live { node, .. } = *self.live.get(&fence)?;
        let attempts = &self.leaf(node)?.attempts;
        attempts.iter().rev().find(|attempt| attempt.fence == fence).map(|attempt| (node, attempt))
    }

    /// Returns the leaves that stand in a queue and have no worker, in the order of the tree.
    pub fn queued_leaves(&self) -> Vec<NodeIndex> {
        if self.counts(NodeIndex::ROOT).queued == 0 {
            return Vec::new();
        }
        self.definition().indices().filter(|node| self.is_waiting_in_queue(*node)).collect()
    }

    /// Returns which container a leaf shares with its group: the group's node, and a number that grows each time the group
    /// gets a new one. Nothing for a leaf that runs in whatever container fits.
    pub fn group_container(&self, leaf: NodeIndex) -> Option<(NodeIndex, u32)> {
        let group = self.definition().reuse_group(leaf)?;
        Some((group, self.generation(group)))
    }

    /// Returns which of its group's containers a live attempt runs in. After a reset this is not the one in which its leaf runs
    /// next.
    pub fn container_of(&self, fence: Fence) -> Option<(NodeIndex, u32)> {
        self.live.get(&fence)?.container
    }

    /// Returns the workers in whose containers groups still have something: they must not be given up.
    pub fn group_workers(&self) -> impl Iterator<Item = ((NodeIndex, u32), &WorkerId)> {
        self.containers.iter().flat_map(|(container, crew)| crew.workers.iter().map(|worker| (*container, worker)))
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
        if self.node(node).halted.is_some() {
            return None;
        }
        let limit = self.definition().max_time(node)?;
        let (started_at, margin) = if self.definition().is_exec(node) {
            // A leaf's limit is its worker's business; the server steps in when the worker does not.
            (self.current_attempt(node)?.started_at?, WORKER_MARGIN)
        } else {
            (self.node(node).group.as_deref()?.started_at?, Duration::ZERO)
        };
        started_at.checked_add(limit + margin).ok()
    }

    pub(super) fn node(&self, node: NodeIndex) -> &Node {
        &self.nodes[node.as_usize()]
    }

    pub(super) fn node_mut(&mut self, node: NodeIndex) -> &mut Node {
        &mut self.nodes[node.as_usize()]
    }

    /// What only groups have. Called for groups only.
    pub(super) fn group_mut(&mut self, node: NodeIndex) -> &mut Group {
        self.nodes[node.as_usize()].group.get_or_insert_default()
    }

    pub(super) fn leaf_mut(&mut self, node: NodeIndex) -> Option<&mut Leaf> {
        self.nodes[node.as_usize()].leaf.as_deref_mut()
    }

    pub(super) fn attempt_mut(&mut self, fence: Fence) -> Option<&mut Attempt> {
        let Live { node, .. } = *self.live.get(&fence)?;
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
        self.definition().is_exec(node)
            && self.leaf(node).is_some_and(|leaf| leaf.state == State::Queued)
            && self.current_attempt(node).is_none()
    }

    pub(super) fn is_halted(&self, node: NodeIndex) -> Option<KillReason> {
        self.definition().lineage(node).find_map(|at| self.node(at).halted)
    }

    pub(super) fn skips_itself(&self, node: NodeIndex) -> bool {
        self.node(node).skip.or(self.definition().node(node).settings.skip) == Some(true)
    }

    pub(super) fn stops_on_error(&self, node: NodeIndex) -> bool {
        matches!(self.definition().node(node).kind, NodeKind::Serial { stop_on_error: true })
    }

    pub(super) fn generation(&self, group: NodeIndex) -> u32 {
        self.generations.get(&group).copied().unwrap_or(0)
    }

    /// The node that can only be reset or skipped as a whole because all below it share one container, or the node itself.
    pub(super) fn unit(&self, node: NodeIndex) -> NodeIndex {
        self.definition().reuse_group(node).unwrap_or(node)
    }
}
