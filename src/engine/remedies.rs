//! What callbacks make of a failure, before anybody above hears of it (`compat.md` §2.10).

use std::sync::Arc;

use super::{
    pipeline::{Phase, Pipeline},
    settle::Dirty,
};
use crate::model::{Actor, Again, Callback, Event, KillReason, NodeIndex, On, Remedy, State};

impl Pipeline {
    /// Says whether a failed node has callbacks that might help it. A person's kill is final, and so is the end of what is
    /// being ended as a whole.
    pub(super) fn may_be_remedied(&self, node: NodeIndex) -> bool {
        let halted_above = self.definition().lineage(node).skip(1).any(|above| self.node(above).halted.is_some());
        !halted_above
            && self.node(node).halted != Some(KillReason::User)
            && self.leaf(node).is_none_or(|leaf| leaf.kill_reason != Some(KillReason::User))
            && self.callbacks(node).next().is_some()
    }

    /// The callbacks that act for a node: its own, and for a leaf those above that are inherited.
    fn callbacks(&self, node: NodeIndex) -> impl Iterator<Item = &Callback> {
        let tree = self.definition();
        let is_exec = tree.is_exec(node);
        tree.lineage(node)
            .take(if is_exec { usize::MAX } else { 1 })
            .flat_map(move |at| {
                let callbacks = &tree.node(at).settings.callbacks;
                callbacks.iter().filter(move |callback| at == node || callback.inherited)
            })
            .filter(|callback| !matches!(callback.remedy, Remedy::DeserializeIntoNode { .. }))
            .filter(move |callback| match callback.on {
                On::Error | On::StateChange => true,
                On::WorkerError => self.state(node) == State::Killed,
                On::Queued | On::Running | On::Done => false,
            })
    }

    pub(super) fn retry(&mut self, node: NodeIndex, again: Again, mem: Option<f64>, actor: &Actor) {
        let retries = self.retries.entry(node).or_default();
        match again {
            Again::Counted => retries.counted += 1,
            Again::Memory => {}
            Again::MemoryOnce => retries.much_memory = true,
        }
        let lost_container = self.leaf(node).is_some_and(|leaf| leaf.kill_reason == Some(KillReason::Infrastructure));
        if let Some(mem) = mem {
            self.launch.definition.edit(node, &crate::model::Edit { mem: Some(mem), ..Default::default() });
        }
        // What nodes before it left in the container that they share is gone: they all begin again.
        let unit = self.unit(node);
        let from = if lost_container || mem.is_some() { unit } else { node };
        // Only what is below the node itself gets its retries anew: else two nodes of a unit could retry for ever.
        let is_below = |at: NodeIndex| at != node && self.definition().lineage(at).any(|above| above == node);
        let counted: Vec<_> = self.retries.iter().filter(|(at, _)| !is_below(**at)).map(|(at, n)| (*at, *n)).collect();
        self.restart(from, &Arc::new(actor.clone()));
        self.retries.extend(counted);
    }

    pub(super) fn skip_errors(&mut self, group: NodeIndex, leaves: &[NodeIndex], actor: &Actor) {
        let asked_by = Arc::new(actor.clone());
        self.undecided.remove(&group);
        self.node_mut(group).phase = Phase::Active;
        let mut dirty = Dirty::from([group]);
        for leaf in leaves {
            self.detach_from_parent(*leaf);
            self.clear_one(*leaf, &asked_by);
            let node = self.node_mut(*leaf);
            node.skip = Some(true);
            node.phase = Phase::Finished { failed: false };
            let between: Vec<NodeIndex> =
                self.definition().lineage(*leaf).skip(1).take_while(|above| *above != group).collect();
            let mut child = *leaf;
            for above in &between {
                self.reopen(*above, child);
                child = *above;
            }
            self.reopen(group, child);
            dirty.extend(between);
        }
        self.settle(dirty);
    }
}

/// What comes of a failed node, and by whose word.
pub(super) fn remedy(pipeline: &Pipeline, node: NodeIndex) -> (Actor, Event) {
    let tree = pipeline.definition();
    let retries = pipeline.retries.get(&node).copied().unwrap_or_default();
    let memory = tree.resources(node).mem;
    let cap = |mem: f64| pipeline.launch().most_mem.map_or(mem, |most| mem.min(most));
    let again = |again, mem| Event::NodeRetried { node, again, mem };
    for Callback { remedy, .. } in pipeline.callbacks(node) {
        let event = match remedy {
            Remedy::Retry { max_num_retries } if retries.counted < *max_num_retries => again(Again::Counted, None),
            Remedy::RetryThenSkip { max_num_retries } if retries.counted < *max_num_retries => {
                again(Again::Counted, None)
            }
            Remedy::RetryThenSkip { .. } => Event::NodeSkipped { node },
            Remedy::RetryWithDoubleMem { max_num_retries } if retries.counted < *max_num_retries => {
                again(Again::Counted, Some(cap(memory * 2.0)).filter(|mem| *mem > memory))
            }
            Remedy::SkipSomeErrors { max_num_errors } if !tree.is_exec(node) => {
                let leaves = failed_leaves(pipeline, node);
                if leaves.is_empty() || leaves.len() > *max_num_errors as usize {
                    continue;
                }
                Event::ErrorsSkipped { node, leaves }
            }
            Remedy::HandleMemoryErrors { mem_limits: (low, high), max_duration } => {
                let (out_of_memory, seconds) = last_try(pipeline, node);
                let more = memory * 2.0;
                let fits = out_of_memory && seconds <= *max_duration && more <= cap(*high) && more > memory;
                match () {
                    () if !fits => continue,
                    () if more < *low => again(Again::Memory, Some(more)),
                    () if !retries.much_memory => again(Again::MemoryOnce, Some(more)),
                    () => continue,
                }
            }
            _ => continue,
        };
        return (Actor::Callback { name: remedy.name().to_owned() }, event);
    }
    (Actor::Server, Event::FailureStood { node })
}

/// Returns the leaves below a node that failed and are not passed over.
pub(super) fn failed_leaves(pipeline: &Pipeline, node: NodeIndex) -> Vec<NodeIndex> {
    let tree = pipeline.definition();
    let mut found = tree.subtree(node);
    found.retain(|at| tree.is_exec(*at) && pipeline.state(*at).is_failed() && !pipeline.is_skipped(*at));
    found
}

/// Says whether a leaf's last attempt ran out of memory, and how many seconds it ran.
fn last_try(pipeline: &Pipeline, node: NodeIndex) -> (bool, f64) {
    let Some(leaf) = pipeline.leaf(node) else { return (false, 0.0) };
    let seconds = leaf.attempts.last().and_then(|last| {
        let (from, to) = (last.started_at?, last.finished_at?);
        Some(to.duration_since(from).as_secs_f64())
    });
    (leaf.kill_reason == Some(KillReason::OutOfMemory), seconds.unwrap_or(0.0))
}
