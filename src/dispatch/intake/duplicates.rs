//! What becomes of a launch while others of its section and branch are at work: it is dropped, it waits, or they are put to
//! sleep. Commits no launch.

use std::sync::Arc;

use super::{reading::Trouble, writing::Conclusion};
use crate::{
    dispatch::{error::Error, feedback, pool, shared::Shared, turns},
    model::{Actor, Command, Duplicate, Hold, Launch, Trigger},
    store::{
        inbox::{self, Waiting},
        turns::{Rival, rivals},
    },
};

/// Drops or holds what is in the way of others, and puts to sleep what is in its way. Returns words for each that is dropped.
/// Until the conclusion is written down nobody else decides.
pub(super) async fn settle(
    shared: &Arc<Shared>,
    waiting: &Waiting,
    trigger: &Trigger,
    conclusion: &mut Conclusion,
) -> Result<Vec<String>, Trouble> {
    if conclusion.launches.iter().all(|launch| duplicate(launch) == Duplicate::Allow) {
        return Ok(Vec::new());
    }
    conclusion.turns = Some(shared.turns.lock().await);
    if is_repetition(shared, waiting, trigger).await? {
        // It launches nothing, so nothing is in its way. Writing it down says so.
        return Ok(Vec::new());
    }
    let mut dropped = Vec::new();
    for mut launch in std::mem::take(&mut conclusion.launches) {
        let outcome = outcome(shared, waiting.seq, &launch).await?;
        let is_soon = matches!(outcome, Outcome::Begins) || duplicate(&launch) == Duplicate::SleepOld;
        if !is_soon || matches!(outcome, Outcome::Dropped(_)) {
            // What may have been ready for it would stand about.
            shared.tell_pool(pool::Message::DropSpare { pipeline: launch.pipeline.clone() }).await;
        }
        match outcome {
            Outcome::Begins => conclusion.launches.push(launch),
            Outcome::WaitsFor(rival) => {
                launch.hold = Some(Hold::Turn);
                if let Some(turn) = launch.turn.as_mut() {
                    turn.behind = Some(rival.id);
                }
                conclusion.launches.push(launch);
            }
            Outcome::Dropped(rival) => {
                let (section, id) = (&launch.section, &rival.id);
                let is_newer = rival.position > waiting.seq;
                let newer = if is_newer { "newer, and " } else { "" };
                let words = format!("suppressed (conducto.cfg): {id} is {newer}still at work");
                let refusal = feedback::suppression(&shared.options, trigger, section, &waiting.guid, &words);
                // Of the same commit, the one at work tells how it goes.
                conclusion.messages.extend(refusal.filter(|_| rival.sha != trigger.sha));
                let (kind, _) = trigger.subject();
                let newer = if is_newer { "newer " } else { "" };
                dropped.push(format!(
                    "{section} is suppressed: {newer}pipeline {id} of the same section and {kind} is still at work"
                ));
            }
        }
    }
    Ok(dropped)
}

enum Outcome {
    Begins,
    WaitsFor(Rival),
    Dropped(Rival),
}

fn duplicate(launch: &Launch) -> Duplicate {
    launch.turn.as_ref().map(|turn| turn.duplicate).unwrap_or_default()
}

async fn is_repetition(shared: &Shared, waiting: &Waiting, trigger: &Trigger) -> Result<bool, Trouble> {
    let (key, seq) = (trigger.dedupe_key(), waiting.seq);
    let owner = shared.store.read(move |connection| inbox::owner_of_trigger(connection, &key)).await?;
    Ok(owner.is_some_and(|(owner, _)| owner != seq))
}

async fn outcome(shared: &Arc<Shared>, position: i64, launch: &Launch) -> Result<Outcome, Trouble> {
    let Some(turn) = &launch.turn else { return Ok(Outcome::Begins) };
    let mut others = look(shared, &turn.key).await?;
    let at_work = |rival: &&Rival| turns::is_at_work(rival);
    match turn.duplicate {
        Duplicate::Allow => return Ok(Outcome::Begins),
        Duplicate::SuppressNew => {
            return Ok(others.iter().rfind(at_work).cloned().map_or(Outcome::Begins, Outcome::Dropped));
        }
        Duplicate::Defer => {}
        Duplicate::SleepOld => {
            // Its event came before, and could not be dealt with sooner.
            let newer = others.iter().filter(at_work).rfind(|rival| rival.position > position && !rival.is_asleep);
            if let Some(newer) = newer {
                return Ok(Outcome::Dropped(newer.clone()));
            }
            for rival in others.iter().filter(|rival| rival.position < position && !rival.is_asleep) {
                put_to_sleep(shared, rival).await?;
            }
            others = look(shared, &turn.key).await?;
        }
    }
    // Who waits for a person takes the turn when it is let go.
    let earlier = turns::goes_before(&others, position).filter(|_| launch.hold.is_none());
    Ok(earlier.cloned().map_or(Outcome::Begins, Outcome::WaitsFor))
}

async fn look(shared: &Shared, key: &str) -> Result<Vec<Rival>, Trouble> {
    let key = key.to_owned();
    Ok(shared.store.read(move |connection| rivals(connection, &key)).await?)
}

async fn put_to_sleep(shared: &Arc<Shared>, rival: &Rival) -> Result<(), Trouble> {
    match shared.ask(&rival.id, Command::Sleep.by(Actor::Server), None).await {
        Ok(_) => tracing::info!(pipeline = %rival.id, "put to sleep for a newer one"),
        // It has just ended, or is about to.
        Err(Error::Rejected(_)) => {}
        Err(error) => return Err(Trouble::Later(format!("pipeline {} cannot be put to sleep: {error}", rival.id))),
    }
    Ok(())
}
