//! Takes deliveries that are due, a few at a time, and puts off what cannot be dealt with now.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::task::JoinSet;

use super::{
    reading::{Trouble, conclude},
    writing::write_down,
};
use crate::{
    clock,
    dispatch::shared::Shared,
    store::{
        Error,
        inbox::{self, Waiting},
    },
};

/// How many deliveries are dealt with at once.
const AT_ONCE: usize = 4;

/// How often to draw other pipeline ids when one is taken.
const DRAWS: u32 = 5;

const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Deals with deliveries until the server stops.
pub(in crate::dispatch) async fn run(shared: Arc<Shared>) {
    let mut busy: HashSet<i64> = HashSet::new();
    let mut working = JoinSet::new();
    loop {
        let pause = match next(&shared, &busy, working.len()).await {
            Ok(Ok(waiting)) => {
                busy.insert(waiting.seq);
                let shared = Arc::clone(&shared);
                working.spawn(async move {
                    let seq = waiting.seq;
                    deal_with(&shared, waiting).await;
                    seq
                });
                continue;
            }
            Ok(Err(pause)) => pause,
            Err(Error::Closed) => return,
            Err(error) => {
                tracing::error!(error = %error, "the inbox cannot be read");
                LOOK_AGAIN
            }
        };
        tokio::select! {
            () = shared.inbox_changed.notified() => {}
            Some(done) = working.join_next() => match done {
                Ok(seq) => drop(busy.remove(&seq)),
                Err(error) => {
                    tracing::error!(error = %error, "dealing with a delivery ended badly");
                    busy.clear();
                }
            },
            () = tokio::time::sleep(pause) => {}
            () = shared.stop.cancelled() => return,
        }
    }
}

/// Returns the next delivery that is due, or how long there is none.
async fn next(shared: &Shared, busy: &HashSet<i64>, working: usize) -> Result<Result<Waiting, Duration>, Error> {
    if working >= AT_ONCE {
        return Ok(Err(LOOK_AGAIN));
    }
    let (now, busy) = (clock::now(), busy.clone());
    let found = shared
        .store
        .read(move |connection| {
            let due = inbox::next_due(connection, now, &busy)?;
            Ok(match due {
                Some(waiting) => Ok(waiting),
                None => Err(inbox::next_due_at(connection, &busy)?),
            })
        })
        .await?;
    Ok(found.map_err(|due| {
        let left = due.map(|due| Duration::try_from(due.duration_since(now)).unwrap_or(Duration::ZERO));
        left.unwrap_or(LOOK_AGAIN).clamp(Duration::from_millis(10), LOOK_AGAIN)
    }))
}

#[tracing::instrument(skip_all, fields(delivery = %waiting.guid, event = %waiting.event))]
async fn deal_with(shared: &Arc<Shared>, waiting: Waiting) {
    let mut attempt = 0;
    loop {
        let concluded = match conclude(shared, &waiting).await {
            Ok(conclusion) => write_down(shared, waiting.seq, conclusion).await.map_err(Trouble::Store),
            Err(trouble) => Err(trouble),
        };
        match concluded {
            Ok(()) => return,
            // An id was taken: the next draw will hardly be.
            Err(Trouble::Store(Error::Conflict(_))) if attempt < DRAWS => attempt += 1,
            Err(Trouble::Later(words)) => return put_off(shared, &waiting, words).await,
            Err(Trouble::Store(error)) => return put_off(shared, &waiting, error.to_string()).await,
        }
    }
}

async fn put_off(shared: &Shared, waiting: &Waiting, words: String) {
    let pause = Duration::from_secs(2_u64.saturating_pow(waiting.attempts.min(9) + 1).min(600));
    let (seq, until) = (waiting.seq, clock::now() + pause);
    tracing::warn!(reason = %words, "a delivery is put off");
    let words = format!("will be tried again: {words}");
    if let Err(error) = shared.store.write(move |connection| inbox::postpone(connection, seq, until, &words)).await {
        tracing::error!(error = %error, "a delivery cannot be put off");
    }
}
