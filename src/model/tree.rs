//! A pipeline as its author defined it: a tree in an arena, parents before children. Knows nothing of states.

use std::{collections::BTreeMap, time::Duration};

use indexmap::IndexSet;
use serde::{Deserialize, Serialize};

use super::{NodeIndex, NodePath, duration};

/// How deep a tree may be; deeper ones are refused, so that recursion over depth is always safe.
pub const MAX_DEPTH: usize = 64;

/// The time an Exec node gets when its author says nothing (the old product's default).
pub const DEFAULT_MAX_TIME: Duration = Duration::from_secs(4 * 3_600);

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NodeKind {
    /// A leaf that runs a shell command.
    Exec(Exec),
    /// Children one after another, in order.
    Serial {
        /// Whether a failed child keeps the later ones from starting.
        stop_on_error: bool,
    },
    /// Children at once.
    Parallel,
}

/// What only a leaf has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// Shell script, any number of lines.
    pub command: String,
}

/// What any node may carry. A value that is absent is looked for at the nearest ancestor that has it, where the field says so.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Image reference. Inherited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Environment. Inherited name by name, the nearest wins.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Longest time, for a group for all below it together. Not inherited; a leaf without one gets [`DEFAULT_MAX_TIME`].
    #[serde(with = "duration::millis", skip_serializing_if = "Option::is_none")]
    pub max_time: Option<Duration>,
    /// Processors, as Docker's `--cpus`. Inherited; 1 where nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// Memory in GiB. Inherited; 2 where nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem: Option<f64>,
    /// Description for people, Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
}

/// Floats are compared by bits: definitions hold what the author wrote, never results of arithmetic.
impl Eq for Settings {}

/// One node of a definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeDefinition {
    /// Last part of its path; `/` for the root.
    pub name: String,
    /// Its parent; nothing for the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<NodeIndex>,
    /// What it is.
    #[serde(flatten)]
    pub kind: NodeKind,
    /// What it carries.
    #[serde(flatten)]
    pub settings: Settings,
}

/// A whole tree. `nodes[0]` is the root, every parent stands before its children, siblings have distinct names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<NodeDefinition>", into = "Vec<NodeDefinition>")]
pub struct Definition {
    nodes: Vec<NodeDefinition>,
    children: Vec<Vec<NodeIndex>>,
}

/// Why a list of nodes is not a tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// The list is empty.
    #[error("a pipeline needs at least a root node")]
    Empty,
    /// Node 0 has a parent, or another node has none or one that does not stand before it.
    #[error("node {0} does not hang below an earlier node")]
    Misplaced(usize),
    /// A parent is an Exec node.
    #[error("`{0}` is an Exec node and cannot have children")]
    ExecParent(NodePath),
    /// Two siblings have one name.
    #[error("`{0}` is defined twice")]
    Duplicate(NodePath),
    /// Deeper than [`MAX_DEPTH`], or more nodes than a number can count.
    #[error("the tree is too large: at most {MAX_DEPTH} levels and 4,294,967,295 nodes")]
    TooLarge,
}

impl Definition {
    /// Checks a list of nodes and makes a tree of it.
    ///
    /// # Errors
    /// [`DefinitionError`] names the first broken rule.
    pub fn new(nodes: Vec<NodeDefinition>) -> Result<Self, DefinitionError> {
        if nodes.is_empty() {
            return Err(DefinitionError::Empty);
        }
        if u32::try_from(nodes.len()).is_err() {
            return Err(DefinitionError::TooLarge);
        }
        let mut tree = Self { children: vec![Vec::new(); nodes.len()], nodes };
        let mut depths = vec![0_usize; tree.nodes.len()];
        let mut names = IndexSet::new();
        for at in 0..tree.nodes.len() {
            match tree.nodes[at].parent {
                None if at == 0 => {}
                Some(parent) if parent.as_usize() < at => {
                    if matches!(tree.nodes[parent.as_usize()].kind, NodeKind::Exec(_)) {
                        return Err(DefinitionError::ExecParent(tree.path(parent)));
                    }
                    depths[at] = depths[parent.as_usize()] + 1;
                    if depths[at] > MAX_DEPTH {
                        return Err(DefinitionError::TooLarge);
                    }
                    if !names.insert((parent, tree.nodes[at].name.clone())) {
                        return Err(DefinitionError::Duplicate(tree.path(parent).child(&tree.nodes[at].name)));
                    }
                    let index = u32::try_from(at).map_err(|_| DefinitionError::TooLarge)?;
                    tree.children[parent.as_usize()].push(NodeIndex(index));
                }
                _ => return Err(DefinitionError::Misplaced(at)),
            }
        }
        Ok(tree)
    }

    /// Returns the number of nodes, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a tree is never empty")]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Returns all nodes, parents before children.
    pub fn nodes(&self) -> &[NodeDefinition] {
        &self.nodes
    }

    /// Returns all indices, parents before children.
    pub fn indices(&self) -> impl DoubleEndedIterator<Item = NodeIndex> + use<> {
        (0..u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)).map(NodeIndex)
    }

    /// Returns a node. The index must come from this tree.
    pub fn node(&self, index: NodeIndex) -> &NodeDefinition {
        &self.nodes[index.as_usize()]
    }

    /// Returns a node's parent, nothing for the root.
    pub fn parent(&self, index: NodeIndex) -> Option<NodeIndex> {
        self.nodes[index.as_usize()].parent
    }

    /// Returns a node's children in the author's order.
    pub fn children(&self, index: NodeIndex) -> &[NodeIndex] {
        &self.children[index.as_usize()]
    }

    /// Says whether a node is a leaf that runs a command.
    pub fn is_exec(&self, index: NodeIndex) -> bool {
        matches!(self.nodes[index.as_usize()].kind, NodeKind::Exec(_))
    }

    /// Returns the node itself, then its parent, up to the root.
    pub fn lineage(&self, index: NodeIndex) -> impl Iterator<Item = NodeIndex> + '_ {
        std::iter::successors(Some(index), |at| self.parent(*at))
    }

    /// Returns the node and everything below it, parents before children.
    pub fn subtree(&self, index: NodeIndex) -> Vec<NodeIndex> {
        let mut found = Vec::new();
        let mut stack = vec![index];
        while let Some(at) = stack.pop() {
            found.push(at);
            stack.extend(self.children(at).iter().rev());
        }
        found
    }

    /// Returns a node's path.
    pub fn path(&self, index: NodeIndex) -> NodePath {
        let mut names: Vec<&str> = self
            .lineage(index)
            .filter(|at| self.parent(*at).is_some())
            .map(|at| self.nodes[at.as_usize()].name.as_str())
            .collect();
        names.reverse();
        names.into_iter().fold(NodePath::root(), |path, name| path.child(name))
    }

    /// Finds a node by its path.
    pub fn find(&self, path: &NodePath) -> Option<NodeIndex> {
        if path.is_root() {
            return Some(NodeIndex::ROOT);
        }
        path.as_str()[1..].split('/').try_fold(NodeIndex::ROOT, |at, name| {
            self.children(at).iter().copied().find(|child| self.nodes[child.as_usize()].name == name)
        })
    }

    /// Returns the image a node runs in: its own, or that of the nearest ancestor that names one.
    pub fn image(&self, index: NodeIndex) -> Option<&str> {
        self.lineage(index).find_map(|at| self.node(at).settings.image.as_deref())
    }

    /// Returns a node's environment, merged name by name, the nearest ancestor winning.
    pub fn environment(&self, index: NodeIndex) -> BTreeMap<String, String> {
        let mut merged = BTreeMap::new();
        for at in self.lineage(index) {
            for (name, value) in &self.node(at).settings.env {
                merged.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        merged
    }

    /// Returns processors and GiB of memory for a node, with the system's defaults of 1 and 2.
    pub fn resources(&self, index: NodeIndex) -> (f64, f64) {
        let nearest =
            |pick: fn(&Settings) -> Option<f64>| self.lineage(index).find_map(|at| pick(&self.node(at).settings));
        (nearest(|settings| settings.cpu).unwrap_or(1.0), nearest(|settings| settings.mem).unwrap_or(2.0))
    }

    /// Returns how long a node may take: its own limit, [`DEFAULT_MAX_TIME`] for a leaf without one, nothing for a group without.
    pub fn max_time(&self, index: NodeIndex) -> Option<Duration> {
        let own = self.node(index).settings.max_time;
        if self.is_exec(index) { Some(own.unwrap_or(DEFAULT_MAX_TIME)) } else { own }
    }
}

impl TryFrom<Vec<NodeDefinition>> for Definition {
    type Error = DefinitionError;
    fn try_from(nodes: Vec<NodeDefinition>) -> Result<Self, DefinitionError> {
        Self::new(nodes)
    }
}

impl From<Definition> for Vec<NodeDefinition> {
    fn from(definition: Definition) -> Self {
        definition.nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, parent: Option<u32>, kind: NodeKind) -> NodeDefinition {
        NodeDefinition { name: name.into(), parent: parent.map(NodeIndex), kind, settings: Settings::default() }
    }

    fn exec(name: &str, parent: u32) -> NodeDefinition {
        node(name, Some(parent), NodeKind::Exec(Exec { command: "true".into() }))
    }

    #[test]
    fn paths_lead_to_nodes_and_back() {
        let tree = Definition::new(vec![
            node("/", None, NodeKind::Serial { stop_on_error: true }),
            node("checks", Some(0), NodeKind::Parallel),
            exec("unit", 1),
            exec("lint", 1),
        ])
        .unwrap();
        for index in tree.indices() {
            assert_eq!(tree.find(&tree.path(index)), Some(index));
        }
        assert_eq!(tree.path(NodeIndex(3)).as_str(), "/checks/lint");
        assert_eq!(tree.subtree(NodeIndex(1)), [NodeIndex(1), NodeIndex(2), NodeIndex(3)]);
    }

    #[test]
    fn values_come_from_the_nearest_ancestor_that_has_one() {
        let mut nodes =
            vec![node("/", None, NodeKind::Parallel), node("group", Some(0), NodeKind::Parallel), exec("leaf", 1)];
        nodes[0].settings.image = Some("far".into());
        nodes[0].settings.env = [("A".into(), "far".into()), ("B".into(), "far".into())].into();
        nodes[1].settings.image = Some("near".into());
        nodes[2].settings.env = [("A".into(), "near".into())].into();
        nodes[0].settings.cpu = Some(0.5);
        let tree = Definition::new(nodes).unwrap();
        assert_eq!(tree.image(NodeIndex(2)), Some("near"));
        assert_eq!(tree.environment(NodeIndex(2)), [("A".into(), "near".into()), ("B".into(), "far".into())].into());
        assert_eq!(tree.resources(NodeIndex(2)), (0.5, 2.0));
        assert_eq!(tree.max_time(NodeIndex(2)), Some(DEFAULT_MAX_TIME));
        assert_eq!(tree.max_time(NodeIndex(1)), None);
    }

    #[test]
    fn lists_that_are_no_trees_are_refused() {
        let root = || node("/", None, NodeKind::Parallel);
        assert_eq!(Definition::new(vec![]), Err(DefinitionError::Empty));
        assert_eq!(Definition::new(vec![root(), exec("a", 2), root()]), Err(DefinitionError::Misplaced(1)));
        assert_eq!(Definition::new(vec![root(), root()]), Err(DefinitionError::Misplaced(1)));
        assert_eq!(
            Definition::new(vec![root(), exec("a", 0), exec("b", 1)]),
            Err(DefinitionError::ExecParent(NodePath::parse("/a").unwrap()))
        );
        assert_eq!(
            Definition::new(vec![root(), exec("a", 0), exec("a", 0)]),
            Err(DefinitionError::Duplicate(NodePath::parse("/a").unwrap()))
        );
    }

    #[test]
    fn definitions_survive_their_encoding() {
        let mut leaf = exec("leaf", 0);
        leaf.settings.max_time = Some(Duration::from_millis(1_500));
        let tree = Definition::new(vec![node("/", None, NodeKind::Serial { stop_on_error: false }), leaf]).unwrap();
        let text = serde_json::to_string(&tree).unwrap();
        assert_eq!(serde_json::from_str::<Definition>(&text).unwrap(), tree);
    }
}
