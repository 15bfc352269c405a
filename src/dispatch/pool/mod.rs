//! Who runs what: queues of ready leaves, the workers that drain them, and what the machine gives them.
//!
//! One task owns it all and never waits for anybody: whatever takes time is done by a task of its own that reports back.
//! `book` is the plain bookkeeping and decides, with `works`, `workers`, `growth` and `reason` as its chapters; `start`,
//! `leave` and `chores` are the tasks; `room` is the loop between them.

mod book;
mod budget;
mod chores;
mod growth;
mod leave;
mod queue;
mod reason;
mod room;
mod spare;
mod start;
mod tempo;
mod worker;
mod workers;
mod works;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(super) use book::{Book, End, Lots, Wish};
#[cfg(test)]
pub(super) use workers::Gone;
#[cfg(test)]
pub(super) use works::stop_deadline;

pub use budget::{Amounts, Budget};
pub(super) use chores::refuse;
pub(super) use leave::give_up;
pub(super) use queue::{Queue, QueueKey};
pub(super) use reason::Reason;
pub(super) use room::{Lease, Message, run};
