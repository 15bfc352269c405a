//! Folding events into the state. Total: cannot fail, cannot choose; an event that does not fit changes nothing.

use jiff::Timestamp;

use super::{
    pipeline::{Attempt, Phase, Pipeline},
    settle::Dirty,
};
use crate::model::{Actor, Event, Fence, KillReason, NodeIndex, Outcome, Recorded, State, WorkerId};

impl Pipeline {
    /// Makes the state that follows from the first event.
    pub(super) fn born(recorded: &Recorded) -> Option<Self> {
        let Event::PipelineCreated { launch } = &recorded.event else { return None };
        let mut pipeline = Self {
            nodes: Self::fresh_nodes(&launch.definition),
            launch: launch.as_ref().clone(),
            launched_by: recorded.actor.clone(),
            created_at: recorded.at,
            finished: None,
            cancelled_by: None,
            frontier: std::collections::BTreeSet::new(),
            live: std::collections::BTreeMap::new(),
            seq: recorded.seq,
        };
        let mut dirty = Dirty::new();
        pipeline.activate(NodeIndex::ROOT, &mut dirty);
        pipeline.settle(dirty);
        Some(pipeline)
    }

    /// Folds one event in.
    pub(super) fn evolve(&mut self, recorded: &Recorded) {
        self.seq = recorded.seq;
        match &recorded.event {
            Event::PipelineCreated { .. } => {}
            Event::NodeQueued { node } => {
                self.frontier.remove(node);
                self.set_leaf_state(*node, State::Queued);
            }
            Event::AttemptLeased { node, fence, worker } => self.lease(*node, *fence, worker, recorded.at),
            Event::AttemptUnleased { fence, evidence, node: _ } => {
                self.end_attempt(*fence, Outcome::Infrastructure { message: evidence.clone() }, 0, recorded.at);
            }
            Event::AttemptStarted { fence } => self.start(*fence, recorded.at),
            Event::AttemptFinished { fence, outcome, log_bytes } => {
                if let Some(node) = self.end_attempt(*fence, outcome.clone(), *log_bytes, recorded.at) {
                    let mut dirty = Dirty::new();
                    if let Some(leaf) = self.leaf_mut(node) {
                        leaf.kill_reason = outcome.kill_reason();
                    }
                    self.finish_leaf(node, outcome.state(), &mut dirty);
                    self.settle(dirty);
                }
            }
            Event::NodeCannotRun { node, message } => {
                let mut dirty = Dirty::new();
                self.kill_leaf(*node, KillReason::Infrastructure, message, &mut dirty);
                self.settle(dirty);
            }
            Event::DeadlinePassed { node } => {
                self.halt(*node, KillReason::Timeout, "max_time of a group above it passed before it started");
            }
            Event::CancelRequested => {
                self.cancelled_by = Some(recorded.actor.clone());
                self.halt(NodeIndex::ROOT, KillReason::User, "cancelled before it started");
            }
            Event::NodeReset { node } => self.reset(*node, &recorded.actor),
            Event::PipelineFinished { ending } => self.finished = Some((*ending, recorded.at)),
            _ => {}
        }
    }

    fn lease(&mut self, node: NodeIndex, fence: Fence, worker: &WorkerId, at: Timestamp) {
        let launched_by = self.launched_by.clone();
        let Some(leaf) = self.leaf_mut(node) else { return };
        let asked_by = leaf.asked_by.as_deref().cloned().unwrap_or(launched_by);
        leaf.attempts.push(Attempt {
            fence,
            worker: worker.clone(),
            asked_by,
            leased_at: at,
            started_at: None,
            finished_at: None,
            outcome: None,
            log_bytes: 0,
            detached: false,
        });
        self.live.insert(fence, node);
    }

    fn start(&mut self, fence: Fence, at: Timestamp) {
        let Some(attempt) = self.attempt_mut(fence) else { return };
        attempt.started_at = Some(at);
        if attempt.detached {
            return;
        }
        let Some(node) = self.live.get(&fence).copied() else { return };
        self.set_leaf_state(node, State::Running);
        let mut above = Some(node);
        while let Some(index) = above {
            self.node_mut(index).started_at.get_or_insert(at);
            above = self.definition().parent(index);
        }
    }

    /// Closes an attempt. Returns its leaf when the attempt still decides the leaf's state.
    fn end_attempt(&mut self, fence: Fence, outcome: Outcome, log_bytes: u64, at: Timestamp) -> Option<NodeIndex> {
        let attempt = self.attempt_mut(fence)?;
        attempt.finished_at = Some(at);
        attempt.outcome = Some(outcome);
        attempt.log_bytes = log_bytes;
        let is_detached = attempt.detached;
        let node = self.live.remove(&fence)?;
        (!is_detached).then_some(node)
    }

    /// Puts the node and all below it back to pending, reopens what is above it, and lets the groups go on.
    fn reset(&mut self, node: NodeIndex, actor: &Actor) {
        self.finished = None;
        self.cancelled_by = None;
        self.detach_from_parent(node);
        for index in self.definition().subtree(node) {
            self.reset_one(index, actor);
        }
        let lineage: Vec<NodeIndex> = self.definition().lineage(node).skip(1).collect();
        let lifted = lineage.iter().rev().copied().find(|above| self.node(*above).halted.is_some());
        let mut child = node;
        for above in &lineage {
            self.reopen(*above, child);
            child = *above;
        }
        // Groups that were still active look again at their children; one that had finished is reached again from above,
        // when what stands before it allows.
        let mut dirty: Dirty = lineage;
        if let Some(top) = lifted {
            self.lift_halt(top, &mut dirty);
        }
        if self.node(NodeIndex::ROOT).phase == Phase::Idle {
            self.activate(NodeIndex::ROOT, &mut dirty);
        }
        self.settle(dirty);
    }

    fn reset_one(&mut self, index: NodeIndex, actor: &Actor) {
        self.frontier.remove(&index);
        let node = self.node_mut(index);
        node.phase = Phase::Idle;
        node.active_children = 0;
        node.failed_children = 0;
        node.cursor = 0;
        node.halted = None;
        node.started_at = None;
        if let Some(leaf) = node.leaf.as_deref_mut() {
            leaf.cause = None;
            leaf.kill_reason = None;
            leaf.asked_by = Some(Box::new(actor.clone()));
            for attempt in leaf.attempts.iter_mut().filter(|attempt| attempt.finished_at.is_none()) {
                attempt.detached = true;
            }
            self.set_leaf_state(index, State::Pending);
        }
    }

    /// Nothing keeps what is below this group from starting any more: groups that were cut short are looked at again. Only
    /// after a cancel or a group's time limit, so that looking at all of them is cheap enough.
    fn lift_halt(&mut self, top: NodeIndex, dirty: &mut Dirty) {
        for group in self.definition().subtree(top) {
            if self.definition().is_exec(group) {
                continue;
            }
            let was_cut_short =
                matches!(self.node(group).phase, Phase::Finished { .. }) && self.node(group).counts.pending > 0;
            if was_cut_short {
                self.detach_from_parent(group);
                let node = self.node_mut(group);
                node.phase = Phase::Idle;
                node.started_at = None;
            }
            self.node_mut(group).cursor = 0;
            dirty.push(group);
        }
    }

    /// A group above a reset node can proceed again.
    fn reopen(&mut self, group: NodeIndex, child: NodeIndex) {
        if matches!(self.node(group).phase, Phase::Finished { .. }) {
            self.detach_from_parent(group);
            let node = self.node_mut(group);
            node.phase = Phase::Idle;
            node.started_at = None;
        }
        let position = self.definition().children(group).iter().position(|at| *at == child).unwrap_or(0);
        let node = self.node_mut(group);
        node.halted = None;
        node.cursor = node.cursor.min(u32::try_from(position).unwrap_or(u32::MAX));
    }

    /// Takes back what the node's phase has contributed to its parent.
    fn detach_from_parent(&mut self, node: NodeIndex) {
        let phase = self.node(node).phase;
        if let Some(parent) = self.definition().parent(node) {
            let above = self.node_mut(parent);
            match phase {
                Phase::Idle => {}
                Phase::Active => above.active_children -= 1,
                Phase::Finished { failed } => above.failed_children -= u32::from(failed),
            }
        }
    }
}
