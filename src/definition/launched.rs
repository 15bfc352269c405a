//! The tree that a section launches: that of its definition file, or one whose first leaf prints the rest. Knows no event.

use super::cfg::Section;
use crate::model::{
    Callback, Definition, Exec, NodeDefinition, NodeIndex, NodeKind, NodePath, Notice, On, Remedy, Settings, Watch,
};

/// Makes the tree of a section whose script prints it (`compat.md` §5.6).
pub fn printing(section: &Section, script: String) -> Definition {
    let kind = NodeKind::Serial { stop_on_error: true };
    let root = NodeDefinition { name: "/".into(), parent: None, kind, settings: Settings::default().into() };
    let mut nodes = vec![root];
    nodes.extend(generating(script, &NodePath::root(), NodeIndex::ROOT));
    let tree = Definition::new(nodes).expect("a root and two children are a tree");
    outfitted(section, tree)
}

/// Gives a tree what its section says of all nodes. What the tree says itself wins.
pub fn outfitted(section: &Section, mut tree: Definition) -> Definition {
    let settings = tree.settings_mut(NodeIndex::ROOT);
    if settings.image.is_none() {
        settings.image.clone_from(&section.image);
    }
    if settings.max_time.is_none() {
        settings.max_time = section.max_time;
    }
    let ends = [On::Done, On::Error, On::WorkerError].into_iter().filter(|_| !section.email.is_empty());
    let notice = Notice::Email { to: section.email.clone(), cc: Vec::new() };
    settings.watches.extend(ends.map(|on| Watch { on, notice: notice.clone(), inherited: false }));
    for (name, value) in &section.env {
        settings.env.entry(name.clone()).or_insert_with(|| value.clone());
    }
    tree
}

/// Makes the two children of a node that generates: one prints the tree, the other becomes it (`compat.md` §2.9).
pub(super) fn generating(command: String, path: &NodePath, parent: NodeIndex) -> [NodeDefinition; 2] {
    let remedy = Remedy::DeserializeIntoNode { target: path.child("Execute") };
    let callbacks = vec![Callback { on: On::Done, remedy, inherited: false }];
    let node = |name: &str, kind, settings: Settings| NodeDefinition {
        name: name.into(),
        parent: Some(parent),
        kind,
        settings: settings.into(),
    };
    [
        node("Generate", NodeKind::Exec(Exec { command }), Settings { callbacks, ..Settings::default() }),
        node("Execute", NodeKind::Parallel, Settings::default()),
    ]
}
