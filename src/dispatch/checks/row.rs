//! A pipeline as a check run: a row for the outbox. Reads no log and sends nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::markdown::{add, block, span};
use crate::{
    definition,
    dispatch::{
        cause,
        feedback::{self, commit_state, node_page, page},
        options::Options,
    },
    engine::Pipeline,
    forge::{Annotation, Button, CheckRun, CheckStatus, CommitState, Conclusion, Level},
    logs::plain_text,
    model::{
        Diagnostic, Ending, Fence, Hold, KillReason, Milestone, NodeIndex, NodePath, Severity, State, Trigger,
        WorkerId, status_context,
    },
    store::outbox::NewMessage,
};

/// The kind of these messages, as the outbox names it.
pub(in crate::dispatch) const CHECK: &str = "check";

/// So many failed nodes are shown with the end of their logs.
const SHOWN: usize = 20;

/// So many lines of the tree are shown, and so many bytes.
const TREE_LINES: usize = 200;
const TREE_BYTES: usize = 24 * 1024;

/// A check run, as it lies in the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Check {
    pub(super) run: CheckRun,
    /// How we call it; each try at the same commit gets a number behind it.
    pub(super) external: String,
    /// The nodes to show with the end of their logs.
    pub(super) failures: Vec<Failed>,
    /// How many more there are.
    pub(super) more: usize,
}

/// A node that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failed {
    pub(super) path: NodePath,
    pub(super) url: String,
    pub(super) cause: String,
    /// Its last attempt, where there was one.
    pub(super) attempt: Option<(Fence, WorkerId)>,
    /// The folder of the repository in which it began.
    pub(super) folder: String,
}

/// Returns what is to be told at a milestone.
pub(in crate::dispatch) fn message(
    options: &Options,
    pipeline: &Pipeline,
    milestone: Milestone,
    pause: Duration,
) -> Option<NewMessage> {
    let launch = pipeline.launch();
    let ending = match milestone {
        Milestone::Finished(ending) => Some(ending),
        Milestone::Begun | Milestone::Progress => None,
    };
    let (status, conclusion) = standing(pipeline, ending);
    let url = page(options, &launch.pipeline);
    let title = feedback::description(pipeline, ending);
    let failed = if ending.is_some() { cause::failed_leaves(pipeline) } else { Vec::new() };
    let summary = format!(
        "{}\n\n[Pipeline {}]({url}) by {}\n\n{}",
        span(&title),
        launch.pipeline,
        span(&launch.trigger.describe()),
        block(&tree(pipeline))
    );
    let check = Check {
        run: CheckRun {
            repository_id: launch.trigger.repository.id,
            sha: launch.trigger.sha.clone(),
            name: launch.status_context(),
            details_url: url,
            status,
            conclusion,
            started_at: Some(pipeline.created_at()),
            completed_at: pipeline.finished().filter(|_| conclusion.is_some()).map(|(_, at)| at),
            title,
            summary,
            text: String::new(),
            annotations: Vec::new(),
            buttons: buttons(pipeline, ending),
        },
        external: format!("cdt:{}", launch.pipeline),
        more: failed.len().saturating_sub(SHOWN),
        failures: failed.into_iter().take(SHOWN).map(|node| failure(options, pipeline, node)).collect(),
    };
    row(&launch.trigger, &check, launch.pipeline.as_str(), conclusion.is_some(), pause)
}

/// Returns the check run for a commit whose configuration, or what it points to, starts nothing.
pub(in crate::dispatch) fn refusal(
    options: &Options,
    trigger: &Trigger,
    section: &str,
    guid: &str,
    words: &str,
    diagnostics: &[Diagnostic],
) -> Option<NewMessage> {
    let mut check = unstarted(options, trigger, section, guid, words, Conclusion::Failure);
    let mut text = String::new();
    for diagnostic in diagnostics {
        let one = plain_text(definition::text(std::slice::from_ref(diagnostic), false).as_bytes());
        if !add(&mut text, &block(&one), 60_000) {
            break;
        }
    }
    check.run.text = text;
    check.run.annotations = diagnostics.iter().filter_map(annotation).collect();
    row(trigger, &check, &format!("{section}:{guid}"), true, Duration::ZERO)
}

/// Returns the check run for a section that is not to run at this commit.
pub(in crate::dispatch) fn suppression(
    options: &Options,
    trigger: &Trigger,
    section: &str,
    guid: &str,
    words: &str,
    conclusion: Conclusion,
) -> Option<NewMessage> {
    let check = unstarted(options, trigger, section, guid, words, conclusion);
    row(trigger, &check, &format!("{section}:{guid}"), true, Duration::ZERO)
}

fn unstarted(
    options: &Options,
    trigger: &Trigger,
    section: &str,
    guid: &str,
    words: &str,
    conclusion: Conclusion,
) -> Check {
    let url = format!("{}/app/deliveries/{guid}", options.public_url);
    Check {
        run: CheckRun {
            repository_id: trigger.repository.id,
            sha: trigger.sha.clone(),
            name: status_context(section),
            details_url: url.clone(),
            status: CheckStatus::Completed,
            conclusion: Some(conclusion),
            started_at: None,
            completed_at: None,
            title: words.to_owned(),
            summary: format!("{}\n\n[The delivery]({url})\n", span(words)),
            text: String::new(),
            annotations: Vec::new(),
            buttons: Vec::new(),
        },
        external: format!("cdt:delivery:{guid}"),
        failures: Vec::new(),
        more: 0,
    }
}

fn row(trigger: &Trigger, check: &Check, what: &str, is_final: bool, pause: Duration) -> Option<NewMessage> {
    let lane = format!("gh-check:{}:{}:{}:{what}", trigger.host, trigger.repository.id, trigger.sha);
    Some(NewMessage { lane, kind: CHECK, payload: serde_json::to_string(check).ok()?, is_final, pause })
}

fn standing(pipeline: &Pipeline, ending: Option<Ending>) -> (CheckStatus, Option<Conclusion>) {
    let completed = |conclusion| (CheckStatus::Completed, Some(conclusion));
    if feedback::is_displaced(pipeline) {
        return completed(Conclusion::Cancelled);
    }
    match ending {
        Some(Ending::Failed) if is_overdue(pipeline) => completed(Conclusion::TimedOut),
        Some(Ending::Cancelled) => completed(Conclusion::Cancelled),
        // Nothing of it can go on before somebody has said so: GitHub shows buttons only where it has ended.
        None if pipeline.hold() == Some(Hold::Approval) => completed(Conclusion::ActionRequired),
        None => {
            let counts = pipeline.counts(NodeIndex::ROOT);
            let has_begun = counts.running > 0 || counts.finished() > 0;
            (if has_begun { CheckStatus::InProgress } else { CheckStatus::Queued }, None)
        }
        ending => completed(match commit_state(ending) {
            CommitState::Success => Conclusion::Success,
            CommitState::Error | CommitState::Failure | CommitState::Pending => Conclusion::Failure,
        }),
    }
}

/// Says whether time is all that was wrong.
fn is_overdue(pipeline: &Pipeline) -> bool {
    let failed = cause::failed_leaves(pipeline);
    let reason = |node: &NodeIndex| pipeline.leaf(*node).and_then(|leaf| leaf.kill_reason);
    failed.iter().all(|node| pipeline.state(*node) == State::Killed)
        && failed.iter().any(|node| reason(node) == Some(KillReason::Timeout))
}

fn buttons(pipeline: &Pipeline, ending: Option<Ending>) -> Vec<Button> {
    let button = |label: &str, identifier: &str, description: &str| Button {
        label: label.to_owned(),
        identifier: identifier.to_owned(),
        description: description.to_owned(),
    };
    match ending {
        None if pipeline.hold() == Some(Hold::Approval) => {
            vec![button("Approve", "approve", "Run this commit, without any secret")]
        }
        Some(Ending::Failed | Ending::Infrastructure | Ending::Cancelled) => vec![
            button("Re-run failed", "rerun-failed", "Run again what failed, nothing else"),
            button("Skip failed", "skip-failed", "Pass over what failed, and go on"),
        ],
        _ => Vec::new(),
    }
}

fn failure(options: &Options, pipeline: &Pipeline, node: NodeIndex) -> Failed {
    let tree = pipeline.definition();
    let path = tree.path(node);
    let attempt = pipeline.leaf(node).and_then(|leaf| leaf.attempts.iter().rev().find(|attempt| !attempt.detached));
    Failed {
        url: node_page(options, &pipeline.launch().pipeline, &path),
        cause: cause::of_leaf(pipeline, node).unwrap_or_default(),
        attempt: attempt.map(|attempt| (attempt.fence, attempt.worker.clone())),
        folder: tree.folder(node).to_owned(),
        path,
    }
}

fn tree(pipeline: &Pipeline) -> String {
    let definition = pipeline.definition();
    let mut text = String::new();
    let mut stack = vec![(NodeIndex::ROOT, 0_usize)];
    let (mut lines, total) = (0, definition.indices().count());
    while let Some((node, depth)) = stack.pop() {
        let name = plain_text(definition.node(node).name.as_bytes()).replace('\n', " ");
        let counts = pipeline.counts(node);
        let details = match definition.is_exec(node) {
            true => cause::of_leaf(pipeline, node).map(|cause| format!("  {}", plain_text(cause.as_bytes()))),
            false => Some(format!("  {} of {} done", counts.done, counts.total())),
        };
        let details = details.unwrap_or_default().replace('\n', " ");
        let line = format!("{}{} {name}{details}\n", "  ".repeat(depth.min(40)), mark(pipeline, node));
        if lines == TREE_LINES || !add(&mut text, &line, TREE_BYTES) {
            text.push_str(&format!("… and {} more nodes\n", total - lines));
            break;
        }
        lines += 1;
        stack.extend(definition.children(node).iter().rev().map(|child| (*child, depth + 1)));
    }
    text
}

fn mark(pipeline: &Pipeline, node: NodeIndex) -> char {
    if pipeline.is_skipped(node) {
        return '»';
    }
    match pipeline.state(node) {
        State::Pending => '·',
        State::Queued => '○',
        State::Running => '▶',
        State::Done => '✔',
        State::Error => '✘',
        State::Killed => '■',
    }
}

fn annotation(diagnostic: &Diagnostic) -> Option<Annotation> {
    let span = &diagnostic.primary.as_ref()?.span;
    let line = |(line, _): (usize, usize)| u32::try_from(line).unwrap_or(u32::MAX);
    let help = diagnostic.help.as_deref().map(|help| format!("\n\nhelp: {help}")).unwrap_or_default();
    Some(Annotation {
        path: span.file.name.clone(),
        start_line: line(span.line_column()),
        end_line: line(span.end_line_column()),
        level: match diagnostic.severity {
            Severity::Error => Level::Failure,
            Severity::Warning => Level::Warning,
        },
        title: diagnostic.code.to_owned(),
        message: plain_text(format!("{}{help}", diagnostic.message).as_bytes()),
    })
}
