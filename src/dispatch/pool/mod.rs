//! Who runs what: queues of ready leaves, the workers that drain them, and the slots of this machine.
//!
//! One task owns it all and never waits for anybody: whatever takes time is done by a task of its own that reports back.
//! `book` is the plain bookkeeping and decides; `chores` are the tasks; `room` is the loop between them.

mod book;
mod chores;
mod queue;
mod room;

#[cfg(test)]
mod tests;

pub(super) use chores::give_up;
pub(super) use queue::QueueKey;
pub(super) use room::{Message, run};
