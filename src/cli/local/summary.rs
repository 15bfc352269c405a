//! The last word on a run: how it ended, what failed and why in one line each, and how to go on. Knows no terminal.

use std::collections::BTreeMap;

use jiff::Timestamp;
use unicode_width::UnicodeWidthStr as _;

use crate::{
    dispatch::view::PipelineView,
    model::{Ending, State},
    present::{Ink, attempt_outcome, cut, failures, glyph, plain_text, shell_word, standstill, took},
};

/// More failures are counted, not named.
const MOST: usize = 20;

/// Writes it. `columns` is the width of the terminal; lines are whole where there is none.
pub(super) fn lines(
    pipeline: &PipelineView,
    last_words: &BTreeMap<String, String>,
    again: &str,
    columns: Option<usize>,
    now: Timestamp,
    ink: Ink,
) -> Vec<String> {
    let (summary, counts) = (&pipeline.summary, &pipeline.summary.counts);
    let total = counts.total();
    let (word, share) = match summary.ending {
        Some(Ending::Done) => ("done", counts.done),
        Some(Ending::Failed) => ("failed", counts.failed()),
        Some(Ending::Cancelled) => ("cancelled", counts.finished()),
        Some(Ending::Infrastructure) => ("ended by trouble below the commands", counts.failed()),
        None => ("not finished", counts.finished()),
    };
    let time = took(Some(summary.created_at), summary.finished_at, now).unwrap_or_default();
    let mut lines = vec![format!("{}  {share} of {total} nodes in {time}", ink.state(summary.state, word))];
    lines.extend(standstill(pipeline));
    let failed: Vec<_> = failures(pipeline).collect();
    let named = || failed.iter().take(MOST);
    let width = named().map(|node| node.path.width()).max().unwrap_or(0).min(50);
    for node in named() {
        let attempt = node.attempts.last();
        let outcome = node.cause.clone().or_else(|| attempt.map(attempt_outcome)).unwrap_or_default();
        let time = attempt.and_then(|attempt| took(attempt.started_at, attempt.finished_at, now)).unwrap_or_default();
        let last = last_words.get(&node.path).map_or("", |line| line.trim());
        let pad = width.saturating_sub(node.path.width());
        let words = format!("{}{:pad$}  {:<12}  {time:>7}  {last}", node.path, "", plain_text(outcome.as_bytes()));
        let words = columns.map_or_else(|| words.clone(), |columns| cut(&words, columns.saturating_sub(4)));
        lines.push(format!("  {} {}", ink.state(node.state, glyph(node.state)), words.trim_end()));
    }
    if failed.len() > MOST {
        lines.push(format!("  … and {} more", failed.len() - MOST));
    }
    if let Some(first) = failed.first() {
        let (id, path) = (&summary.id, shell_word(&first.path));
        lines.push(format!("again:  {again} --rerun-failed"));
        lines.push(format!("log:    conducto logs {id} {path}"));
        if summary.state != State::Killed && pipeline.executor == "docker" {
            lines.push(format!("debug:  conducto debug {id} {path}"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::sample;

    #[test]
    fn what_failed_is_named_with_its_last_words_and_how_to_go_on() {
        let pipeline = sample::failed_pipeline();
        let words =
            BTreeMap::from([("/checks/unit".to_owned(), "assertion failed: left == right, and so on".to_owned())]);
        let now = pipeline.summary.created_at;
        let shown = lines(&pipeline, &words, "conducto run push", Some(60), now, Ink::default()).join("\n");
        insta::assert_snapshot!("summary_of_a_failed_run", shown);
        let many = crate::present::sample::large_pipeline(1_500);
        assert!(lines(&many, &words, "conducto run push", None, now, Ink::default()).len() < 40);
    }
}
