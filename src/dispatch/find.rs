//! Finds a node by its path, or the one that was probably meant. Knows the tree, not what is wanted of the node.

use super::error::Error;
use crate::{
    definition::nearest,
    model::{Definition, NodeIndex, NodePath},
};

/// Finds a node.
pub(super) fn find(tree: &Definition, path: &NodePath) -> Result<NodeIndex, Error> {
    tree.find(path).ok_or_else(|| {
        let meant = misspelt(tree, path).or_else(|| misplaced(tree, path));
        Error::NoSuchNode { path: path.clone(), meant: meant.map(|node| tree.path(node)) }
    })
}

/// Walks down part by part, and takes the child with the most similar name where none has the very name.
fn misspelt(tree: &Definition, path: &NodePath) -> Option<NodeIndex> {
    path.as_str()[1..].split('/').try_fold(NodeIndex::ROOT, |at, name| {
        let children = tree.children(at);
        let named = |name: &str| children.iter().copied().find(|child| *tree.node(*child).name == *name);
        named(name).or_else(|| named(nearest(name, children.iter().map(|child| &*tree.node(*child).name))?))
    })
}

/// Looks for the one node elsewhere in the tree whose path ends like this one.
fn misplaced(tree: &Definition, path: &NodePath) -> Option<NodeIndex> {
    let mut elsewhere = tree
        .indices()
        .filter(|at| *tree.node(*at).name == *path.name() && tree.path(*at).as_str().ends_with(path.as_str()));
    elsewhere.next().filter(|_| elsewhere.next().is_none())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::model::{Exec, NodeDefinition, NodeKind};

    fn tree() -> Definition {
        let node = |name: &str, parent: Option<u32>, kind| NodeDefinition {
            name: name.into(),
            parent: parent.map(NodeIndex),
            kind,
            settings: Default::default(),
        };
        let exec = || NodeKind::Exec(Exec { command: "true".into() });
        Definition::new(vec![
            node("/", None, NodeKind::Parallel),
            node("build", Some(0), NodeKind::Parallel),
            node("test", Some(0), NodeKind::Parallel),
            node("linux", Some(1), exec()),
            node("linux", Some(2), exec()),
            node("windows", Some(2), exec()),
        ])
        .unwrap()
    }

    #[rstest]
    #[case("/test/linux", Ok("/test/linux"))]
    #[case("/buidl/linux", Err(Some("/build/linux")))]
    #[case("/test/Window", Err(Some("/test/windows")))]
    #[case::elsewhere("/windows", Err(Some("/test/windows")))]
    #[case::in_two_places("/linux", Err(None))]
    #[case("/deploy", Err(None))]
    #[case::below_a_leaf("/test/linux/deep", Err(None))]
    fn a_path_that_leads_nowhere_brings_up_the_one_that_was_meant(
        #[case] path: &str,
        #[case] expected: Result<&str, Option<&str>>,
    ) {
        let tree = tree();
        let found = match find(&tree, &NodePath::parse(path).unwrap()) {
            Ok(node) => Ok(tree.path(node).as_str().to_owned()),
            Err(Error::NoSuchNode { meant, .. }) => Err(meant.map(|meant| meant.as_str().to_owned())),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(found, expected.map(str::to_owned).map_err(|meant| meant.map(str::to_owned)));
    }
}
