//! Slack's calls: one request, one classified answer. Knows no outbox and nothing of what a message says.

use std::time::Duration;

use reqwest::{Client, Response, header, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::message::SlackMessage;
use crate::model::SendError;

const DEADLINE: Duration = Duration::from_secs(10);
const DEFAULT_REST: u64 = 30;
const LONGEST_REST: u64 = 3_600;

/// How this server may speak.
#[derive(Clone, Debug)]
pub enum Access {
    /// As a bot: messages can be edited.
    Bot {
        /// Base URL of the API, `https://slack.com/api`.
        base_url: String,
        /// Token of the bot, `xoxb-…`.
        token: SecretString,
    },
    /// Through an incoming webhook, which belongs to one channel: messages cannot be edited.
    IncomingWebhook {
        /// Its address, which is a secret.
        url: SecretString,
    },
}

/// Where a message is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Id of the channel (not its name).
    pub channel: String,
    /// Time stamp of the message.
    pub ts: String,
}

/// What became of a new message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Posted {
    /// It is there and can be edited.
    At(Address),
    /// It is there, and nobody can say where.
    Unaddressed,
}

/// What became of an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Updated {
    /// The message is edited.
    Edited,
    /// The message is not there any more, or cannot be edited any more: post it anew.
    Gone,
}

/// The client cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("no HTTPS client can be made ({0}); are there CA certificates on this machine (SSL_CERT_FILE)?")]
pub struct BuildError(String);

/// Speaks to one Slack workspace.
#[derive(Clone, Debug)]
pub struct Slack {
    client: Client,
    access: Access,
}

/// Slack's own word for what is wrong, or our classification of the transport.
#[derive(Debug)]
enum Refused {
    Word(String),
    Failed(SendError),
}

impl Slack {
    /// Makes a client.
    ///
    /// # Errors
    /// Mostly when the machine has no CA certificates.
    pub fn build(access: Access) -> Result<Self, BuildError> {
        let url = match &access {
            Access::Bot { base_url, .. } => base_url,
            Access::IncomingWebhook { url } => url.expose_secret(),
        };
        let client = Client::builder().timeout(DEADLINE).redirect(redirect::Policy::none());
        // Plain HTTP needs no CA certificates, and an image made from nothing has none.
        let client = if url.starts_with("http://") { client.tls_certs_only([]) } else { client };
        Ok(Self { client: client.build().map_err(|error| BuildError(deepest(&error)))?, access })
    }

    /// Says whether messages can be edited; without that, one message at the end is all there should be.
    pub fn can_update(&self) -> bool {
        matches!(self.access, Access::Bot { .. })
    }

    /// Posts a new message. The channel of an incoming webhook is fixed; `channel` is then of no effect.
    ///
    /// # Errors
    /// By what the sender can do about it.
    pub async fn post(&self, channel: &str, message: &SlackMessage) -> Result<Posted, SendError> {
        let Access::Bot { .. } = &self.access else {
            return self.by_webhook(message).await.map(|()| Posted::Unaddressed);
        };
        let channel = json!({"channel": channel, "unfurl_links": false, "unfurl_media": false});
        let answer = self.say("chat.postMessage", &channel, message).await.map_err(classify)?;
        let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
        Ok(Posted::At(Address { channel: text("channel"), ts: text("ts") }))
    }

    /// Edits a message in place.
    ///
    /// # Errors
    /// By what the sender can do about it. A message that is gone is no error.
    pub async fn update(&self, at: &Address, message: &SlackMessage) -> Result<Updated, SendError> {
        if !self.can_update() {
            return Ok(Updated::Gone);
        }
        let place = json!({"channel": at.channel, "ts": at.ts});
        match self.say("chat.update", &place, message).await {
            Ok(_) => Ok(Updated::Edited),
            Err(Refused::Word(word)) if is_gone(&word) => Ok(Updated::Gone),
            Err(refused) => Err(classify(refused)),
        }
    }

    /// When Slack does not like the blocks, the text alone has a second and last chance.
    async fn say(&self, method: &str, place: &Value, message: &SlackMessage) -> Result<Value, Refused> {
        match self.call(method, place, message).await {
            Err(Refused::Word(word)) if is_about_content(&word) && !message.blocks.is_empty() => {
                tracing::warn!(error = word, "slack does not take the blocks of a message");
                self.call(method, place, &message.plain()).await
            }
            outcome => outcome,
        }
    }

    async fn call(&self, method: &str, place: &Value, message: &SlackMessage) -> Result<Value, Refused> {
        let Access::Bot { base_url, token } = &self.access else {
            return Err(Refused::Word("not_authed".into()));
        };
        let mut body = place.clone();
        body["text"] = json!(message.text);
        body["blocks"] = json!(message.blocks);
        let url = format!("{}/{method}", base_url.trim_end_matches('/'));
        let request = self.client.post(url).bearer_auth(token.expose_secret()).json(&body);
        let response = sent(request.send().await).map_err(Refused::Failed)?;
        let answer: Value = response.json().await.map_err(|error| Refused::Failed(unreachable(error)))?;
        if answer["ok"] == json!(true) {
            return Ok(answer);
        }
        Err(Refused::Word(answer["error"].as_str().unwrap_or("no words of its own").to_owned()))
    }

    async fn by_webhook(&self, message: &SlackMessage) -> Result<(), SendError> {
        let Access::IncomingWebhook { url } = &self.access else {
            return Err(classify(Refused::Word("no_service".into())));
        };
        let response = sent(self.client.post(url.expose_secret()).json(message).send().await)?;
        if response.status().is_success() {
            return Ok(());
        }
        let words: String = response.text().await.map_err(unreachable)?.chars().take(200).collect();
        Err(classify(Refused::Word(words)))
    }
}

/// Takes out what is decided before the body is read.
fn sent(outcome: reqwest::Result<Response>) -> Result<Response, SendError> {
    let response = outcome.map_err(unreachable)?;
    let status = response.status();
    if status.as_u16() == 429 {
        let given = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let after = Duration::from_secs(given.unwrap_or(DEFAULT_REST).clamp(1, LONGEST_REST));
        return Err(SendError::RateLimited { after, message: "Slack answered 429".into() });
    }
    if status.is_server_error() {
        return Err(SendError::Transient { message: format!("Slack answered {}", status.as_u16()) });
    }
    Ok(response)
}

fn classify(refused: Refused) -> SendError {
    let word = match refused {
        Refused::Failed(error) => return error,
        Refused::Word(word) => word,
    };
    let message = format!("Slack says `{word}`{}", hint(&word));
    match word.as_str() {
        "ratelimited" => SendError::RateLimited { after: Duration::from_secs(DEFAULT_REST), message },
        "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" | "team_added_to_org" => {
            SendError::Transient { message }
        }
        _ => SendError::Permanent { message },
    }
}

fn hint(word: &str) -> &'static str {
    match word {
        "channel_not_found" | "not_in_channel" => " (is the channel's name right, and is the bot invited to it?)",
        "is_archived" | "channel_is_archived" => " (the channel is archived)",
        "restricted_action" => " (the workspace does not let the bot post there)",
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => {
            " (the token is missing, wrong or revoked)"
        }
        "missing_scope" => " (the bot needs the scope `chat:write`)",
        "no_service" | "invalid_token" => " (the incoming webhook was removed or its address is wrong)",
        _ => "",
    }
}

fn is_about_content(word: &str) -> bool {
    matches!(word, "msg_too_long" | "msg_blocks_too_long" | "invalid_blocks" | "invalid_blocks_format" | "no_text")
}

fn is_gone(word: &str) -> bool {
    matches!(word, "message_not_found" | "cant_update_message" | "edit_window_closed" | "is_inactive")
}

/// The address may be a secret: it does not belong into messages.
fn unreachable(error: reqwest::Error) -> SendError {
    SendError::Transient { message: format!("Slack cannot be reached: {}", deepest(&error.without_url())) }
}

fn deepest(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_fall_into_classes() {
        let class = |word: &str| classify(Refused::Word(word.into()));
        assert!(matches!(class("ratelimited"), SendError::RateLimited { .. }));
        assert!(matches!(class("fatal_error"), SendError::Transient { .. }));
        insta::assert_snapshot!(class("not_in_channel"), @"Slack says `not_in_channel` (is the channel's name right, and is the bot invited to it?)");
        assert!(matches!(class("brand_new_word"), SendError::Permanent { .. }));
        assert!(is_gone("message_not_found") && is_about_content("invalid_blocks"));
    }
}
