//! One worker as the pool's book knows it, and what it works at. Plain data; knows no other workers.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::queue::Queue;
use crate::model::{Fence, KillReason, NodeIndex};

/// Where a worker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dispatch) enum Phase {
    /// Promised to a leaf; nothing of it exists yet.
    Promised,
    /// Its container is being made ready, or it has not dialled yet.
    Starting,
    /// It has dialled at least once.
    Ready,
    /// It is being removed.
    Leaving,
}

/// How a worker stands that came up before anybody needed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standby {
    /// Its pipeline does not exist yet.
    Spare,
    /// Its pipeline does, and the worker has not heard of a leaf.
    Taken,
}

/// How far a leaf has come with its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// The pipeline is asked for it.
    Asked,
    /// The pipeline has said yes, the worker has not heard of it.
    Leased,
    /// The worker was told, or will be as soon as it dials.
    Sent,
    /// Its command has begun.
    Begun,
}

/// A leaf that a worker has, or will have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) node: NodeIndex,
    pub(super) fence: Fence,
    pub(super) step: Step,
    /// By when it must have ended, once it was to be stopped.
    pub(super) stop_by: Option<(Timestamp, KillReason)>,
    /// Whether it is wanted back, unless it has begun.
    pub(super) is_recalled: bool,
}

/// One worker.
#[derive(Clone, Debug)]
pub(super) struct Worker {
    pub(super) queue: Queue,
    pub(super) phase: Phase,
    /// In the order of their turn: what runs, then what was sent ahead.
    pub(super) works: VecDeque<Work>,
    pub(super) born_at: Timestamp,
    /// Since when the first of its works is the first, or (without any) since when it has none.
    pub(super) turned_at: Timestamp,
    /// Since when it has no connection; nothing while it has one.
    pub(super) silent_since: Option<Timestamp>,
    /// Whether the runtime is being asked about it.
    pub(super) is_checked: bool,
    /// Whether a command has begun in it.
    pub(super) has_served: bool,
    /// Whether it gets nothing more and goes when it has nothing left.
    pub(super) is_dismissed: bool,
    /// Nothing for workers that were made for a leaf.
    pub(super) standby: Option<Standby>,
}

impl Work {
    pub(super) fn new(node: NodeIndex, fence: Fence) -> Self {
        Self { node, fence, step: Step::Asked, stop_by: None, is_recalled: false }
    }
}

impl Worker {
    pub(super) fn promised(queue: Queue, now: Timestamp) -> Self {
        Self {
            queue,
            phase: Phase::Promised,
            works: VecDeque::new(),
            born_at: now,
            turned_at: now,
            silent_since: None,
            is_checked: false,
            has_served: false,
            is_dismissed: false,
            standby: None,
        }
    }

    /// Whether it may get a leaf at once.
    pub(super) fn is_idle(&self) -> bool {
        self.stands_by() || (self.is_available() && self.works.is_empty())
    }

    /// Whether it was up before its pipeline was, and has nothing to do yet.
    pub(super) fn stands_by(&self) -> bool {
        self.standby == Some(Standby::Taken) && self.works.is_empty() && !self.is_dismissed
    }

    /// Whether it takes leaves: now, or when it has ended what it has.
    pub(super) fn is_available(&self) -> bool {
        self.phase == Phase::Ready && self.silent_since.is_none() && !self.is_dismissed && self.standby.is_none()
    }

    /// Whether it takes a share of the machine. One that stands by does not. The container of a group that waits for its next leaf does not: that leaf
    /// may depend on others which need the share.
    pub(super) fn holds(&self) -> bool {
        if self.standby.is_some() && self.works.is_empty() {
            return false;
        }
        let is_at_rest = self.works.is_empty() && matches!(self.phase, Phase::Starting | Phase::Ready);
        self.queue.group.is_none() || !is_at_rest
    }

    pub(super) fn work(&mut self, fence: Fence) -> Option<&mut Work> {
        self.works.iter_mut().find(|work| work.fence == fence)
    }

    /// Takes a work out. Returns whether it was the one whose turn it is.
    pub(super) fn drop_work(&mut self, fence: Fence, now: Timestamp) -> Option<bool> {
        let at = self.works.iter().position(|work| work.fence == fence)?;
        self.works.remove(at);
        if at == 0 {
            self.turned_at = now;
        }
        Some(at == 0)
    }
}
