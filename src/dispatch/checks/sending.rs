//! Brings check runs to the forge: made once, changed in place, found again where it is not known whether they were made.

use super::{
    log,
    markdown::{add, block, span},
    row::{Check, Failed},
};
use crate::{
    dispatch::{outbox::read, shared::Shared},
    forge::{Annotation, CheckRun, CheckStatus, Level},
    model::{PipelineId, SendError},
    problems::{Problem, Weight},
    store::outbox::{Claimed, Sent},
};

/// Most bytes of the text below the summary; GitHub takes 65,535.
const MOST: usize = 60_000;

/// So many annotations go into a request; what is sent later would be added to them, not take their place.
const ANNOTATIONS: usize = 50;

/// What a lane remembers of its check run. A check that has ended is not opened again: another of the same name follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    number: u32,
    is_open: bool,
}

impl Standing {
    fn of(message: &Claimed) -> Self {
        let text = message.channel.as_deref().unwrap_or("0:ended");
        let (number, word) = text.split_once(':').unwrap_or((text, "ended"));
        Self { number: number.parse().unwrap_or(0), is_open: word == "open" && message.remote_id.is_some() }
    }

    fn text(self) -> String {
        format!("{}:{}", self.number, if self.is_open { "open" } else { "ended" })
    }
}

/// Says whether sending this makes something new.
pub(in crate::dispatch) fn creates(message: &Claimed) -> bool {
    !Standing::of(message).is_open
}

/// Sends one.
pub(in crate::dispatch) async fn send(shared: &Shared, message: &Claimed) -> Result<Sent, SendError> {
    let check: Check = read(&message.payload)?;
    let external = check.external.clone();
    let run = with_logs(shared, check).await;
    let is_open = run.status != CheckStatus::Completed;
    let (standing, github) = (Standing::of(message), &shared.parts.github);
    let known = message.remote_id.as_deref().filter(|_| standing.is_open).and_then(|id| id.parse::<u64>().ok());
    if let Some(id) = known {
        github.update_check(id, &run).await?;
        let channel = Some(Standing { is_open, ..standing }.text());
        return Ok(Sent::Arrived { remote_id: None, channel });
    }
    let number = standing.number + 1;
    let external = format!("{external}:{number}");
    let found = if message.is_unsure { github.find_check(&run, &external).await? } else { None };
    let id = match found {
        Some(id) => {
            github.update_check(id, &run).await?;
            id
        }
        None => github.create_check(&run, &external).await?,
    };
    Ok(Sent::Arrived { remote_id: Some(id.to_string()), channel: Some(Standing { number, is_open }.text()) })
}

/// Adds what the logs of failed nodes say.
async fn with_logs(shared: &Shared, check: Check) -> CheckRun {
    let Check { mut run, external, failures, more } = check;
    let Some(pipeline) = external.strip_prefix("cdt:").and_then(|id| PipelineId::parse(id).ok()) else { return run };
    let mut left_out = more;
    for failed in &failures {
        let told = log::read(shared, &pipeline, failed).await;
        let room = ANNOTATIONS.saturating_sub(run.annotations.len());
        run.annotations.extend(told.problems.into_iter().take(room).map(annotation));
        if !add(&mut run.text, &section(failed, &told.end), MOST) {
            left_out += 1;
        }
    }
    if left_out > 0 {
        run.text
            .push_str(&format!("\n… and {left_out} more nodes that failed: see [the pipeline]({})\n", run.details_url));
    }
    run
}

fn section(failed: &Failed, end: &str) -> String {
    let Failed { path, url, cause, .. } = failed;
    let end = if end.is_empty() { String::new() } else { block(end) };
    format!("#### [{}]({url})\n\n{}\n\n{end}\n", span(path.as_str()), span(cause))
}

fn annotation(problem: Problem) -> Annotation {
    let Problem { path, line, end_line, weight, title, message } = problem;
    let level = match weight {
        Weight::Notice => Level::Notice,
        Weight::Warning => Level::Warning,
        Weight::Error => Level::Failure,
    };
    Annotation { path, start_line: line, end_line, level, title, message }
}
