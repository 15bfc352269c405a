//! How nodes become active and finish. One leaf's transition costs O(depth); children are visited once, by a cursor.

use super::pipeline::{Leaf, Node, Phase, Pipeline};
use crate::model::{Counts, KillReason, NodeIndex, NodeKind, State};

/// Groups that must be looked at again because a child of theirs changed.
pub(super) type Dirty = Vec<NodeIndex>;

impl Pipeline {
    /// Makes the nodes of a fresh tree: everything pending, nothing active.
    pub(super) fn fresh_nodes(definition: &crate::model::Definition) -> Vec<Node> {
        let mut nodes: Vec<Node> = vec![Node::default(); definition.len()];
        for index in definition.indices().rev() {
            if definition.is_exec(index) {
                let node = &mut nodes[index.as_usize()];
                node.leaf = Some(Box::new(Leaf::default()));
                node.counts.pending = 1;
            }
            if let Some(parent) = definition.parent(index) {
                let below = nodes[index.as_usize()].counts.pending;
                nodes[parent.as_usize()].counts.pending += below;
            }
        }
        nodes
    }

    /// Moves a leaf into a state and the counts above it along.
    pub(super) fn set_leaf_state(&mut self, node: NodeIndex, state: State) {
        let Some(leaf) = self.leaf_mut(node) else { return };
        let before = std::mem::replace(&mut leaf.state, state);
        let mut at = Some(node);
        while let Some(index) = at {
            let counts: &mut Counts = &mut self.node_mut(index).counts;
            *counts.slot(before) -= 1;
            *counts.slot(state) += 1;
            at = self.definition().parent(index);
        }
    }

    /// The node is reached.
    pub(super) fn activate(&mut self, node: NodeIndex, dirty: &mut Dirty) {
        self.node_mut(node).phase = Phase::Active;
        if let Some(parent) = self.definition().parent(node) {
            self.node_mut(parent).active_children += 1;
        }
        if self.definition().is_exec(node) {
            self.frontier.insert(node);
        } else {
            dirty.push(node);
        }
    }

    /// A leaf has ended in this state.
    pub(super) fn finish_leaf(&mut self, node: NodeIndex, state: State, dirty: &mut Dirty) {
        self.frontier.remove(&node);
        self.set_leaf_state(node, state);
        self.conclude(node, state.is_failed(), dirty);
    }

    /// Looks at every dirty group until nothing changes any more.
    pub(super) fn settle(&mut self, mut dirty: Dirty) {
        while let Some(group) = dirty.pop() {
            if self.node(group).phase == Phase::Active {
                self.progress(group, &mut dirty);
            }
        }
    }

    /// Nothing below this node may start any more; what waits is killed at once, what runs is being ended by an effect.
    pub(super) fn halt(&mut self, node: NodeIndex, reason: KillReason, cause: &str) {
        self.node_mut(node).halted = Some(reason);
        let mut dirty = Dirty::new();
        for leaf in self.definition().subtree(node) {
            let waits = self.definition().is_exec(leaf)
                && self.node(leaf).phase == Phase::Active
                && self.current_attempt(leaf).is_none();
            if waits {
                self.kill_leaf(leaf, reason, cause, &mut dirty);
            }
        }
        self.settle(dirty);
    }

    /// A leaf ends without an attempt.
    pub(super) fn kill_leaf(&mut self, node: NodeIndex, reason: KillReason, cause: &str, dirty: &mut Dirty) {
        if let Some(leaf) = self.leaf_mut(node) {
            leaf.cause = Some(cause.to_owned());
            leaf.kill_reason = Some(reason);
        }
        self.finish_leaf(node, State::Killed, dirty);
    }

    fn conclude(&mut self, node: NodeIndex, failed: bool, dirty: &mut Dirty) {
        self.node_mut(node).phase = Phase::Finished { failed };
        if let Some(parent) = self.definition().parent(node) {
            let above = self.node_mut(parent);
            above.active_children -= 1;
            above.failed_children += u32::from(failed);
            dirty.push(parent);
        }
    }

    fn progress(&mut self, group: NodeIndex, dirty: &mut Dirty) {
        let is_halted = self.is_halted(group).is_some();
        if matches!(self.definition().node(group).kind, NodeKind::Serial { .. }) {
            self.progress_serial(group, is_halted, dirty);
        } else {
            self.progress_parallel(group, is_halted, dirty);
        }
        if self.node(group).active_children == 0 {
            let Node { failed_children, counts, .. } = self.node(group);
            // What a halt left pending will not run, so the group has not done what it was for.
            let failed = *failed_children > 0 || (is_halted && counts.pending > 0);
            self.conclude(group, failed, dirty);
        }
    }

    fn progress_serial(&mut self, group: NodeIndex, is_halted: bool, dirty: &mut Dirty) {
        let stops = self.stops_on_error(group);
        while let Some(child) = self.child_at_cursor(group) {
            match self.node(child).phase {
                Phase::Finished { failed: true } if stops => return,
                Phase::Finished { .. } => self.node_mut(group).cursor += 1,
                Phase::Active => return,
                Phase::Idle if is_halted => return,
                Phase::Idle => return self.activate(child, dirty),
            }
        }
    }

    fn progress_parallel(&mut self, group: NodeIndex, is_halted: bool, dirty: &mut Dirty) {
        while let Some(child) = self.child_at_cursor(group) {
            if self.node(child).phase == Phase::Idle {
                if is_halted {
                    return;
                }
                self.activate(child, dirty);
            }
            self.node_mut(group).cursor += 1;
        }
    }

    fn child_at_cursor(&self, group: NodeIndex) -> Option<NodeIndex> {
        self.definition().children(group).get(self.node(group).cursor as usize).copied()
    }
}
