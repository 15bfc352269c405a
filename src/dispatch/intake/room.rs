//! Takes deliveries that are due, a few at a time, and puts off what cannot be dealt with now.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::task::JoinSet;

use super::{
    reading::{Message, Trouble, conclude},
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

/// How many are read at once: of a storm of them, most are concluded sooner than one more could be read.
const READ_AT_ONCE: usize = 32;

/// How often to draw other pipeline ids when one is taken.
const DRAWS: u32 = 5;

const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Deals with deliveries until the server stops.
pub(in crate::dispatch) async fn run(shared: Arc<Shared>) {
    let mut at_hand = VecDeque::new();
    let mut in_hand: HashSet<i64> = HashSet::new();
    let mut working = JoinSet::new();
    loop {
        let mut pause = LOOK_AGAIN;
        shared.door.let_pass().await;
        if at_hand.is_empty() && working.len() < AT_ONCE {
            match look(&shared, &in_hand).await {
                Ok(Ok(due)) => {
                    in_hand.extend(due.iter().map(|waiting: &Waiting| waiting.seq));
                    at_hand.extend(due);
                }
                Ok(Err(until_due)) => pause = until_due,
                Err(Error::Closed) => return,
                Err(error) => tracing::error!(error = %error, "the inbox cannot be read"),
            }
        }
        while working.len() < AT_ONCE
            && let Some(waiting) = at_hand.pop_front()
        {
            let shared = Arc::clone(&shared);
            working.spawn(async move {
                let seq = waiting.seq;
                deal_with(&shared, waiting).await;
                seq
            });
        }
        tokio::select! {
            () = shared.door.stored() => {}
            Some(done) = working.join_next() => match done {
                Ok(seq) => drop(in_hand.remove(&seq)),
                Err(error) => {
                    tracing::error!(error = %error, "dealing with a delivery ended badly");
                    // Whichever it was is read again; those that go on are not begun a second time while they do.
                    at_hand.clear();
                    while let Some(done) = working.join_next().await {
                        if let Err(error) = done {
                            tracing::error!(error = %error, "dealing with a delivery ended badly");
                        }
                    }
                    in_hand.clear();
                }
            },
            () = tokio::time::sleep(pause) => {}
            () = shared.stop.cancelled() => return,
        }
    }
}

/// Returns deliveries that are due, or how long there is none.
async fn look(shared: &Shared, in_hand: &HashSet<i64>) -> Result<Result<Vec<Waiting>, Duration>, Error> {
    let (now, in_hand) = (clock::now(), in_hand.clone());
    let found = shared
        .store
        .read(move |connection| {
            let due = inbox::due(connection, now, &in_hand, READ_AT_ONCE)?;
            Ok(if due.is_empty() { Err(inbox::next_due_at(connection, &in_hand)?) } else { Ok(due) })
        })
        .await?;
    Ok(found.map_err(|due| {
        let left = due.map(|due| Duration::try_from(due.duration_since(now)).unwrap_or(Duration::ZERO));
        left.unwrap_or(LOOK_AGAIN).clamp(Duration::from_millis(10), LOOK_AGAIN)
    }))
}

#[tracing::instrument(skip_all, fields(delivery = %waiting.guid, event = %waiting.event))]
async fn deal_with(shared: &Arc<Shared>, mut waiting: Waiting) {
    let mut attempt = 0;
    let message = Message::read(shared, &mut waiting);
    loop {
        let concluded = match conclude(shared, &waiting, &message).await {
            Ok(conclusion) => write_down(shared, waiting.seq, &message.about, conclusion).await.map_err(Trouble::Store),
            Err(trouble) => Err(trouble),
        };
        match concluded {
            Ok(()) => return,
            // An id was taken: the next draw will hardly be.
            Err(Trouble::Store(Error::Conflict(_))) if attempt < DRAWS => attempt += 1,
            Err(Trouble::Later(words)) => return put_off(shared, &waiting, message, words).await,
            Err(Trouble::Store(error)) => return put_off(shared, &waiting, message, error.to_string()).await,
        }
    }
}

async fn put_off(shared: &Shared, waiting: &Waiting, Message { about, .. }: Message, words: String) {
    let pause = Duration::from_secs(2_u64.saturating_pow(waiting.attempts.min(9) + 1).min(600));
    let (seq, until) = (waiting.seq, clock::now() + pause);
    tracing::warn!(reason = %words, "a delivery is put off");
    let words = format!("will be tried again: {words}");
    let written = shared.store.write(move |connection| {
        inbox::describe(connection, seq, about.repository.as_deref(), about.action.as_deref())?;
        inbox::postpone(connection, seq, until, &words)
    });
    if let Err(error) = written.await {
        tracing::error!(error = %error, "a delivery cannot be put off");
    }
}
