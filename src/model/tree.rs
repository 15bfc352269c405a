//! A pipeline as its author defined it: a tree in an arena, parents before children. Knows nothing of states.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{Image, Isolation, NodeDefinition, NodeIndex, NodeKind, NodePath, Remedy, Reuse, Settings};

/// How deep a tree may be; deeper ones are refused, so that recursion over depth is always safe.
pub const MAX_DEPTH: usize = 64;

/// The time an Exec node gets when its author says nothing (the old product's default).
pub const DEFAULT_MAX_TIME: Duration = Duration::from_secs(4 * 3_600);

/// A whole tree. `nodes[0]` is the root, every parent stands before its children, siblings have distinct names. A node keeps
/// its index for the life of the pipeline, also when the tree grows or a grown part is taken away again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<NodeDefinition>", into = "Vec<NodeDefinition>")]
pub struct Definition {
    pub(super) nodes: Vec<NodeDefinition>,
    pub(super) places: Vec<Place>,
}

/// Where a node hangs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) children: Vec<NodeIndex>,
    /// Which child of its parent it is, from 0.
    pub(super) position: u32,
    /// Whether it was part of a grown tree that has been taken away.
    pub(super) is_removed: bool,
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
        let mut places = vec![Place::default(); nodes.len()];
        let mut depths = vec![0_usize; nodes.len()];
        let mut names: HashSet<(NodeIndex, &str)> = HashSet::with_capacity(nodes.len());
        for (at, node) in nodes.iter().enumerate() {
            let parent = match node.parent {
                None if at == 0 => continue,
                Some(parent) if parent.as_usize() < at => parent,
                _ => return Err(DefinitionError::Misplaced(at)),
            };
            if matches!(nodes[parent.as_usize()].kind, NodeKind::Exec(_)) {
                return Err(DefinitionError::ExecParent(path(&nodes, parent)));
            }
            depths[at] = depths[parent.as_usize()] + 1;
            if depths[at] > MAX_DEPTH {
                return Err(DefinitionError::TooLarge);
            }
            if !names.insert((parent, &node.name)) {
                return Err(DefinitionError::Duplicate(path(&nodes, parent).child(&node.name)));
            }
            let index = u32::try_from(at).map_err(|_| DefinitionError::TooLarge)?;
            let siblings = &mut places[parent.as_usize()].children;
            siblings.push(NodeIndex(index));
            places[at].position = u32::try_from(siblings.len() - 1).map_err(|_| DefinitionError::TooLarge)?;
        }
        drop(names);
        places.iter_mut().for_each(|place| place.children.shrink_to_fit());
        Ok(Self { nodes, places })
    }

    /// Returns one more than the highest index ever given out, at least 1; nodes that were taken away count.
    #[expect(clippy::len_without_is_empty, reason = "a tree is never empty")]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Returns all indices, parents before children, without those of nodes that were taken away.
    pub fn indices(&self) -> impl DoubleEndedIterator<Item = NodeIndex> + '_ {
        (0..u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)).map(NodeIndex).filter(|at| self.contains(*at))
    }

    /// Says whether there is such a node (and it has not been taken away).
    pub fn contains(&self, index: NodeIndex) -> bool {
        self.places.get(index.as_usize()).is_some_and(|place| !place.is_removed)
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
        &self.places[index.as_usize()].children
    }

    /// Returns which child of its parent a node is, from 0.
    pub fn position(&self, index: NodeIndex) -> u32 {
        self.places[index.as_usize()].position
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
        path(&self.nodes, index)
    }

    /// Finds a node by its path.
    pub fn find(&self, path: &NodePath) -> Option<NodeIndex> {
        if path.is_root() {
            return Some(NodeIndex::ROOT);
        }
        path.as_str()[1..].split('/').try_fold(NodeIndex::ROOT, |at, name| {
            self.children(at).iter().copied().find(|child| &*self.nodes[child.as_usize()].name == name)
        })
    }

    /// Returns the image a node runs in: its own, or that of the nearest ancestor that names one.
    pub fn image(&self, index: NodeIndex) -> Option<&Image> {
        self.lineage(index).find_map(|at| self.node(at).settings.image.as_ref())
    }

    /// Returns the folder of the commit that is a node's working copy; empty for the whole.
    pub fn folder(&self, index: NodeIndex) -> &str {
        self.lineage(index).find_map(|at| self.node(at).settings.folder.as_deref()).unwrap_or_default()
    }

    /// Returns the shell that runs a node's command, where anybody names one.
    pub fn shell(&self, index: NodeIndex) -> Option<&str> {
        let named = self.lineage(index).find_map(|at| self.node(at).settings.shell.as_deref());
        named.filter(|shell| !shell.is_empty())
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

    /// Returns what a node asks of its container, each value from the nearest ancestor that has it.
    pub fn needs(&self, index: NodeIndex) -> Needs {
        Needs {
            image: self.image(index).cloned(),
            folder: self.folder(index).to_owned(),
            cpu: self.nearest(index, |settings| settings.cpu),
            mem: self.nearest(index, |settings| settings.mem),
            gpu: self.nearest(index, |settings| settings.gpu).unwrap_or(0),
            requires_docker: self.requires_docker(index),
            docker_run_args: self.docker_run_args(index).to_vec(),
            isolation: self.isolation(index),
        }
    }

    /// Returns what a node needs of the machine, with what the system gives where nobody says.
    pub fn resources(&self, index: NodeIndex) -> Resources {
        Resources::of(
            self.nearest(index, |settings| settings.cpu),
            self.nearest(index, |settings| settings.mem),
            self.nearest(index, |settings| settings.gpu).unwrap_or(0),
        )
    }

    /// Says whether a node needs the machine's own Docker.
    pub fn requires_docker(&self, index: NodeIndex) -> bool {
        self.nearest(index, |settings| settings.requires_docker).unwrap_or(false)
    }

    /// Returns further arguments of `docker run`, one word each.
    pub fn docker_run_args(&self, index: NodeIndex) -> &[String] {
        let given = self.lineage(index).find_map(|at| self.node(at).settings.docker_run_args.as_deref());
        given.unwrap_or_default()
    }

    /// Returns how clean a node wants its container. Within a group that shares one container nothing is cleaned.
    pub fn isolation(&self, index: NodeIndex) -> Isolation {
        if self.reuse_group(index).is_some() {
            return Isolation::Shared;
        }
        self.nearest(index, |settings| settings.isolation).unwrap_or(Isolation::Shared)
    }

    /// Returns the node whose `container_reuse_context = new` a node falls under: all of these share one container.
    pub fn reuse_group(&self, index: NodeIndex) -> Option<NodeIndex> {
        let says = |at: &NodeIndex| self.node(*at).settings.container_reuse_context;
        self.lineage(index).find(|at| says(at).is_some()).filter(|at| says(at) == Some(Reuse::New))
    }

    /// Returns where the pipeline grows that this leaf prints, if it is such a leaf.
    pub fn grows_at(&self, index: NodeIndex) -> Option<&NodePath> {
        self.node(index).settings.callbacks.iter().find_map(|callback| match &callback.remedy {
            Remedy::DeserializeIntoNode { target } => Some(target),
            _ => None,
        })
    }

    fn nearest<T>(&self, index: NodeIndex, pick: impl Fn(&Settings) -> Option<T>) -> Option<T> {
        self.lineage(index).find_map(|at| pick(&self.node(at).settings))
    }

    /// Returns how long a node may take: its own limit, [`DEFAULT_MAX_TIME`] for a leaf without one, nothing for a group without.
    pub fn max_time(&self, index: NodeIndex) -> Option<Duration> {
        let own = self.node(index).settings.max_time;
        if self.is_exec(index) { Some(own.unwrap_or(DEFAULT_MAX_TIME)) } else { own }
    }
}

/// What one node needs of the machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resources {
    /// Processors, as Docker's `--cpus`.
    pub cpu: f64,
    /// Memory in GiB.
    pub mem: f64,
    /// Graphics processors.
    pub gpu: u32,
}

impl Resources {
    fn of(cpu: Option<f64>, mem: Option<f64>, gpu: u32) -> Self {
        Self { cpu: cpu.unwrap_or(1.0), mem: mem.unwrap_or(2.0), gpu }
    }
}

/// What a node asks of the container in which it runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Needs {
    /// Image, if anybody names one.
    pub image: Option<Image>,
    /// Folder of the commit that is the working copy; empty for the whole.
    pub folder: String,
    /// Processors, if anybody says.
    pub cpu: Option<f64>,
    /// Memory in GiB, if anybody says.
    pub mem: Option<f64>,
    /// Graphics processors.
    pub gpu: u32,
    /// Whether it needs the machine's own Docker.
    pub requires_docker: bool,
    /// More arguments of `docker run`, one word each.
    pub docker_run_args: Vec<String>,
    /// How clean the container is to be.
    pub isolation: Isolation,
}

/// Amounts are compared as their author wrote them.
impl Eq for Needs {}

impl Needs {
    /// Returns the amounts, with what the system gives where nobody says.
    pub fn resources(&self) -> Resources {
        Resources::of(self.cpu, self.mem, self.gpu)
    }
}

fn path(nodes: &[NodeDefinition], index: NodeIndex) -> NodePath {
    let mut names = Vec::new();
    let mut at = &nodes[index.as_usize()];
    while let Some(parent) = at.parent {
        names.push(&*at.name);
        at = &nodes[parent.as_usize()];
    }
    names.into_iter().rev().fold(NodePath::root(), |path, name| path.child(name))
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
    use crate::model::{Exec, NodeSettings};

    fn node(name: &str, parent: Option<u32>, kind: NodeKind) -> NodeDefinition {
        NodeDefinition { name: name.into(), parent: parent.map(NodeIndex), kind, settings: NodeSettings::default() }
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
        assert_eq!(tree.image(NodeIndex(2)), Some(&"near".into()));
        assert_eq!(tree.environment(NodeIndex(2)), [("A".into(), "near".into()), ("B".into(), "far".into())].into());
        assert_eq!(tree.resources(NodeIndex(2)), Resources { cpu: 0.5, mem: 2.0, gpu: 0 });
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
