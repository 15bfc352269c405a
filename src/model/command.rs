//! Commands: what somebody wants or has observed. The engine may reject them.

use super::{Actor, Fence, NodeIndex, Outcome, WorkerId};

/// An intent or an observation, put to one pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A worker is free for this queued leaf.
    Lease {
        /// The leaf.
        node: NodeIndex,
        /// Number of the attempt, drawn by the caller.
        fence: Fence,
        /// The worker that shall run it.
        worker: WorkerId,
    },
    /// The worker says that the command runs.
    AttemptStarted {
        /// Which attempt.
        fence: Fence,
    },
    /// The attempt has ended, by the worker's word or by the runtime's own record.
    AttemptFinished {
        /// Which attempt.
        fence: Fence,
        /// How.
        outcome: Outcome,
        /// Length of its log in bytes, both streams together.
        log_bytes: u64,
    },
    /// What the leaf was to run in cannot be had (image missing, container refused).
    CannotRun {
        /// The leaf.
        node: NodeIndex,
        /// What happened, for people.
        message: String,
    },
    /// The worker went away before the command began: put the leaf back into its queue.
    Unlease {
        /// Which attempt.
        fence: Fence,
        /// What was seen, for people.
        evidence: String,
    },
    /// The time that a node may take has passed, by the server's clock.
    DeadlinePassed {
        /// The node whose `max_time` it was.
        node: NodeIndex,
    },
    /// No further starts, and end what runs.
    Cancel,
    /// Put a node and all below it back to pending, and go on from there.
    Reset {
        /// The node.
        node: NodeIndex,
    },
}

/// Why a command changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The tree has no such node.
    #[error("there is no such node")]
    NoSuchNode,
    /// The leaf is not in a queue (any more).
    #[error("the node is not queued")]
    NotQueued,
    /// The attempt is not the live one of its node: an old or repeated report.
    #[error("attempt {0} is not live")]
    StaleFence(Fence),
    /// Cancel of a pipeline that has ended.
    #[error("the pipeline has ended already")]
    Ended,
    /// Cancel or reset of a pipeline that is being cancelled.
    #[error("the pipeline is being cancelled; wait until what runs has ended")]
    BeingCancelled,
    /// Reset of a subtree in which nothing has run.
    #[error("nothing to reset: everything below is pending")]
    NothingToReset,
    /// A deadline that is not due or not set.
    #[error("no deadline has passed")]
    NoDeadline,
}

/// A command with its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Who or what asks.
    pub actor: Actor,
    /// What for.
    pub command: Command,
}

impl Command {
    /// Adds the origin.
    pub fn by(self, actor: Actor) -> Asked {
        Asked { actor, command: self }
    }
}
