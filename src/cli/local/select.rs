//! Which nodes of a pipeline that has not begun are passed over, for `--only`, `--from` and `--rerun-failed`. Starts nothing.

use std::collections::BTreeSet;

use super::wish::meant;
use crate::{
    dispatch::view::{NodeView, PipelineView},
    model::State,
};

/// Returns the paths to skip so that only this node and what is below it runs.
pub(super) fn only(pipeline: &PipelineView, wanted: &str) -> Result<Vec<String>, String> {
    let lineage = lineage(pipeline, wanted)?;
    let skipped: Vec<&NodeView> = siblings(pipeline, &lineage).map(|(_, node)| node).collect();
    one_by_one(&skipped, wanted)
}

/// Returns the paths to skip so that what has to be done before this node is passed over.
pub(super) fn from(pipeline: &PipelineView, wanted: &str) -> Result<Vec<String>, String> {
    let lineage = lineage(pipeline, wanted)?;
    let goes_before = |(at, node): &(usize, &NodeView)| {
        let is_in_turn = parent(&pipeline.nodes, *at).is_some_and(|parent| pipeline.nodes[parent].kind == "serial");
        is_in_turn && lineage.iter().any(|step| pipeline.nodes[*step].depth == node.depth && at < step)
    };
    let skipped: Vec<&NodeView> = siblings(pipeline, &lineage).filter(goes_before).map(|(_, node)| node).collect();
    one_by_one(&skipped, wanted)
}

/// Refuses to take apart what shares a container: that is skipped as a whole.
fn one_by_one(skipped: &[&NodeView], wanted: &str) -> Result<Vec<String>, String> {
    match skipped.iter().find_map(|node| shared_above(node)) {
        Some(group) => {
            Err(format!("`{wanted}` shares its container with all of `{group}`, which runs whole or not at all"))
        }
        None => Ok(skipped.iter().map(|node| node.path.clone()).collect()),
    }
}

/// Returns the group above a node whose container it shares.
fn shared_above(node: &NodeView) -> Option<&str> {
    node.container_group.as_deref().filter(|group| *group != node.path)
}

/// Returns the paths to skip so that only what was not done in an earlier pipeline runs: whole groups where all below was done.
pub(super) fn not_done(pipeline: &PipelineView, earlier: &PipelineView) -> Vec<String> {
    let done: BTreeSet<&str> =
        earlier.nodes.iter().filter(|node| node.state == State::Done).map(|node| node.path.as_str()).collect();
    let (mut skipped, mut within): (Vec<String>, Option<usize>) = (Vec::new(), None);
    for (at, node) in pipeline.nodes.iter().enumerate() {
        if within.is_some_and(|depth| node.depth > depth) {
            continue;
        }
        within = None;
        let below = pipeline.nodes[at + 1..].iter().take_while(|other| other.depth > node.depth);
        let all_done = below.chain([node]).all(|node| done.contains(node.path.as_str()));
        if all_done && node.depth > 0 && shared_above(node).is_none() {
            skipped.push(node.path.clone());
            within = Some(node.depth);
        }
    }
    skipped
}

/// Returns where the node and those above it stand, the root first.
fn lineage(pipeline: &PipelineView, wanted: &str) -> Result<Vec<usize>, String> {
    let path = format!("/{}", wanted.trim_matches('/'));
    let nodes = &pipeline.nodes;
    let Some(at) = nodes.iter().position(|node| node.path == path) else {
        let near = meant(&path, nodes.iter().map(|node| node.path.as_str()));
        return Err(format!("the pipeline has no node `{path}`{near}"));
    };
    let mut lineage: Vec<usize> = std::iter::successors(Some(at), |at| parent(nodes, *at)).collect();
    lineage.reverse();
    Ok(lineage)
}

fn parent(nodes: &[NodeView], at: usize) -> Option<usize> {
    let depth = nodes[at].depth;
    (0..at).rev().find(|above| nodes[*above].depth < depth)
}

/// Lists the nodes beside those of a lineage.
fn siblings<'p>(pipeline: &'p PipelineView, lineage: &[usize]) -> impl Iterator<Item = (usize, &'p NodeView)> {
    let nodes = &pipeline.nodes;
    let above: BTreeSet<usize> = lineage.iter().rev().skip(1).copied().collect();
    let lineage: BTreeSet<usize> = lineage.iter().copied().collect();
    let is_beside =
        move |at: usize| !lineage.contains(&at) && parent(nodes, at).is_some_and(|parent| above.contains(&parent));
    nodes.iter().enumerate().filter(move |(at, _)| is_beside(*at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::sample;

    #[test]
    fn only_a_node_leaves_out_all_that_is_beside_it_and_those_above() {
        let pipeline = sample::failed_pipeline();
        assert_eq!(
            only(&pipeline, "/checks/unit").unwrap(),
            ["/install", "/checks/lint & style", "/checks/slow", "/deploy"]
        );
        assert_eq!(only(&pipeline, "/").unwrap(), [""; 0]);
        assert_eq!(
            only(&pipeline, "checks/unti").unwrap_err(),
            "the pipeline has no node `/checks/unti`; did you mean `/checks/unit`?"
        );
    }

    #[test]
    fn from_a_node_leaves_out_what_goes_before_it_in_turn() {
        let pipeline = sample::failed_pipeline();
        assert_eq!(from(&pipeline, "/deploy").unwrap(), ["/install", "/checks"]);
        assert_eq!(from(&pipeline, "/checks/slow").unwrap(), ["/install"], "what runs beside it does not go before it");
    }

    #[test]
    fn what_shares_a_container_is_not_taken_apart() {
        let mut pipeline = sample::failed_pipeline();
        for node in &mut pipeline.nodes {
            node.container_group = node.path.starts_with("/checks").then(|| "/checks".to_owned());
        }
        assert_eq!(
            only(&pipeline, "/checks/unit").unwrap_err(),
            "`/checks/unit` shares its container with all of `/checks`, which runs whole or not at all"
        );
        assert_eq!(only(&pipeline, "/checks").unwrap(), ["/install", "/deploy"]);
        assert_eq!(not_done(&pipeline, &pipeline), ["/install"]);
    }

    #[test]
    fn what_was_done_is_left_out_in_whole_groups() {
        let pipeline = sample::failed_pipeline();
        assert_eq!(not_done(&pipeline, &pipeline), ["/install", "/checks/lint & style"]);
        let mut earlier = pipeline.clone();
        for node in &mut earlier.nodes {
            if node.path.starts_with("/checks") {
                node.state = State::Done;
            }
        }
        assert_eq!(not_done(&pipeline, &earlier), ["/install", "/checks"]);
    }
}
