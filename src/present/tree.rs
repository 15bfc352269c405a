//! The tree of a pipeline as rows of text.

use jiff::Timestamp;

use super::{
    ink::Ink,
    state::{attempt_outcome, counts_words, glyph, took},
};
use crate::{
    dispatch::view::{NodeView, PipelineView},
    logs::plain_text,
};

/// One node, ready to be printed.
#[derive(Clone, Debug, PartialEq)]
pub struct Row<'a> {
    /// Lines that lead from the parent: `│ ├ `.
    pub guide: String,
    /// The node.
    pub node: &'a NodeView,
    /// How long it took, or has taken.
    pub took: Option<String>,
    /// Counts of a group; cause, reason for waiting and number of attempts of a leaf.
    pub details: String,
}

/// Draws the lines that lead to rows of these depths, from the parent of each: `│ ├ `.
pub(super) fn guides(depths: &[usize]) -> Vec<String> {
    // From the last row upwards: at which depths something still follows.
    let mut follows: Vec<bool> = Vec::new();
    let mut guides: Vec<String> = depths
        .iter()
        .rev()
        .map(|depth| {
            follows.resize(depth + 1, false);
            let line = |depth: usize, follows: &[bool]| if follows[depth] { "│ " } else { "  " };
            let mut guide: String = (1..*depth).map(|depth| line(depth, &follows)).collect();
            if *depth > 0 {
                guide.push_str(if follows[*depth] { "├ " } else { "└ " });
            }
            follows[*depth] = true;
            guide
        })
        .collect();
    guides.reverse();
    guides
}

/// Lays out the whole tree.
pub fn rows(pipeline: &PipelineView, now: Timestamp) -> Vec<Row<'_>> {
    let depths: Vec<usize> = pipeline.nodes.iter().map(|node| node.depth).collect();
    let rows = pipeline.nodes.iter().zip(guides(&depths)).enumerate();
    rows.map(|(at, (node, guide))| Row { guide, node, took: duration(pipeline, at, now), details: details(node) })
        .collect()
}

/// Returns the leaves that failed and are not skipped, in the order of the tree.
pub fn failures(pipeline: &PipelineView) -> impl Iterator<Item = &NodeView> {
    pipeline.nodes.iter().filter(|node| node.kind == "exec" && node.state.is_failed() && node.skipped_by.is_none())
}

/// Draws the tree as lines, painted.
pub fn tree_lines(pipeline: &PipelineView, now: Timestamp, ink: Ink) -> Vec<String> {
    let rows = rows(pipeline, now);
    let width = rows.iter().map(Row::name_width).max().unwrap_or(0);
    let line = |row: Row<'_>| {
        let state = row.node.state;
        let pad = width - row.name_width();
        let line = format!(
            "{}{} {}{:pad$}  {}  {:>7}  {}",
            ink.dim(&row.guide),
            ink.state(state, glyph(state)),
            row.node.name,
            "",
            ink.state(state, &format!("{:<7}", state.word())),
            row.took.as_deref().unwrap_or(""),
            ink.dim(&row.details),
        );
        line.trim_end().to_owned()
    };
    rows.into_iter().map(line).collect()
}

/// Draws the tree as lines without colour.
pub fn tree_text(pipeline: &PipelineView, now: Timestamp) -> String {
    let mut text = tree_lines(pipeline, now, Ink::default()).join("\n");
    text.push('\n');
    text
}

impl Row<'_> {
    /// Returns the number of characters that guide and name take.
    pub fn name_width(&self) -> usize {
        self.guide.chars().count() + self.node.name.chars().count()
    }
}

/// A leaf's time is that of its last attempt; a group's runs from the first start to the last end below it.
pub(super) fn duration(pipeline: &PipelineView, at: usize, now: Timestamp) -> Option<String> {
    let node = &pipeline.nodes[at];
    if node.kind == "exec" {
        let last = node.attempts.last()?;
        return if node.state.is_finished() || last.finished_at.is_none() {
            took(last.started_at, last.finished_at, now)
        } else {
            None
        };
    }
    let below = pipeline.nodes[at + 1..].iter().take_while(|other| other.depth > node.depth);
    let attempts: Vec<_> = below.filter_map(|leaf| leaf.attempts.last()).collect();
    let started = attempts.iter().filter_map(|attempt| attempt.started_at).min()?;
    let finished = match node.state.is_finished() {
        true => attempts.iter().filter_map(|attempt| attempt.finished_at).max(),
        false => None,
    };
    took(Some(started), finished, now)
}

fn details(node: &NodeView) -> String {
    let mut parts = Vec::new();
    if node.kind != "exec" {
        parts.extend(Some(counts_words(&node.counts)).filter(|words| !words.is_empty()));
    }
    parts.extend(remarks(node));
    if node.attempts.len() > 1 {
        parts.push(format!("attempt {}", node.attempts.len()));
    }
    parts.join(" · ")
}

/// Says what is to be said of a node beside its state: that it is skipped, why it failed or waits, whose container it has.
pub fn remarks(node: &NodeView) -> Vec<String> {
    let is_leaf = node.kind == "exec";
    let mut remarks = Vec::new();
    match node.skipped_by.as_deref() {
        Some(above) if above != node.path => remarks.push(format!("skipped with {above}")),
        Some(_) => remarks.push("skipped".to_owned()),
        None if is_leaf && !node.state.is_finished() => remarks.extend(node.waits_for.clone()),
        None => {}
    }
    if is_leaf && node.state.is_failed() {
        let outcome = node.cause.clone().or_else(|| node.attempts.last().map(attempt_outcome));
        remarks.extend(outcome.map(|words| plain_text(words.as_bytes())));
    }
    if node.container_group.as_ref() == Some(&node.path) {
        remarks.push(if is_leaf { "container of its own" } else { "one container" }.to_owned());
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::sample;

    #[test]
    fn the_tree_is_drawn_with_glyphs_words_times_and_causes() {
        let pipeline = sample::failed_pipeline();
        let now = pipeline.summary.created_at;
        insta::assert_snapshot!(tree_text(&pipeline, now), @"
        ✗ /                 error      1m33s  P1 D2 E1 K1
        ├ ✓ install         done        2.0s
        ├ ✗ checks          error      1m30s  D1 E1 K1
        │ ├ ✓ lint & style  done        1.0s
        │ ├ ✗ unit          error      34.0s  exit 1 · attempt 2
        │ └ ■ slow          killed     1m30s  max_time exceeded
        └ ○ deploy          pending           stopped by the error of /checks
        ");
    }

    #[test]
    fn what_is_skipped_and_who_shares_a_container_is_said_beside_the_state() {
        let mut pipeline = sample::failed_pipeline();
        for node in &mut pipeline.nodes {
            match node.path.as_str() {
                "/checks" => node.container_group = Some("/checks".into()),
                "/checks/unit" | "/checks/slow" => node.skipped_by = Some("/checks/unit".into()),
                _ => {}
            }
        }
        let now = pipeline.summary.created_at;
        insta::assert_snapshot!(tree_text(&pipeline, now), @"
        ✗ /                 error      1m33s  P1 D2 E1 K1
        ├ ✓ install         done        2.0s
        ├ ✗ checks          error      1m30s  D1 E1 K1 · one container
        │ ├ ✓ lint & style  done        1.0s
        │ ├ ✗ unit          error      34.0s  skipped · exit 1 · attempt 2
        │ └ ■ slow          killed     1m30s  skipped with /checks/unit · max_time exceeded
        └ ○ deploy          pending           stopped by the error of /checks
        ");
        assert_eq!(failures(&pipeline).count(), 0, "what is skipped has not failed");
    }
}
