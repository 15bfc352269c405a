//! How a definition changes while its pipeline lives: parts grow and are taken away, people edit nodes. Indices stay.

use super::{
    Definition, DefinitionError, Edit, NodeDefinition, NodeIndex, NodeKind, NodePath, Remedy, Settings, tree::Place,
};

impl Definition {
    /// Puts a whole tree in the place of a node. Its root replaces the node's kind, settings and children; name and place
    /// stay. Paths in callbacks are relative to the tree's own root and are led below the node (`compat.md` §2.9).
    ///
    /// Returns the node as it was.
    ///
    /// # Errors
    /// [`DefinitionError::TooLarge`] when the whole would be too deep or too large; then nothing has changed.
    pub fn graft(&mut self, target: NodeIndex, tree: &Self) -> Result<NodeDefinition, DefinitionError> {
        self.may_graft(target, tree)?;
        let place = self.path(target);
        // The tree's root takes the target's index, the others follow behind all that exist.
        let first = self.nodes.len();
        let moved = |at: NodeIndex| match at {
            NodeIndex::ROOT => target,
            NodeIndex(at) => NodeIndex(u32::try_from(first).unwrap_or(u32::MAX) + at - 1),
        };
        let former = self.nodes[target.as_usize()].clone();
        for (at, node) in tree.nodes.iter().enumerate() {
            let mut node = node.clone();
            if !node.settings.callbacks.is_empty() {
                lead_below(&place, &mut node);
            }
            let children = tree.places[at].children.iter().map(|child| moved(*child)).collect();
            if at == 0 {
                node.name = former.name.clone();
                node.parent = former.parent;
                self.nodes[target.as_usize()] = node;
                self.places[target.as_usize()].children = children;
            } else {
                node.parent = node.parent.map(moved);
                self.nodes.push(node);
                self.places.push(Place { children, position: tree.places[at].position, is_removed: false });
            }
        }
        Ok(former)
    }

    /// Says whether [`Self::graft`] would work.
    ///
    /// # Errors
    /// As there.
    pub fn may_graft(&self, target: NodeIndex, tree: &Self) -> Result<(), DefinitionError> {
        let depth = self.lineage(target).count() - 1;
        let below = tree.indices().map(|at| tree.lineage(at).count() - 1).max().unwrap_or(0);
        let total = self.nodes.len().checked_add(tree.nodes.len()).and_then(|total| u32::try_from(total).ok());
        if depth + below > super::MAX_DEPTH || total.is_none() { Err(DefinitionError::TooLarge) } else { Ok(()) }
    }

    /// Takes away what has grown at a node and makes it again what it was. Returns the nodes taken away.
    pub fn prune(&mut self, target: NodeIndex, former: NodeDefinition) -> Vec<NodeIndex> {
        let removed: Vec<NodeIndex> = self.subtree(target).into_iter().skip(1).collect();
        for at in &removed {
            self.places[at.as_usize()].is_removed = true;
        }
        self.places[target.as_usize()].children = Vec::new();
        self.nodes[target.as_usize()] = former;
        removed
    }

    /// Returns what a node carries, to be changed before a pipeline is made of the tree. The index must come from this tree.
    pub fn settings_mut(&mut self, index: NodeIndex) -> &mut Settings {
        &mut self.nodes[index.as_usize()].settings
    }

    /// Changes what a person wants changed. A command is only taken by an Exec node.
    pub fn edit(&mut self, index: NodeIndex, edit: &Edit) {
        let node = &mut self.nodes[index.as_usize()];
        if let (Some(command), NodeKind::Exec(exec)) = (&edit.command, &mut node.kind) {
            exec.command.clone_from(command);
        }
        if *edit == (Edit { command: edit.command.clone(), ..Edit::default() }) {
            return;
        }
        let settings = &mut *node.settings;
        for (name, value) in &edit.env {
            match value {
                Some(value) => drop(settings.env.insert(name.clone(), value.clone())),
                None => drop(settings.env.remove(name)),
            }
        }
        settings.cpu = edit.cpu.or(settings.cpu);
        settings.mem = edit.mem.or(settings.mem);
        if let Some(image) = &edit.image {
            settings.image = Some(image.clone().into());
        }
    }
}

fn lead_below(place: &NodePath, node: &mut NodeDefinition) {
    for callback in &mut node.settings.callbacks {
        if let Remedy::DeserializeIntoNode { target } = &mut callback.remedy {
            *target = place.join(target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Callback, Exec, On};

    fn node(name: &str, parent: Option<u32>, kind: NodeKind) -> NodeDefinition {
        NodeDefinition { name: name.into(), parent: parent.map(NodeIndex), kind, settings: Default::default() }
    }

    fn exec(name: &str, parent: u32) -> NodeDefinition {
        node(name, Some(parent), NodeKind::Exec(Exec { command: "true".into() }))
    }

    fn paths(tree: &Definition) -> Vec<String> {
        tree.indices().map(|at| tree.path(at).to_string()).collect()
    }

    #[test]
    fn a_tree_grows_at_a_node_and_is_taken_away_again() {
        let serial = || NodeKind::Serial { stop_on_error: true };
        let base = vec![node("/", None, serial()), exec("Generate", 0), node("Execute", Some(0), NodeKind::Parallel)];
        let mut tree = Definition::new(base).unwrap();
        let untouched = tree.clone();
        let mut inner = vec![node("/", None, serial()), exec("a", 0), node("group", Some(0), NodeKind::Parallel)];
        inner.push(exec("b", 2));
        let target = NodePath::parse("/group").unwrap();
        let remedy = Remedy::DeserializeIntoNode { target };
        inner[1].settings.callbacks = vec![Callback { on: On::Done, remedy, inherited: false }];
        let former = tree.graft(NodeIndex(2), &Definition::new(inner).unwrap()).unwrap();
        assert_eq!(paths(&tree), ["/", "/Generate", "/Execute", "/Execute/a", "/Execute/group", "/Execute/group/b"]);
        assert_eq!(tree.node(NodeIndex(2)).kind, serial());
        let a = tree.find(&NodePath::parse("/Execute/a").unwrap()).unwrap();
        assert_eq!(tree.grows_at(a).unwrap().as_str(), "/Execute/group", "nested targets are led below the place");
        let removed = tree.prune(NodeIndex(2), former);
        assert_eq!(removed.len(), 3);
        assert_eq!(paths(&tree), paths(&untouched));
        assert_eq!(tree.node(NodeIndex(2)).kind, NodeKind::Parallel);
        assert_eq!(tree.find(&NodePath::parse("/Execute/a").unwrap()), None);
    }

    #[test]
    fn an_edit_changes_what_it_names_and_nothing_else() {
        let mut leaf = exec("leaf", 0);
        leaf.settings.env = [("A".into(), "1".into()), ("B".into(), "2".into())].into();
        let mut tree = Definition::new(vec![node("/", None, NodeKind::Parallel), leaf]).unwrap();
        let env = [("A".to_owned(), None), ("C".to_owned(), Some("3".to_owned()))].into();
        tree.edit(NodeIndex(1), &Edit { command: Some("false".into()), env, mem: Some(4.0), ..Edit::default() });
        assert_eq!(tree.environment(NodeIndex(1)), [("B".into(), "2".into()), ("C".into(), "3".into())].into());
        assert_eq!(tree.resources(NodeIndex(1)).mem.to_bits(), 4.0_f64.to_bits());
        assert!(matches!(&tree.node(NodeIndex(1)).kind, NodeKind::Exec(exec) if exec.command == "false"));
    }
}
