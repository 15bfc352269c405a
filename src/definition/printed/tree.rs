//! Puts the nodes of the old serialization together by its edges. Knows the rules of trees, not what a node carries.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    super::pipeline::MOST_NODES,
    image::{Found, Image},
    node::{kind, settings},
    serialization::{Node, Serialization},
};
use crate::model::{Definition, NodeDefinition, NodeIndex, NodePath};

/// Makes the tree: children in the order of the edges, parents before children.
pub(super) fn build(serialization: &Serialization) -> Result<Definition, String> {
    let Serialization { nodes, edges, images } = serialization;
    if nodes.len() > MOST_NODES {
        return Err(format!("the pipeline it printed has more than {MOST_NODES} nodes"));
    }
    let root = nodes.first().ok_or("the pipeline it printed has no nodes")?;
    let mut known: HashMap<&str, &Node> = HashMap::with_capacity(nodes.len());
    for node in nodes {
        if known.insert(&node.id, node).is_some() {
            return Err(format!("two nodes of the pipeline it printed have the id `{}`", node.id));
        }
    }
    let children = children(edges, &root.id, &known)?;
    let mut found: HashMap<&str, Arc<Found>> = HashMap::new();
    let mut built = Vec::with_capacity(nodes.len());
    let mut stack = vec![(root, "/", None, NodePath::root(), Arc::new(Found::default()))];
    while let Some((node, name, parent, path, above)) = stack.pop() {
        let index = NodeIndex(u32::try_from(built.len()).map_err(|_| "the pipeline it printed is too large")?);
        let of_node = |bad: String| format!("node {path} of the pipeline it printed: {bad}");
        let own = match &node.image_name {
            Some(name) => Some(image(name, images, &mut found).map_err(of_node)?),
            None => None,
        };
        let settings = settings(node, own.as_deref()).map_err(of_node)?.into();
        let image = own.unwrap_or(above);
        let kind = kind(node, &image).map_err(of_node)?;
        built.push(NodeDefinition { name: name.into(), parent, kind, settings });
        for (child, name) in children.get(node.id.as_str()).into_iter().flatten().rev() {
            check_name(name).map_err(of_node)?;
            stack.push((child, name, Some(index), path.child(name), Arc::clone(&image)));
        }
    }
    if built.len() < nodes.len() {
        let stray = nodes.len() - built.len();
        return Err(format!("{stray} of the nodes it printed hang nowhere below the root"));
    }
    Definition::new(built).map_err(|error| format!("the pipeline it printed is no tree: {error}"))
}

/// Returns what nodes with an image find, looked up once for all of them.
fn image<'s>(
    name: &'s str,
    images: &HashMap<String, Image>,
    found: &mut HashMap<&'s str, Arc<Found>>,
) -> Result<Arc<Found>, String> {
    if let Some(known) = found.get(name) {
        return Ok(Arc::clone(known));
    }
    let image = images.get(name).ok_or_else(|| format!("its image `{name}` is not among the images"))?;
    let image = Arc::new(image.find().map_err(|bad| format!("its image `{name}` {bad}"))?);
    found.insert(name, Arc::clone(&image));
    Ok(image)
}

type Children<'s> = HashMap<&'s str, Vec<(&'s Node, &'s str)>>;

/// Sorts the edges by parent. Every node has one parent at most, the root none: what hangs together is a tree.
fn children<'s>(
    edges: &'s [(String, String, String)],
    root: &'s str,
    known: &HashMap<&str, &'s Node>,
) -> Result<Children<'s>, String> {
    let mut children: Children<'s> = HashMap::new();
    let mut placed = HashSet::from([root]);
    for (parent, child, name) in edges {
        let node = known.get(child.as_str());
        let (Some(node), true) = (node, known.contains_key(parent.as_str())) else {
            return Err(format!("an edge of the pipeline it printed leads from `{parent}` to `{child}`; no such node"));
        };
        if !placed.insert(child.as_str()) {
            return Err(format!("node `{name}` of the pipeline it printed is placed twice"));
        }
        children.entry(parent).or_default().push((node, name));
    }
    Ok(children)
}

fn check_name(name: &str) -> Result<(), String> {
    match NodePath::parse(&format!("/{name}")) {
        Ok(path) if path.depth() == 1 => Ok(()),
        Ok(_) => Err(format!("its child `{}` has a name that is empty or holds a slash", name.escape_debug())),
        Err(bad) => Err(format!("its child `{}` has a name that cannot be used: {bad}", name.escape_debug())),
    }
}
