//! What is answered to comments: a sign that it was heard, and a word where nothing came of it. Knows no command.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{options::Options, outbox::read, shared::Shared};
use crate::{
    model::SendError,
    store::outbox::{Claimed, NewMessage, Sent},
};

/// The kind of these messages, as the outbox names it.
pub(super) const REPLY: &str = "reply";

#[derive(Serialize, Deserialize)]
struct Reply {
    repository_id: u64,
    number: u64,
    comment: u64,
    sign: String,
    words: Option<String>,
}

/// Returns the answer to a comment; with words where nothing came of it.
pub(super) fn message(
    options: &Options,
    repository_id: u64,
    number: u64,
    comment: u64,
    refusal: Option<&str>,
) -> Option<NewMessage> {
    let sign = if refusal.is_some() { "confused" } else { "+1" }.to_owned();
    // A mention would call somebody who has nothing to do with it.
    let words = refusal.map(|words| format!("Conducto did nothing: {}", words.replace('@', "@\u{200b}")));
    let reply = Reply { repository_id, number, comment, sign, words };
    Some(NewMessage {
        lane: format!("gh-reply:{}:{repository_id}:{comment}", options.forge_host),
        kind: REPLY,
        payload: serde_json::to_string(&reply).ok()?,
        is_final: true,
        pause: Duration::ZERO,
    })
}

/// Sends one. Where we may not answer, nobody is told that we may not.
pub(super) async fn send(shared: &Shared, message: &Claimed) -> Result<Sent, SendError> {
    let Reply { repository_id, number, comment, sign, words } = read(&message.payload)?;
    let github = &shared.parts.github;
    let mut said = github.react(repository_id, comment, &sign).await;
    // A comment cannot be told from one that arrived before: rather none than two.
    if let Some(words) = words.filter(|_| !message.is_unsure)
        && matches!(said, Ok(()) | Err(SendError::NoAccess { .. }))
    {
        said = github.comment(repository_id, number, &words).await;
    }
    match said {
        Ok(()) | Err(SendError::NoAccess { .. } | SendError::Permanent { .. }) => {
            Ok(Sent::Arrived { remote_id: None, channel: None })
        }
        Err(error) => Err(error),
    }
}
