//! Folding events into the state. Total: cannot fail, cannot choose; an event that does not fit changes nothing.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    gates::Gates,
    pipeline::{Attempt, Live, Phase, Pipeline},
    settle::{Dirty, fresh_nodes},
};
use crate::model::{Event, Fence, KillReason, Needs, NodeIndex, Outcome, Recorded, State, WorkerId};

impl Pipeline {
    /// Makes the state that follows from the first event.
    pub(super) fn born(recorded: &Recorded) -> Option<Self> {
        let Event::PipelineCreated { launch } = &recorded.event else { return None };
        let mut pipeline = Self {
            nodes: fresh_nodes(&launch.definition, 0),
            gates: Gates::of(&launch.definition),
            hold: launch.hold,
            launch: launch.as_ref().clone(),
            launched_by: recorded.actor.clone(),
            created_at: recorded.at,
            finished: None,
            cancelled_by: None,
            asleep: None,
            frontier: Default::default(),
            ready: Default::default(),
            live: Default::default(),
            undecided: Default::default(),
            retries: Default::default(),
            generations: Default::default(),
            containers: Default::default(),
            grown: Default::default(),
            needs: Vec::new(),
            seq: recorded.seq,
        };
        let mut dirty = Dirty::new();
        pipeline.begin(&mut dirty);
        pipeline.settle(dirty);
        Some(pipeline)
    }

    /// Folds one event in.
    pub(super) fn evolve(&mut self, recorded: &Recorded) {
        self.seq = recorded.seq;
        let actor = &recorded.actor;
        match &recorded.event {
            Event::PipelineCreated { .. } => {}
            Event::RunRequested => self.release_hold(),
            Event::NodeQueued { node } => {
                self.frontier.remove(node);
                self.ready.remove(node);
                self.set_leaf_state(*node, State::Queued);
            }
            Event::AttemptLeased { node, fence, worker } => self.lease(*node, *fence, worker, recorded.at),
            Event::AttemptUnleased { fence, evidence, node: _ } => {
                self.end_attempt(*fence, Outcome::Infrastructure { message: evidence.clone() }, 0, recorded.at);
            }
            Event::AttemptReturned { node, fence } => {
                self.end_attempt(*fence, Outcome::Infrastructure { message: String::new() }, 0, recorded.at);
                if let Some(leaf) = self.leaf_mut(*node) {
                    leaf.attempts.retain(|attempt| attempt.fence != *fence);
                }
            }
            Event::AttemptStarted { fence } => self.start(*fence, recorded.at),
            Event::AttemptFinished { fence, outcome, log_bytes } => {
                if let Some(node) = self.end_attempt(*fence, outcome.clone(), *log_bytes, recorded.at) {
                    let mut dirty = Dirty::new();
                    if let Some(leaf) = self.leaf_mut(node) {
                        leaf.kill_reason = outcome.kill_reason();
                    }
                    self.finish_leaf(node, outcome.state(), &mut dirty);
                    self.settle(dirty);
                }
            }
            Event::NodeCannotRun { node, message } => {
                let mut dirty = Dirty::new();
                self.kill_leaf(*node, KillReason::Infrastructure, message, &mut dirty);
                self.settle(dirty);
            }
            Event::DeadlinePassed { node } => {
                self.halt(*node, KillReason::Timeout, "max_time of a group above it passed before it started");
            }
            Event::KillRequested { node } => self.halt(*node, KillReason::User, "killed before it started"),
            Event::CancelRequested => self.cancel(actor),
            Event::NodeReset { node } => self.reset(*node, actor),
            Event::NodeRetried { node, again, mem } => self.retry(*node, *again, *mem, actor),
            Event::FailureStood { node } => {
                let mut dirty = Dirty::new();
                self.close(*node, true, &mut dirty);
                self.settle(dirty);
            }
            Event::ErrorsSkipped { node, leaves } => self.skip_errors(*node, leaves, actor),
            Event::NodeSkipped { node } => self.skip(*node, actor),
            Event::NodeUnskipped { node } => self.unskip(*node),
            Event::NodeEdited { node, edit } => self.launch.definition.edit(*node, edit),
            Event::TreeGrown { generator, target, tree } => self.grow(*generator, *target, tree),
            Event::PipelineSlept => self.sleep(actor),
            Event::PipelineWoken => self.wake(),
            Event::GroupReleased { node, generation } => {
                self.give_up_container(*node);
                self.containers.remove(&(*node, *generation));
            }
            Event::PipelineFinished { ending } => self.finished = Some((*ending, recorded.at)),
        }
    }

    fn lease(&mut self, node: NodeIndex, fence: Fence, worker: &WorkerId, at: Timestamp) {
        let needs = self.share_needs(node);
        let container = self.group_container(node);
        let Some(leaf) = self.leaf_mut(node) else { return };
        // Most leaves run once: no room for more is set aside.
        leaf.attempts.reserve_exact(1);
        leaf.attempts.push(Attempt {
            fence,
            worker: worker.clone(),
            asked_by: leaf.asked_by.as_ref().map(Arc::clone),
            leased_at: at,
            started_at: None,
            finished_at: None,
            outcome: None,
            log_bytes: 0,
            needs,
            detached: false,
        });
        if let Some(container) = container {
            let crew = self.containers.entry(container).or_default();
            crew.workers.insert(worker.clone());
            crew.live += 1;
        }
        self.live.insert(fence, Live { node, container });
    }

    fn share_needs(&mut self, node: NodeIndex) -> Arc<Needs> {
        let needs = self.definition().needs(node);
        if let Some(known) = self.needs.iter().find(|known| ***known == needs) {
            return Arc::clone(known);
        }
        let needs = Arc::new(needs);
        self.needs.push(Arc::clone(&needs));
        needs
    }

    fn start(&mut self, fence: Fence, at: Timestamp) {
        let Some(attempt) = self.attempt_mut(fence) else { return };
        attempt.started_at = Some(at);
        if attempt.detached {
            return;
        }
        let Some(Live { node, .. }) = self.live.get(&fence).copied() else { return };
        self.set_leaf_state(node, State::Running);
        let mut above = self.definition().parent(node);
        while let Some(index) = above {
            self.group_mut(index).started_at.get_or_insert(at);
            above = self.definition().parent(index);
        }
    }

    /// Closes an attempt. Returns its leaf when the attempt still decides the leaf's state.
    fn end_attempt(&mut self, fence: Fence, outcome: Outcome, log_bytes: u64, at: Timestamp) -> Option<NodeIndex> {
        let mut is_detached = true;
        if let Some(attempt) = self.attempt_mut(fence) {
            attempt.finished_at = Some(at);
            attempt.outcome = Some(outcome);
            attempt.log_bytes = log_bytes;
            is_detached = attempt.detached;
        }
        let Live { node, container } = self.live.remove(&fence)?;
        if let Some(crew) = container.and_then(|container| self.containers.get_mut(&container)) {
            crew.live = crew.live.saturating_sub(1);
        }
        if is_detached {
            // Its place is free, and so is the way for the leaf's next life.
            self.make_room(node);
            self.admit(node);
            return None;
        }
        Some(node)
    }

    /// Lets go of what still runs below: its end decides nothing any more.
    pub(super) fn detach_attempts(&mut self, leaf: NodeIndex) {
        if let Some(leaf) = self.leaf_mut(leaf) {
            for attempt in leaf.attempts.iter_mut().filter(|attempt| attempt.finished_at.is_none()) {
                attempt.detached = true;
            }
        }
    }

    /// Takes back what the node's phase has contributed to its parent.
    pub(super) fn detach_from_parent(&mut self, node: NodeIndex) {
        let phase = self.node(node).phase;
        if let Some(parent) = self.definition().parent(node) {
            let above = self.group_mut(parent);
            match phase {
                Phase::Idle => {}
                Phase::Active | Phase::Held => above.active_children -= 1,
                Phase::Finished { failed } => above.failed_children -= u32::from(failed),
            }
        }
    }
}
