//! Commands: what somebody wants or has observed. The engine may reject them.

use super::{Actor, Definition, Edit, Fence, NodeIndex, NodePath, Outcome, WorkerId};

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
        /// The tree it printed, if it is a leaf that prints one and ended well.
        grown: Option<Box<Definition>>,
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
    /// The worker gives back, unbegun, a leaf that was sent to it ahead: another may be free sooner.
    Return {
        /// Which attempt.
        fence: Fence,
    },
    /// The time that a node may take has passed, by the server's clock.
    DeadlinePassed {
        /// The node whose `max_time` it was.
        node: NodeIndex,
    },
    /// No further starts, and end what runs.
    Cancel,
    /// Let a pipeline begin that waits for somebody to say so.
    Run,
    /// Put a node and all below it back to pending, and go on from there. In a group that shares one container, the whole
    /// group: what an earlier node left in the container is gone.
    Reset {
        /// The node.
        node: NodeIndex,
    },
    /// Run again what failed at a node or below it, and nothing else.
    RerunFailed {
        /// The node.
        node: NodeIndex,
    },
    /// Pass a node and all below it over. What runs there is ended. In a group that shares one container, the whole group.
    Skip {
        /// The node.
        node: NodeIndex,
    },
    /// Take that back; what has not run becomes runnable again.
    Unskip {
        /// The node.
        node: NodeIndex,
    },
    /// End what runs or is queued at a node or below it; what has not been reached there does not start either.
    Kill {
        /// The node.
        node: NodeIndex,
    },
    /// Change a node. What runs goes on as it began; the next attempt sees the change.
    Edit {
        /// The node.
        node: NodeIndex,
        /// What changes.
        edit: Edit,
        /// Whether the node is reset in the same step, if it has been reached.
        rerun: bool,
    },
    /// End what runs, start nothing, keep everything: until it is woken.
    Sleep,
    /// Go on where `Sleep` left off; what was ended runs again.
    Wake,
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
    /// Rerun of what failed, where nothing did.
    #[error("nothing to run again: nothing below has failed")]
    NothingFailed,
    /// Kill where nothing runs.
    #[error("nothing to kill: nothing below runs or is queued")]
    NothingToKill,
    /// Skip of what is skipped.
    #[error("the node is skipped already")]
    SkippedAlready,
    /// Unskip of what is not skipped.
    #[error("the node is not skipped")]
    NotSkipped,
    /// Unskip below a node that is skipped as a whole.
    #[error("`{0}` is skipped as a whole; unskip that")]
    SkippedAbove(NodePath),
    /// Run of a pipeline that waits for nobody.
    #[error("the pipeline does not wait to be started; reset what shall run again")]
    NotHeld,
    /// An edit that changes nothing.
    #[error("nothing to change: give a command, a variable, cpu, mem or an image")]
    NothingToEdit,
    /// A command for a group.
    #[error("only an Exec node has a command")]
    NotExec,
    /// A value that no node can have.
    #[error("`{0}` must be above 0 and at most 100,000")]
    BadAmount(&'static str),
    /// A name or value that cannot be used.
    #[error("{0}")]
    BadEdit(&'static str),
    /// Sleep of a pipeline that sleeps.
    #[error("the pipeline sleeps already")]
    AsleepAlready,
    /// Wake of a pipeline that does not sleep.
    #[error("the pipeline does not sleep")]
    NotAsleep,
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
