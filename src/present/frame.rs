//! What of a pipeline's tree is shown on a few rows while it runs: always the same number of them. Knows no terminal.

use std::collections::BTreeSet;

use jiff::Timestamp;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::{
    ink::Ink,
    state::{counts_words, glyph, took},
    tree::{duration, guides, remarks},
};
use crate::{
    dispatch::view::{NodeView, PipelineView},
    model::{State, format_duration},
};

/// So many running leaves are shown where not all nodes can be.
const MOST_RUNNING: usize = 8;

/// So many leaves that failed are shown before those that run; of the others, the groups they are in.
const FIRST_FAILED: usize = 2;

/// So many nodes are tried for the rows that are left.
const MOST_TRIED: usize = 100;

/// Columns of a line besides guide, name and details: glyph, time, and what stands between.
const GAPS: usize = 13;

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// Before so many leaves have ended, how long the rest will take is a guess into the blue.
const ENOUGH: u32 = 3;

/// The space there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns; no line is wider.
    pub columns: usize,
    /// Rows of the whole terminal.
    pub rows: usize,
}

impl Size {
    /// Returns how many rows the frame may have: a third of the terminal, but eight where there are as many.
    pub fn frame(self) -> usize {
        self.rows.saturating_sub(1).min((self.rows / 3).max(8))
    }
}

/// Draws the frame: rows of the tree, then how far it is. A tree that needs less than the frame may have gets less.
pub fn frame(pipeline: &PipelineView, size: Size, now: Timestamp, ink: Ink) -> Vec<String> {
    let rows = size.frame().saturating_sub(1).max(1);
    let tree = Tree::of(pipeline);
    let chosen = tree.choose(rows);
    let mut lines = tree.draw(&chosen, size.columns, now, ink);
    lines.truncate(rows);
    lines.push(progress(pipeline, size.columns, now, ink));
    lines
}

/// Cuts a text to so many columns; what is cut off shows as `…`.
pub fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let (mut kept, mut width) = (String::new(), 0);
    for letter in text.chars() {
        width += letter.width().unwrap_or(0);
        if width >= columns {
            break;
        }
        kept.push(letter);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// Writes every glyph of ours with a character that all terminals have.
pub fn plain_glyphs(line: &str) -> String {
    line.chars()
        .map(|letter| match letter {
            '✓' => '+',
            '✗' => 'x',
            '■' => '#',
            '▶' => '>',
            '◷' => '.',
            '○' => 'o',
            '│' | '├' => '|',
            '└' => '`',
            '…' => '~',
            '·' => '-',
            '≈' => '~',
            '█' => '#',
            '░' => '-',
            letter if ('\u{2800}'..='\u{28ff}').contains(&letter) => '*',
            letter => letter,
        })
        .collect()
}

struct Tree<'a> {
    pipeline: &'a PipelineView,
    parents: Vec<Option<usize>>,
    /// How many children each node has.
    widths: Vec<usize>,
}

impl<'a> Tree<'a> {
    fn of(pipeline: &'a PipelineView) -> Self {
        let nodes = &pipeline.nodes;
        let (mut open, mut parents, mut widths) = (Vec::new(), Vec::with_capacity(nodes.len()), vec![0; nodes.len()]);
        for (at, node) in nodes.iter().enumerate() {
            open.truncate(node.depth);
            let parent = open.last().copied();
            if let Some(parent) = parent {
                widths[parent] += 1;
            }
            parents.push(parent);
            open.push(at);
        }
        Self { pipeline, parents, widths }
    }

    /// Says which nodes are shown: all if they fit, else those people look for first.
    fn choose(&self, rows: usize) -> BTreeSet<usize> {
        let nodes = &self.pipeline.nodes;
        if nodes.len() <= rows {
            return (0..nodes.len()).collect();
        }
        let leaves = || nodes.iter().enumerate().filter(|(_, node)| node.kind == "exec");
        let mut running: Vec<usize> =
            leaves().filter(|(_, node)| node.state == State::Running).map(|(at, _)| at).collect();
        running.sort_by_key(|at| nodes[*at].attempts.last().and_then(|attempt| attempt.started_at));
        let failed = leaves().filter(|(_, node)| node.state.is_failed() && node.skipped_by.is_none()).map(|(at, _)| at);
        let top = (0..nodes.len()).filter(|at| nodes[*at].depth == 1);
        let first = failed.clone().take(FIRST_FAILED).chain(failed.clone().filter_map(|at| self.parents[at]));
        let wanted = first.chain(running.into_iter().take(MOST_RUNNING));
        let mut chosen = BTreeSet::from([0]);
        for at in wanted.chain(failed).chain(top).chain(0..nodes.len()).take(MOST_TRIED) {
            let mut with = chosen.clone();
            let lineage = std::iter::successors(Some(at), |at| self.parents[*at]);
            with.extend(lineage);
            match self.height(&with) {
                height if height < rows => chosen = with,
                height if height == rows => return with,
                _ => {}
            }
        }
        chosen
    }

    /// Returns how many children of a node are chosen.
    fn shown(&self, chosen: &BTreeSet<usize>, of: usize) -> usize {
        chosen.iter().filter(|at| self.parents[**at] == Some(of)).count()
    }

    fn height(&self, chosen: &BTreeSet<usize>) -> usize {
        let cut_short = |at: &&usize| {
            let shown = self.shown(chosen, **at);
            shown > 0 && shown < self.widths[**at]
        };
        chosen.len() + chosen.iter().filter(cut_short).count()
    }

    fn draw(&self, chosen: &BTreeSet<usize>, columns: usize, now: Timestamp, ink: Ink) -> Vec<String> {
        let nodes = &self.pipeline.nodes;
        // What is shown, with a line for the rest of each group at its end, in the order of the tree.
        let mut shown: Vec<(usize, Shown<'_>)> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        let close = |open: &mut Vec<usize>, depth: usize, shown: &mut Vec<(usize, Shown<'a>)>| {
            while open.len() > depth {
                let Some(group) = open.pop() else { break };
                let hidden = self.widths[group] - self.shown(chosen, group);
                if hidden > 0 && hidden < self.widths[group] {
                    shown.push((nodes[group].depth + 1, Shown::More(hidden)));
                }
            }
        };
        for at in chosen {
            close(&mut open, nodes[*at].depth, &mut shown);
            shown.push((nodes[*at].depth, Shown::Node(*at, &nodes[*at])));
            open.push(*at);
        }
        close(&mut open, 0, &mut shown);
        let guides = guides(&shown.iter().map(|(depth, _)| *depth).collect::<Vec<_>>());
        let names: Vec<String> = shown
            .iter()
            .zip(&guides)
            .map(|((_, what), guide)| what.name((columns * 2 / 5).saturating_sub(guide.width()).max(8)))
            .collect();
        let width = guides.iter().zip(&names).map(|(guide, name)| guide.width() + name.width()).max().unwrap_or(0);
        let room = columns.saturating_sub(width + GAPS);
        let line = |(what, (guide, name)): (&Shown<'_>, (&String, &String))| match what {
            Shown::More(_) => format!("{}{}", ink.dim(guide), ink.dim(name)),
            Shown::Node(at, node) => {
                let mark = match node.state {
                    State::Running if node.kind == "exec" => spinner(node, now),
                    state => glyph(state),
                };
                let pad = width - guide.width() - name.width();
                let took = duration(self.pipeline, *at, now).unwrap_or_default();
                let (guide, mark, details) = (ink.dim(guide), ink.state(node.state, mark), cut(&details(node), room));
                format!("{guide}{mark} {name}{:pad$}  {took:>7}  {}", "", ink.dim(&details)).trim_end().to_owned()
            }
        };
        shown.iter().map(|(_, what)| what).zip(guides.iter().zip(&names)).map(line).collect()
    }
}

enum Shown<'a> {
    Node(usize, &'a NodeView),
    More(usize),
}

impl Shown<'_> {
    /// Returns the name, cut to so many columns.
    fn name(&self, columns: usize) -> String {
        match self {
            Self::Node(_, node) => cut(&node.name, columns),
            Self::More(count) => format!("… {count} more"),
        }
    }
}

fn details(node: &NodeView) -> String {
    if node.kind == "exec" { remarks(node).join(" · ") } else { counts_words(&node.counts) }
}

/// Moves once a second: what hangs looks as if it did.
fn spinner(node: &NodeView, now: Timestamp) -> &'static str {
    let started = node.attempts.last().and_then(|attempt| attempt.started_at);
    let seconds = started.map_or(0, |started| now.duration_since(started).as_secs().max(0));
    SPINNER[usize::try_from(seconds).unwrap_or_default() % SPINNER.len()]
}

fn progress(pipeline: &PipelineView, columns: usize, now: Timestamp, ink: Ink) -> String {
    let summary = &pipeline.summary;
    let (ended, total) = (summary.counts.finished(), summary.counts.total());
    let mut words = format!("  {ended}/{total}");
    let failed = summary.counts.failed();
    if failed > 0 {
        words.push_str(&format!("  {failed} failed"));
    }
    if let Some(time) = took(Some(summary.created_at), summary.finished_at, now) {
        words.push_str(&format!(" · {time}"));
    }
    if let Some(left) = remaining(pipeline, now) {
        words.push_str(&format!(" · ≈{left} left"));
    }
    let words = cut(&words, columns.saturating_sub(12));
    let width = (columns.saturating_sub(words.width() + 2)).min(30);
    let share = |of: u32| {
        if total == 0 { 0 } else { usize::try_from(of).unwrap_or(0) * width / usize::try_from(total).unwrap_or(1) }
    };
    let full = share(ended);
    let state = if failed > 0 { State::Error } else { State::Done };
    let bar = ink.state(state, &"█".repeat(full));
    format!("[{bar}{}]{words}", ink.dim(&"░".repeat(width - full)))
}

/// What is left takes as long for each leaf as what has ended, and no promise is meant.
fn remaining(pipeline: &PipelineView, now: Timestamp) -> Option<String> {
    let summary = &pipeline.summary;
    let (ended, total) = (summary.counts.finished(), summary.counts.total());
    if ended < ENOUGH || ended >= total || summary.finished_at.is_some() {
        return None;
    }
    let elapsed = std::time::Duration::try_from(now.duration_since(summary.created_at)).ok()?;
    let left = elapsed / ended * (total - ended);
    Some(format_duration(std::time::Duration::from_secs(left.as_secs().max(1))))
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;
    use rstest::rstest;

    use super::*;
    use crate::present::sample;

    fn shown(pipeline: &PipelineView, columns: usize, rows: usize) -> String {
        let now = pipeline.summary.created_at + 95.seconds();
        frame(pipeline, Size { columns, rows }, now, Ink::default()).join("\n")
    }

    #[test]
    fn a_small_tree_is_shown_whole_with_how_far_it_is() {
        insta::assert_snapshot!("frame_of_a_running_pipeline", shown(&sample::running_pipeline(), 80, 24));
        insta::assert_snapshot!("frame_of_a_failed_pipeline", shown(&sample::failed_pipeline(), 80, 30));
    }

    #[test]
    fn of_a_large_tree_people_see_what_fails_and_what_runs() {
        let pipeline = sample::large_pipeline(5_000);
        insta::assert_snapshot!("frame_of_5000_nodes_80x24", shown(&pipeline, 80, 24));
        insta::assert_snapshot!("frame_of_5000_nodes_200x60", shown(&pipeline, 200, 60));
    }

    #[rstest]
    #[case(80, 24)]
    #[case(200, 60)]
    #[case(40, 10)]
    #[case(12, 4)]
    fn no_line_is_wider_and_no_frame_higher_than_its_space(#[case] columns: usize, #[case] rows: usize) {
        for pipeline in [sample::running_pipeline(), sample::failed_pipeline(), sample::large_pipeline(500)] {
            let text = shown(&pipeline, columns, rows);
            assert!(text.lines().count() <= rows.saturating_sub(1).max(2), "{text}");
            if columns >= 40 {
                assert!(text.lines().all(|line| line.width() <= columns), "{text}");
            }
        }
    }

    #[test]
    fn wide_letters_take_two_columns() {
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("abc", 0), "");
        assert!(plain_glyphs("✗ ├ ⠹ … █").is_ascii());
    }
}
