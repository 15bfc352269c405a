//! What worker and server say to one another. Shared by both ends; knows no transport beyond "one frame, one message".
//!
//! Text messages are JSON; node output is binary, since it need not be text. Numbered messages of the worker stay in its spool
//! until acknowledged and are sent again after a reconnect, so the server must take each of them twice without harm: output by
//! its offset, the rest by its fence.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::secret::Secret;
use crate::model::{Fence, Isolation, KillReason, Outcome};

/// Version of this protocol; both ends are the same binary, a difference means a mixed installation.
pub const VERSION: u32 = 1;

/// File name of the worker's socket inside its directory.
pub const SOCKET: &str = "worker.sock";

/// Which of a node's streams a piece of output came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Words of Conducto itself (image pulls, reasons for an end), never of the command.
    Notice,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// Returns the byte that stands for the stream on the wire and in log files.
    pub fn code(self) -> u8 {
        match self {
            Self::Notice => 0,
            Self::Stdout => 1,
            Self::Stderr => 2,
        }
    }

    /// Reads the byte.
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Notice, Self::Stdout, Self::Stderr].into_iter().find(|stream| stream.code() == code)
    }
}

/// A node to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The attempt. A worker refuses one that is not above all it has seen, and answers an equal one as it did before.
    pub fence: Fence,
    /// The author's script.
    pub command: String,
    /// Environment of the node, complete but for HOME, TMPDIR, PATH and what the container brings.
    pub env: BTreeMap<String, String>,
    /// Longest time in milliseconds, measured by the worker.
    pub max_time_ms: u64,
    /// Time in milliseconds between SIGTERM and SIGKILL.
    pub grace_ms: u64,
    /// Whether the node shares its container with the others of its group: nothing is cleaned before it or after it, its
    /// processes stay.
    #[serde(default)]
    pub keep: bool,
    /// Whether it runs in a throw-away layer over the image. Means nothing together with `keep`.
    #[serde(default = "shared")]
    pub isolation: Isolation,
    /// The shell to run the script with, an absolute path in the container; without one the worker finds one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// Whether the worker has to ask for the node's secrets before it begins: they do not travel ahead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secrets: bool,
}

fn shared() -> Isolation {
    Isolation::Shared
}

/// What the server says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToWorker {
    /// The answer to `Hello`.
    Welcome {
        /// At the first connection: the key that any later connection must show. Kept in the worker's memory only.
        resume_key: Option<String>,
        /// How often both ends say something, in milliseconds.
        heartbeat_ms: u64,
        /// After how long without a word of the server the worker ends its node and itself, in milliseconds.
        orphan_ms: u64,
    },
    /// Run this node.
    Start(Box<Start>),
    /// End this attempt: SIGTERM to all of its processes, after the grace time SIGKILL.
    Stop {
        /// Which attempt.
        fence: Fence,
        /// What to report it as.
        reason: KillReason,
    },
    /// Give this attempt back if its command has not begun; the answer is `Returned`. One that has begun goes on. A worker that
    /// is ended from outside gives back what has not begun without being asked.
    Recall {
        /// Which attempt.
        fence: Fence,
    },
    /// The answer to `Wants`: the node's secrets, which win over its environment. Not kept, not repeated.
    Secrets {
        /// Which attempt.
        fence: Fence,
        /// Each of them.
        secrets: Vec<Secret>,
    },
    /// The other answer: there is no having them, and so the node cannot run.
    NoSecrets {
        /// Which attempt.
        fence: Fence,
        /// Why, for people.
        message: String,
    },
    /// All of the worker's messages up to this number are safe.
    Ack {
        /// The number.
        seq: u64,
    },
    /// Still here.
    Heartbeat,
    /// The queue is empty: exit when the current node has ended and is acknowledged.
    Bye,
}

/// What the worker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromWorker {
    /// The first message of every connection.
    Hello(Hello),
    /// A numbered message.
    Numbered {
        /// Position among this worker's numbered messages, from 1.
        seq: u64,
        /// The message.
        message: Message,
    },
    /// The node of this attempt is about to begin: it needs its secrets. Said again on every connection until answered.
    Wants {
        /// Which attempt.
        fence: Fence,
    },
    /// Still here.
    Heartbeat,
}

/// How a worker introduces itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`] of the worker.
    pub version: u32,
    /// The key of the first connection; absent on the first.
    pub resume_key: Option<String>,
    /// The attempt that runs now.
    pub running: Option<Fence>,
    /// The highest fence it was ever told to start.
    pub last_fence: Option<Fence>,
}

/// A message that must not be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The command runs.
    Started {
        /// Which attempt.
        fence: Fence,
        /// Process id as the worker sees it.
        pid: u32,
    },
    /// The attempt was called back before its command began; it never will here.
    Returned {
        /// Which attempt.
        fence: Fence,
    },
    /// The command printed something.
    Output {
        /// Which attempt.
        fence: Fence,
        /// On which stream.
        stream: Stream,
        /// How many bytes, of both streams together, this attempt had sent before.
        offset: u64,
        /// The bytes.
        data: Vec<u8>,
    },
    /// The attempt has ended, all of its processes are gone, all of its output is sent.
    Finished {
        /// Which attempt.
        fence: Fence,
        /// How.
        outcome: Outcome,
        /// Bytes of output, both streams together.
        log_bytes: u64,
    },
}
