//! Events: facts about one pipeline, in the past tense, kept for ever. Their encoding is versioned: a change needs an upcaster.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Actor, Ending, Fence, Launch, NodeIndex, Outcome, WorkerId};

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The node and all below it are pending again.
    NodeReset {
        /// The node.
        node: NodeIndex,
    },
    /// Nothing can proceed any more. A reset may reopen the pipeline.
    PipelineFinished {
        /// How it ended.
        ending: Ending,
    },
}

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
            Self::AttemptStarted { .. } => "attempt_started",
            Self::AttemptFinished { .. } => "attempt_finished",
            Self::NodeCannotRun { .. } => "node_cannot_run",
            Self::DeadlinePassed { .. } => "deadline_passed",
            Self::CancelRequested => "cancel_requested",
            Self::NodeReset { .. } => "node_reset",
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
