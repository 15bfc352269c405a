//! Trees in which any node may carry anything that changes how it runs.

use std::time::Duration;

use super::luck::Luck;
use crate::model::{
    Callback, Definition, Exec, Isolation, NodeDefinition, NodeIndex, NodeKind, NodeSettings, On, Remedy, Reuse,
    Settings,
};

/// An image that cannot be had.
pub(super) const MISSING_IMAGE: &str = "missing";

/// Nodes of a tree at most, so that a seed stays quick.
const MOST_NODES: usize = 16;

/// Draws a tree.
pub(super) fn draw(luck: &mut Luck) -> Definition {
    let mut drawing = Drawing { luck, nodes: Vec::new() };
    drawing.node("/".into(), None, 0);
    let mut nodes = drawing.nodes;
    let tree = Definition::new(nodes.clone()).unwrap();
    for at in tree.indices().filter(|at| &*tree.node(*at).name == "Generate") {
        let target = tree.path(tree.parent(at).unwrap()).child("Execute");
        let remedy = Remedy::DeserializeIntoNode { target };
        nodes[at.as_usize()].settings.callbacks = vec![Callback { on: On::Done, remedy, inherited: false }];
    }
    Definition::new(nodes).unwrap()
}

struct Drawing<'a> {
    luck: &'a mut Luck,
    nodes: Vec<NodeDefinition>,
}

impl Drawing<'_> {
    fn node(&mut self, name: String, parent: Option<NodeIndex>, depth: u64) {
        let is_small = self.nodes.len() < MOST_NODES;
        match self.luck.below(10) {
            _ if depth == 0 && !self.luck.happens(50) => self.group(name, parent, depth),
            0..=2 if depth < 3 && is_small => self.group(name, parent, depth),
            3 if depth < 3 && is_small => self.lazy(name, parent),
            _ => {
                let settings = self.settings(false);
                self.push(name, parent, NodeKind::Exec(Exec { command: "true".into() }), settings);
            }
        }
    }

    fn group(&mut self, name: String, parent: Option<NodeIndex>, depth: u64) {
        let kind = match self.luck.below(3) {
            0 => NodeKind::Serial { stop_on_error: true },
            1 => NodeKind::Serial { stop_on_error: false },
            _ => NodeKind::Parallel,
        };
        let settings = self.settings(true);
        let at = self.push(name, parent, kind, settings);
        for child in 0..self.luck.between(u64::from(depth == 0), 4) {
            self.node(child.to_string(), Some(at), depth + 1);
        }
    }

    /// A leaf that prints a tree, and the place where that grows.
    fn lazy(&mut self, name: String, parent: Option<NodeIndex>) {
        let at = self.push(name, parent, NodeKind::Serial { stop_on_error: true }, Settings::default());
        let exec = NodeKind::Exec(Exec { command: "print".into() });
        self.push("Generate".into(), Some(at), exec, Settings::default());
        self.push("Execute".into(), Some(at), NodeKind::Parallel, Settings::default());
    }

    fn push(&mut self, name: String, parent: Option<NodeIndex>, kind: NodeKind, settings: Settings) -> NodeIndex {
        let at = NodeIndex(u32::try_from(self.nodes.len()).unwrap());
        self.nodes.push(NodeDefinition { name: name.into(), parent, kind, settings: NodeSettings::from(settings) });
        at
    }

    fn settings(&mut self, is_group: bool) -> Settings {
        let luck = &mut *self.luck;
        let retries = || On::Error;
        let mut callbacks = Vec::new();
        if luck.happens(150) {
            let max_num_retries = u32::try_from(luck.below(3)).unwrap();
            let remedy = match luck.below(if is_group { 4 } else { 3 }) {
                0 => Remedy::Retry { max_num_retries },
                1 => Remedy::RetryThenSkip { max_num_retries },
                2 => Remedy::RetryWithDoubleMem { max_num_retries: 1 },
                _ => Remedy::SkipSomeErrors { max_num_errors: max_num_retries },
            };
            let inherited = luck.happens(500) && !matches!(remedy, Remedy::SkipSomeErrors { .. });
            callbacks.push(Callback { on: retries(), remedy, inherited });
        }
        let image = match luck.below(20) {
            0 => Some("other".into()),
            1 if !is_group && luck.happens(300) => Some(MISSING_IMAGE.into()),
            _ => None,
        };
        Settings {
            image,
            cpu: luck.happens(150).then(|| if luck.happens(500) { 0.5 } else { 2.0 }),
            max_time: luck.happens(150).then(|| Duration::from_secs(luck.between(2, 30))),
            skip: luck.happens(60).then(|| luck.happens(700)),
            suppress_errors: luck.happens(80),
            container_reuse_context: match luck.below(12) {
                0 | 1 if is_group => Some(Reuse::New),
                2 => Some(Reuse::Global),
                _ => None,
            },
            isolation: luck.happens(50).then_some(Isolation::Pristine),
            max_concurrent: (is_group && luck.happens(200)).then(|| u32::try_from(luck.between(1, 3)).unwrap()),
            callbacks,
            ..Settings::default()
        }
    }
}
