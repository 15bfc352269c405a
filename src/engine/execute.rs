//! One step: decide, evolve, follow up. The only way to change a pipeline; commits and effects are the caller's.

use jiff::Timestamp;

use super::{
    decide::{decide, follow_up},
    pipeline::Pipeline,
};
use crate::model::{Actor, Asked, Event, Launch, Recorded, Rejected};

/// A log that does not begin with the birth of a pipeline, or has a hole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event log is damaged at position {0}")]
pub struct BadLog(pub u64);

/// Brings a pipeline into being. Returns its state and its first events.
pub fn launch(launch: Launch, now: Timestamp, actor: Actor) -> (Pipeline, Vec<Recorded>) {
    let created = Recorded { seq: 1, at: now, actor, event: Event::PipelineCreated { launch: Box::new(launch) } };
    let mut pipeline = Pipeline::born(&created).expect("the event is a birth");
    let mut events = vec![created];
    follow(&mut pipeline, now, &mut events);
    (pipeline, events)
}

/// Puts a command to a pipeline. On success the state has moved on and the events are to be committed; if they cannot be,
/// the state must be thrown away and replayed.
///
/// # Errors
/// [`Rejected`] when the command changes nothing; the state is as it was.
pub fn execute(pipeline: &mut Pipeline, now: Timestamp, asked: &Asked) -> Result<Vec<Recorded>, Rejected> {
    let decided = decide(pipeline, now, &asked.command)?;
    let mut events = Vec::with_capacity(decided.len() + 1);
    for event in decided {
        let recorded = Recorded { seq: pipeline.seq + 1, at: now, actor: asked.actor.clone(), event };
        pipeline.evolve(&recorded);
        events.push(recorded);
    }
    follow(pipeline, now, &mut events);
    Ok(events)
}

/// Rebuilds a pipeline from its log.
///
/// # Errors
/// [`BadLog`] names the first position that does not fit.
pub fn replay<'a>(events: impl IntoIterator<Item = &'a Recorded>) -> Result<Pipeline, BadLog> {
    let mut events = events.into_iter();
    let first = events.next().ok_or(BadLog(1))?;
    let mut pipeline = Pipeline::born(first).filter(|_| first.seq == 1).ok_or(BadLog(1))?;
    for recorded in events {
        if recorded.seq != pipeline.seq + 1 {
            return Err(BadLog(pipeline.seq + 1));
        }
        pipeline.evolve(recorded);
    }
    Ok(pipeline)
}

fn follow(pipeline: &mut Pipeline, now: Timestamp, events: &mut Vec<Recorded>) {
    while let Some((actor, event)) = follow_up(pipeline) {
        let recorded = Recorded { seq: pipeline.seq + 1, at: now, actor, event };
        pipeline.evolve(&recorded);
        events.push(recorded);
    }
}
