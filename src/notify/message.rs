//! The one message a run has in Slack, from its first word to its last. Pure: knows no HTTP and no address.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model::{Counts, Ending, State};

pub(super) const MAX_HEADER: usize = 150;
pub(super) const MAX_TITLE: usize = 300;
pub(super) const MAX_CAUSE: usize = 300;
pub(super) const MAX_NAME: usize = 200;
const MAX_FAILURES: usize = 3;

/// What the message tells of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Public id, `abc-def`.
    pub pipeline: String,
    /// Title for people.
    pub title: String,
    /// Its page.
    pub url: String,
    /// State of the root.
    pub state: State,
    /// How it ended, once it has.
    pub ending: Option<Ending>,
    /// Why it ended so, in words.
    pub cause: Option<String>,
    /// `owner/name` of the repository.
    pub repository: String,
    /// What started it: `push to main`.
    pub trigger: String,
    /// Section of conducto.cfg.
    pub section: String,
    /// The commit.
    pub sha: String,
    /// Login of the person who caused it.
    pub sender: String,
    /// Leaves by state.
    pub counts: Counts,
    /// The leaves that failed, in the order of the tree; the first few are shown.
    pub failures: Vec<Failure>,
}

/// One leaf that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its path.
    pub path: String,
    /// Why, in words.
    pub cause: String,
    /// Its page.
    pub url: String,
}

/// A message as Slack takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlackMessage {
    /// For notifications, and for where blocks cannot be shown.
    pub text: String,
    /// What is shown in the channel.
    pub blocks: Vec<Value>,
}

impl SlackMessage {
    /// Writes the message for the state a run is in.
    pub fn of(run: &Run) -> Self {
        let (glyph, word) = headline(run);
        let headline = format!("{glyph} {word}: {}", escape(&run.title, MAX_HEADER - 20));
        let mut lines = vec![link(&run.url, &run.title, MAX_TITLE)];
        if let Some(cause) = &run.cause {
            lines.push(escape(cause, MAX_CAUSE));
        }
        let about = [
            escape(&run.repository, MAX_NAME),
            escape(&run.trigger, MAX_NAME),
            format!("`{}`", escape(run.sha.get(..7).unwrap_or(&run.sha), MAX_NAME)),
            escape(&run.sender, MAX_NAME),
            format!("conducto/{}", escape(&run.section, MAX_NAME)),
            escape(&run.pipeline, MAX_NAME),
        ];
        let mut blocks = vec![
            json!({"type": "header", "text": {"type": "plain_text", "text": headline, "emoji": false}}),
            section(&lines.join("\n")),
            context(&about.join("  ·  ")),
            context(&tally(&run.counts)),
        ];
        if !run.failures.is_empty() {
            blocks.push(section(&failures(&run.failures)));
        }
        let place = escape(&format!("{}, {}", run.repository, run.trigger), MAX_NAME);
        Self { text: format!("{headline} ({place})"), blocks }
    }

    /// Returns the message without blocks, for when Slack does not like them.
    #[must_use]
    pub fn plain(&self) -> Self {
        Self { text: self.text.chars().take(3_000).collect(), blocks: Vec::new() }
    }
}

pub(super) fn headline(run: &Run) -> (char, &'static str) {
    match (run.ending, run.state) {
        (Some(Ending::Done), _) => ('✅', "Passed"),
        (Some(Ending::Failed), _) => ('❌', "Failed"),
        (Some(Ending::Cancelled), _) => ('🚫', "Cancelled"),
        (Some(Ending::Infrastructure), _) => ('🔥', "Could not run"),
        (None, State::Running) if run.counts.failed() > 0 => ('🔴', "Running, with failures"),
        (None, State::Running) => ('🔵', "Running"),
        (None, _) => ('⚪', "Queued"),
    }
}

pub(super) fn tally(counts: &Counts) -> String {
    let by_state = State::ALL.into_iter().filter(|state| counts.of(*state) > 0);
    let parts: Vec<_> = by_state.map(|state| format!("{} {state}", counts.of(state))).collect();
    let (finished, total) = (counts.finished(), counts.total());
    format!("{finished} of {total} nodes finished: {}", parts.join(", "))
}

fn failures(failures: &[Failure]) -> String {
    let mut lines: Vec<_> = failures
        .iter()
        .take(MAX_FAILURES)
        .map(|failure| {
            format!("• {}: {}", link(&failure.url, &failure.path, MAX_NAME), escape(&failure.cause, MAX_CAUSE))
        })
        .collect();
    if failures.len() > MAX_FAILURES {
        lines.push(format!("… and {} more", failures.len() - MAX_FAILURES));
    }
    lines.join("\n")
}

pub(super) fn section(text: &str) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": text}})
}

pub(super) fn context(text: &str) -> Value {
    json!({"type": "context", "elements": [{"type": "mrkdwn", "text": text}]})
}

pub(super) fn link(url: &str, text: &str, most: usize) -> String {
    let url = escape(url, MAX_TITLE).replace('|', "%7C");
    let text = if text.trim().is_empty() { "(no title)" } else { text };
    format!("<{url}|{}>", escape(text, most))
}

/// Makes text harmless: no mention of a channel or person, no line of its own, and at most so many characters.
pub(super) fn escape(text: &str, most: usize) -> String {
    let mut escaped = String::new();
    let mut length = 0;
    for c in text.chars() {
        let piece = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            c if c.is_control() => " ",
            _ => "",
        };
        length += piece.len().max(1);
        if length > most {
            escaped.push('…');
            break;
        }
        if piece.is_empty() {
            escaped.push(c);
        } else {
            escaped.push_str(piece);
        }
    }
    escaped
}

/// A run that goes on.
#[cfg(test)]
pub(super) fn sample() -> Run {
    Run {
        pipeline: "abc-def".into(),
        title: "Fix the nozzle".into(),
        url: "https://ci.example.com/app/p/abc-def".into(),
        state: State::Running,
        ending: None,
        cause: None,
        repository: "acme/rocket".into(),
        trigger: "push to main".into(),
        section: "push".into(),
        sha: "6113728f27ae82c7b1a177c8d03f9e96e0adf246".into(),
        sender: "ada".into(),
        counts: Counts { pending: 2, running: 1, done: 3, ..Counts::default() },
        failures: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{sample as run, *};

    fn failure(path: &str, cause: &str) -> Failure {
        Failure { path: path.into(), cause: cause.into(), url: format!("https://ci.example.com/app/p/abc-def/n{path}") }
    }

    #[test]
    fn a_running_pipeline_has_a_short_message() {
        insta::assert_json_snapshot!(SlackMessage::of(&run()));
    }

    #[test]
    fn a_failed_pipeline_names_its_first_failures() {
        let failures = ["/a", "/b", "/c", "/d", "/e"].map(|path| failure(path, "exit 1")).to_vec();
        let failed = Run {
            state: State::Error,
            ending: Some(Ending::Failed),
            cause: Some("failed: /a (exit 1) and 4 more".into()),
            counts: Counts { done: 4, error: 5, ..Counts::default() },
            failures,
            ..run()
        };
        insta::assert_json_snapshot!(SlackMessage::of(&failed));
    }

    #[test]
    fn every_state_has_its_headline() {
        let said = |state, ending, failed| {
            SlackMessage::of(&Run { state, ending, counts: Counts { error: failed, ..Counts::default() }, ..run() })
                .text
        };
        let all = [
            said(State::Queued, None, 0),
            said(State::Running, None, 0),
            said(State::Running, None, 1),
            said(State::Done, Some(Ending::Done), 0),
            said(State::Error, Some(Ending::Failed), 1),
            said(State::Killed, Some(Ending::Cancelled), 0),
            said(State::Killed, Some(Ending::Infrastructure), 0),
        ];
        insta::assert_snapshot!(all.join("\n"), @"
        ⚪ Queued: Fix the nozzle (acme/rocket, push to main)
        🔵 Running: Fix the nozzle (acme/rocket, push to main)
        🔴 Running, with failures: Fix the nozzle (acme/rocket, push to main)
        ✅ Passed: Fix the nozzle (acme/rocket, push to main)
        ❌ Failed: Fix the nozzle (acme/rocket, push to main)
        🚫 Cancelled: Fix the nozzle (acme/rocket, push to main)
        🔥 Could not run: Fix the nozzle (acme/rocket, push to main)
        ");
    }

    #[test]
    fn words_of_others_cannot_call_the_channel() {
        let evil = Run { title: "<!channel> & \n<@U1>".into(), ..run() };
        let text = serde_json::to_string(&SlackMessage::of(&evil)).unwrap();
        assert!(!text.contains("<!channel>") && !text.contains("<@U1>"), "{text}");
        assert!(text.contains("&lt;!channel&gt; &amp;  &lt;@U1&gt;"), "{text}");
    }

    #[test]
    fn the_longest_message_stays_within_slacks_limits() {
        let long = "<é&".repeat(3_000);
        let everything = Run {
            title: long.clone(),
            cause: Some(long.clone()),
            repository: long.clone(),
            trigger: long.clone(),
            section: long.clone(),
            sender: long.clone(),
            failures: vec![failure(&long, &long); 9],
            ..run()
        };
        let message = SlackMessage::of(&everything);
        let sizes = message.blocks.iter().map(|block| block.to_string().chars().count());
        assert!(message.text.chars().count() + sizes.clone().sum::<usize>() <= 10_000);
        assert!(sizes.max().unwrap() <= 3_000);
        assert!(message.blocks[0]["text"]["text"].as_str().unwrap().chars().count() <= MAX_HEADER);
    }
}
