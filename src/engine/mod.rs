//! Floor 2: how a pipeline goes on. Pure: no async, no clock, no randomness, no IO; the same events give the same state.
//!
//! * `pipeline` is the state, `settle` lets groups go on and finish, `gates` holds back what has no room.
//! * `people` is what people do (reset, skip, sleep …), `remedies` what callbacks do about failures, `growth` what Lazy nodes do.
//! * `why` answers why a node does not run.
//!
//! A command is put to [`execute`]: `decide` turns it into events (or rejects it), `evolve` folds each into the state,
//! `follow_ups` adds the facts that result (leaves that may now be queued, the end of the pipeline). Whoever called commits the
//! events, and only then carries out what [`effects`] makes of them. [`replay`] rebuilds the state from the log.
#![warn(missing_docs)]

mod decide;
mod effects;
mod evolve;
mod execute;
mod gates;
mod growth;
mod people;
mod pipeline;
mod remedies;
mod settle;
mod why;

#[cfg(test)]
mod tests;

pub use effects::effects;
pub use execute::{BadLog, execute, launch, replay};
pub use pipeline::{Attempt, Leaf, Pipeline};
pub use why::{must_stop, waits_for};
