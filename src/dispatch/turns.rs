//! Lets pipelines begin that wait for others of their section and branch, when these are over: one after the other, in the
//! order of what launched them. Keeps no books of its own: what the store says decides, so a crash loses nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Notify, OwnedMutexGuard};

use super::{error::Error, shared::Shared};
use crate::{
    model::{Actor, Command, Hold, PipelineId},
    store::turns::{self, Rival},
};

/// What changes is told; this is for what is not.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// What the rooms of dispatch share about turns.
#[derive(Default)]
pub(super) struct Turns {
    /// Held from looking who is at work until what follows from it is committed: two that look at the same time would both
    /// find nobody.
    lock: Arc<tokio::sync::Mutex<()>>,
    changed: Notify,
    /// Which pipeline each of those that wait waits for.
    before: Mutex<HashMap<PipelineId, PipelineId>>,
}

impl Turns {
    /// Waits until nobody else decides who is in whose way.
    pub(super) async fn lock(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.lock).lock_owned().await
    }

    /// Says that a pipeline waits now, or that one is over.
    pub(super) fn have_changed(&self) {
        self.changed.notify_one();
    }

    /// Returns the pipeline that one waits for, as far as that is known.
    pub(super) fn before(&self, id: &PipelineId) -> Option<PipelineId> {
        self.books().get(id).cloned()
    }

    fn books(&self) -> MutexGuard<'_, HashMap<PipelineId, PipelineId>> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says whether a pipeline is at work, or will be without anybody's word. One that sleeps is once what ran has stopped.
pub(super) fn is_at_work(rival: &Rival) -> bool {
    match rival.hold {
        // Whether somebody ever says so is not known.
        Some(Hold::Approval | Hold::Manual) => false,
        Some(Hold::Turn) => !rival.is_asleep,
        None => !rival.is_asleep || rival.is_live,
    }
}

/// Returns the pipeline that goes before one at this position: whoever has begun, and of those that wait, who came earlier.
pub(super) fn goes_before(rivals: &[Rival], position: i64) -> Option<&Rival> {
    let goes_before = |rival: &&Rival| is_at_work(rival) && (rival.hold.is_none() || rival.position < position);
    // The nearest: it is the last of them to be over.
    rivals.iter().filter(goes_before).max_by_key(|rival| (rival.position < position, rival.position))
}

/// Starts whose turn it is until the server stops; at once, whose turn it became while no server ran.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        match look(&shared).await {
            Ok(()) => {}
            Err(Error::Stopping) => return,
            Err(error) => tracing::error!(error = %error, "whose turn it is cannot be told"),
        }
        tokio::select! {
            () = shared.turns.changed.notified() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            () = shared.stop.cancelled() => return,
        }
    }
}

async fn look(shared: &Arc<Shared>) -> Result<(), Error> {
    let _nobody_else_decides = shared.turns.lock().await;
    let contested = shared.store.read(|connection| {
        let keys = turns::contested(connection)?;
        keys.iter().map(|key| turns::rivals(connection, key)).collect::<Result<Vec<_>, _>>()
    });
    let mut before = HashMap::new();
    for rivals in contested.await? {
        let waiting = rivals.iter().filter(|rival| rival.hold == Some(Hold::Turn) && !rival.is_asleep);
        for rival in waiting {
            match goes_before(&rivals, rival.position) {
                Some(earlier) => drop(before.insert(rival.id.clone(), earlier.id.clone())),
                None => start(shared, &rival.id).await?,
            }
        }
    }
    *shared.turns.books() = before;
    Ok(())
}

async fn start(shared: &Arc<Shared>, id: &PipelineId) -> Result<(), Error> {
    match shared.ask(id, Command::Run.by(Actor::Server), None).await {
        Ok(_) => tracing::info!(pipeline = %id, "its turn has come"),
        Err(Error::Stopping) => return Err(Error::Stopping),
        // Somebody was quicker.
        Err(Error::Rejected(_)) => {}
        // One that cannot be had is no reason to keep those of other branches waiting.
        Err(error) => tracing::error!(pipeline = %id, error = %error, "its turn has come, and it cannot be started"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rival(position: i64, hold: Option<Hold>) -> Rival {
        let id = PipelineId::parse(&format!("aaa-aa{}", char::from(b'a' + u8::try_from(position).unwrap()))).unwrap();
        Rival { id, position, sha: String::new(), hold, is_asleep: false, is_live: hold.is_none() }
    }

    fn before(rivals: &[Rival], position: i64) -> Option<i64> {
        goes_before(rivals, position).map(|rival| rival.position)
    }

    #[test]
    fn those_that_wait_go_in_the_order_of_what_launched_them() {
        let rivals = [rival(1, None), rival(2, Some(Hold::Turn)), rival(3, Some(Hold::Turn))];
        assert_eq!((before(&rivals, 2), before(&rivals, 3), before(&rivals, 4)), (Some(1), Some(2), Some(3)));
        assert_eq!((before(&rivals[1..], 2), before(&rivals[1..], 3)), (None, Some(2)));
    }

    #[test]
    fn a_late_one_waits_for_whoever_has_begun_but_not_for_those_that_came_after_it() {
        let rivals = [rival(2, None), rival(3, Some(Hold::Turn))];
        assert_eq!(before(&rivals, 1), Some(2));
        assert_eq!(before(&rivals[1..], 1), None);
    }

    #[test]
    fn one_that_waits_for_a_person_is_in_nobodys_way() {
        let rivals = [rival(1, Some(Hold::Approval)), rival(2, Some(Hold::Manual))];
        assert_eq!(before(&rivals, 3), None);
    }

    #[test]
    fn one_that_sleeps_is_in_the_way_until_what_ran_has_stopped() {
        let sleeping = |is_live| Rival { is_asleep: true, is_live, ..rival(1, None) };
        assert_eq!((before(&[sleeping(true)], 2), before(&[sleeping(false)], 2)), (Some(1), None));
        let held = Rival { is_asleep: true, ..rival(1, Some(Hold::Turn)) };
        assert_eq!(before(&[held], 2), None);
    }
}
