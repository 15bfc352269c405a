//! What is told of one node whose author asked for it. Pure: knows no HTTP and no address.

use super::{
    Run, SlackMessage,
    message::{MAX_CAUSE, MAX_HEADER, MAX_NAME, MAX_TITLE, context, escape, link, section, tally},
};
use crate::model::State;

/// The author's own words may be this long.
const MAX_WORDS: usize = 2_500;

/// A node that has come into a state, and the run it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRun {
    /// Its path; `/` is the whole pipeline.
    pub path: String,
    /// Its page.
    pub url: String,
    /// The state.
    pub state: State,
    /// Why it failed, in words.
    pub cause: Option<String>,
    /// What is known of the whole.
    pub run: Run,
}

impl NodeRun {
    /// Returns a sign and a word for the state, and what came into it.
    pub(super) fn headline(&self) -> (char, &'static str, &str) {
        let (sign, word) = match self.state {
            State::Pending => ('⚪', "Pending"),
            State::Queued => ('⚪', "Queued"),
            State::Running => ('🔵', "Running"),
            State::Done => ('✅', "Passed"),
            State::Error => ('❌', "Failed"),
            State::Killed => ('🚫', "Killed"),
        };
        (sign, word, if self.path == "/" { &self.run.title } else { &self.path })
    }
}

impl SlackMessage {
    /// Writes what is told of a node: the author's words, a summary, or both. Without words there is always a summary.
    pub fn of_node(node: &NodeRun, words: Option<&str>, summary: bool) -> Self {
        let (sign, word, what) = node.headline();
        let headline = format!("{sign} {word}: {}", escape(what, MAX_HEADER - 20));
        let place = escape(&format!("{}, {}", node.run.repository, node.run.trigger), MAX_NAME);
        let mut blocks = Vec::new();
        let text = match words {
            Some(words) => {
                let words = lines(words);
                blocks.push(section(&words));
                words.chars().take(MAX_TITLE).collect()
            }
            None => format!("{headline} ({place})"),
        };
        if words.is_none() || summary {
            let mut about = vec![format!("{sign} {word}: {}", link(&node.url, what, MAX_TITLE))];
            about.extend(node.cause.as_ref().map(|cause| escape(cause, MAX_CAUSE)));
            blocks.push(section(&about.join("\n")));
            blocks.push(context(&tally(&node.run.counts)));
        }
        let run = link(&node.run.url, &node.run.pipeline, MAX_NAME);
        let sha = escape(node.run.sha.get(..7).unwrap_or(&node.run.sha), MAX_NAME);
        blocks.push(context(&format!("{place}  ·  `{sha}`  ·  {run}")));
        Self { text, blocks }
    }
}

/// Makes the author's words harmless, line by line: they may come from a branch's name.
fn lines(words: &str) -> String {
    let lines: Vec<_> = words.lines().map(|line| escape(line, MAX_WORDS)).collect();
    let text = lines.join("\n");
    let text = if text.trim().is_empty() { "(no words)".to_owned() } else { text };
    if text.chars().count() <= MAX_WORDS {
        return text;
    }
    // An escape that is cut would be shown as it is.
    let kept: String = text.chars().take(MAX_WORDS).collect();
    let whole = kept.rfind('&').filter(|at| !kept[*at..].contains(';')).unwrap_or(kept.len());
    format!("{}…", &kept[..whole])
}

/// A node of a run that has failed elsewhere.
#[cfg(test)]
pub(super) fn sample(path: &str, state: State) -> NodeRun {
    let counts = crate::model::Counts { pending: 2, error: 1, done: 3, ..Default::default() };
    let run = Run { counts, ..super::message::sample() };
    let cause = (state == State::Error).then(|| "exit code 3".to_owned());
    let url = format!("https://ci.example.com/app/p/abc-def/n{path}");
    NodeRun { path: path.into(), url, state, cause, run }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_summary() {
        let failed = sample("/test/unit", State::Error);
        insta::assert_json_snapshot!([
            SlackMessage::of_node(&failed, None, false),
            SlackMessage::of_node(&failed, Some("look & mend\n<!channel>"), false),
            SlackMessage::of_node(&sample("/", State::Done), Some("all is well"), true),
        ]);
    }

    #[test]
    fn the_longest_message_stays_within_slacks_limits() {
        let long = "<é&".repeat(9_000);
        let mut node = sample(&long, State::Error);
        (node.cause, node.url, node.run.trigger) = (Some(long.clone()), long.clone(), long.clone());
        for words in [Some(long.as_str()), Some("a\n&\n".repeat(4_000).as_str()), None] {
            let message = SlackMessage::of_node(&node, words, true);
            let sizes: Vec<_> = message
                .blocks
                .iter()
                .map(|block| block["text"]["text"].as_str().unwrap_or_default().chars().count())
                .collect();
            assert!(sizes.iter().all(|size| *size <= 3_000), "{sizes:?}");
            assert!(message.text.chars().count() + sizes.iter().sum::<usize>() <= 10_000);
            let text = serde_json::to_string(&message).unwrap();
            assert!(!text.contains("&…") && !text.contains("&am…"), "{text}");
        }
    }
}
