//! Events: facts about one pipeline, in the past tense, kept for ever. Their encoding is versioned: a change needs an upcaster.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Actor, Definition, Edit, Ending, Fence, Launch, NodeIndex, Outcome, WorkerId};

/// By which rule a failed node runs again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Again {
    /// Counted against the node's retries.
    Counted,
    /// After running out of memory, with still little of it: not counted.
    Memory,
    /// After running out of memory, for the one time it may with much of it.
    MemoryOnce,
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The pipeline exists.
    PipelineCreated {
        /// All that was settled at its birth.
        launch: Box<Launch>,
    },
    /// A leaf's predecessors are satisfied; it stands in its queue.
    NodeQueued {
        /// The leaf.
        node: NodeIndex,
    },
    /// A worker got the leaf. It stays queued until the worker says that the command runs.
    AttemptLeased {
        /// The leaf.
        node: NodeIndex,
        /// Which attempt this is.
        fence: Fence,
        /// Who runs it.
        worker: WorkerId,
    },
    /// The worker went away before the command began; the leaf is in its queue again.
    AttemptUnleased {
        /// The leaf.
        node: NodeIndex,
        /// Which attempt came to nothing.
        fence: Fence,
        /// What was seen.
        evidence: String,
    },
    /// The worker has given the leaf back unbegun; it is in its queue again, and the attempt was none.
    AttemptReturned {
        /// The leaf.
        node: NodeIndex,
        /// Which attempt.
        fence: Fence,
    },
    /// The command runs.
    AttemptStarted {
        /// Which attempt.
        fence: Fence,
    },
    /// The attempt has ended.
    AttemptFinished {
        /// Which attempt.
        fence: Fence,
        /// How.
        outcome: Outcome,
        /// Length of its log in bytes, both streams together.
        log_bytes: u64,
    },
    /// A queued leaf ended without an attempt: what it was to run in could not be had.
    NodeCannotRun {
        /// The leaf.
        node: NodeIndex,
        /// What happened, for people.
        message: String,
    },
    /// `max_time` of a group, or of a leaf whose worker does not answer, has passed.
    DeadlinePassed {
        /// The node whose limit it was.
        node: NodeIndex,
    },
    /// No further starts; what runs is being ended.
    CancelRequested,
    /// Somebody let a pipeline begin that had waited for that.
    RunRequested,
    /// The node and all below it are pending again.
    NodeReset {
        /// The node.
        node: NodeIndex,
    },
    /// The node failed, and runs again by itself before anybody above hears of it.
    NodeRetried {
        /// The node.
        node: NodeIndex,
        /// By which rule.
        again: Again,
        /// GiB of memory from now on, where the rule changes it.
        #[serde(skip_serializing_if = "Option::is_none")]
        mem: Option<f64>,
    },
    /// The node failed, and no callback helps any more.
    FailureStood {
        /// The node.
        node: NodeIndex,
    },
    /// So few leaves below a failed group failed that they are reset and skipped.
    ErrorsSkipped {
        /// The group.
        node: NodeIndex,
        /// The leaves.
        leaves: Vec<NodeIndex>,
    },
    /// The node and all below it are passed over from now on.
    NodeSkipped {
        /// The node.
        node: NodeIndex,
    },
    /// The node is not passed over any more.
    NodeUnskipped {
        /// The node.
        node: NodeIndex,
    },
    /// What runs and what waits at a node or below it is being ended.
    KillRequested {
        /// The node.
        node: NodeIndex,
    },
    /// Somebody changed a node.
    NodeEdited {
        /// The node.
        node: NodeIndex,
        /// What changed.
        edit: Edit,
    },
    /// A leaf printed a pipeline, which now stands in the place of a node.
    TreeGrown {
        /// The leaf that printed it.
        generator: NodeIndex,
        /// Where it grew.
        target: NodeIndex,
        /// What grew.
        tree: Box<Definition>,
    },
    /// A group does not need the container any more that it had to itself.
    GroupReleased {
        /// The node with `container_reuse_context = new`.
        node: NodeIndex,
        /// Which of its containers.
        generation: u32,
    },
    /// Nothing starts and what runs is ended, until the pipeline is woken.
    PipelineSlept,
    /// It goes on.
    PipelineWoken,
    /// Nothing can proceed any more. A reset may reopen the pipeline.
    PipelineFinished {
        /// How it ended.
        ending: Ending,
    },
}

/// Amounts of memory are compared as they were decided.
impl Eq for Event {}

impl Event {
    /// Version of the encoding, stored beside each event.
    pub const VERSION: u32 = 1;

    /// Returns the name under which the event is stored and shown.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PipelineCreated { .. } => "pipeline_created",
            Self::NodeQueued { .. } => "node_queued",
            Self::AttemptLeased { .. } => "attempt_leased",
            Self::AttemptUnleased { .. } => "attempt_unleased",
            Self::AttemptReturned { .. } => "attempt_returned",
            Self::AttemptStarted { .. } => "attempt_started",
            Self::AttemptFinished { .. } => "attempt_finished",
            Self::NodeCannotRun { .. } => "node_cannot_run",
            Self::DeadlinePassed { .. } => "deadline_passed",
            Self::CancelRequested => "cancel_requested",
            Self::RunRequested => "run_requested",
            Self::NodeReset { .. } => "node_reset",
            Self::NodeRetried { .. } => "node_retried",
            Self::FailureStood { .. } => "failure_stood",
            Self::ErrorsSkipped { .. } => "errors_skipped",
            Self::NodeSkipped { .. } => "node_skipped",
            Self::NodeUnskipped { .. } => "node_unskipped",
            Self::KillRequested { .. } => "kill_requested",
            Self::NodeEdited { .. } => "node_edited",
            Self::TreeGrown { .. } => "tree_grown",
            Self::GroupReleased { .. } => "group_released",
            Self::PipelineSlept => "pipeline_slept",
            Self::PipelineWoken => "pipeline_woken",
            Self::PipelineFinished { .. } => "pipeline_finished",
        }
    }
}

/// An event in its place in the log of its pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Position in the pipeline's log, from 1. Orders events; times never do.
    pub seq: u64,
    /// When it was decided, by the server's clock.
    pub at: Timestamp,
    /// Who or what caused it.
    pub actor: Actor,
    /// The fact.
    #[serde(flatten)]
    pub event: Event,
}
