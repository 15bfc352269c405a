//! Trees that grow while they run, and go again when the leaf that printed them is reset.

use super::{
    pipeline::{Growth, Phase, Pipeline},
    settle::{Dirty, fresh_nodes},
};
use crate::model::{Counts, Definition, NodeIndex, NodePath, State};

impl Pipeline {
    /// Puts a tree in the place of a node.
    pub(super) fn grow(&mut self, generator: NodeIndex, target: NodeIndex, tree: &Definition) {
        let first = self.definition().len();
        let Ok(former) = self.launch.definition.graft(target, tree) else { return };
        self.nodes.extend(fresh_nodes(&self.launch.definition, first));
        self.gates.look_again(&self.launch.definition);
        self.grown.insert(target, Growth { generator, former });
        let is_exec = self.definition().is_exec(target);
        let mut pending = u32::from(is_exec);
        for child in self.definition().children(target).to_vec() {
            pending += self.counts(child).total();
        }
        let node = self.node_mut(target);
        if is_exec {
            let leaf = node.leaf.get_or_insert_default();
            leaf.state = State::Pending;
        } else {
            node.group.get_or_insert_default().counts = Counts { pending, ..Counts::default() };
        }
        self.count_pending_above(target, pending, true);
        let mut dirty = Dirty::new();
        // It stood empty, and may have been passed already.
        if self.node(target).phase != Phase::Idle {
            self.detach_from_parent(target);
            self.node_mut(target).phase = Phase::Idle;
        }
        self.look_again_above(target, &mut dirty);
        self.settle(dirty);
    }

    /// Returns where that has grown which leaves at or below a node have printed.
    pub(super) fn grown_from(&self, node: NodeIndex) -> Vec<NodeIndex> {
        let is_below = |growth: &Growth| self.definition().lineage(growth.generator).any(|above| above == node);
        self.grown.iter().filter(|(_, growth)| is_below(growth)).map(|(target, _)| *target).collect()
    }

    /// Makes a node again what it was before something grew there. All below it is pending.
    pub(super) fn ungrow(&mut self, target: NodeIndex) {
        let Some(growth) = self.grown.remove(&target) else { return };
        let pending = self.counts(target).pending;
        self.count_pending_above(target, pending, false);
        let removed = self.launch.definition.prune(target, growth.former);
        for index in removed {
            // What had grown below goes with it.
            self.grown.remove(&index);
            self.node_mut(index).skip = None;
        }
        let node = self.node_mut(target);
        let group = node.group.get_or_insert_default();
        group.counts = Counts::default();
    }

    fn count_pending_above(&mut self, node: NodeIndex, leaves: u32, more: bool) {
        let mut above = self.definition().parent(node);
        while let Some(index) = above {
            let pending = &mut self.group_mut(index).counts.pending;
            *pending = if more { *pending + leaves } else { pending.saturating_sub(leaves) };
            above = self.definition().parent(index);
        }
    }
}

/// Returns where a tree grows that a leaf has printed, or why it cannot.
pub(super) fn check_growth<'a>(
    pipeline: &Pipeline,
    generator: NodeIndex,
    place: &NodePath,
    grown: Option<&'a Definition>,
) -> Result<(NodeIndex, &'a Definition), String> {
    let tree = grown.ok_or("it ended well and printed no pipeline")?;
    let definition = pipeline.definition();
    let target = definition.find(place).ok_or_else(|| format!("its pipeline is for {place}, which does not exist"))?;
    if definition.is_exec(target) || !definition.children(target).is_empty() {
        return Err(format!("its pipeline is for {place}, which is not an empty group"));
    }
    if definition.lineage(generator).any(|above| above == target) {
        return Err(format!("its pipeline is for {place}, below which it stands itself"));
    }
    definition.may_graft(target, tree).map_err(|error| format!("its pipeline does not fit at {place}: {error}"))?;
    Ok((target, tree))
}
