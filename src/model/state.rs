//! The states users see, how attempts end, and the counts groups show. Knows no tree and no transitions.

use serde::{Deserialize, Serialize};

/// The state of a node. A separate `skipped` flag may accompany any of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not reached yet, or reset.
    #[default]
    Pending,
    /// Its predecessors are satisfied; it waits for a worker.
    Queued,
    /// Its command runs; for a group, something below it runs.
    Running,
    /// Ended well.
    Done,
    /// Its command ended with another exit code than 0; for a group, something below it failed.
    Error,
    /// Its command did not end on its own (the old `worker_error`); a [`KillReason`] says why.
    Killed,
}

impl State {
    /// All states, in the order in which counts show them.
    pub const ALL: [Self; 6] = [Self::Pending, Self::Queued, Self::Running, Self::Done, Self::Error, Self::Killed];

    /// Says whether the node has ended.
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Done | Self::Error | Self::Killed)
    }

    /// Says whether the node has ended badly.
    pub fn is_failed(self) -> bool {
        matches!(self, Self::Error | Self::Killed)
    }

    /// Returns the letter that stands for the state in counts: P Q R D E K.
    pub fn letter(self) -> char {
        match self {
            Self::Pending => 'P',
            Self::Queued => 'Q',
            Self::Running => 'R',
            Self::Done => 'D',
            Self::Error => 'E',
            Self::Killed => 'K',
        }
    }

    /// Returns the lower-case word for the state.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Error => "error",
            Self::Killed => "killed",
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

/// Why a command was ended by somebody else than itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KillReason {
    /// A person asked for it.
    User,
    /// `max_time` of the node or of a group above it passed.
    Timeout,
    /// The kernel ended it for want of memory.
    OutOfMemory,
    /// Its container, worker or image could not be had, or went away.
    Infrastructure,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// The command ended on its own.
    Exited {
        /// Exit code, 0 to 255.
        code: i32,
    },
    /// A signal that nobody here sent ended the command.
    Signaled {
        /// Signal number, as in `signal(7)`.
        signal: i32,
    },
    /// It was stopped on order.
    Stopped {
        /// Why the order was given.
        reason: KillReason,
    },
    /// The kernel's out-of-memory killer ended it.
    OutOfMemory,
    /// It ended well, but what it printed is no pipeline, though that was what it ran for.
    Unreadable {
        /// What is wrong with it, for people.
        message: String,
    },
    /// It never ran, or what it ran in went away.
    Infrastructure {
        /// What happened, for people.
        message: String,
    },
}

impl Outcome {
    /// Returns the state of a leaf whose last attempt ended so.
    pub fn state(&self) -> State {
        match self {
            Self::Exited { code: 0 } => State::Done,
            Self::Exited { .. } | Self::Signaled { .. } | Self::Unreadable { .. } => State::Error,
            Self::Stopped { .. } | Self::OutOfMemory | Self::Infrastructure { .. } => State::Killed,
        }
    }

    /// Returns why it was killed, where it was.
    pub fn kill_reason(&self) -> Option<KillReason> {
        match self {
            Self::Exited { .. } | Self::Signaled { .. } | Self::Unreadable { .. } => None,
            Self::Stopped { reason } => Some(*reason),
            Self::OutOfMemory => Some(KillReason::OutOfMemory),
            Self::Infrastructure { .. } => Some(KillReason::Infrastructure),
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited { code } => write!(f, "exit {code}"),
            Self::Signaled { signal } => write!(f, "ended by signal {signal}"),
            Self::Stopped { reason: KillReason::User } => f.write_str("stopped on request"),
            Self::Stopped { reason: KillReason::Timeout } => f.write_str("max_time exceeded"),
            Self::Stopped { reason: KillReason::OutOfMemory } | Self::OutOfMemory => f.write_str("out of memory"),
            Self::Stopped { reason: KillReason::Infrastructure } => f.write_str("its worker was stopped from outside"),
            Self::Unreadable { message } | Self::Infrastructure { message } => f.write_str(message),
        }
    }
}

/// How a whole pipeline ended; decides the commit status (`decisions.md` 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Everything that had to run is done.
    Done,
    /// A command failed, ran out of time or out of memory.
    Failed,
    /// A person cancelled it.
    Cancelled,
    /// Something under the commands failed: image, container, worker.
    Infrastructure,
}

/// How many leaves below a node are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Counts {
    /// Leaves that are pending.
    pub pending: u32,
    /// Leaves that are queued.
    pub queued: u32,
    /// Leaves that are running.
    pub running: u32,
    /// Leaves that are done.
    pub done: u32,
    /// Leaves that ended in error.
    pub error: u32,
    /// Leaves that were killed.
    pub killed: u32,
}

impl Counts {
    /// Returns the count for a state.
    pub fn of(&self, state: State) -> u32 {
        match state {
            State::Pending => self.pending,
            State::Queued => self.queued,
            State::Running => self.running,
            State::Done => self.done,
            State::Error => self.error,
            State::Killed => self.killed,
        }
    }

    /// Returns the number of all leaves.
    pub fn total(&self) -> u32 {
        State::ALL.into_iter().map(|state| self.of(state)).sum()
    }

    /// Returns the number of leaves that ended badly.
    pub fn failed(&self) -> u32 {
        self.error + self.killed
    }

    /// Returns the number of leaves that have ended.
    pub fn finished(&self) -> u32 {
        self.done + self.failed()
    }

    pub(crate) fn slot(&mut self, state: State) -> &mut u32 {
        match state {
            State::Pending => &mut self.pending,
            State::Queued => &mut self.queued,
            State::Running => &mut self.running,
            State::Done => &mut self.done,
            State::Error => &mut self.error,
            State::Killed => &mut self.killed,
        }
    }
}
