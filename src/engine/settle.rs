//! How nodes become active and finish. One leaf's transition costs O(depth); children are visited once, by a cursor.

use std::collections::BTreeSet;

use super::pipeline::{Group, Node, Phase, Pipeline};
use crate::model::{Counts, Definition, KillReason, NodeIndex, NodeKind, State};

/// Groups that must be looked at again because a child of theirs changed, looked at in the order of the tree.
pub(super) type Dirty = BTreeSet<NodeIndex>;

/// Makes the nodes from an index on: everything pending, nothing active.
pub(super) fn fresh_nodes(definition: &Definition, from: usize) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::with_capacity(definition.len() - from);
    for at in from..definition.len() {
        let is_exec = definition.is_exec(NodeIndex(u32::try_from(at).unwrap_or(u32::MAX)));
        let (group, leaf) = if is_exec { (None, Some(Box::default())) } else { (Some(Box::default()), None) };
        nodes.push(Node { group, leaf, ..Node::default() });
    }
    for at in (0..nodes.len()).rev() {
        let below = match &nodes[at] {
            Node { group: Some(group), .. } => group.counts.pending,
            _ => 1,
        };
        let index = NodeIndex(u32::try_from(from + at).unwrap_or(u32::MAX));
        let parent = definition.parent(index).and_then(|parent| parent.as_usize().checked_sub(from));
        if let Some(Node { group: Some(group), .. }) = parent.and_then(|parent| nodes.get_mut(parent)) {
            group.counts.pending += below;
        }
    }
    nodes
}

impl Pipeline {
    /// Reaches the root, if it is not held back and has not been reached.
    pub(super) fn begin(&mut self, dirty: &mut Dirty) {
        if self.hold.is_some() || self.node(NodeIndex::ROOT).phase != Phase::Idle {
            return;
        }
        if self.skips_itself(NodeIndex::ROOT) {
            self.node_mut(NodeIndex::ROOT).phase = Phase::Finished { failed: false };
        } else {
            self.activate(NodeIndex::ROOT, dirty);
        }
    }

    /// Moves a leaf into a state and the counts above it along.
    pub(super) fn set_leaf_state(&mut self, node: NodeIndex, state: State) {
        let Some(leaf) = self.leaf_mut(node) else { return };
        let before = std::mem::replace(&mut leaf.state, state);
        if before == state {
            return;
        }
        let mut above = self.definition().parent(node);
        while let Some(index) = above {
            let counts: &mut Counts = &mut self.group_mut(index).counts;
            *counts.slot(before) -= 1;
            *counts.slot(state) += 1;
            above = self.definition().parent(index);
        }
    }

    /// The node is reached.
    pub(super) fn activate(&mut self, node: NodeIndex, dirty: &mut Dirty) {
        self.node_mut(node).phase = Phase::Active;
        if let Some(parent) = self.definition().parent(node) {
            self.group_mut(parent).active_children += 1;
        }
        if self.definition().is_exec(node) {
            self.frontier.insert(node);
            self.admit(node);
        } else {
            dirty.insert(node);
        }
    }

    /// A leaf has ended in this state.
    pub(super) fn finish_leaf(&mut self, node: NodeIndex, state: State, dirty: &mut Dirty) {
        self.frontier.remove(&node);
        self.set_leaf_state(node, state);
        self.withhold(node);
        self.conclude(node, state.is_failed(), dirty);
    }

    /// Looks at every dirty group until nothing changes any more.
    pub(super) fn settle(&mut self, mut dirty: Dirty) {
        while let Some(group) = dirty.pop_first() {
            if self.node(group).phase == Phase::Active && !self.definition().is_exec(group) {
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
            leaf.cause = Some(cause.into());
            leaf.kill_reason = Some(reason);
        }
        self.finish_leaf(node, State::Killed, dirty);
    }

    /// An active node can proceed no more. If it failed, its callbacks are asked first.
    fn conclude(&mut self, node: NodeIndex, failed: bool, dirty: &mut Dirty) {
        if failed && self.may_be_remedied(node) {
            self.node_mut(node).phase = Phase::Held;
            self.undecided.insert(node);
        } else {
            self.close(node, failed, dirty);
        }
    }

    /// The end of a node is final, and its parent hears of it.
    pub(super) fn close(&mut self, node: NodeIndex, failed: bool, dirty: &mut Dirty) {
        let mut failed = failed;
        if failed && self.definition().node(node).settings.suppress_errors {
            failed = self.leaf(node).is_some_and(|leaf| leaf.kill_reason == Some(KillReason::User));
            if !failed && self.definition().is_exec(node) {
                self.set_leaf_state(node, State::Done);
            }
        }
        self.undecided.remove(&node);
        self.node_mut(node).phase = Phase::Finished { failed };
        if let Some(parent) = self.definition().parent(node) {
            let above = self.group_mut(parent);
            above.active_children -= 1;
            above.failed_children += u32::from(failed);
            dirty.insert(parent);
        }
    }

    fn progress(&mut self, group: NodeIndex, dirty: &mut Dirty) {
        let is_halted = self.is_halted(group).is_some();
        if matches!(self.definition().node(group).kind, NodeKind::Serial { .. }) {
            self.progress_serial(group, is_halted, dirty);
        } else {
            self.progress_parallel(group, is_halted, dirty);
        }
        let Group { active_children, failed_children, counts, .. } = *self.group_mut(group);
        if active_children == 0 {
            // What a halt left pending will not run, so the group has not done what it was for.
            let failed = failed_children > 0 || (is_halted && counts.pending > 0);
            self.conclude(group, failed, dirty);
        }
    }

    fn progress_serial(&mut self, group: NodeIndex, is_halted: bool, dirty: &mut Dirty) {
        let stops = self.stops_on_error(group);
        while let Some(child) = self.child_at_cursor(group) {
            match self.node(child).phase {
                Phase::Finished { failed: true } if stops => return,
                Phase::Finished { .. } => self.group_mut(group).cursor += 1,
                Phase::Active | Phase::Held => return,
                Phase::Idle if self.skips_itself(child) => self.pass_over(child),
                Phase::Idle if is_halted => return,
                Phase::Idle => return self.activate(child, dirty),
            }
        }
    }

    fn progress_parallel(&mut self, group: NodeIndex, is_halted: bool, dirty: &mut Dirty) {
        while let Some(child) = self.child_at_cursor(group) {
            if self.node(child).phase == Phase::Idle {
                if self.skips_itself(child) {
                    self.pass_over(child);
                } else if is_halted {
                    return;
                } else {
                    self.activate(child, dirty);
                }
            }
            self.group_mut(group).cursor += 1;
        }
    }

    fn pass_over(&mut self, node: NodeIndex) {
        self.node_mut(node).phase = Phase::Finished { failed: false };
    }

    fn child_at_cursor(&self, group: NodeIndex) -> Option<NodeIndex> {
        let cursor = self.node(group).group.as_deref().map_or(0, |group| group.cursor);
        self.definition().children(group).get(cursor as usize).copied()
    }
}
