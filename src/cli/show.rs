//! `conducto show`: a pipeline's tree in colour, then the end of the log of each node that failed.

use clap::Args;

use super::{
    args::Remote,
    client::{Client, encode, encode_node},
    failure::{Failure, Outcome},
    printer::Printer,
};
use crate::{
    clock,
    dispatch::view::{NodeView, PipelineView},
    present::{failures, glyph, headline, plain_text, shell_word, standstill, tail, took, tree_lines},
};

/// More failures than this are named but not shown with their logs.
const MOST_TAILS: usize = 5;

#[derive(Args, Debug)]
pub(crate) struct Show {
    /// The pipeline, as in abc-def
    #[arg(value_name = "PIPELINE")]
    id: String,
    /// Lines of log to show of each node that failed
    #[arg(long, value_name = "N", default_value_t = 20)]
    tail: usize,
    #[command(flatten)]
    pub(super) remote: Remote,
}

pub(crate) async fn run(show: Show, printer: &mut Printer) -> Outcome {
    let client = Client::new(&show.remote)?;
    let path = format!("/pipelines/{}", encode(&show.id));
    if show.remote.json {
        let answer: serde_json::Value = client.get(&path).await?;
        return Ok(printer.json(&answer)?);
    }
    let pipeline: PipelineView = client.get(&path).await?;
    draw(&pipeline, &format!("{}/app/p/{}", client.url(), pipeline.summary.id), clock::now(), printer)?;
    let failed: Vec<&NodeView> = failures(&pipeline).collect();
    for node in failed.iter().take(MOST_TAILS) {
        let log = read_log(&client, &pipeline.summary.id, node).await?;
        draw_tail(&pipeline.summary.id, node, &log, show.tail, printer)?;
    }
    if failed.len() > MOST_TAILS {
        printer.line(&format!("\n… and {} more failed nodes", failed.len() - MOST_TAILS))?;
    }
    Ok(())
}

/// Draws heading and tree.
pub(super) fn draw(
    pipeline: &PipelineView,
    link: &str,
    now: jiff::Timestamp,
    printer: &mut Printer,
) -> std::io::Result<()> {
    let summary = &pipeline.summary;
    let sha = summary.sha.get(..7).unwrap_or(&summary.sha);
    let heading = format!("{} {} {sha}", summary.repository, summary.trigger);
    printer.line(&format!("{}  {heading}  →  {link}", printer.bold(&summary.id)))?;
    if !pipeline.isolated {
        printer.line("nodes run as plain processes on the server's machine: no isolation")?;
    }
    let duration = took(Some(summary.created_at), summary.finished_at, now).unwrap_or_default();
    printer.line(&format!("{}, after {duration}", printer.state(summary.state, &headline(summary))))?;
    if let Some(words) = standstill(pipeline) {
        printer.line(&words)?;
    }
    printer.line("")?;
    for line in tree_lines(pipeline, now, printer.ink()) {
        printer.line(&line)?;
    }
    Ok(())
}

fn draw_tail(id: &str, node: &NodeView, log: &[u8], lines: usize, printer: &mut Printer) -> std::io::Result<()> {
    let cause = node.cause.clone().unwrap_or_default();
    let mark = printer.state(node.state, glyph(node.state));
    printer.line(&format!("\n{mark} {}  {cause}  attempt {}", printer.bold(&node.path), node.attempts.len()))?;
    let text = plain_text(log);
    let (end, hidden) = tail(&text, lines);
    for line in end.lines() {
        printer.line(&format!("{} {line}", printer.dim("  |")))?;
    }
    let what = match hidden {
        0 if end.is_empty() => "it printed nothing".to_owned(),
        0 => "that is all of it".to_owned(),
        hidden => format!("{hidden} earlier lines"),
    };
    printer.line(&printer.dim(&format!("  └ {what}: conducto logs {id} {}", shell_word(&node.path))))
}

pub(super) async fn read_log(client: &Client, id: &str, node: &NodeView) -> Result<Vec<u8>, Failure> {
    if node.attempts.is_empty() {
        return Ok(Vec::new());
    }
    let path = format!("/pipelines/{id}/nodes/{}log?tail=65536", encode_node(&node.path));
    let bytes = client.stream(&path).await?.bytes().await;
    Ok(bytes.map_err(|error| Failure::unreachable(error.without_url()))?.to_vec())
}
