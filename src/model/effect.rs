//! Effects: what the world must now do because of an event. Carrying one out twice is harmless.

use super::{Ending, Fence, KillReason, NodeIndex, WorkerId};

/// An order to the world, given after its event is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Put the leaf into the work queue of its resources.
    Offer {
        /// The leaf.
        node: NodeIndex,
    },
    /// Take the leaf out of every queue it stands in. An `Offer` of the same leaf may follow.
    Withdraw {
        /// The leaf.
        node: NodeIndex,
    },
    /// The container that this group had to itself is not needed any more.
    ReleaseGroup {
        /// The node with `container_reuse_context = new`.
        node: NodeIndex,
        /// Which of the group's containers: it gets a new one at every reset.
        generation: u32,
    },
    /// Hand the leaf to the worker.
    Start {
        /// The leaf.
        node: NodeIndex,
        /// Which attempt.
        fence: Fence,
        /// Who runs it.
        worker: WorkerId,
    },
    /// End an attempt's process; the answer is an `AttemptFinished`.
    Stop {
        /// Which attempt.
        fence: Fence,
        /// Who runs it.
        worker: WorkerId,
        /// What to report it as.
        reason: KillReason,
    },
    /// End the whole worker: it did not end the attempt in time. The answer is an `AttemptFinished`.
    Destroy {
        /// The attempt to report as ended.
        fence: Fence,
        /// The worker.
        worker: WorkerId,
        /// What to report it as.
        reason: KillReason,
    },
    /// Tell the people who want to know.
    Report(Milestone),
    /// Nothing runs any more: give back containers, networks, working copies.
    Release,
}

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Milestone {
    /// It was launched, or reopened by a reset.
    Begun,
    /// A leaf began or ended: the counts have changed.
    Progress,
    /// It has ended.
    Finished(Ending),
}
