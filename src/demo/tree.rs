//! Shows a pipeline while it runs: drawn in place on a terminal, a line for each change elsewhere. Starts nothing.

use std::{collections::HashMap, io, time::Duration};

use jiff::Timestamp;
use tokio::time::MissedTickBehavior;

use super::{api::Api, received::since, screen::Screen};
use crate::{
    clock,
    dispatch::view::PipelineView,
    model::State,
    present::{glyph, headline, took, tree_lines},
};

const FRAME: Duration = Duration::from_millis(100);

/// Follows the pipeline to its end and returns how it was then.
pub(super) async fn follow(api: &Api, id: &str, zero: Timestamp, screen: &mut Screen) -> anyhow::Result<PipelineView> {
    let mut frames = tokio::time::interval(FRAME);
    frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = HashMap::new();
    let mut is_live = None;
    loop {
        frames.tick().await;
        let pipeline = api.pipeline(id).await?;
        let lines = picture(&pipeline, clock::now(), screen);
        let has_ended = pipeline.summary.finished_at.is_some();
        if *is_live.get_or_insert_with(|| screen.can_redraw(lines.len())) {
            screen.draw(&lines)?;
        } else {
            tell_changes(&pipeline, &mut told, zero, screen)?;
            if has_ended {
                screen.line("")?;
                lines.iter().try_for_each(|line| screen.line(line))?;
            }
        }
        if has_ended {
            return Ok(pipeline);
        }
    }
}

/// The tree and where it stands; always of the same height.
fn picture(pipeline: &PipelineView, now: Timestamp, screen: &Screen) -> Vec<String> {
    let (summary, ink) = (&pipeline.summary, screen.ink());
    let mut lines = tree_lines(pipeline, now, ink);
    let duration = took(Some(summary.created_at), summary.finished_at, now).unwrap_or_default();
    lines.push(format!("{}, after {duration}", ink.state(summary.state, &headline(summary))));
    lines
}

fn tell_changes(
    pipeline: &PipelineView,
    told: &mut HashMap<String, State>,
    zero: Timestamp,
    screen: &mut Screen,
) -> io::Result<()> {
    for node in &pipeline.nodes {
        // Waiting is no news.
        let is_news = node.state == State::Running || node.state.is_finished();
        if is_news && told.insert(node.path.clone(), node.state) != Some(node.state) {
            let state = screen.ink().state(node.state, &format!("{} {:<7}", glyph(node.state), node.state.word()));
            screen.line(&format!("{:>7}  {state}  {}", since(zero, clock::now()), node.path))?;
        }
    }
    Ok(())
}
