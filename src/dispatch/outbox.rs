//! Speaks to the outside: takes what is due from the outbox, sends it once at a time per lane, writes down what came of it.

use std::{sync::Arc, time::Duration};

use backon::BackoffBuilder as _;
use tokio::task::JoinSet;

use super::{
    checks::{self, CHECK},
    feedback::{Chat, EMAIL, REFUSED, SLACK, STATUS},
    reply::{self, REPLY},
    shared::Shared,
    traffic::Budget,
};
use crate::{
    clock,
    forge::{CommitStatus, Write},
    model::SendError,
    notify::{Address, Letter, Posted, SlackMessage, Updated},
    store::{
        Error,
        outbox::{self, Claimed, Sent},
    },
};

/// How many messages are under way at once.
const AT_ONCE: u32 = 8;

/// After how many failed tries a message is given up: with the pauses below, about a day.
const TRIES: u32 = 150;

/// How long a repository is left alone that does not let us write.
const PARKED: Duration = Duration::from_secs(600);

/// After so many statuses of one commit and context, only final ones are sent.
const LAST_OF_A_CONTEXT: u32 = 900;

/// Why a message waits that nothing is wrong with.
const PACED: &str = "its turn has not come: the forge is written to at a pace";

const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// How long to wait before looking again when nothing is due.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Sends until the server stops.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut is_unsure = false;
    loop {
        let pause = match round(&shared, is_unsure).await {
            Ok(pause) => {
                is_unsure = false;
                pause
            }
            Err(Error::Closed) => return,
            Err(error) => {
                tracing::error!(error = %error, "the outbox cannot be read or written");
                is_unsure = true;
                FIRST_PAUSE
            }
        };
        tokio::select! {
            () = shared.outbox_changed.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = shared.stop.cancelled() => return,
        }
    }
}

/// Sends all that is due. Returns how long there is nothing to do. After a round that failed, what came of some messages was
/// not written down: they are sent again, or their lanes would stand still until the next start.
async fn round(shared: &Arc<Shared>, is_unsure: bool) -> Result<Duration, Error> {
    if is_unsure {
        shared.store.write(outbox::recover).await?;
    }
    loop {
        let now = clock::now();
        let claimed = shared.store.write(move |connection| outbox::claim(connection, now, AT_ONCE)).await?;
        if claimed.is_empty() {
            break;
        }
        let mut sending = JoinSet::new();
        for message in claimed {
            let shared = Arc::clone(shared);
            sending.spawn(async move {
                let sent = send(&shared, &message).await;
                (message, sent)
            });
        }
        let mut written = Ok(());
        // All are awaited whatever happens: none may arrive after a newer one of its lane.
        while let Some(finished) = sending.join_next().await {
            let Ok((message, sent)) = finished else { continue };
            note(&message, &sent);
            let now = clock::now();
            let settled = shared.store.write(move |connection| outbox::settle(connection, &message, &sent, now)).await;
            written = written.and(settled);
        }
        written?;
    }
    let due = shared.store.read(outbox::next_due_at).await?;
    let left = due.map(|due| Duration::try_from(due.duration_since(clock::now())).unwrap_or(Duration::ZERO));
    Ok(left.unwrap_or(LOOK_AGAIN).clamp(Duration::from_millis(10), LOOK_AGAIN))
}

fn note(message: &Claimed, sent: &Sent) {
    let result = match sent {
        Sent::Arrived { .. } => "sent",
        Sent::Later { error, .. } if error == PACED => return,
        Sent::Later { error, .. } => {
            tracing::warn!(lane = %message.lane, error = %error, "a message has to wait");
            "later"
        }
        Sent::Dead { error } => {
            tracing::error!(lane = %message.lane, error = %error, "a message is given up");
            "dead"
        }
    };
    metrics::counter!("conducto_outbox_messages_total", "kind" => message.kind.clone(), "result" => result)
        .increment(1);
}

async fn send(shared: &Shared, message: &Claimed) -> Sent {
    let budget = match admit(shared, message).await {
        Ok(budget) => budget,
        Err(sent) => return sent,
    };
    let sent = match message.kind.as_str() {
        STATUS => send_status(shared, message).await,
        CHECK => checks::send(shared, message).await,
        REPLY => reply::send(shared, message).await,
        SLACK => send_chat(shared, message).await,
        EMAIL => send_letter(shared, message).await,
        REFUSED => read(&message.payload).and_then(|reason| Err(SendError::Permanent { message: reason })),
        other => Err(SendError::Permanent { message: format!("this release cannot send `{other}`") }),
    };
    match sent {
        Ok(sent) => {
            shared.traffic.went_well(&budget);
            sent
        }
        Err(error) => failed(shared, message, &budget, error),
    }
}

/// Lets a message pass, or says when to come again.
async fn admit(shared: &Shared, message: &Claimed) -> Result<Budget, Sent> {
    let repository = repository(message);
    let mut budget = Budget { name: message.kind.clone(), repository };
    if let Some(repository) = repository {
        let known = shared.parts.github.budget(repository).await;
        budget.name = known.map_err(|error| failed(shared, message, &budget, error))?;
    }
    let write = Write { creates: message.kind != CHECK || checks::creates(message), is_final: message.is_final };
    let paced = |at| Sent::Later { at, error: PACED.into(), counts: false };
    shared.traffic.admit(&budget, write, shared.options.rates, clock::now()).map_err(paced)?;
    Ok(budget)
}

fn failed(shared: &Shared, message: &Claimed, budget: &Budget, error: SendError) -> Sent {
    let now = clock::now();
    let later = |error: String, pause: Duration| match pause_after(message.attempts) {
        Some(_) => Sent::Later { at: now + pause, error, counts: true },
        None => Sent::Dead { error: format!("given up after {TRIES} tries: {error}") },
    };
    match error {
        SendError::RateLimited { after, message } => {
            shared.traffic.rest(budget, now + after);
            Sent::Later { at: now + after, error: message, counts: false }
        }
        // A person must do something; until then it is asked now and then whether it was done.
        SendError::NoAccess { message } if budget.repository.is_some() => {
            shared.traffic.park(budget, &message, now + PARKED);
            later(message, PARKED)
        }
        SendError::Unauthorized { message } if budget.repository.is_some() => {
            shared.traffic.lock_out(&message);
            later(message, PARKED)
        }
        SendError::Permanent { message } | SendError::NoAccess { message } | SendError::Unauthorized { message } => {
            Sent::Dead { error: message }
        }
        SendError::Transient { message: error } => match pause_after(message.attempts) {
            Some(pause) => later(error, pause),
            None => Sent::Dead { error: format!("given up after {TRIES} tries: {error}") },
        },
    }
}

/// Returns the repository on the forge that a message is for.
fn repository(message: &Claimed) -> Option<u64> {
    let payload: serde_json::Value = serde_json::from_str(&message.payload).ok()?;
    match message.kind.as_str() {
        STATUS | REPLY => payload["repository_id"].as_u64(),
        CHECK => payload["run"]["repository_id"].as_u64(),
        _ => None,
    }
}

fn pause_after(attempts: u32) -> Option<Duration> {
    let policy = backon::ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .with_max_times(TRIES as usize);
    policy.build().nth(attempts as usize)
}

async fn send_status(shared: &Shared, message: &Claimed) -> Result<Sent, SendError> {
    let status: CommitStatus = read(&message.payload)?;
    if message.sent >= LAST_OF_A_CONTEXT && !message.is_final {
        // Of one commit and context GitHub takes a thousand; the rest is for final words.
        return Ok(Sent::Arrived { remote_id: None, channel: None });
    }
    shared.parts.github.post_status(&status).await?;
    Ok(Sent::Arrived { remote_id: None, channel: None })
}

async fn send_chat(shared: &Shared, message: &Claimed) -> Result<Sent, SendError> {
    let Chat { channel, message: content, is_final } = read(&message.payload)?;
    let Some(slack) = &shared.parts.slack else {
        let message = "Slack is not set up; set `slack.bot_token` or `slack.webhook_url`".to_owned();
        return Err(SendError::Permanent { message });
    };
    if !slack.can_update() && !is_final {
        // One message at the end, where messages cannot be edited.
        return Ok(Sent::Arrived { remote_id: None, channel: None });
    }
    if let (Some(ts), Some(channel)) = (&message.remote_id, &message.channel) {
        let at = Address { channel: channel.clone(), ts: ts.clone() };
        match slack.update(&at, &content).await? {
            Updated::Edited => return Ok(Sent::Arrived { remote_id: None, channel: None }),
            // Somebody removed it, or it is too old: a new one takes its place.
            Updated::Gone => {}
        }
    }
    post(slack, &channel, &content).await
}

async fn send_letter(shared: &Shared, message: &Claimed) -> Result<Sent, SendError> {
    let letter: Letter = read(&message.payload)?;
    let Some(mailer) = &shared.parts.mailer else {
        let message = "e-mail is not set up; set `email.smtp_url` and `email.from`".to_owned();
        return Err(SendError::Permanent { message });
    };
    mailer.send(&letter).await?;
    Ok(Sent::Arrived { remote_id: None, channel: None })
}

async fn post(slack: &crate::notify::Slack, channel: &str, content: &SlackMessage) -> Result<Sent, SendError> {
    Ok(match slack.post(channel, content).await? {
        Posted::At(Address { channel, ts }) => Sent::Arrived { remote_id: Some(ts), channel: Some(channel) },
        Posted::Unaddressed => Sent::Arrived { remote_id: None, channel: None },
    })
}

pub(super) fn read<T: serde::de::DeserializeOwned>(payload: &str) -> Result<T, SendError> {
    serde_json::from_str(payload)
        .map_err(|error| SendError::Permanent { message: format!("the message cannot be read: {error}") })
}
