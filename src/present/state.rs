//! States, counts and times in the words and glyphs people see. Every state has its own shape; colour is added elsewhere.

use std::time::Duration;

use jiff::Timestamp;

use crate::logs::plain_text;
use crate::{
    dispatch::view::{AttemptView, PipelineSummary, PipelineView},
    model::{Counts, Ending, Hold, State, format_duration},
};

/// Returns the glyph of a state.
pub fn glyph(state: State) -> &'static str {
    match state {
        State::Pending => "○",
        State::Queued => "◷",
        State::Running => "▶",
        State::Done => "✓",
        State::Error => "✗",
        State::Killed => "■",
    }
}

/// Writes counts as `P4 R2 D10 E1`, without those that are zero.
pub fn counts_words(counts: &Counts) -> String {
    let part = |state: State| (counts.of(state) > 0).then(|| format!("{}{}", state.letter(), counts.of(state)));
    State::ALL.into_iter().filter_map(part).collect::<Vec<_>>().join(" ")
}

/// Says in one line where a pipeline stands: `failed: /test (exit 1)`, `running: 3 of 7 nodes have ended`.
pub fn headline(pipeline: &PipelineSummary) -> String {
    let total = pipeline.counts.total();
    match (pipeline.ending, &pipeline.cause) {
        (Some(Ending::Done), _) => format!("done: {total} of {total} nodes"),
        // A cause may quote what somebody else has written.
        (Some(_), Some(cause)) => plain_text(cause.as_bytes()),
        (Some(Ending::Failed), None) => format!("failed: {} of {total} nodes", pipeline.counts.failed()),
        (Some(Ending::Cancelled), None) => "cancelled".to_owned(),
        (Some(Ending::Infrastructure), None) => "ended by trouble below the commands".to_owned(),
        (None, _) => {
            let failed = match pipeline.counts.failed() {
                0 => String::new(),
                failed => format!(", {failed} failed"),
            };
            format!("{}: {} of {total} nodes have ended{failed}", pipeline.state, pipeline.counts.finished())
        }
    }
}

/// Says why nothing starts in a pipeline that waits for somebody, and how it goes on.
pub fn standstill(pipeline: &PipelineView) -> Option<String> {
    let id = &pipeline.summary.id;
    match (pipeline.hold, pipeline.asleep) {
        _ if pipeline.summary.ending.is_some() => None,
        (_, true) => Some(format!("it sleeps; `conducto wake {id}` lets it go on")),
        (Some(Hold::Manual), false) => Some(format!("it waits to be started; `conducto start {id}` does that")),
        (Some(Hold::Turn), false) => {
            let words = pipeline.waits_for.as_deref().unwrap_or("waits for its turn");
            Some(format!("it {words}; `conducto start {id}` lets it go ahead"))
        }
        (Some(Hold::Approval), false) => {
            Some(format!("it waits for approval: the code comes from a fork; `conducto start {id}` lets it run"))
        }
        (None, false) => None,
    }
}

/// Returns how long something took, or has taken until now; nothing before its start.
pub fn took(started: Option<Timestamp>, finished: Option<Timestamp>, now: Timestamp) -> Option<String> {
    let span = finished.unwrap_or(now).duration_since(started?);
    Some(format_duration(Duration::try_from(span).unwrap_or_default()))
}

/// Says how an attempt ended, or what it does now.
pub fn attempt_outcome(attempt: &AttemptView) -> String {
    attempt.outcome.clone().unwrap_or_else(|| attempt.state.to_string())
}
