//! How many leaves below a node may be queued or running at once: `max_concurrent`, and one at a time in a group's container.
//! A leaf must find room at every gate above it; until then it is parked at one that is full.

use std::collections::{BTreeMap, BTreeSet};

use super::pipeline::Pipeline;
use crate::model::{Definition, NodeIndex, Reuse, State};

/// What a gate limits. Ordered so that of two gates above one leaf the outer comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Gate {
    node: NodeIndex,
    /// Whether it is the container that all below the node share; else `max_concurrent`.
    is_container: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Room {
    used: u32,
    waiting: BTreeSet<NodeIndex>,
}

/// All gates of a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gates {
    /// Whether the tree has any: most have none, and then nothing below costs anything.
    exist: bool,
    rooms: BTreeMap<Gate, Room>,
    parked: BTreeMap<NodeIndex, Gate>,
    /// Leaves that have passed, and which gates: the tree may have changed when they leave.
    inside: BTreeMap<NodeIndex, Vec<Gate>>,
}

impl Gates {
    pub(super) fn of(definition: &Definition) -> Self {
        let mut gates = Self::default();
        gates.look_again(definition);
        gates
    }

    /// The tree has grown: it may have gates now.
    pub(super) fn look_again(&mut self, definition: &Definition) {
        self.exist |= definition.indices().any(|at| {
            let settings = &definition.node(at).settings;
            settings.max_concurrent.is_some() || settings.container_reuse_context == Some(Reuse::New)
        });
    }

    fn limit(definition: &Definition, gate: Gate) -> u32 {
        if gate.is_container { 1 } else { definition.node(gate.node).settings.max_concurrent.unwrap_or(u32::MAX) }
    }

    fn has_room(&self, definition: &Definition, gate: Gate) -> bool {
        self.rooms.get(&gate).map_or(0, |room| room.used) < Self::limit(definition, gate)
    }

    /// The gates above a leaf, the outermost first.
    fn above(&self, definition: &Definition, leaf: NodeIndex) -> Vec<Gate> {
        if !self.exist {
            return Vec::new();
        }
        let container = definition.reuse_group(leaf);
        let mut gates: Vec<Gate> = definition
            .lineage(leaf)
            .filter(|at| definition.node(*at).settings.max_concurrent.is_some())
            .map(|node| Gate { node, is_container: false })
            .chain(container.map(|node| Gate { node, is_container: true }))
            .collect();
        gates.sort_unstable();
        gates
    }

    /// Lets a leaf in, or parks it.
    fn enter(&mut self, definition: &Definition, leaf: NodeIndex) -> bool {
        if !self.exist || self.inside.contains_key(&leaf) {
            return true;
        }
        let gates = self.above(definition, leaf);
        if let Some(full) = gates.iter().find(|gate| !self.has_room(definition, **gate)) {
            self.parked.insert(leaf, *full);
            self.rooms.entry(*full).or_default().waiting.insert(leaf);
            return false;
        }
        for gate in &gates {
            self.rooms.entry(*gate).or_default().used += 1;
        }
        self.inside.insert(leaf, gates);
        true
    }

    fn leave(&mut self, leaf: NodeIndex) -> Vec<Gate> {
        let gates = self.inside.remove(&leaf).unwrap_or_default();
        for gate in &gates {
            if let Some(room) = self.rooms.get_mut(gate) {
                room.used = room.used.saturating_sub(1);
            }
        }
        gates
    }

    fn unpark(&mut self, leaf: NodeIndex) -> Option<Gate> {
        let gate = self.parked.remove(&leaf)?;
        if let Some(room) = self.rooms.get_mut(&gate) {
            room.waiting.remove(&leaf);
        }
        Some(gate)
    }

    fn next_waiting(&self, definition: &Definition, gate: Gate) -> Option<NodeIndex> {
        let first = self.rooms.get(&gate)?.waiting.first().copied()?;
        self.has_room(definition, gate).then_some(first)
    }

    /// Says whether a leaf that is not inside finds one of its gates full.
    #[cfg(test)]
    pub(super) fn is_shut_for(&self, definition: &Definition, leaf: NodeIndex) -> bool {
        self.above(definition, leaf).into_iter().any(|gate| !self.has_room(definition, gate))
    }

    /// Returns the node whose limit keeps a leaf waiting, and whether that is a container.
    pub(super) fn parked_at(&self, leaf: NodeIndex) -> Option<(NodeIndex, bool)> {
        self.parked.get(&leaf).map(|gate| (gate.node, gate.is_container))
    }
}

impl Pipeline {
    /// An active leaf may be queued now, unless something keeps it.
    pub(super) fn admit(&mut self, leaf: NodeIndex) {
        if self.asleep.is_some() || self.has_detached_attempt(leaf) || !self.frontier.contains(&leaf) {
            return;
        }
        if self.gates.enter(&self.launch.definition, leaf) {
            self.ready.insert(leaf);
        }
    }

    /// A leaf is not active any more, or not to be queued for now.
    pub(super) fn withhold(&mut self, leaf: NodeIndex) {
        self.ready.remove(&leaf);
        if let Some(gate) = self.gates.unpark(leaf) {
            self.let_in(vec![gate]);
        }
        self.make_room(leaf);
    }

    /// Gives a leaf's places at its gates to others, if it needs them no more.
    pub(super) fn make_room(&mut self, leaf: NodeIndex) {
        let is_under_way = self.leaf(leaf).is_some_and(|known| {
            matches!(known.state, State::Queued | State::Running)
                || known.attempts.iter().any(|attempt| attempt.finished_at.is_none())
        });
        if !is_under_way && !self.ready.contains(&leaf) {
            let freed = self.gates.leave(leaf);
            self.let_in(freed);
        }
    }

    fn let_in(&mut self, mut gates: Vec<Gate>) {
        while let Some(gate) = gates.pop() {
            while let Some(leaf) = self.gates.next_waiting(&self.launch.definition, gate) {
                self.gates.unpark(leaf);
                self.admit(leaf);
                match self.gates.parked.get(&leaf) {
                    // All that wait here would wait there: one of them is enough to be woken.
                    Some(other) if *other <= gate => break,
                    Some(_) => {}
                    None => gates
                        .extend(self.gates.above(&self.launch.definition, leaf).into_iter().filter(|at| *at != gate)),
                }
            }
        }
    }
}
