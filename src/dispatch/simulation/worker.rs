//! A worker, by the contract of the real one: it keeps what it says until that is acknowledged, runs one node at a time,
//! and begins nothing that is not new.

use std::collections::VecDeque;

use super::agenda::Moment;
use crate::{
    dispatch::pool::Queue,
    model::{Fence, KillReason, Outcome, WorkerId},
    worker::protocol::{Message, Start},
};

/// How many messages may be on their way without an acknowledgement.
const WINDOW: usize = 16;

/// A command that runs.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) fence: Fence,
    pub(super) log_bytes: u64,
    /// How it ends when nobody interferes, and when.
    pub(super) outcome: Outcome,
    pub(super) ends_at: Moment,
    /// Whether it does not heed to be stopped, nor its own limit of time.
    pub(super) is_stubborn: bool,
}

/// Where a worker's process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Runs,
    Exited { out_of_memory: bool },
}

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) id: WorkerId,
    /// What its container was made for.
    pub(super) made_for: Queue,
    pub(super) life: Life,
    /// The connection, as far as it knows.
    pub(super) line: Option<u64>,
    pub(super) heard_at: Moment,
    next_seq: u64,
    spool: VecDeque<(u64, Message)>,
    /// How many of these were sent on this connection.
    sent: usize,
    pub(super) queue: VecDeque<Start>,
    pub(super) node: Option<Running>,
    last_fence: Option<Fence>,
    ended: VecDeque<(Fence, Outcome, u64)>,
    pub(super) is_dismissed: bool,
    /// Sabotage: takes every start for new.
    pub(super) forgets_fences: bool,
    /// Sabotage: takes what it has sent for safe.
    pub(super) is_careless: bool,
}

impl Worker {
    pub(super) fn new(id: WorkerId, made_for: Queue, now: Moment) -> Self {
        Self {
            id,
            made_for,
            life: Life::Runs,
            line: None,
            heard_at: now,
            next_seq: 1,
            spool: VecDeque::new(),
            sent: 0,
            queue: VecDeque::new(),
            node: None,
            last_fence: None,
            ended: VecDeque::new(),
            is_dismissed: false,
            forgets_fences: false,
            is_careless: false,
        }
    }

    pub(super) fn say(&mut self, message: Message) {
        self.spool.push_back((self.next_seq, message));
        self.next_seq += 1;
    }

    pub(super) fn finish(&mut self, fence: Fence, outcome: Outcome, log_bytes: u64) {
        self.say(Message::Finished { fence, outcome: outcome.clone(), log_bytes });
        self.ended.push_back((fence, outcome, log_bytes));
    }

    /// Returns what may be sent now on this connection.
    pub(super) fn take_due(&mut self) -> Vec<(u64, Message)> {
        if self.line.is_none() {
            return Vec::new();
        }
        let last = self.spool.len().min(WINDOW);
        let more: Vec<_> = self.spool.range(self.sent.min(last)..last).cloned().collect();
        self.sent = last;
        if self.is_careless {
            self.spool.drain(..last);
            self.sent = 0;
        }
        more
    }

    pub(super) fn acknowledge(&mut self, seq: u64) {
        while self.spool.pop_front_if(|(at, _)| *at <= seq).is_some() {
            self.sent = self.sent.saturating_sub(1);
        }
    }

    pub(super) fn connect(&mut self, line: u64, now: Moment) {
        (self.line, self.sent, self.heard_at) = (Some(line), 0, now);
    }

    pub(super) fn is_finished(&self) -> bool {
        self.is_dismissed && self.node.is_none() && self.queue.is_empty() && self.spool.is_empty()
    }

    /// Takes a node, or answers for one that was taken before.
    pub(super) fn start(&mut self, start: Start) {
        let fence = start.fence;
        if self.forgets_fences || self.last_fence.is_none_or(|last| fence > last) {
            self.last_fence = Some(fence);
            self.queue.push_back(start);
        } else if self.node.as_ref().is_some_and(|node| node.fence == fence) {
            self.say(Message::Started { fence, pid: 1 });
        } else if let Some((_, outcome, log_bytes)) = self.ended.iter().find(|(ended, ..)| *ended == fence).cloned() {
            self.say(Message::Finished { fence, outcome, log_bytes });
        }
    }

    /// Ends an attempt. Returns whether it runs, so that its processes have to be waited for.
    pub(super) fn stop(&mut self, fence: Fence, reason: KillReason) -> bool {
        if self.node.as_ref().is_some_and(|node| node.fence == fence) {
            return true;
        }
        if let Some(at) = self.queue.iter().position(|start| start.fence == fence) {
            self.queue.remove(at);
            self.finish(fence, Outcome::Stopped { reason }, 0);
        }
        false
    }

    pub(super) fn recall(&mut self, fence: Fence) {
        if let Some(at) = self.queue.iter().position(|start| start.fence == fence) {
            self.queue.remove(at);
            self.say(Message::Returned { fence });
        }
    }
}
