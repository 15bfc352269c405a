//! The stand-in for Slack: `chat.postMessage`, `chat.update` and one incoming webhook, with the original's rules.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::server::{Board, Fault, Request};

const WEBHOOK: &str = "services/T0000/B0000/stand-in";

/// A running stand-in. Cheap to clone; it stops with the last clone.
#[derive(Clone, Debug)]
pub struct Slack {
    board: Arc<Board<State>>,
}

/// A message as the people in the channel see it now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SlackMessage {
    /// Name the sender gave: `#ci`; `webhook` for the incoming webhook.
    pub channel: String,
    /// Id of the channel.
    pub channel_id: String,
    /// Its time stamp, which is its address in the channel.
    pub ts: String,
    /// Text for notifications.
    pub text: String,
    /// Blocks.
    pub blocks: Value,
    /// Every text it had, oldest first; more than one when it was edited.
    pub texts: Vec<String>,
}

#[derive(Debug, Default)]
struct State {
    token: String,
    /// Names of channels, the position is the id.
    channels: Vec<String>,
    closed: Vec<String>,
    messages: Vec<SlackMessage>,
    next: u64,
}

type Refusal = &'static str;

impl Slack {
    /// Starts on a listener (of port 0, mostly) and accepts this token only. Channels come into being when they are named.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn start(listener: TcpListener, token: impl Into<String>) -> std::io::Result<Self> {
        let state = State { token: token.into(), next: 1_700_000_000, ..State::default() };
        Ok(Self { board: Board::start(listener, state, answer)? })
    }

    /// Returns the base URL of the API.
    pub fn url(&self) -> String {
        format!("http://{}/api", self.board.address())
    }

    /// Returns the address of the incoming webhook.
    pub fn webhook_url(&self) -> String {
        format!("http://{}/{WEBHOOK}", self.board.address())
    }

    /// Makes a channel unknown.
    pub fn close_channel(&self, name: impl Into<String>) {
        let name = name.into();
        self.board.change(|state| state.closed.push(name));
    }

    /// Deletes all messages, as a person would.
    pub fn delete_messages(&self) {
        self.board.change(|state| state.messages.clear());
    }

    /// Lets the next requests meet a fault.
    pub fn fail_next(&self, count: usize, fault: Fault) {
        self.board.fail_next(count, fault);
    }

    /// Returns every request, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.board.requests()
    }

    /// Returns the messages as they are now, oldest first.
    pub fn messages(&self) -> Vec<SlackMessage> {
        self.board.look(|state| state.messages.clone())
    }

    /// Waits until something is so; returns false when it is not within the deadline.
    pub async fn wait_for(&self, deadline: Duration, is_so: impl Fn(&Self) -> bool) -> bool {
        self.board.wait_for(deadline, || is_so(self)).await
    }
}

async fn answer(board: Arc<Board<State>>, request: Request) -> Response {
    let path = request.path.trim_matches('/').to_owned();
    if path == WEBHOOK {
        return by_webhook(&board, &request);
    }
    let token = board.look(|state| state.token.clone());
    let outcome = match (path.as_str(), request.header("authorization")) {
        (_, None) => Err("not_authed"),
        (_, Some(given)) if given != format!("Bearer {token}") => Err("invalid_auth"),
        ("api/chat.postMessage", _) => board.change(|state| post(state, &request.body)),
        ("api/chat.update", _) => board.change(|state| update(state, &request.body)),
        _ => Err("unknown_method"),
    };
    // Slack says no with a 200.
    Json(match outcome {
        Ok(message) => json!({"ok": true, "channel": message.channel_id, "ts": message.ts, "text": message.text}),
        Err(error) => json!({"ok": false, "error": error}),
    })
    .into_response()
}

fn by_webhook(board: &Board<State>, request: &Request) -> Response {
    let mut body = request.body.clone();
    if !body.is_object() {
        return (StatusCode::BAD_REQUEST, "invalid_payload").into_response();
    }
    body["channel"] = json!("webhook");
    match board.change(|state| post(state, &body)) {
        Ok(_) => "ok".into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, error).into_response(),
    }
}

fn post(state: &mut State, body: &Value) -> Result<SlackMessage, Refusal> {
    let (text, blocks) = content(body)?;
    let channel = body["channel"].as_str().unwrap_or_default().to_owned();
    if channel.is_empty() || state.closed.contains(&channel) {
        return Err("channel_not_found");
    }
    let position = state.channels.iter().position(|known| *known == channel).unwrap_or_else(|| {
        state.channels.push(channel.clone());
        state.channels.len() - 1
    });
    state.next += 1;
    let message = SlackMessage {
        channel,
        channel_id: format!("C{position:08}"),
        ts: format!("{}.000100", state.next),
        texts: vec![text.clone()],
        text,
        blocks,
    };
    state.messages.push(message.clone());
    Ok(message)
}

fn update(state: &mut State, body: &Value) -> Result<SlackMessage, Refusal> {
    let (text, blocks) = content(body)?;
    let (channel, ts) = (body["channel"].as_str().unwrap_or_default(), body["ts"].as_str().unwrap_or_default());
    // Names are good for posting only.
    if !channel.starts_with('C') {
        return Err("channel_not_found");
    }
    let found = state.messages.iter_mut().find(|message| message.channel_id == channel && message.ts == ts);
    let message = found.ok_or("message_not_found")?;
    message.texts.push(text.clone());
    message.text = text;
    message.blocks = blocks;
    Ok(message.clone())
}

fn content(body: &Value) -> Result<(String, Value), Refusal> {
    let text = body["text"].as_str().unwrap_or_default();
    let blocks = body["blocks"].as_array().cloned().unwrap_or_default();
    if text.is_empty() && blocks.is_empty() {
        return Err("no_text");
    }
    if text.chars().count() > 40_000 {
        return Err("msg_too_long");
    }
    if blocks.len() > 50 || !blocks.iter().all(is_block) {
        return Err("invalid_blocks");
    }
    let blocks = Value::from(blocks);
    if blocks.to_string().chars().count() > 13_000 {
        return Err("msg_blocks_too_long");
    }
    Ok((text.to_owned(), blocks))
}

fn is_block(block: &Value) -> bool {
    let is_text = |text: &Value, kinds: &[&str], most: usize| {
        let fits = |words: &str| !words.is_empty() && words.chars().count() <= most;
        text["type"].as_str().is_some_and(|kind| kinds.contains(&kind)) && text["text"].as_str().is_some_and(fits)
    };
    match block["type"].as_str() {
        Some("header") => is_text(&block["text"], &["plain_text"], 150),
        Some("section") => is_text(&block["text"], &["mrkdwn", "plain_text"], 3_000),
        Some("context") => block["elements"].as_array().is_some_and(|elements| {
            (1..=10).contains(&elements.len())
                && elements.iter().all(|text| is_text(text, &["mrkdwn", "plain_text"], 3_000))
        }),
        Some("divider") => true,
        _ => false,
    }
}
