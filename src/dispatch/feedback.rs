//! What the forge and the chat are to be told of a pipeline, as rows for the outbox. Sends nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    answer, cause, checks,
    options::{Feedback, Options},
};
use crate::{
    engine::Pipeline,
    forge::{CommitState, CommitStatus, Conclusion},
    model::{
        Actor, Counts, Diagnostic, Ending, Hold, KillReason, Milestone, NodeIndex, NodePath, PipelineId, State,
        Trigger, format_duration, status_context,
    },
    notify::{Failure, Run, SlackMessage},
    store::{outbox::NewMessage, pipelines::Projection},
};

/// Kinds of messages, as the outbox names them.
pub(super) const STATUS: &str = "status";
pub(super) const SLACK: &str = "slack";
pub(super) const EMAIL: &str = "email";
/// What an author asked for and cannot have; the payload says why.
pub(super) const REFUSED: &str = "refused";

/// The forge limits how much is written; progress is told no more often than this.
const STATUS_PAUSE: Duration = Duration::from_secs(10);

/// The chat's own limit for edits is about one a second in a channel.
const SLACK_PAUSE: Duration = Duration::from_secs(3);

/// A message for the chat, as it lies in the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chat {
    pub(super) channel: String,
    pub(super) message: SlackMessage,
    /// Where messages cannot be edited, only this one is posted.
    pub(super) is_final: bool,
}

/// Returns what is to be told at a milestone.
pub(super) fn messages(options: &Options, pipeline: &Pipeline, milestone: Milestone) -> Vec<NewMessage> {
    let launch = pipeline.launch();
    if launch.trigger.is_local() {
        // Whoever launched it looks at it.
        return Vec::new();
    }
    let ending = match milestone {
        Milestone::Finished(ending) => Some(ending),
        Milestone::Begun | Milestone::Progress => None,
    };
    // People look for the beginning and for the end at once; only what lies between can wait.
    let can_wait = milestone == Milestone::Progress && !is_displaced(pipeline);
    let pause = |usual: Duration| if can_wait { usual } else { Duration::ZERO };
    let mut messages: Vec<NewMessage> = match options.feedback {
        Feedback::Checks => checks::message(options, pipeline, milestone, pause(STATUS_PAUSE)),
        Feedback::Statuses => {
            status_row(&launch.trigger, &status(options, pipeline, ending), ending.is_some(), pause(STATUS_PAUSE))
        }
    }
    .into_iter()
    .collect();
    if let Some(channel) = launch.slack_channel.as_ref().or(options.slack_channel.as_ref()) {
        let message = SlackMessage::of(&run(options, pipeline));
        let chat = Chat { channel: channel.clone(), message, is_final: ending.is_some() };
        messages.extend(serde_json::to_string(&chat).ok().map(|payload| NewMessage {
            lane: format!("slack:{channel}:{}", launch.pipeline),
            kind: SLACK,
            payload,
            is_final: ending.is_some(),
            pause: pause(SLACK_PAUSE),
        }));
    }
    messages
}

fn status(options: &Options, pipeline: &Pipeline, ending: Option<Ending>) -> CommitStatus {
    let launch = pipeline.launch();
    CommitStatus {
        repository_id: launch.trigger.repository.id,
        sha: launch.trigger.sha.clone(),
        context: launch.status_context(),
        state: if is_displaced(pipeline) { CommitState::Error } else { commit_state(ending) },
        description: description(pipeline, ending),
        target_url: Some(page(options, &launch.pipeline)),
    }
}

/// Returns the mark for a commit whose configuration, or what it points to, starts nothing.
pub(super) fn refusal(
    options: &Options,
    trigger: &Trigger,
    section: &str,
    guid: &str,
    words: &str,
    diagnostics: &[Diagnostic],
) -> Option<NewMessage> {
    match options.feedback {
        Feedback::Checks => checks::refusal(options, trigger, section, guid, words, diagnostics),
        Feedback::Statuses => unstarted(options, trigger, section, guid, words, CommitState::Error),
    }
}

/// Returns the mark for a section that is not to run at a commit, since another is at work.
pub(super) fn suppression(
    options: &Options,
    trigger: &Trigger,
    section: &str,
    guid: &str,
    words: &str,
) -> Option<NewMessage> {
    match options.feedback {
        Feedback::Checks => checks::suppression(options, trigger, section, guid, words, Conclusion::Cancelled),
        Feedback::Statuses => unstarted(options, trigger, section, guid, words, CommitState::Error),
    }
}

/// Returns the mark for a section that somebody has asked to leave out at a commit. Without one, branch protection would wait
/// for it for ever; commit statuses have no word for it.
pub(super) fn skipped(
    options: &Options,
    trigger: &Trigger,
    section: &str,
    guid: &str,
    words: &str,
) -> Option<NewMessage> {
    match options.feedback {
        Feedback::Checks => checks::suppression(options, trigger, section, guid, words, Conclusion::Skipped),
        Feedback::Statuses => None,
    }
}

fn unstarted(
    options: &Options,
    trigger: &Trigger,
    section: &str,
    guid: &str,
    words: &str,
    state: CommitState,
) -> Option<NewMessage> {
    let status = CommitStatus {
        repository_id: trigger.repository.id,
        sha: trigger.sha.clone(),
        context: status_context(section),
        state,
        description: words.to_owned(),
        target_url: Some(format!("{}/app/deliveries/{guid}", options.public_url)),
    };
    status_row(trigger, &status, true, Duration::ZERO)
}

pub(super) fn status_row(
    trigger: &Trigger,
    status: &CommitStatus,
    is_final: bool,
    pause: Duration,
) -> Option<NewMessage> {
    let CommitStatus { repository_id, sha, context, .. } = status;
    let lane = format!("gh-status:{}:{repository_id}:{sha}:{context}", trigger.host);
    let payload = serde_json::to_string(status).ok()?;
    Some(NewMessage { lane, kind: STATUS, payload, is_final, pause })
}

/// Says whether it sleeps because a newer one took its place. It does not go on by itself: to the forge that is an end, until
/// somebody wakes it.
pub(super) fn is_displaced(pipeline: &Pipeline) -> bool {
    pipeline.finished().is_none() && pipeline.asleep() == Some(&Actor::Server)
}

pub(super) fn commit_state(ending: Option<Ending>) -> CommitState {
    match ending {
        None => CommitState::Pending,
        Some(Ending::Done) => CommitState::Success,
        Some(Ending::Failed) => CommitState::Failure,
        Some(Ending::Cancelled | Ending::Infrastructure) => CommitState::Error,
    }
}

/// One line for the forge, the important words first since it is cut at 140 characters.
pub(super) fn description(pipeline: &Pipeline, ending: Option<Ending>) -> String {
    let counts = pipeline.counts(NodeIndex::ROOT);
    let done = format!("{} of {} done", counts.done, counts.total());
    let time =
        pipeline.finished().and_then(|(_, at)| Duration::try_from(at.duration_since(pipeline.created_at())).ok());
    let time = time.map(|time| format!(" in {}", format_duration(time))).unwrap_or_default();
    match (ending, cause::of_pipeline(pipeline)) {
        (None, _) if is_displaced(pipeline) => {
            let (kind, _) = pipeline.launch().trigger.subject();
            format!("put to sleep: a newer commit of the same {kind} took its place; {done}")
        }
        (None, _) if pipeline.hold() == Some(Hold::Approval) => {
            "waits for approval: the code comes from a fork".to_owned()
        }
        (None, _) if pipeline.hold() == Some(Hold::Turn) => {
            let turn = pipeline.launch().turn.as_ref();
            let words = turn.map_or_else(|| "waits for its turn".to_owned(), |turn| turn.words(turn.behind.as_ref()));
            format!("deferred: {words}")
        }
        (None, _) => progress(&counts),
        (Some(Ending::Done), _) | (Some(_), None) => format!("{done}{time}"),
        (Some(_), Some(cause)) => {
            let room = 138_usize.saturating_sub(done.len() + time.len());
            format!("{}; {done}{time}", cut(&cause, room))
        }
    }
}

fn progress(counts: &Counts) -> String {
    let mut words = match (counts.running, counts.finished()) {
        (0, 0) => return format!("queued: {} to run", counts.total()),
        (running, _) => format!("{} of {} done, {running} running", counts.done, counts.total()),
    };
    if counts.failed() > 0 {
        words.push_str(&format!(", {} failed", counts.failed()));
    }
    words
}

fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(1)).collect();
    format!("{kept}…")
}

pub(super) fn run(options: &Options, pipeline: &Pipeline) -> Run {
    let launch = pipeline.launch();
    let Projection { state, ending, cause, counts, .. } = answer::projection(pipeline);
    let failures = cause::failed_leaves(pipeline)
        .into_iter()
        .filter(|node| {
            // What was only stopped along with the rest explains nothing.
            let reason = pipeline.leaf(*node).and_then(|leaf| leaf.kill_reason);
            pipeline.state(*node) == State::Error || reason != Some(KillReason::User)
        })
        .map(|node| {
            let path = pipeline.definition().path(node);
            Failure {
                url: node_page(options, &launch.pipeline, &path),
                path: path.into(),
                cause: cause::of_leaf(pipeline, node).unwrap_or_default(),
            }
        })
        .collect();
    Run {
        pipeline: launch.pipeline.to_string(),
        title: launch.title.clone(),
        url: page(options, &launch.pipeline),
        state,
        ending,
        cause,
        repository: launch.trigger.repository.full_name.clone(),
        trigger: launch.trigger.describe(),
        section: launch.section.clone(),
        sha: launch.trigger.sha.clone(),
        sender: launch.trigger.sender.clone(),
        counts,
        failures,
    }
}

pub(super) fn page(options: &Options, pipeline: &PipelineId) -> String {
    format!("{}/app/p/{pipeline}", options.public_url)
}

pub(super) fn node_page(options: &Options, pipeline: &PipelineId, path: &NodePath) -> String {
    let encoded: String = path
        .as_str()
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect();
    format!("{}/n{encoded}", page(options, pipeline))
}
