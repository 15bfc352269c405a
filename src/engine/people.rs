//! What people do to a pipeline, live or finished: reset, skip, unskip, cancel, let it begin, send it to sleep, wake it.

use std::sync::Arc;

use super::{
    pipeline::{Phase, Pipeline},
    settle::Dirty,
};
use crate::model::{Actor, Ending, Hold, KillReason, NodeIndex, State};

impl Pipeline {
    pub(super) fn release_hold(&mut self) {
        // Whoever lets it run does not let it go before others; that is another word.
        let takes_turn = self.launch.turn.as_ref().is_some_and(|turn| turn.duplicate.waits());
        if takes_turn && self.hold != Some(Hold::Turn) {
            self.hold = Some(Hold::Turn);
            return;
        }
        self.hold = None;
        let mut dirty = Dirty::new();
        self.begin(&mut dirty);
        self.settle(dirty);
    }

    pub(super) fn cancel(&mut self, actor: &Actor) {
        self.cancelled_by = Some(actor.clone());
        self.asleep = None;
        self.hold = None;
        self.node_mut(NodeIndex::ROOT).halted = Some(KillReason::User);
        let mut dirty = Dirty::new();
        self.begin(&mut dirty);
        self.settle(dirty);
        self.halt(NodeIndex::ROOT, KillReason::User, "cancelled before it started");
    }

    /// Puts the node and all below it back to pending, reopens what is above it, and lets the groups go on.
    pub(super) fn reset(&mut self, node: NodeIndex, actor: &Actor) {
        self.finished = None;
        self.cancelled_by = None;
        let asked_by = Arc::new(actor.clone());
        let mut dirty = Dirty::new();
        // What a leaf below has made grow elsewhere goes with it.
        for target in self.grown_from(node) {
            if !self.definition().contains(target) {
                continue;
            }
            self.clear(target, &asked_by);
            self.ungrow(target);
            self.look_again_above(target, &mut dirty);
        }
        self.clear(node, &asked_by);
        self.look_again_above(node, &mut dirty);
        self.begin(&mut dirty);
        self.settle(dirty);
    }

    /// Groups above the node that were still active look again at their children; one that had finished is reached again from
    /// above, when what stands before it allows.
    pub(super) fn look_again_above(&mut self, node: NodeIndex, dirty: &mut Dirty) {
        let lineage: Vec<NodeIndex> = self.definition().lineage(node).skip(1).collect();
        let lifted = lineage.iter().rev().copied().find(|above| self.node(*above).halted.is_some());
        let mut child = node;
        for above in &lineage {
            self.reopen(*above, child);
            child = *above;
        }
        dirty.extend(lineage);
        if let Some(top) = lifted {
            self.lift_halt(top, dirty);
        }
    }

    /// Takes the node out of its parent's books and puts it and all below it back to pending.
    pub(super) fn clear(&mut self, node: NodeIndex, asked_by: &Arc<Actor>) {
        self.detach_from_parent(node);
        for index in self.definition().subtree(node) {
            self.clear_one(index, asked_by);
        }
    }

    pub(super) fn clear_one(&mut self, index: NodeIndex, asked_by: &Arc<Actor>) {
        self.frontier.remove(&index);
        self.undecided.remove(&index);
        self.retries.remove(&index);
        self.give_up_container(index);
        let node = self.node_mut(index);
        node.phase = Phase::Idle;
        node.halted = None;
        if let Some(group) = node.group.as_deref_mut() {
            group.active_children = 0;
            group.failed_children = 0;
            group.cursor = 0;
            group.started_at = None;
        }
        if let Some(leaf) = node.leaf.as_deref_mut() {
            leaf.cause = None;
            leaf.kill_reason = None;
            leaf.asked_by = Some(Arc::clone(asked_by));
            self.detach_attempts(index);
            self.set_leaf_state(index, State::Pending);
            self.withhold(index);
        }
    }

    /// The next node of a group gets a new container, if there is one that was used.
    pub(super) fn give_up_container(&mut self, group: NodeIndex) {
        let generation = self.generation(group);
        if self.containers.contains_key(&(group, generation)) {
            self.generations.insert(group, generation + 1);
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
                matches!(self.node(group).phase, Phase::Finished { .. }) && self.counts(group).pending > 0;
            if was_cut_short {
                self.make_idle(group);
            }
            self.group_mut(group).cursor = 0;
            dirty.insert(group);
        }
    }

    /// A group above a reset node can proceed again.
    pub(super) fn reopen(&mut self, group: NodeIndex, child: NodeIndex) {
        if matches!(self.node(group).phase, Phase::Finished { .. }) {
            self.make_idle(group);
        }
        let position = self.definition().position(child);
        self.node_mut(group).halted = None;
        let group = self.group_mut(group);
        group.cursor = group.cursor.min(position);
    }

    fn make_idle(&mut self, group: NodeIndex) {
        self.detach_from_parent(group);
        self.node_mut(group).phase = Phase::Idle;
        self.group_mut(group).started_at = None;
    }

    /// What was cut short by a cancel stays so until somebody resets it.
    fn is_frozen(&self) -> bool {
        matches!(self.finished, Some((Ending::Cancelled, _)))
    }

    pub(super) fn skip(&mut self, node: NodeIndex, actor: &Actor) {
        self.node_mut(node).skip = Some(true);
        let mut dirty = Dirty::new();
        match self.node(node).phase {
            Phase::Idle | Phase::Finished { failed: false } => return,
            // Its callback said so: what it has come to remains to be seen.
            Phase::Held => {
                self.detach_from_parent(node);
                self.undecided.remove(&node);
                dirty.extend(self.definition().parent(node));
            }
            Phase::Active => {
                self.clear(node, &Arc::new(actor.clone()));
                dirty.extend(self.definition().parent(node));
            }
            Phase::Finished { failed: true } => {
                self.detach_from_parent(node);
                self.node_mut(node).phase = Phase::Idle;
                if !self.is_frozen() {
                    self.finished = None;
                    self.look_again_above(node, &mut dirty);
                }
            }
        }
        self.node_mut(node).phase = Phase::Finished { failed: false };
        self.begin(&mut dirty);
        self.settle(dirty);
    }

    pub(super) fn unskip(&mut self, node: NodeIndex) {
        self.node_mut(node).skip = Some(false);
        // Not reached yet, or an end of its own that the skip did not hide.
        if self.node(node).phase == Phase::Idle {
            return;
        }
        self.detach_from_parent(node);
        self.rebuild(node);
        if let (Phase::Finished { failed: true }, Some(parent)) =
            (self.node(node).phase, self.definition().parent(node))
        {
            self.group_mut(parent).failed_children += 1;
        }
        if self.is_frozen() || self.node(node).phase == (Phase::Finished { failed: false }) {
            return;
        }
        self.finished = None;
        let mut dirty = Dirty::new();
        self.look_again_above(node, &mut dirty);
        self.begin(&mut dirty);
        self.settle(dirty);
    }

    /// Works out anew, from the states of the leaves, where the node and all below it stand. Nothing below is active.
    fn rebuild(&mut self, node: NodeIndex) {
        for index in self.definition().subtree(node).into_iter().rev() {
            let phase = match self.leaf(index).filter(|_| self.definition().is_exec(index)).map(|leaf| leaf.state) {
                Some(state) if state.is_finished() && !self.skips_itself(index) => {
                    Phase::Finished { failed: state.is_failed() }
                }
                _ => Phase::Idle,
            };
            self.node_mut(index).phase = phase;
            if !self.definition().is_exec(index) {
                let has_failed = |child: &&NodeIndex| self.node(**child).phase == Phase::Finished { failed: true };
                let failed = self.definition().children(index).iter().filter(has_failed).count();
                let group = self.group_mut(index);
                group.failed_children = u32::try_from(failed).unwrap_or(u32::MAX);
                group.active_children = 0;
                group.cursor = 0;
            }
        }
    }

    pub(super) fn sleep(&mut self, actor: &Actor) {
        self.asleep = Some(actor.clone());
        let asked_by = Arc::new(actor.clone());
        let active: Vec<NodeIndex> =
            self.definition().indices().filter(|at| self.node(*at).phase == Phase::Active).collect();
        // Containers go, and with them what a group has left in its own: such a group begins again.
        let open: Vec<NodeIndex> = self.containers.keys().map(|(group, _)| *group).collect();
        for group in open {
            if self.node(group).phase == Phase::Active {
                self.restart(group, &asked_by);
            }
        }
        for index in active {
            if self.node(index).phase != Phase::Active {
                continue;
            }
            if self.definition().is_exec(index) {
                self.detach_attempts(index);
                self.set_leaf_state(index, State::Pending);
                self.frontier.insert(index);
                self.withhold(index);
            } else {
                // Time asleep is not the group's.
                self.group_mut(index).started_at = None;
            }
        }
    }

    pub(super) fn wake(&mut self) {
        self.asleep = None;
        for leaf in self.frontier.clone() {
            self.admit(leaf);
        }
    }

    /// An active node begins again from nothing, and stays active.
    pub(super) fn restart(&mut self, node: NodeIndex, asked_by: &Arc<Actor>) {
        self.clear(node, asked_by);
        let mut dirty = Dirty::new();
        self.activate(node, &mut dirty);
        self.settle(dirty);
    }
}
