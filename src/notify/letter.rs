//! An e-mail as it lies in the outbox, and what it says of a node. Pure: knows no server that could take it.

use serde::{Deserialize, Serialize};

use super::{NodeRun, message::tally};

/// More failures than this are on the page.
const MAX_FAILURES: usize = 20;
/// Longer lines are cut: they are for people.
const MAX_LINE: usize = 500;
const MAX_SUBJECT: usize = 200;

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Addresses; none for those of the settings.
    pub to: Vec<String>,
    /// Addresses that get a copy.
    pub cc: Vec<String>,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub body: String,
    /// The left part of its id: the same whenever it is sent again, so that a second copy can be known.
    pub id: String,
    /// The left part of the id under which mails of one pipeline are shown together.
    pub thread: String,
}

impl Letter {
    /// Writes to these addresses what there is to know of a node. `number` tells it from others of the same node.
    pub fn of_node(node: &NodeRun, to: Vec<String>, cc: Vec<String>, number: u64) -> Self {
        let run = &node.run;
        let (_, word, what) = node.headline();
        let mut lines = vec![format!("{word}: {what}")];
        lines.extend(node.cause.clone());
        lines.extend([String::new(), node.url.clone(), String::new()]);
        lines.push(format!("{}, {}, commit {}, by {}", run.repository, run.trigger, run.sha, run.sender));
        lines.push(format!("conducto/{}, pipeline {}: {}", run.section, run.pipeline, tally(&run.counts)));
        if !run.failures.is_empty() {
            lines.push(String::new());
            lines.push("What failed:".to_owned());
            for failure in run.failures.iter().take(MAX_FAILURES) {
                lines.push(format!("  {}: {}", failure.path, failure.cause));
                lines.push(format!("    {}", failure.url));
            }
            if run.failures.len() > MAX_FAILURES {
                lines.push(format!("  … and {} more", run.failures.len() - MAX_FAILURES));
            }
        }
        let body: Vec<_> = lines.iter().map(|line| plain(line, MAX_LINE)).collect();
        let subject = format!("[{}] {word}: {what} ({})", run.repository, run.trigger);
        Self {
            to,
            cc,
            subject: plain(&subject, MAX_SUBJECT),
            body: body.join("\n") + "\n",
            id: format!("{}.{number}", run.pipeline),
            thread: run.pipeline.clone(),
        }
    }
}

/// One line, without what could be taken for the beginning of another or for an order to a terminal.
fn plain(text: &str, most: usize) -> String {
    let harmless = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut line: String = harmless.clone().take(most).collect();
    if harmless.count() > most {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::State,
        notify::{Failure, node::sample},
    };

    #[test]
    fn a_failure_is_told_in_full() {
        let mut node = sample("/", State::Error);
        node.run.failures = vec![Failure {
            path: "/test".into(),
            cause: "exit code 3".into(),
            url: "https://ci.example.com/app/p/abc-def/n/test".into(),
        }];
        let letter = Letter::of_node(&node, vec!["team@example.com".into()], Vec::new(), 12);
        insta::assert_snapshot!(format!("{}\n---\n{}", letter.subject, letter.body));
    }

    #[test]
    fn nothing_becomes_a_header_or_a_line_of_its_own() {
        let mut node = sample("/a\r\nBcc: everybody@example.com", State::Done);
        node.run.title = "x\u{1b}[2J".into();
        let letter = Letter::of_node(&node, Vec::new(), Vec::new(), 1);
        assert!(!letter.subject.contains(['\r', '\n']), "{}", letter.subject);
        assert!(!letter.body.contains(['\r', '\u{1b}']) && !letter.body.contains("\nBcc"), "{}", letter.body);
    }
}
