//! What an author asks for in advance: when a node comes into this state, do that. Knows no tree and no transitions.

use serde::{Deserialize, Serialize};

use super::NodePath;

/// On which change of its node a callback acts. The words are those of the old serialization (`compat.md` §1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// It stands in its queue.
    Queued,
    /// It runs.
    Running,
    /// It has ended well.
    Done,
    /// It has ended badly and nobody asked for that: exit code, signal, time, memory, a lost container.
    Error,
    /// It was killed: out of time, out of memory, its container lost. A person's kill is final and calls nothing back.
    WorkerError,
    /// Any of these.
    #[serde(rename = "stateChange")]
    StateChange,
}

/// What to do about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Remedy {
    /// Run it again, at most so many times.
    Retry {
        /// How many times beyond the first.
        max_num_retries: u32,
    },
    /// The same; if it still fails, skip it.
    RetryThenSkip {
        /// How many times beyond the first.
        max_num_retries: u32,
    },
    /// Run it again with twice the memory each time, up to what the machine has.
    RetryWithDoubleMem {
        /// How many times beyond the first.
        max_num_retries: u32,
    },
    /// If at most so many leaves below failed, reset and skip them, so that the node ends well.
    SkipSomeErrors {
        /// How many.
        max_num_errors: u32,
    },
    /// After running out of memory, and only then: run it again with twice the memory.
    HandleMemoryErrors {
        /// GiB. Below the first bound always, between the two once, above the second never.
        mem_limits: (f64, f64),
        /// Seconds. An attempt that took longer is not repeated.
        max_duration: f64,
    },
    /// The node has printed a pipeline: it becomes the tree at this place.
    DeserializeIntoNode {
        /// Where it grows.
        target: NodePath,
    },
}

/// Amounts are compared as the author wrote them, never as results of arithmetic.
impl Eq for Remedy {}

impl Remedy {
    /// Returns the name by which authors know it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Retry { .. } => "retry",
            Self::RetryThenSkip { .. } => "retry_then_skip",
            Self::RetryWithDoubleMem { .. } => "retry_with_double_mem",
            Self::SkipSomeErrors { .. } => "skip_some_errors",
            Self::HandleMemoryErrors { .. } => "handle_memory_errors",
            Self::DeserializeIntoNode { .. } => "deserialize_into_node",
        }
    }
}

/// One callback of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    /// When.
    pub on: On,
    /// What.
    #[serde(flatten)]
    pub remedy: Remedy,
    /// Whether it also acts for every Exec node below, each by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inherited: bool,
}
