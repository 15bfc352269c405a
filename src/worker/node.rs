//! One running node: its process, its pipes, and the way to its end. Knows no socket.

use std::{collections::BTreeMap, ffi::OsString, time::Duration};

use nix::{
    sys::{signal::Signal, wait::WaitStatus},
    unistd::Pid,
};
use tokio::time::Instant;

use super::{
    memory::OutOfMemory,
    processes::{self, Reach},
    protocol::Start,
    secret::Secret,
    spawn::{Program, Spawner},
    streams::Streams,
    workspace::Workspace,
};
use crate::model::{Fence, Isolation, KillReason, Outcome};

/// How long a left-over process that holds a pipe may go on writing after the node's end.
const LINGER: Duration = Duration::from_millis(500);

/// Between two rounds of SIGKILL.
const KILL_AGAIN: Duration = Duration::from_millis(20);

/// After how many rounds a process is taken for unkillable.
const KILL_ROUNDS: u32 = 250;

/// A node whose process was started.
pub(crate) struct Node {
    pub(crate) fence: Fence,
    pub(crate) pid: Pid,
    pub(crate) streams: Streams,
    /// Bytes of output so far, both streams together.
    pub(crate) log_bytes: u64,
    grace: Duration,
    deadline: Option<Instant>,
    stopped: Option<KillReason>,
    exit: Option<WaitStatus>,
    /// Which processes are its own.
    reach: Reach,
    /// Whether those that it leaves behind may stay.
    keep: bool,
    own_left: bool,
    /// When what is left is killed; set once the node is stopped or has ended.
    kill_at: Option<Instant>,
    kills: u32,
    /// Until when its pipes are read, once its processes are gone or may stay.
    read_until: Option<Instant>,
    out_of_memory_before: u64,
}

impl Node {
    /// Starts a node's process. Its secrets win over its environment.
    ///
    /// # Errors
    /// With words for people, when there is nothing that could be started.
    pub(crate) fn start(
        start: &Start,
        secrets: &[Secret],
        workspace: &mut Workspace,
        spawner: &mut Spawner,
        mut streams: Streams,
        memory: &OutOfMemory,
    ) -> Result<Self, String> {
        let mut environment: BTreeMap<OsString, OsString> =
            start.env.iter().map(|(name, value)| (name.into(), value.into())).collect();
        environment.extend(secrets.iter().map(|secret| (secret.name.as_str().into(), secret.expose().into())));
        environment.insert("HOME".into(), workspace.home().into());
        environment.insert("TMPDIR".into(), workspace.temporary().into());
        // A group's container is kept as it is, changes and all.
        let isolation = if start.keep { Isolation::Shared } else { start.isolation };
        let confinement = workspace.confinement(isolation)?;
        let (shell, script) = workspace.hand_over(&start.command, start.shell.as_deref())?;
        let out_of_memory_before = memory.count();
        let reach = if start.keep { Reach::newcomers() } else { Reach::Everybody };
        let program = Program { path: &shell, arguments: &[script.as_os_str()], environment };
        let pid = spawner
            .spawn(program, &streams, confinement.as_ref())
            .map_err(|error| format!("the command could not be started with {}: {error}", shell.display()))?;
        if start.keep {
            streams.let_go();
        }
        let now = Instant::now();
        Ok(Self {
            fence: start.fence,
            pid,
            streams,
            log_bytes: 0,
            grace: Duration::from_millis(start.grace_ms),
            deadline: now.checked_add(Duration::from_millis(start.max_time_ms)),
            stopped: None,
            exit: None,
            reach,
            keep: start.keep,
            own_left: true,
            kill_at: None,
            kills: 0,
            read_until: None,
            out_of_memory_before,
        })
    }

    /// Asks all of its processes to end, and sees to it that they do. The first reason counts.
    pub(crate) fn stop(&mut self, reason: KillReason, now: Instant) {
        if self.stopped.is_some() || self.exit.is_some() {
            return;
        }
        self.stopped = Some(reason);
        self.kill_at = Some(now.checked_add(self.grace).unwrap_or(now + Duration::from_secs(3600)));
        self.reach.signal(Signal::SIGTERM);
    }

    /// Collects processes that have ended.
    pub(crate) fn reap(&mut self) {
        let (main, exit) = (self.pid, &mut self.exit);
        let children_left = processes::reap(|pid, status| {
            if pid == main {
                *exit = Some(status);
            }
        });
        self.own_left = match (self.exit, self.stopped) {
            (None, _) => true,
            (Some(_), None) if self.keep => false,
            (Some(_), _) => self.reach.is_anybody_left(children_left),
        };
        if self.exit.is_some() && self.own_left {
            // It matters from now on whether those who stay can still say something.
            self.streams.let_go();
        }
    }

    /// Does what is due; says whether the node has ended, its processes are gone or may stay, and its output is read.
    pub(crate) fn advance(&mut self, now: Instant) -> bool {
        if self.exit.is_none() && self.deadline.is_some_and(|deadline| now >= deadline) {
            self.stop(KillReason::Timeout, now);
        }
        if self.exit.is_some() && self.own_left && self.kill_at.is_none() {
            let patience = if self.is_heard() { LINGER } else { Duration::ZERO };
            self.kill_at = Some(now + patience);
        }
        if self.exit.is_some() && self.stopped.is_none() && !self.is_heard() {
            // Nothing more can be said: nothing to wait for.
            self.kill_at = self.kill_at.map(|at| if self.kills == 0 { now } else { at });
        }
        if self.own_left && self.kill_at.is_some_and(|at| now >= at) && self.kills < KILL_ROUNDS {
            self.reach.signal(Signal::SIGKILL);
            self.kills += 1;
            self.kill_at = Some(now + KILL_AGAIN);
            self.reap();
        }
        if self.exit.is_none() {
            return false;
        }
        if self.is_dirty() {
            return true;
        }
        if self.own_left {
            return false;
        }
        if self.streams.are_ours() {
            return self.streams.is_all_read();
        }
        // A pipe may be in the hands of somebody who stays.
        !self.is_heard() || now >= *self.read_until.get_or_insert(now + LINGER)
    }

    /// Says whether something could not be killed; nothing else may run beside it.
    pub(crate) fn is_dirty(&self) -> bool {
        self.own_left && self.kills >= KILL_ROUNDS
    }

    /// Returns when [`Self::advance`] has something to do though nothing happens.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        let deadline = if self.exit.is_none() && self.stopped.is_none() { self.deadline } else { None };
        let kill_at = if self.own_left { self.kill_at } else { None };
        [deadline, kill_at, self.read_until].into_iter().flatten().min()
    }

    fn is_heard(&self) -> bool {
        self.streams.is_any_open()
    }

    /// Returns how it ended, once [`Self::advance`] said so.
    pub(crate) fn outcome(&self, memory: &OutOfMemory) -> Outcome {
        const SIGKILL_BY_SHELL: i32 = 128 + Signal::SIGKILL as i32;
        if let Some(reason) = self.stopped {
            return Outcome::Stopped { reason };
        }
        let out_of_memory = || memory.count() > self.out_of_memory_before;
        match self.exit {
            Some(WaitStatus::Signaled(_, Signal::SIGKILL, _) | WaitStatus::Exited(_, SIGKILL_BY_SHELL))
                if out_of_memory() =>
            {
                Outcome::OutOfMemory
            }
            Some(WaitStatus::Exited(_, code)) => Outcome::Exited { code },
            Some(WaitStatus::Signaled(_, signal, _)) => Outcome::Signaled { signal: signal as i32 },
            other => Outcome::Infrastructure { message: format!("the process ended in an unknown way: {other:?}") },
        }
    }
}
