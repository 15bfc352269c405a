//! What the stand-ins received, and how long it all took, in words. Judges it too.

use std::time::Duration;

use jiff::Timestamp;

use super::{sample, screen::cut};
use crate::{
    dispatch::view::PipelineView,
    model::{State, format_duration},
    present::{Ink, glyph},
    standin::{ReceivedStatus, SlackMessage},
};

/// Times of one demo.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// The first byte of the webhook is sent.
    pub(super) sent: Timestamp,
    /// Its answer is here.
    pub(super) answered: Timestamp,
}

/// Says how long after `zero` something was: `+3.1s`.
pub(super) fn since(zero: Timestamp, then: Timestamp) -> String {
    format!("+{}", format_duration(Duration::try_from(then.duration_since(zero)).unwrap_or_default()))
}

/// Returns the lines about the commit statuses.
pub(super) fn statuses(statuses: &[ReceivedStatus], zero: Timestamp, ink: Ink) -> Vec<String> {
    let context = statuses.first().map_or("no context", |status| status.context.as_str());
    let mut lines = vec![ink.bold(&format!("GitHub received {} of {context}", count(statuses.len())))];
    for status in statuses {
        let state = status_state(status);
        let word = ink.state(state, &format!("{} {:<7}", glyph(state), status.state));
        lines.push(format!("{:>7}  {word}  {}", since(zero, status.at), cut(&status.description, 60)));
    }
    if let Some(url) = statuses.last().and_then(|status| status.target_url.as_ref()) {
        lines.push(format!("         → {url}"));
    }
    lines
}

/// Returns the lines about the messages in Slack.
pub(super) fn messages(messages: &[SlackMessage], ink: Ink) -> Vec<String> {
    let mut lines = Vec::new();
    for message in messages {
        let edits = match message.texts.len().saturating_sub(1) {
            0 => "never edited".to_owned(),
            1 => "edited in place once".to_owned(),
            edits => format!("edited in place {edits} times"),
        };
        lines.push(ink.bold(&format!("Slack received 1 message in {}, {edits}", message.channel)));
        lines.extend(text_of(message).iter().map(|line| format!("  {} {}", ink.dim("│"), cut(line, 74))));
    }
    if messages.is_empty() {
        lines.push(ink.bold("Slack received nothing"));
    }
    lines
}

/// Returns the lines about how long it took.
pub(super) fn timing(times: Times, pipeline: &PipelineView, statuses: &[ReceivedStatus], ink: Ink) -> Vec<String> {
    let started = pipeline.nodes.iter().flat_map(|node| &node.attempts).filter_map(|attempt| attempt.started_at).min();
    let steps = [
        ("answered 202, safely stored", Some(times.answered)),
        ("first node running", started),
        ("last node ended", pipeline.summary.finished_at),
        ("last status received", statuses.last().map(|status| status.at)),
    ];
    let mut lines = vec![ink.bold("From the first byte of the webhook")];
    for (what, when) in steps {
        lines.extend(when.map(|when| format!("{:>7}  {what}", since(times.sent, when))));
    }
    lines
}

/// Returns what is not as it should be.
pub(super) fn complaints(statuses: &[ReceivedStatus], messages: &[SlackMessage]) -> Vec<String> {
    let mut complaints = Vec::new();
    let states: Vec<&str> = statuses.iter().map(|status| status.state.as_str()).collect();
    if states.first() != Some(&"pending") {
        complaints.push("the first status should be `pending`".to_owned());
    }
    if states.last() != Some(&"success") {
        complaints.push(format!("the last status should be `success`, it is `{}`", states.last().unwrap_or(&"none")));
    }
    let says_passed = |message: &SlackMessage| message.text.contains("Passed") && message.channel == sample::CHANNEL;
    if messages.len() != 1 || !messages.iter().all(says_passed) {
        complaints.push(format!("there should be one message in {} that says `Passed`", sample::CHANNEL));
    }
    complaints
}

fn status_state(status: &ReceivedStatus) -> State {
    match status.state.as_str() {
        "pending" => State::Queued,
        "success" => State::Done,
        _ => State::Error,
    }
}

fn count(statuses: usize) -> String {
    if statuses == 1 { "1 status".to_owned() } else { format!("{statuses} statuses") }
}

/// Writes a message's blocks as the channel shows them, without its markup.
fn text_of(message: &SlackMessage) -> Vec<String> {
    let blocks = message.blocks.as_array().map(Vec::as_slice).unwrap_or_default();
    let texts = blocks.iter().flat_map(|block| {
        let elements = block["elements"].as_array().map(Vec::as_slice).unwrap_or_default();
        block["text"]["text"].as_str().into_iter().chain(elements.iter().filter_map(|part| part["text"].as_str()))
    });
    let lines: Vec<String> = texts.flat_map(str::lines).map(unmarked).collect();
    if lines.is_empty() { vec![message.text.clone()] } else { lines }
}

/// Takes Slack's markup off a line: `<address|words>` becomes the words, entities their characters.
fn unmarked(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some((before, link)) = rest.split_once('<') {
        plain.push_str(before);
        let (link, after) = link.split_once('>').unwrap_or((link, ""));
        plain.push_str(link.split_once('|').map_or(link, |(_, words)| words));
        rest = after;
    }
    plain.push_str(rest);
    plain.replace('`', "").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(state: &str, seconds: i64) -> ReceivedStatus {
        ReceivedStatus {
            repository_id: 1,
            sha: "3f2a1b9".into(),
            context: "conducto/push".into(),
            state: state.into(),
            description: format!("{state} in words"),
            target_url: Some("http://127.0.0.1:8080/app/p/abc-def".into()),
            at: Timestamp::from_second(seconds).unwrap(),
        }
    }

    fn message(texts: &[&str]) -> SlackMessage {
        SlackMessage {
            channel: sample::CHANNEL.into(),
            channel_id: "C00000000".into(),
            ts: "1.000100".into(),
            text: (*texts.last().unwrap()).into(),
            blocks: json!([
                {"type": "header", "text": {"type": "plain_text", "text": "✅ Passed: A &amp; B"}},
                {"type": "section", "text": {"type": "mrkdwn", "text": "<http://x|A &amp; B>\nall is well"}},
                {"type": "context", "elements": [{"type": "mrkdwn", "text": "`3f2a1b9`  ·  ada"}]},
            ]),
            texts: texts.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn what_was_received_is_told_in_few_lines() {
        let mut lines = statuses(&[status("pending", 0), status("success", 4)], Timestamp::UNIX_EPOCH, Ink::default());
        lines.extend(messages(&[message(&["Queued", "Running", "Passed"])], Ink::default()));
        insta::assert_snapshot!(lines.join("\n"), @"
        GitHub received 2 statuses of conducto/push
           +0ms  ◷ pending  pending in words
          +4.0s  ✓ success  success in words
                 → http://127.0.0.1:8080/app/p/abc-def
        Slack received 1 message in #rocket, edited in place 2 times
          │ ✅ Passed: A & B
          │ A & B
          │ all is well
          │ 3f2a1b9  ·  ada
        ");
    }

    #[test]
    fn only_a_green_mark_and_a_message_that_says_so_are_a_success() {
        let green = [status("pending", 0), status("success", 4)];
        assert_eq!(complaints(&green, &[message(&["Queued", "Passed"])]), Vec::<String>::new());
        assert_eq!(complaints(&green, &[message(&["Running"])]).len(), 1);
        assert_eq!(complaints(&[status("pending", 0), status("failure", 4)], &[message(&["Failed"])]).len(), 2);
        assert_eq!(complaints(&[], &[]).len(), 3);
    }
}
